//! Files and streams as parameters.

mod real_std;

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;

use wasp_core::{Error, virtine};

#[virtine]
fn handle(mut conn: TcpStream) -> io::Result<()> {
    let mut line = String::new();
    BufReader::new(&conn).read_line(&mut line)?;
    write!(conn, "you said {}", line.trim_end())
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn connection_is_served_and_closed_at_the_end() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    let mut client = TcpStream::connect(address).expect("connected");
    client.write_all(b"hello\n").expect("written");
    let (conn, _) = listener.accept().expect("a client");
    handle(conn).expect("served");
    let mut answer = String::new();
    // Ends only if the virtine's end is closed.
    client.read_to_string(&mut answer).expect("read");
    assert_eq!(answer, "you said hello");
}

#[virtine]
fn echoes(stream: &mut UnixStream, times: usize) -> io::Result<usize> {
    let mut total = 0;
    let mut buffer = [0; 64];
    for _ in 0..times {
        let count = stream.read(&mut buffer)?;
        stream.write_all(&buffer[..count])?;
        total += count;
    }
    Ok(total)
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn lent_stream_stays_the_callers() {
    let (mut here, mut there) = UnixStream::pair().expect("a pair");
    for round in 0..3 {
        here.write_all(b"ping").expect("written");
        assert_eq!(echoes(&mut there, 1).expect("served"), 4, "{round}");
        let mut answer = [0; 4];
        here.read_exact(&mut answer).expect("read");
        assert_eq!(&answer, b"ping");
    }
    here.shutdown(Shutdown::Both).expect("shut");
    // No SIGPIPE, and Linux's own error.
    let error = shouts(there).expect_err("nobody listens");
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}

#[virtine]
fn shouts(mut stream: UnixStream) -> io::Result<()> {
    stream.write_all(b"anybody?")
}

#[virtine(limits(handles = 0))]
fn joins(mut from: File, to: &mut File, fail: bool) -> Result<u64, io::Error> {
    if fail {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "as wished"));
    }
    io::copy(&mut from, to)
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn files_are_handed_over_without_any_grant() {
    let name = |which: &str| {
        let file = format!("wasp-handover-{}-{which}", std::process::id());
        std::env::temp_dir().join(file)
    };
    let (one, two) = (name("one"), name("two"));
    fs::write(&one, "contents").expect("written");
    let from = || File::open(&one).expect("opened");
    let mut to = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&two)
        .expect("made");
    assert_eq!(joins(from(), &mut to, false).expect("copied"), 8);
    to.rewind().expect("rewound");
    let mut text = String::new();
    to.read_to_string(&mut text).expect("read");
    assert_eq!(text, "contents");
    let error = joins(from(), &mut to, true).expect_err("as wished");
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (io::ErrorKind::InvalidData, "as wished")
    );
    fs::remove_file(one).expect("removed");
    fs::remove_file(two).expect("removed");
}

#[virtine(timeout = "100ms")]
fn waits(stream: &mut UnixStream) -> io::Result<usize> {
    stream.read(&mut [0; 8])
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn silence_ends_with_the_deadline() {
    let (_here, mut there) = UnixStream::pair().expect("a pair");
    let ended = waits::try_call(&mut there);
    assert!(matches!(ended, Err(Error::TimedOut { .. })), "{ended:?}");
}

#[virtine]
fn does_all(mut file: File) -> [Option<i32>; 3] {
    let code = |result: io::Result<u64>| result.err().and_then(|error| error.raw_os_error());
    [
        code(file.write(b"x").map(|count| count as u64)),
        code(file.rewind().map(|()| 0)),
        code(file.read(&mut [0; 8]).map(|count| count as u64)),
    ]
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn file_may_what_its_descriptor_may() {
    let path = std::env::temp_dir().join(format!("wasp-rights-{}", std::process::id()));
    fs::write(&path, "contents").expect("written");
    let opened = |options: &mut fs::OpenOptions| options.open(&path).expect("opened");
    let bad = Some(libc::EBADF);
    assert_eq!(
        does_all(opened(File::options().read(true))),
        [bad, None, None]
    );
    assert_eq!(
        does_all(opened(File::options().write(true))),
        [None, None, bad]
    );
    assert_eq!(
        does_all(opened(File::options().append(true))),
        [None, None, bad]
    );
    let both = File::options().read(true).write(true).open(&path);
    assert_eq!(does_all(both.expect("opened")), [None, None, None]);
    assert_eq!(fs::read_to_string(&path).expect("there"), "xontentsx");
    fs::remove_file(path).expect("removed");
}
