//! Streams with the real std, which uses its own system calls to read and write them.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixStream;

use wasp_core::{Error, Policy, Quota, virtine};

#[virtine(std)]
fn handle(mut conn: TcpStream) -> io::Result<usize> {
    let mut ahead = [0; 2];
    let peeked = conn.peek(&mut ahead)?;
    conn.set_nodelay(true)?;
    let mut lines = BufReader::new(conn.try_clone()?).lines();
    let line = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    write!(conn, "you said {line}")?;
    conn.flush()?;
    conn.shutdown(Shutdown::Write)?;
    Ok(peeked)
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn connection_is_served_and_closed_at_the_end() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    for _ in 0..3 {
        let mut client = TcpStream::connect(address).expect("connected");
        client.write_all(b"hello\n").expect("written");
        let (conn, _) = listener.accept().expect("a client");
        assert_eq!(handle(conn).expect("served"), 2);
        let mut answer = String::new();
        client.read_to_string(&mut answer).expect("read");
        assert_eq!(answer, "you said hello");
    }
}

#[virtine(std)]
fn echoes(stream: &mut UnixStream) -> io::Result<usize> {
    let mut buffer = [0; 64];
    let count = stream.read(&mut buffer)?;
    stream.write_all(&buffer[..count])?;
    Ok(count)
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn lent_stream_stays_the_callers() {
    let (mut here, mut there) = UnixStream::pair().expect("a pair");
    for round in 0..3 {
        here.write_all(b"ping").expect("written");
        assert_eq!(echoes(&mut there).expect("served"), 4, "{round}");
        let mut answer = [0; 4];
        here.read_exact(&mut answer).expect("read");
        assert_eq!(&answer, b"ping");
    }
    drop(here);
    let error = shouts(there).expect_err("nobody listens");
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}

#[virtine(std)]
fn shouts(mut stream: UnixStream) -> io::Result<()> {
    stream.write_all(b"anybody?")
}

#[virtine(std, timeout = "100ms")]
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

#[virtine(std)]
fn moves_too_much(mut stream: UnixStream) -> (usize, bool) {
    let read = stream.read(&mut [0; 8]).unwrap_or_default();
    (read, stream.write_all(b"too much").is_ok())
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn quotas_count_what_sockets_move() {
    let (mut here, there) = UnixStream::pair().expect("a pair");
    here.write_all(b"12345678").expect("written");
    let policy = Policy::new()
        .limit(Quota::BytesRead, 3)
        .limit(Quota::BytesWritten, 4);
    let ended = moves_too_much::with(policy).try_call(there);
    let (read, written) = ended.expect("an answer");
    assert_eq!((read, written), (3, false));
    let mut arrived = [0; 16];
    // Unread data is lost when the virtine ends, which the peer sees as a reset.
    let count = here.read(&mut arrived).expect("the rest was not read");
    assert_eq!(&arrived[..count], b"too ");
}

unsafe extern "C" {
    fn recvfrom(s: i32, at: *mut u8, size: usize, flags: i32, from: *mut u8, n: *mut u32) -> isize;
    fn sendto(s: i32, at: *const u8, size: usize, flags: i32, to: *const u8, n: u32) -> isize;
    fn shutdown(socket: i32, how: i32) -> i32;
    fn fcntl(file: i32, command: i32, argument: i32) -> i32;
    fn setsockopt(socket: i32, level: i32, option: i32, value: *const u8, size: u32) -> i32;
}

/// System calls that are each wrong in some way, and their results.
#[virtine(std)]
fn abuses(stream: &mut UnixStream) -> Vec<Option<i32>> {
    const DONTWAIT: i32 = 0x40;
    let own = stream.as_fd().as_raw_fd();
    let mut room = [0_u8; 8];
    let at = room.as_mut_ptr();
    let (null, code) = (std::ptr::null_mut(), abuses as *mut u8);
    let wild = usize::MAX as *mut u8;
    let mut answers = Vec::new();
    let mut told = |answer: isize| {
        let error = io::Error::last_os_error().raw_os_error();
        answers.push(if answer < 0 { error } else { None });
    };
    // SAFETY: the kernel of this program is its host, which checks its arguments.
    unsafe {
        told(recvfrom(own, at, 8, DONTWAIT, null, null.cast()));
        told(recvfrom(own, null, 8, 0, null, null.cast()));
        told(recvfrom(own, code, 8, 0, null, null.cast()));
        told(recvfrom(own, at, 8, i32::MAX, null, null.cast()));
        told(recvfrom(2, at, 8, 0, null, null.cast()));
        told(recvfrom(77, at, 8, 0, null, null.cast()));
        told(recvfrom(-1, at, 8, 0, null, null.cast()));
        told(sendto(own, wild, 8, 0, null, 0));
        told(sendto(own, at, usize::MAX, 0, null, 0));
        told(sendto(own, at, 8, 1, null, 0));
        told(sendto(own, at, 8, 0, at, 8));
        told(sendto(77, at, 8, 0, null, 0));
        told(shutdown(own, 3) as isize);
        told(shutdown(77, 0) as isize);
        told(setsockopt(own, 6, 1, null, 4) as isize);
        told(setsockopt(own, 6, 1, at, u32::MAX) as isize);
        told(setsockopt(own, 1, 7, at, 4) as isize);
    }
    answers
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn wrong_calls_are_told_so_and_move_nothing() {
    let (mut here, mut there) = UnixStream::pair().expect("a pair");
    let expected = [
        libc::EAGAIN,
        libc::EFAULT,
        libc::EFAULT,
        libc::EINVAL,
        libc::EBADF,
        libc::EBADF,
        libc::EBADF,
        libc::EFAULT,
        libc::EFAULT,
        libc::EINVAL,
        libc::EISCONN,
        libc::EBADF,
        libc::EINVAL,
        libc::EBADF,
        libc::EFAULT,
        libc::EINVAL,
        libc::ENOPROTOOPT,
    ];
    let answers = abuses(&mut there);
    assert_eq!(answers, expected.map(Some));
    here.set_nonblocking(true).expect("set");
    let error = here.read(&mut [0; 8]).expect_err("nothing came");
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    there.write_all(b"still open").expect("written");
}

/// The flags of a file and of a duplicate.
#[virtine(std)]
fn flags(file: File) -> [i32; 2] {
    const GETFL: i32 = 3;
    let copy = file.try_clone().expect("a copy");
    // SAFETY: it takes no pointers.
    [&file, &copy].map(|file| unsafe { fcntl(file.as_fd().as_raw_fd(), GETFL, 0) })
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn flags_tell_rights_and_nothing_else_of_the_hosts() {
    let path = std::env::temp_dir().join(format!("wasp-flags-{}", std::process::id()));
    std::fs::write(&path, "contents").expect("written");
    let cases = [
        (libc::O_RDONLY, libc::O_NOATIME),
        (libc::O_WRONLY, libc::O_NONBLOCK),
        (libc::O_RDWR, libc::O_SYNC),
        (libc::O_WRONLY | libc::O_APPEND, 0),
    ];
    for (told, hidden) in cases {
        let access = told & libc::O_ACCMODE;
        let file = File::options()
            .read(access != libc::O_WRONLY)
            .write(access != libc::O_RDONLY)
            .custom_flags((told & !libc::O_ACCMODE) | hidden)
            .open(&path)
            .expect("opened");
        assert_eq!(flags(file), [told; 2], "{told:#o}");
    }
    std::fs::remove_file(path).expect("removed");
}
