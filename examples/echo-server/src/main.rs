//! Serves echoes until it is stopped.

use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;

use clap::Parser;

/// Sends back what it receives, each connection in its own virtine.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Where to listen. Port 0 means any free port.
    #[arg(default_value = "127.0.0.1:7000")]
    address: SocketAddr,
}

fn main() -> ExitCode {
    match run(Options::parse().address) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo-server: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(address: SocketAddr) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    writeln!(io::stdout(), "listening on {}", listener.local_addr()?)?;
    echo_server::serve(&listener, |message| eprintln!("echo-server: {message}"));
    Ok(())
}
