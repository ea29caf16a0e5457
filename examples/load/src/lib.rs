//! Load for servers on this machine: so many clients, so many exchanges, so much time, no more, and every response
//! is checked.

pub mod echo;
pub mod http;

use std::fmt;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long one exchange may take before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who is asked how often.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The server, on this machine.
    pub address: SocketAddr,
    /// Threads, each of which has one connection at a time: up to 256.
    pub clients: usize,
    /// Exchanges of all of them together: up to a million.
    pub exchanges: usize,
    /// When no further exchange starts: up to ten minutes.
    pub time: Duration,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What each exchange that went well took, from before it connected to its last byte.
    pub latencies: Vec<Duration>,
    /// What each of the others failed with.
    pub failures: Vec<String>,
    /// From the first to the last.
    pub elapsed: Duration,
}

/// Why a plan is not carried out.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The server is on another machine.
    Elsewhere(SocketAddr),
    /// More than the bounds allow.
    TooMuch(&'static str),
}

impl std::error::Error for Refusal {}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Elsewhere(address) => write!(
                f,
                "expected a loopback address, found {address}: load goes to this machine only"
            ),
            Self::TooMuch(bound) => write!(f, "expected {bound}"),
        }
    }
}

impl Plan {
    fn check(&self) -> Result<(), Refusal> {
        if !self.address.ip().is_loopback() {
            return Err(Refusal::Elsewhere(self.address));
        }
        if !(1..=256).contains(&self.clients) {
            return Err(Refusal::TooMuch("1 to 256 clients"));
        }
        if !(1..=1_000_000).contains(&self.exchanges) {
            return Err(Refusal::TooMuch("1 to 1,000,000 exchanges"));
        }
        if self.time > Duration::from_secs(600) {
            return Err(Refusal::TooMuch("at most 600 seconds"));
        }
        Ok(())
    }

    /// Carries it out: `exchange` is handed a fresh connection and the number of the exchange, and fails where the
    /// response is not what it must be.
    ///
    /// # Errors
    ///
    /// Where the plan goes beyond its bounds.
    pub fn run(
        &self,
        exchange: impl Fn(TcpStream, usize) -> Result<(), String> + Sync,
    ) -> Result<Outcome, Refusal> {
        self.check()?;
        let (start, next) = (Instant::now(), AtomicUsize::new(0));
        let client = || {
            let mut outcome = Outcome::default();
            while start.elapsed() < self.time {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= self.exchanges {
                    break;
                }
                let begin = Instant::now();
                match connect(self.address).and_then(|stream| exchange(stream, number)) {
                    Ok(()) => outcome.latencies.push(begin.elapsed()),
                    Err(failure) => outcome.failures.push(failure),
                }
            }
            outcome
        };
        let mut all = thread::scope(|scope| {
            let clients: Vec<_> = (0..self.clients).map(|_| scope.spawn(client)).collect();
            let outcomes = clients.into_iter().map(|client| {
                client
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            });
            outcomes.fold(Outcome::default(), Outcome::and)
        });
        all.elapsed = start.elapsed();
        Ok(all)
    }
}

impl Outcome {
    fn and(mut self, other: Self) -> Self {
        self.latencies.extend(other.latencies);
        self.failures.extend(other.failures);
        self
    }

    /// The latency that so many of a hundred stay within.
    pub fn percentile(&self, percent: usize) -> Option<Duration> {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let last = sorted.len().checked_sub(1)?;
        sorted.get(last * percent.min(100) / 100).copied()
    }
}

fn connect(address: SocketAddr) -> Result<TcpStream, String> {
    let ready = |stream: &TcpStream| {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))
    };
    TcpStream::connect_timeout(&address, PATIENCE)
        .and_then(|stream| ready(&stream).map(|()| stream))
        .map_err(|error| format!("cannot connect: {error}"))
}
