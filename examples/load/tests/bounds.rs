//! Plans that are refused, and responses that are wrong.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use load::{Plan, Refusal, echo, http};

/// A server that answers every client with these bytes, whatever it is sent.
fn server(answer: &'static [u8]) -> Plan {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a client");
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(answer);
        }
    });
    Plan {
        address,
        clients: 2,
        exchanges: 10,
        time: Duration::from_secs(10),
    }
}

#[test]
fn only_this_machine_is_loaded() {
    let plan = Plan {
        address: ([192, 0, 2, 1], 80).into(),
        ..server(b"")
    };
    let refusal = plan.run(|_, _| Ok(())).expect_err("elsewhere");
    assert_eq!(refusal, Refusal::Elsewhere(plan.address));
}

#[test]
fn bounds_hold() {
    let plan = server(b"");
    for plan in [
        Plan { clients: 0, ..plan },
        Plan {
            clients: 257,
            ..plan
        },
        Plan {
            exchanges: 1_000_001,
            ..plan
        },
        Plan {
            time: Duration::from_secs(601),
            ..plan
        },
    ] {
        let refusal = plan.run(|_, _| Ok(())).expect_err("too much");
        assert!(matches!(refusal, Refusal::TooMuch(_)), "{plan:?}");
    }
}

#[test]
fn exchanges_are_counted_and_right_ones_timed() {
    let plan = server(b"HTTP/1.1 200 OK\r\n\r\nhello");
    let outcome = plan
        .run(http::get("/", b"hello".to_vec()))
        .expect("in bounds");
    assert_eq!((outcome.latencies.len(), outcome.failures.len()), (10, 0));
    assert!(outcome.percentile(99) >= outcome.percentile(50));
}

#[test]
fn wrong_responses_are_failures() {
    for answer in [
        &b"HTTP/1.1 200 OK\r\n\r\nhellO"[..],
        b"HTTP/1.1 404 Not Found\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\n\r\nhello and more",
        b"",
    ] {
        let outcome = server(answer)
            .run(http::get("/", b"hello".to_vec()))
            .expect("in bounds");
        assert_eq!((outcome.latencies.len(), outcome.failures.len()), (0, 10));
    }
    let outcome = server(b"other bytes")
        .run(echo::echo(11))
        .expect("in bounds");
    assert_eq!((outcome.latencies.len(), outcome.failures.len()), (0, 10));
}
