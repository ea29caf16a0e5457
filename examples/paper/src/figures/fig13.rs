//! Figure 13: a server of static files.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use http_server::server::{Isolation, Site};
use load::{Outcome, Plan, http};

use crate::effort::Effort;
use crate::figure::{Figure, Kind, Plot, Table};
use crate::measure::{Subject, in_turns};
use crate::published::{self, Ratio, beside};
use crate::samples::Samples;
use crate::units::Unit;

const NATIVE: &str = "native";
const SERVERS: [(&str, Isolation); 3] = [
    (NATIVE, Isolation::Native),
    ("virtine per request, without snapshot", Isolation::Image),
    ("virtine per request, with snapshot", Isolation::Snapshot),
];
const PAGE: &str = "index.html";
const AT: f64 = 0.0;

pub(super) fn latency(effort: &Effort) -> Result<Figure, String> {
    let (image, snapshot) = (published::LATENCY_IMAGE, published::LATENCY_SNAPSHOT);
    let samples = serve(
        effort,
        20,
        effort.rounds(10, 100),
        |samples, name, outcome| {
            for latency in &outcome.latencies {
                samples.add(name, AT, Unit::Nanoseconds, latency.as_nanos() as f64);
            }
        },
    )?;
    Ok(figure(
        "Figure 13a: a server of static files, latency",
        "latency",
        samples,
        [image, snapshot],
    ))
}

pub(super) fn throughput(effort: &Effort) -> Result<Figure, String> {
    let (image, snapshot) = (published::RATE_IMAGE, published::RATE_SNAPSHOT);
    let requests = effort.rounds(200, 1000);
    let samples = serve(
        effort,
        requests,
        effort.rounds(10, 100),
        |samples, name, outcome| {
            let rate = outcome.latencies.len() as f64 / outcome.elapsed.as_secs_f64();
            samples.add(name, AT, Unit::Rate, rate);
        },
    )?;
    Ok(figure(
        "Figure 13b: a server of static files, throughput",
        "throughput",
        samples,
        [image, snapshot],
    ))
}

/// Loads each server in turn with this many requests per round, and keeps the results.
fn serve(
    effort: &Effort,
    requests: usize,
    rounds: usize,
    keep: impl Fn(&mut Samples, &str, &Outcome),
) -> Result<Samples, String> {
    let mut samples = Samples::default();
    let (root, page) = page()?;
    let servers = SERVERS
        .iter()
        .map(|&(name, isolation)| Ok((name, Server::start(&Site::new(&root, isolation)?)?)))
        .collect::<std::io::Result<Vec<_>>>()
        .map_err(|error| format!("cannot serve: {error}"))?;
    let get = http::get(&format!("/{PAGE}"), page);
    let (get, keep) = (&get, &keep);
    let mut subjects: Vec<Subject<'_>> = Vec::new();
    for (name, server) in &servers {
        let plan = Plan {
            address: server.address,
            clients: 1,
            exchanges: requests,
            time: Duration::from_secs(60),
        };
        subjects.push(Box::new(move |samples| {
            let outcome = plan.run(get).map_err(|refusal| refusal.to_string())?;
            match outcome.failures.first() {
                Some(failure) => return Err(format!("{name}: {failure}")),
                None => keep(samples, name, &outcome),
            }
            Ok(())
        }));
    }
    in_turns(effort, rounds, &mut samples, &mut subjects)?;
    drop(subjects);
    fs::remove_dir_all(root).map_err(|error| format!("cannot remove the page: {error}"))?;
    Ok(samples)
}

/// A directory with one page in it.
fn page() -> Result<(PathBuf, Vec<u8>), String> {
    let root = std::env::temp_dir().join(format!("wasp-paper-{}", std::process::id()));
    let page = "<p>A page of static content.</p>\n".repeat(32).into_bytes();
    fs::create_dir_all(&root)
        .and_then(|()| fs::write(root.join(PAGE), &page))
        .map_err(|error| format!("cannot write a page: {error}"))?;
    Ok((root, page))
}

/// One thread that accepts and answers one connection after another, like the paper's server.
struct Server {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
}

impl Server {
    fn start(site: &Site) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let stopped = Arc::new(AtomicBool::new(false));
        let (site, stop) = (site.clone(), Arc::clone(&stopped));
        thread::spawn(move || {
            for connection in listener.incoming() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                // An error here shows as a wrong response there.
                let _ = connection.map(|connection| site.answer(connection));
            }
        });
        Ok(Self { address, stopped })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // Wakes it to see the flag.
        drop(std::net::TcpStream::connect(self.address));
    }
}

fn figure(
    title: &'static str,
    axis: &'static str,
    samples: Samples,
    published: [Ratio; 2],
) -> Figure {
    let [(_, _), (image, _), (snapshot, _)] = SERVERS;
    let [of_image, of_snapshot] = published;
    let ratios = [
        (of_snapshot, samples.ratio(snapshot, NATIVE, AT)),
        (of_image, samples.ratio(image, NATIVE, AT)),
    ];
    Figure {
        title,
        method: "One client asks for one page of 1 KiB, each time by a new connection on loopback, and checks every byte; three \
                 servers that differ in nothing but the isolation take turns. A virtine is handed its connection and may read \
                 one directory, and parses, opens, reads and answers itself."
            .to_owned(),
        plots: vec![Plot {
            title: title.to_owned(),
            kind: Kind::Bars,
            axis,
            series: samples.all().to_vec(),
        }],
        tables: vec![Table::of_samples("Servers", &samples, NATIVE), beside(&ratios)],
        samples,
    }
}
