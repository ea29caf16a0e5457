//! Clients that say nothing. A process of its own: they hold all virtines of the function, whoever serves by it.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use load::{Plan, echo};

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn silent_clients_are_ended_by_the_deadline_and_the_rest_served() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    let (report, reports) = mpsc::channel();
    thread::spawn(move || echo_server::serve(&listener, move |message| drop(report.send(message))));
    let mut silent: Vec<TcpStream> = (0..echo_server::CONNECTIONS)
        .map(|_| TcpStream::connect(address).expect("connected"))
        .collect();
    silent[0].write_all(b"half").expect("written");
    let start = Instant::now();
    let time = Duration::from_secs(60);
    let plan = Plan {
        address,
        clients: 16,
        exchanges: 20,
        time,
    };
    let outcome = plan.run(echo::echo(64)).expect("in bounds");
    assert_eq!(outcome.failures, [""; 0]);
    assert!(start.elapsed() < Duration::from_secs(20));
    let report = reports.recv_timeout(Duration::from_secs(20)).expect("told");
    assert!(report.contains("2s"), "{report}");
}
