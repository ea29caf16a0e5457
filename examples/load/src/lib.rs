//! Load for servers on this machine: a limited number of clients, of exchanges, and a limited time. Every response is
//! checked.

pub mod echo;
pub mod http;

use std::fmt;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long one exchange may take before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// The load to generate.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The server, on this machine.
    pub address: SocketAddr,
    /// Threads, each of which has one connection at a time. At most 256.
    pub clients: usize,
    /// Exchanges of all threads together. At most a million.
    pub exchanges: usize,
    /// No further exchange starts after this time. At most ten minutes.
    pub time: Duration,
}

/// The result of a run.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The time of each successful exchange, from before it connected to its last byte.
    pub latencies: Vec<Duration>,
    /// The error of each failed exchange.
    pub failures: Vec<String>,
    /// The time from the first to the last exchange.
    pub elapsed: Duration,
}

/// Why a plan is refused.
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

    /// Runs the plan. `exchange` gets a new connection and the number of the exchange, and fails if the response is
    /// wrong.
    ///
    /// # Errors
    ///
    /// If the plan exceeds its bounds.
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

    /// The latency that this percentage of the exchanges did not exceed.
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
