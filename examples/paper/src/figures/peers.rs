//! Another way to isolate a function: wasmtime, an instance for each call.

use std::rc::Rc;
use std::time::Instant;

use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, InstancePre, Linker, Module,
    PoolingAllocationConfig, Store,
};

use crate::bare::Bare;
use crate::effort::Effort;
use crate::figure::{Figure, Kind, Plot, Table};
use crate::measure::{Subject, clock_cost, in_turns};
use crate::samples::Samples;
use crate::units::Unit;

const FIB: &str = r#"(module
    (memory 1)
    (func $fib (export "fib") (param $n i64) (result i64)
        (if (result i64) (i64.lt_u (local.get $n) (i64.const 2))
            (then (local.get $n))
            (else (i64.add
                (call $fib (i64.sub (local.get $n) (i64.const 1)))
                (call $fib (i64.sub (local.get $n) (i64.const 2))))))))"#;
const POOLING: &str = "wasmtime, pooling: instance, call, end";
const ON_DEMAND: &str = "wasmtime, on demand: instance, call, end";
const VIRTINE: &str = "#[virtine] with snapshot, pooled";
const NATIVE: &str = "native";
const FLOOR: &str = "bare KVM_RUN";

/// A compiled module, and how instances of it get their memory.
struct Wasm(InstancePre<()>);

impl Wasm {
    fn new(strategy: InstanceAllocationStrategy) -> Result<Self, String> {
        let make = || {
            let mut config = Config::new();
            config.allocation_strategy(strategy);
            let engine = Engine::new(&config)?;
            let module = Module::new(&engine, FIB)?;
            Linker::new(&engine).instantiate_pre(&module).map(Self)
        };
        make().map_err(|error| format!("wasmtime: {error}"))
    }

    /// A separate instance for one call.
    fn fib(&self, n: u64) -> Result<u64, String> {
        let call = || {
            let mut store = Store::new(self.0.module().engine(), ());
            let instance = self.0.instantiate(&mut store)?;
            let fib = instance.get_typed_func::<u64, u64>(&mut store, "fib")?;
            fib.call(&mut store, n)
        };
        call().map_err(|error| format!("wasmtime: {error}"))
    }
}

fn all() -> Result<[(&'static str, Rc<Wasm>); 2], String> {
    let pooling = InstanceAllocationStrategy::Pooling(PoolingAllocationConfig::default());
    Ok([
        (POOLING, Rc::new(Wasm::new(pooling)?)),
        (
            ON_DEMAND,
            Rc::new(Wasm::new(InstanceAllocationStrategy::OnDemand)?),
        ),
    ])
}

/// Calls of fib(0), for figure 8.
pub(super) fn add(subjects: &mut Vec<Subject<'_>>) -> Result<(), String> {
    add_calls(subjects, 0, 0.0, 0.0)
}

/// Calls of fib(n), for figure 11.
pub(super) fn add_fib(subjects: &mut Vec<Subject<'_>>, n: u64, clock: f64) -> Result<(), String> {
    add_calls(subjects, n, n as f64, clock)
}

fn add_calls(subjects: &mut Vec<Subject<'_>>, n: u64, at: f64, clock: f64) -> Result<(), String> {
    let expected = (0..n).fold((0, 1), |(a, b), _| (b, a + b)).0;
    for (name, wasm) in all()? {
        subjects.push(Box::new(move |samples| {
            let start = Instant::now();
            let answer = wasm.fib(n)?;
            let time = start.elapsed().as_nanos() as f64 - clock;
            samples.add(name, at, Unit::Nanoseconds, time);
            match answer == expected {
                true => Ok(()),
                false => Err(format!(
                    "{name}: expected fib({n}) = {expected}, found {answer}"
                )),
            }
        }));
    }
    Ok(())
}

/// A separate table: short and long calls.
pub(super) fn measure(effort: &Effort) -> Result<Figure, String> {
    let (mut samples, clock, bare) = (Samples::default(), clock_cost(), Bare::open()?);
    for n in [0, 10, 15, 20, 25] {
        let (at, mut machine) = (n as f64, bare.machine());
        let mut subjects: Vec<Subject<'_>> = Vec::new();
        add_calls(&mut subjects, n, at, clock)?;
        subjects.push(Box::new(move |samples| {
            let answer = samples.time(VIRTINE, at, || fib::fib::try_call(n));
            match answer.map_err(|error| error.to_string())? == fib::recursive(n) {
                true => Ok(()),
                false => Err(format!("{VIRTINE}: a wrong fib({n})")),
            }
        }));
        subjects.push(Box::new(move |samples| {
            let native = || fib::recursive(std::hint::black_box(n));
            let expected = native();
            crate::measure::in_batches(samples, (NATIVE, at), clock, &expected, native)
        }));
        subjects.push(Box::new(move |samples| {
            samples.time(FLOOR, at, || machine.call());
            Ok(())
        }));
        in_turns(
            effort,
            effort.rounds(100, 2000),
            &mut samples,
            &mut subjects,
        )?;
    }
    let mut table = Table::new(
        "Median time of one call of fib(n) in us.",
        &["n", FLOOR, NATIVE, VIRTINE, POOLING, ON_DEMAND],
    );
    for n in [0, 10, 15, 20, 25] {
        let medians = [FLOOR, NATIVE, VIRTINE, POOLING, ON_DEMAND]
            .map(|subject| crate::units::number(samples.median(subject, f64::from(n)) / 1000.0));
        table.row([n.to_string()].into_iter().chain(medians));
    }
    Ok(Figure {
        title: "Peers",
        method: "Each call has a fresh instance of its own: wasmtime 48 compiles the module ahead and makes, calls and drops an \
                 instance with 64 KiB of memory; a virtine is called as everywhere. All compute the same recursion and check it."
            .to_owned(),
        plots: vec![Plot {
            title: "fib(n) in an instance of its own".to_owned(),
            kind: Kind::Lines { over: "n", logarithmic: false },
            axis: "time",
            series: samples.all().to_vec(),
        }],
        tables: vec![table],
        samples,
    })
}
