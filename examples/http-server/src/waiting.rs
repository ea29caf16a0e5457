//! Holds connections until the head of their request has arrived. A waiting connection costs a descriptor but no
//! thread, so slow clients do not block others. This only looks for the end of the head, and takes nothing from the
//! connection.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::TcpStream;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::LONGEST_HEAD;

/// How long a client may take to send its head.
const PATIENCE: Duration = Duration::from_secs(5);
/// Events that are fetched at a time.
const EVENTS: usize = 256;
/// The event number of the listener.
const DOOR: u64 = 0;

/// Connections whose head is not complete.
pub(crate) struct WaitingRoom {
    epoll: OwnedFd,
    connections: HashMap<u64, TcpStream>,
    /// In order of arrival. Includes connections that have left.
    arrivals: VecDeque<(Instant, u64)>,
    next: u64,
}

/// The result of waiting.
pub(crate) struct News {
    /// A client is connecting.
    pub(crate) door: bool,
    /// Connections whose head is complete, or never will be.
    pub(crate) ready: Vec<TcpStream>,
}

impl WaitingRoom {
    /// Creates an empty room that also watches the listener.
    pub(crate) fn new(door: impl AsFd) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, door, EventData::new_u64(DOOR), EventFlags::IN)?;
        Ok(Self {
            epoll,
            connections: HashMap::new(),
            arrivals: VecDeque::new(),
            next: DOOR + 1,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.connections.len()
    }

    /// Adds a connection, which must be non-blocking.
    pub(crate) fn enter(&mut self, connection: TcpStream) -> io::Result<()> {
        let number = self.next;
        // Edge-triggered: data that is not enough is reported only once.
        let flags = EventFlags::IN | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(&self.epoll, &connection, EventData::new_u64(number), flags)?;
        self.next += 1;
        self.connections.insert(number, connection);
        self.arrivals.push_back((Instant::now(), number));
        Ok(())
    }

    /// Waits for news, no longer than `time`. Drops connections that have waited too long.
    pub(crate) fn news(&mut self, time: Duration) -> io::Result<News> {
        let mut events: [Event; EVENTS] = std::array::from_fn(|_| Event {
            flags: EventFlags::empty(),
            data: EventData::new_u64(DOOR),
        });
        let time = Timespec::try_from(time).map_err(io::Error::other)?;
        let count = epoll::wait(&self.epoll, &mut events, Some(&time))?;
        let mut news = News {
            door: false,
            ready: Vec::new(),
        };
        for event in &events[..count] {
            match event.data.u64() {
                DOOR => news.door = true,
                number => news.ready.extend(self.leave_if_ready(number)?),
            }
        }
        self.put_out();
        Ok(news)
    }

    fn leave_if_ready(&mut self, number: u64) -> io::Result<Option<TcpStream>> {
        let Some(connection) = self.connections.get(&number).filter(|one| is_ready(one)) else {
            return Ok(None);
        };
        epoll::delete(&self.epoll, connection)?;
        Ok(self.connections.remove(&number))
    }

    fn put_out(&mut self) {
        while let Some(&(arrival, number)) = self.arrivals.front() {
            if arrival.elapsed() < PATIENCE && self.connections.contains_key(&number) {
                return;
            }
            self.arrivals.pop_front();
            // When closed, it leaves the epoll automatically.
            self.connections.remove(&number);
        }
    }
}

/// Whether the end of the head has arrived, or can no longer arrive.
pub(crate) fn is_ready(connection: &TcpStream) -> bool {
    let mut head = [0; LONGEST_HEAD];
    match connection.peek(&mut head) {
        Ok(0 | LONGEST_HEAD) => true,
        Ok(count) => has_end(&head[..count]) || is_closed(connection),
        Err(error) => error.kind() != io::ErrorKind::WouldBlock,
    }
}

fn has_end(head: &[u8]) -> bool {
    let ends = |end: &[u8]| head.windows(end.len()).any(|bytes| bytes == end);
    ends(b"\r\n\r\n") || ends(b"\n\n") || ends(b"\n\r\n")
}

/// Whether the client has sent everything.
fn is_closed(connection: &TcpStream) -> bool {
    let mut polled = [PollFd::new(connection, PollFlags::RDHUP)];
    let time = Timespec::default();
    poll(&mut polled, Some(&time)).is_ok_and(|count| count > 0)
}
