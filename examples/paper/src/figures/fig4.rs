//! Figure 4: an echo server's milestones.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use wasp_core::{Exit, Mode, Policy, Virtine, virtine};

use crate::bare::Bare;
use crate::effort::Effort;
use crate::figure::{Figure, Kind, Plot, Table};
use crate::guests::{ECHO, START};
use crate::measure::{Subject, in_turns};
use crate::published::{self, beside};
use crate::samples::Samples;
use crate::units::Unit;

const FLOOR: &str = "bare KVM_RUN";
const NATIVE: &str = "native: receive and send";
const MILESTONES: [&str; 3] = ["entered", "received", "sent"];
const MESSAGE: [u8; 64] =
    *b"GET / HTTP/1.0\r\nHost: localhost\r\nUser-Agent: echo of 64 byte\r\n\r\n";
const AT: f64 = 0.0;

/// Tells the host that a milestone is reached.
fn mark() {}

/// Echoes one message, like the paper's guest, and marks its milestones.
#[virtine(timeout = "2s", memory = "256KiB", stack = "64KiB", host(mark))]
fn echo_once(mut conn: TcpStream) -> std::io::Result<()> {
    mark();
    let mut buffer = [0; 4096];
    let count = conn.read(&mut buffer)?;
    mark();
    conn.write_all(&buffer[..count])?;
    mark();
    Ok(())
}

pub(super) fn measure(effort: &Effort) -> Result<Figure, String> {
    let mut samples = Samples::default();
    let mut machine = Bare::open()?.machine();
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    let raw = effort.ring0().row("the paper's guest");
    let mut subjects: Vec<Subject<'_>> = vec![
        Box::new(|samples| {
            exchange(&listener, |mut conn| {
                samples.time(NATIVE, AT, || native(&mut conn))
            })
        }),
        Box::new(|samples| exchange(&listener, |conn| assembly(samples, &raw, conn))),
        Box::new(|samples| exchange(&listener, |conn| function(samples, conn))),
        Box::new(move |samples| {
            samples.time(FLOOR, AT, || machine.call());
            Ok(())
        }),
    ];
    in_turns(
        effort,
        effort.rounds(100, 1000),
        &mut samples,
        &mut subjects,
    )?;
    drop(subjects);
    let ratio = |milestone| {
        let [entered, later] = ["entered", milestone].map(|name| of("#[virtine]", name));
        samples.ratio(&later, &entered, AT)
    };
    let ratios = [
        (published::RECEIVED_TO_ENTRY, ratio("received")),
        (published::SENT_TO_ENTRY, ratio("sent")),
    ];
    Ok(Figure {
        title: "Figure 4: an echo server's milestones",
        method: "A client of the same process has connected and sent 64 bytes; a fresh virtine receives them and sends them back, \
                 and the host's clock takes the times since it began to get that virtine, at the guest's hypercalls. The \
                 paper's guest is made anew and boots to protected mode; ours is a `#[virtine]` function from its pool, \
                 which marks its milestones by calls of a host function, three exits that a server would not have."
            .to_owned(),
        plots: vec![Plot {
            title: "From the start to each milestone".to_owned(),
            kind: Kind::Bars,
            axis: "time",
            series: samples.all().to_vec(),
        }],
        tables: vec![Table::of_samples("Milestones", &samples, FLOOR), beside(&ratios)],
        samples,
    })
}

fn of(guest: &str, milestone: &str) -> String {
    format!("{guest}: {milestone}")
}

/// Connects a client, has its message served, and checks the reply.
fn exchange(
    listener: &TcpListener,
    serve: impl FnOnce(TcpStream) -> Result<(), String>,
) -> Result<(), String> {
    let connect = || {
        let mut client = TcpStream::connect(listener.local_addr()?)?;
        client.write_all(&MESSAGE)?;
        Ok((client, listener.accept()?.0))
    };
    let (mut client, conn) = connect().map_err(|error: std::io::Error| error.to_string())?;
    serve(conn)?;
    let mut answer = Vec::new();
    client
        .read_to_end(&mut answer)
        .map_err(|error| error.to_string())?;
    match answer == MESSAGE {
        true => Ok(()),
        false => Err(format!(
            "expected the message back, found {} bytes",
            answer.len()
        )),
    }
}

fn native(conn: &mut TcpStream) -> Result<(), String> {
    let mut buffer = [0; 4096];
    conn.read(&mut buffer)
        .and_then(|count| conn.write_all(&buffer[..count]))
        .map_err(|error| error.to_string())
}

/// Three times since the start.
fn keep(
    samples: &mut Samples,
    guest: &str,
    start: Instant,
    times: &[Instant],
) -> Result<(), String> {
    if times.len() != MILESTONES.len() {
        return Err(format!("expected 3 milestones, found {}", times.len()));
    }
    for (milestone, time) in MILESTONES.iter().zip(times) {
        let since = (*time - start).as_nanos() as f64;
        samples.add(&of(guest, milestone), AT, Unit::Nanoseconds, since);
    }
    Ok(())
}

fn function(samples: &mut Samples, conn: TcpStream) -> Result<(), String> {
    let times = Arc::new(Mutex::new(Vec::with_capacity(3)));
    let marks = Arc::clone(&times);
    let policy = Policy::new().host("mark", move || {
        let now = Instant::now();
        marks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(now);
    });
    let start = Instant::now();
    echo_once::with(policy)
        .try_call(conn)
        .map_err(|error| error.to_string())?
        .map_err(|error| error.to_string())?;
    let times = times.lock().unwrap_or_else(PoisonError::into_inner);
    keep(samples, "#[virtine]", start, &times)
}

fn assembly(samples: &mut Samples, name: &str, mut conn: TcpStream) -> Result<(), String> {
    let (start, mut times) = (Instant::now(), Vec::with_capacity(3));
    let mut serve = || -> Result<(), Box<dyn std::error::Error>> {
        let mut virtine = Virtine::builder()
            .memory(1 << 16)
            .mode(Mode::Real16)
            .build()?;
        virtine.load_raw(ECHO(), START)?;
        while let Exit::Hypercall { .. } = virtine.run()? {
            let mut registers = virtine.registers()?;
            let mut buffer = [0; 4096];
            match registers.rax {
                0 => {
                    times.push(Instant::now());
                    let count = conn.read(&mut buffer)?;
                    virtine.write(registers.rdi, &buffer[..count])?;
                    registers.rax = count as u64;
                    virtine.set_registers(&registers)?;
                }
                _ => {
                    let message = buffer
                        .get_mut(..registers.rsi as usize)
                        .ok_or("a message longer than the buffer")?;
                    virtine.read(registers.rdi, message)?;
                    conn.write_all(message)?;
                }
            }
            times.push(Instant::now());
        }
        Ok(())
    };
    serve().map_err(|error| error.to_string())?;
    keep(samples, name, start, &times)
}
