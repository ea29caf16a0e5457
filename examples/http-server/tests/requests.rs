//! Requests of all kinds, in virtines and without.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use http_server::server::{self, Isolation, Site};
use load::{Plan, http};

const INDEX: &[u8] = b"<h1>hello</h1>\n";

const HUGE: u64 = 64 << 20;

fn big() -> Vec<u8> {
    (0..3_000_000_u32).map(|n| (n / 7) as u8).collect()
}

/// A directory with something in it, and beside it what nobody may see.
fn root() -> &'static PathBuf {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let outside = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("http-server");
        let root = outside.join("www");
        let _ = fs::remove_dir_all(&outside);
        fs::create_dir_all(root.join("folder")).expect("made");
        fs::write(outside.join("secret"), "secret").expect("written");
        fs::write(root.join("index.html"), INDEX).expect("written");
        fs::write(root.join("big.bin"), big()).expect("written");
        // All zeros, which takes no disk; more than the kernel buffers.
        File::create(root.join("huge.bin"))
            .and_then(|file| file.set_len(HUGE))
            .expect("made");
        fs::write(root.join("a b.txt"), "blank").expect("written");
        fs::write(root.join("empty.txt"), "").expect("written");
        symlink("../secret", root.join("link")).expect("linked");
        root
    })
}

fn start(isolation: Isolation) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    let site = Site::new(root(), isolation).expect("a directory");
    thread::spawn(move || server::run(&listener, &site, drop));
    address
}

fn ask(address: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("connected");
    stream.write_all(request).expect("sent");
    let mut response = Vec::new();
    stream.read_to_end(&mut response).expect("received");
    response
}

fn status(address: SocketAddr, request: &[u8]) -> u16 {
    let response = ask(address, request);
    let text = String::from_utf8_lossy(&response);
    let word = text.split(' ').nth(1).unwrap_or_default();
    word.parse()
        .unwrap_or_else(|_| panic!("no status: {text:.60}"))
}

fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes()
}

fn load(address: SocketAddr, path: &str, body: &[u8], clients: usize, exchanges: usize) {
    let time = Duration::from_secs(100);
    let plan = Plan {
        address,
        clients,
        exchanges,
        time,
    };
    let outcome = plan.run(http::get(path, body.to_vec())).expect("in bounds");
    assert_eq!(outcome.failures, [""; 0]);
    assert_eq!(outcome.latencies.len(), exchanges);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn files_come_whole_however_they_are_served() {
    for isolation in [Isolation::Native, Isolation::Snapshot, Isolation::Image] {
        let address = start(isolation);
        load(address, "/", INDEX, 4, 100);
        load(address, "/index.html?query", INDEX, 1, 1);
        load(address, "/a%20b.txt", b"blank", 1, 1);
        load(address, "/empty.txt", b"", 1, 1);
        load(address, "/big.bin", &big(), 2, 4);
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn head_is_that_of_the_file_without_it() {
    let address = start(Isolation::Snapshot);
    let response = ask(address, b"HEAD / HTTP/1.1\r\n\r\n");
    let expected = "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\
                    Content-Length: 15\r\nConnection: close\r\n\r\n";
    assert_eq!(String::from_utf8_lossy(&response), expected);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn nothing_outside_the_directory_is_served() {
    let address = start(Isolation::Snapshot);
    for path in [
        "/../secret",
        "/folder/../../secret",
        "/%2e%2e/secret",
        "/link",
        "/folder",
        "/no",
    ] {
        assert_eq!(status(address, &get(path)), 404, "{path}");
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn malformed_requests_are_refused_and_the_next_one_served() {
    let address = start(Isolation::Snapshot);
    let long = get(&"/x".repeat(8 << 10));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(65));
    let refused: [(&[u8], u16); 8] = [
        (b"\x16\x03\x01\x02\x00\n\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nbroken\r\n\r\n", 400),
        (b"GET index.html HTTP/1.1\r\n\r\n", 400),
        (b"GET /%zz HTTP/1.1\r\n\r\n", 400),
        (b"GET /%00 HTTP/1.1\r\n\r\n", 400),
        (b"DELETE / HTTP/1.1\r\n\r\n", 405),
        (many.as_bytes(), 431),
    ];
    for (request, expected) in refused {
        let text = String::from_utf8_lossy(request);
        assert_eq!(status(address, request), expected, "{text:.40}");
        assert_eq!(status(address, &get("/")), 200);
    }
    assert_eq!(status(address, &long[..8 << 10]), 431);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn request_in_pieces_is_served_and_one_that_breaks_off_refused() {
    let address = start(Isolation::Snapshot);
    let mut stream = TcpStream::connect(address).expect("connected");
    for piece in get("/").chunks(7) {
        stream.write_all(piece).expect("sent");
        thread::sleep(Duration::from_millis(2));
    }
    let mut response = Vec::new();
    stream.read_to_end(&mut response).expect("received");
    assert!(response.ends_with(INDEX));
    let mut stream = TcpStream::connect(address).expect("connected");
    stream.write_all(b"GET / HT").expect("sent");
    stream.shutdown(Shutdown::Write).expect("shut");
    let mut response = String::new();
    stream.read_to_string(&mut response).expect("received");
    assert!(response.starts_with("HTTP/1.1 400 "), "{response}");
}

/// A quarter says nothing, a quarter begins, a quarter asks and never reads, a quarter goes away.
#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn a_thousand_slow_clients_keep_nobody_from_being_served() {
    // Both ends are this process's.
    raise_file_limit();
    let address = start(Isolation::Snapshot);
    let begin = Instant::now();
    let slow: Vec<TcpStream> = (0..1000)
        .map(|n| {
            let mut stream = TcpStream::connect(address).expect("connected");
            match n % 4 {
                0 => {}
                1 => stream.write_all(b"GET / HTTP/1.1\r\nHo").expect("sent"),
                2 => stream.write_all(&get("/")).expect("sent"),
                _ => stream.shutdown(Shutdown::Both).expect("shut"),
            }
            stream
        })
        .collect();
    load(address, "/", INDEX, 4, 100);
    assert!(
        begin.elapsed() < Duration::from_secs(60),
        "{:?}",
        begin.elapsed()
    );
    drop(slow);
    load(address, "/", INDEX, 4, 100);
}

fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    )
    .expect("raised");
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn client_that_never_reads_is_ended_by_the_deadline() {
    let address = start(Isolation::Snapshot);
    let mut stream = TcpStream::connect(address).expect("connected");
    stream.write_all(&get("/huge.bin")).expect("sent");
    thread::sleep(Duration::from_secs(4));
    let mut response = Vec::new();
    let read = stream.read_to_end(&mut response);
    assert!(
        read.is_err() || response.len() < HUGE as usize,
        "{}",
        response.len()
    );
}

#[test]
fn site_that_is_no_directory_is_an_error() {
    let error = Site::new(&root().join("index.html"), Isolation::Native).expect_err("a file");
    assert!(
        error.to_string().contains("expected a directory"),
        "{error}"
    );
}
