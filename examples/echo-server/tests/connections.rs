//! Clients that send, and clients that go away.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use load::{Plan, echo};

fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    thread::spawn(move || echo_server::serve(&listener, drop));
    address
}

fn load(address: SocketAddr, exchanges: usize, bytes: usize) {
    let time = Duration::from_secs(60);
    let plan = Plan {
        address,
        clients: 16,
        exchanges,
        time,
    };
    let outcome = plan.run(echo::echo(bytes)).expect("in bounds");
    assert_eq!(outcome.failures, [""; 0]);
    assert_eq!(outcome.latencies.len(), exchanges);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn every_byte_comes_back_to_each_of_many_clients() {
    let address = start();
    load(address, 1000, 64);
    load(address, 50, 60_000);
    load(address, 10, 0);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn clients_that_go_away_harm_nobody() {
    let address = start();
    for _ in 0..100 {
        let mut client = TcpStream::connect(address).expect("connected");
        client.write_all(&[7; 5000]).expect("written");
        client.shutdown(Shutdown::Both).expect("shut");
    }
    load(address, 100, 64);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn answer_comes_before_the_client_has_sent_all() {
    let address = start();
    let mut client = TcpStream::connect(address).expect("connected");
    for word in [b"one", b"two"] {
        client.write_all(word).expect("written");
        let mut answer = [0; 3];
        client.read_exact(&mut answer).expect("read");
        assert_eq!(&answer, word);
    }
}
