//! Where connections wait until their request's head is there. One that waits costs a descriptor and no thread, so
//! slow clients keep nobody from being served. Nothing is parsed here but the head's end, and nothing is taken
//! from the connection.

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
/// Events that are taken at a time.
const EVENTS: usize = 256;
/// The number of what is listened to besides.
const DOOR: u64 = 0;

/// Connections whose head is not complete.
pub(crate) struct WaitingRoom {
    epoll: OwnedFd,
    connections: HashMap<u64, TcpStream>,
    /// By arrival. Those that have left are still here.
    arrivals: VecDeque<(Instant, u64)>,
    next: u64,
}

/// What happened.
pub(crate) struct News {
    /// Someone is at the door.
    pub(crate) door: bool,
    /// Connections whose head is complete, or never will be.
    pub(crate) ready: Vec<TcpStream>,
}

impl WaitingRoom {
    /// An empty one, with a door that is watched as well.
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

    /// Lets a connection wait. It must not block.
    pub(crate) fn enter(&mut self, connection: TcpStream) -> io::Result<()> {
        let number = self.next;
        // By the edge: what is there but not enough is told once.
        let flags = EventFlags::IN | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(&self.epoll, &connection, EventData::new_u64(number), flags)?;
        self.next += 1;
        self.connections.insert(number, connection);
        self.arrivals.push_back((Instant::now(), number));
        Ok(())
    }

    /// Waits for news, no longer than `time`. Who has waited too long is put out.
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
            // Closed, it leaves the epoll by itself.
            self.connections.remove(&number);
        }
    }
}

/// Whether the end of the head is there, or can no longer come.
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

/// Whether the client has sent all that it ever will.
fn is_closed(connection: &TcpStream) -> bool {
    let mut polled = [PollFd::new(connection, PollFlags::RDHUP)];
    let time = Timespec::default();
    poll(&mut polled, Some(&time)).is_ok_and(|count| count > 0)
}
