//! Serves a directory until it is stopped.

use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use http_server::server::{self, Isolation, Site};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Serves the files of a directory, each request in its own virtine.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// The directory.
    root: PathBuf,
    /// Where to listen. Port 0 means any free port.
    #[arg(default_value = "127.0.0.1:8080")]
    address: SocketAddr,
    /// Answer without virtines, for comparison.
    #[arg(long, conflicts_with = "no_snapshot")]
    native: bool,
    /// Boot each virtine from its image, for comparison.
    #[arg(long)]
    no_snapshot: bool,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("http-server: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> io::Result<()> {
    let isolation = match (options.native, options.no_snapshot) {
        (true, _) => Isolation::Native,
        (false, true) => Isolation::Image,
        (false, false) => Isolation::Snapshot,
    };
    raise_file_limit()?;
    let site = Site::new(&options.root, isolation)?;
    let listener = TcpListener::bind(options.address)?;
    writeln!(io::stdout(), "listening on {}", listener.local_addr()?)?;
    server::run(&listener, &site, |message| {
        eprintln!("http-server: {message}")
    })
}

/// Raises the limit of open files. Each waiting connection takes a descriptor, and shells allow only 1,024.
fn raise_file_limit() -> io::Result<()> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    )?;
    Ok(())
}
