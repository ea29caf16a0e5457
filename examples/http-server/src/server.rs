//! Accepts connections, lets them wait for their request, and answers with a bounded number of threads.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use wasp_core::Policy;

use crate::waiting::{self, WaitingRoom};
use crate::{answer, serve, serve_from_image};

/// Threads that answer.
pub const WORKERS: usize = 8;
/// Limit of connections that wait for their request, and of requests that wait for a thread. Further ones are closed.
pub const MOST_WAITING: usize = 4096;
/// How long writing to a client may take, if no virtine's deadline limits it.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long accepting pauses if the system has no descriptor left.
const REST: Duration = Duration::from_millis(10);

/// How requests are isolated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Not at all: the threads answer them.
    Native,
    /// A virtine for each request, from its snapshot.
    Snapshot,
    /// A virtine for each request, booted from its image.
    Image,
}

/// A directory, and how requests for it are isolated.
#[derive(Clone, Debug)]
pub struct Site {
    root: String,
    policy: Policy,
    isolation: Isolation,
}

impl Site {
    /// Serves the files beneath `root`.
    ///
    /// # Errors
    ///
    /// If it is not a directory, or if its name is not UTF-8.
    pub fn new(root: &Path, isolation: Isolation) -> io::Result<Self> {
        let error = |what: &str| {
            let message = format!("expected {what}, found {}", root.display());
            io::Error::new(io::ErrorKind::InvalidInput, message)
        };
        let full = root.canonicalize()?;
        if !full.is_dir() {
            return Err(error("a directory to serve"));
        }
        let name = full.to_str().ok_or_else(|| error("a name in UTF-8"))?;
        Ok(Self {
            root: name.to_owned(),
            policy: Policy::new().read(&full),
            isolation,
        })
    }

    /// Answers the request on this connection, and returns the status.
    ///
    /// # Errors
    ///
    /// Errors of the connection or the virtine, as text.
    pub fn answer(&self, conn: TcpStream) -> Result<u16, String> {
        let policy = self.policy.clone();
        let answered = match self.isolation {
            Isolation::Native => Ok(answer(conn, &self.root)),
            Isolation::Snapshot => serve::with(policy).try_call(conn, &self.root),
            Isolation::Image => serve_from_image::with(policy).try_call(conn, &self.root),
        };
        answered
            .map_err(|error| error.to_string())?
            .map_err(|error| error.to_string())
    }
}

/// Serves forever. Errors of a request are passed to `report`, and the next one is served.
///
/// # Errors
///
/// Errors of the listener itself.
pub fn run(
    listener: &TcpListener,
    site: &Site,
    report: impl Fn(String) + Send + Sync + 'static,
) -> io::Result<()> {
    let (requests, queue) = mpsc::sync_channel(MOST_WAITING);
    let (queue, report) = (Arc::new(Mutex::new(queue)), Arc::new(report));
    for _ in 0..WORKERS {
        let (queue, site, report) = (Arc::clone(&queue), site.clone(), Arc::clone(&report));
        thread::spawn(move || work(&queue, &site, &*report));
    }
    listener.set_nonblocking(true)?;
    let mut waiting = WaitingRoom::new(listener)?;
    loop {
        let news = match waiting.news(Duration::from_secs(1)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            news => news?,
        };
        for request in news.ready {
            hand_over(request, &requests);
        }
        if news.door {
            let_in(listener, &mut waiting, &requests);
        }
    }
}

fn let_in(listener: &TcpListener, waiting: &mut WaitingRoom, requests: &SyncSender<TcpStream>) {
    loop {
        match listener.accept() {
            Ok((connection, _)) => {
                if connection.set_nonblocking(true).is_err() || waiting.len() == MOST_WAITING {
                    continue;
                }
                match waiting::is_ready(&connection) {
                    true => hand_over(connection, requests),
                    // If the system accepts no more of them, this one is closed.
                    false => drop(waiting.enter(connection)),
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            // An aborted connection is gone. Without descriptors, some must be closed first.
            Err(_) => return thread::sleep(REST),
        }
    }
}

/// Hands over a request, or closes its connection if too many are waiting.
fn hand_over(connection: TcpStream, requests: &SyncSender<TcpStream>) {
    drop(requests.try_send(connection));
}

fn work(queue: &Mutex<Receiver<TcpStream>>, site: &Site, report: &impl Fn(String)) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(connection) = next else { return };
        let ready = connection
            .set_nonblocking(false)
            .and_then(|()| connection.set_read_timeout(Some(PATIENCE)))
            .and_then(|()| connection.set_write_timeout(Some(PATIENCE)));
        if let Err(error) = ready
            .map_err(|error| error.to_string())
            .and_then(|()| site.answer(connection).map(drop))
        {
            report(error);
        }
    }
}
