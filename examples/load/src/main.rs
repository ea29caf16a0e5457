//! Loads a server on this machine and prints the results.

use std::fs;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use load::{Outcome, Plan, echo, http};

/// Loads a server on this machine, checks every response, and fails if one is wrong.
#[derive(Parser)]
#[command(version)]
struct Options {
    #[command(subcommand)]
    server: Server,
}

#[derive(Subcommand)]
enum Server {
    /// A server that sends back what it receives.
    Echo {
        #[command(flatten)]
        amount: Amount,
        /// Bytes to send.
        #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(..=65536))]
        bytes: u32,
    },
    /// A server of files.
    Http {
        #[command(flatten)]
        amount: Amount,
        /// The path to request.
        #[arg(long, default_value = "/")]
        path: String,
        /// A file with the expected contents.
        #[arg(long)]
        expect: PathBuf,
    },
}

#[derive(Args)]
struct Amount {
    /// The server's address: a loopback address and a port.
    address: SocketAddr,
    /// Clients at a time.
    #[arg(long, default_value_t = 4)]
    clients: usize,
    /// Requests of all clients together.
    #[arg(long, default_value_t = 1000)]
    requests: usize,
    /// Seconds after which no further request starts.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

fn main() -> ExitCode {
    match run(&Options::parse().server) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("load: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every response was right.
fn run(server: &Server) -> Result<bool, String> {
    let outcome = match server {
        Server::Echo { amount, bytes } => amount.plan().run(echo::echo(*bytes as usize)),
        Server::Http {
            amount,
            path,
            expect,
        } => {
            let body = fs::read(expect)
                .map_err(|error| format!("cannot read {}: {error}", expect.display()))?;
            amount.plan().run(http::get(path, body))
        }
    };
    let outcome = outcome.map_err(|refusal| refusal.to_string())?;
    print(&outcome).map_err(|error| format!("cannot print: {error}"))?;
    Ok(outcome.failures.is_empty() && !outcome.latencies.is_empty())
}

impl Amount {
    fn plan(&self) -> Plan {
        Plan {
            address: self.address,
            clients: self.clients,
            exchanges: self.requests,
            time: Duration::from_secs(self.seconds),
        }
    }
}

fn print(outcome: &Outcome) -> io::Result<()> {
    let mut output = io::stdout().lock();
    let right = outcome.latencies.len();
    let rate = right as f64 / outcome.elapsed.as_secs_f64();
    writeln!(
        output,
        "{right} right, {} wrong, {rate:.0} a second",
        outcome.failures.len()
    )?;
    if let (Some(median), Some(p99)) = (outcome.percentile(50), outcome.percentile(99)) {
        let [median, p99] = [median, p99].map(|time| time.as_secs_f64() * 1e6);
        writeln!(
            output,
            "latency: median {median:.0} us, 99th percentile {p99:.0} us"
        )?;
    }
    match outcome.failures.first() {
        Some(failure) => writeln!(output, "the first wrong one: {failure}"),
        None => Ok(()),
    }
}
