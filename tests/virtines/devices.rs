//! What KVM is asked for in all cases: no device, no interrupt controller, nothing that would expose more of the kernel
//! to a guest. The tests run in separate processes, under seccomp filters.

use std::collections::BTreeMap;
use std::env;
use std::fs::File;
use std::os::fd::{AsRawFd as _, FromRawFd as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};
use wasp_core::{Cache, Exit, Mode, Virtine};

use crate::alone;
use crate::backend::{self, needs_kvm};
use crate::linux::ordinary;

const KVM_CREATE_VM: libc::c_ulong = 0xae01;
const KVM_CREATE_IRQCHIP: libc::c_ulong = 0xae60;

/// Requests that create a device in the kernel, or route an interrupt or an access past the host
/// (include/uapi/linux/kvm.h). KVM_ENABLE_CAP reads its capability, such as a split interrupt controller, from memory,
/// where no filter sees it, so all its uses are forbidden.
const DEVICES: [(&str, libc::c_ulong); 14] = [
    ("KVM_CREATE_IRQCHIP", KVM_CREATE_IRQCHIP),
    ("KVM_IRQ_LINE", 0x4008_ae61),
    ("KVM_CREATE_PIT", 0xae64),
    ("KVM_REGISTER_COALESCED_MMIO", 0x4010_ae67),
    ("KVM_SET_GSI_ROUTING", 0x4008_ae6a),
    ("KVM_IRQFD", 0x4020_ae76),
    ("KVM_CREATE_PIT2", 0x4040_ae77),
    ("KVM_IOEVENTFD", 0x4040_ae79),
    ("KVM_INTERRUPT", 0x4004_ae86),
    ("KVM_SET_LAPIC", 0x4400_ae8f),
    ("KVM_ENABLE_CAP", 0x4068_aea3),
    ("KVM_SIGNAL_MSI", 0x4020_aea5),
    ("KVM_CREATE_DEVICE", 0xc00c_aee0),
    ("KVM_SET_NESTED_STATE", 0x4080_aebf),
];

/// The first of these requests ends the process with SIGSYS.
fn forbid_devices() {
    let rules = DEVICES.map(|(_, request)| {
        let equal = SeccompCmpOp::Eq;
        let condition = SeccompCondition::new(1, SeccompCmpArgLen::Dword, equal, request);
        SeccompRule::new(vec![condition.expect("a condition")]).expect("a rule")
    });
    let filter = SeccompFilter::new(
        BTreeMap::from([(libc::SYS_ioctl, rules.to_vec())]),
        SeccompAction::Allow,
        SeccompAction::KillProcess,
        env::consts::ARCH.try_into().expect("x86_64"),
    );
    let program: BpfProgram = filter.expect("a filter").try_into().expect("a program");
    seccompiler::apply_filter_all_threads(&program).expect("the filter is in force");
}

/// e6 30: out 0x30, al; e6 fa: out 0xfa, al
const LEAVING: [u8; 4] = [0xe6, 0x30, 0xe6, 0xfa];

/// A guest of each mode, alone and from a cache, with everything that a host can do with one.
fn raw_guests() {
    for mode in backend::modes(&[Mode::Real16, Mode::Protected32, Mode::Long64, Mode::User64]) {
        let start = backend::start(mode);
        let mut virtine = Virtine::builder().mode(mode).build().expect("a virtine");
        virtine.load_raw(&LEAVING, start).expect("it fits");
        assert!(matches!(virtine.run(), Ok(Exit::Hypercall { .. })));
        let special = virtine.special_registers();
        if !needs_kvm(&special) {
            let special = special.expect("registers");
            virtine.set_special_registers(&special).expect("set");
            let float = virtine.float_registers().expect("registers");
            virtine.set_float_registers(&float).expect("set");
        }
        assert_eq!(virtine.run().expect("a run"), Exit::Exited);

        let builder = Cache::builder(0x2_0000).mode(mode);
        let cache = builder.binary(LEAVING, start).build().expect("a cache");
        cache.ensure(3).expect("three");
        for snapshot in [false, true, false] {
            let mut lease = cache.get().expect("a virtine");
            if snapshot {
                assert!(matches!(lease.run(), Ok(Exit::Hypercall { .. })));
                cache.snapshot(&mut lease).expect("a snapshot");
            }
            let _ = lease.run().expect("a run");
        }
        let mut lease = cache.get().expect("a virtine");
        assert_eq!(lease.run().expect("a run"), Exit::Exited, "{mode:?}");
        needs_kvm(&lease.special_registers());
        drop(lease);
        // 0f 0b: ud2, after which the machine is replaced. In real mode it is an ordinary interrupt.
        if mode != Mode::Real16 {
            let mut lease = cache.get().expect("a virtine");
            lease
                .load_raw(&[0x0f, 0x0b], start + 0x1000)
                .expect("it fits");
            assert!(matches!(lease.run(), Ok(Exit::Faulted { .. })), "{mode:?}");
        }
        cache.trim(0);
        cache.get().expect("a new one");
    }
    let large = Virtine::builder().memory(4 << 30).build();
    assert!(large.is_ok(), "{:?}", large.err());
}

fn functions_and_programs() {
    for _ in 0..3 {
        assert_eq!(virtine_tests::add(1, 2), 3);
        assert_eq!(virtine_tests::add_with_std(1, 2), 3);
        assert_eq!(virtine_tests::write_64(), 64);
        virtine_tests::ask(1);
    }
    let output = ordinary("streams")
        .stdin("one\ntwo\n")
        .output()
        .expect("it runs");
    assert!(!output.stdout.is_empty(), "{output:?}");
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn no_device_is_ever_made_in_the_kernel() {
    alone::run("devices::child_runs_everything_without_devices", &[]);
}

#[test]
#[ignore = "run alone by no_device_is_ever_made_in_the_kernel"]
fn child_runs_everything_without_devices() {
    forbid_devices();
    raw_guests();
    functions_and_programs();
}

/// Checks that the filter of the test above works.
#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn process_that_makes_a_device_ends() {
    if backend::by_process() {
        return; // There may be no KVM to make one with.
    }
    let test = "devices::child_makes_an_interrupt_controller";
    let mut child = Command::new(env::current_exe().expect("the test binary"));
    let output = child.args(["--exact", test, "--ignored", "--test-threads=1"]);
    let status = output.output().expect("the child runs").status;
    assert_eq!(status.signal(), Some(libc::SIGSYS), "{status:?}");
}

#[test]
#[ignore = "run alone by process_that_makes_a_device_ends"]
fn child_makes_an_interrupt_controller() {
    forbid_devices();
    make_interrupt_controller();
}

/// The kernel's answer: 0 or an error number.
fn make_interrupt_controller() -> i32 {
    let kvm = File::open("/dev/kvm").expect("/dev/kvm");
    // SAFETY: takes a number and touches no memory of this process.
    let machine = unsafe { libc::ioctl(kvm.as_raw_fd(), KVM_CREATE_VM, 0) };
    assert!(machine >= 0, "{}", std::io::Error::last_os_error());
    // SAFETY: a descriptor that nothing else owns.
    let machine = unsafe { File::from_raw_fd(machine) };
    // SAFETY: as the first.
    match unsafe { libc::ioctl(machine.as_raw_fd(), KVM_CREATE_IRQCHIP, 0) } {
        0 => 0,
        _ => std::io::Error::last_os_error().raw_os_error().unwrap_or(-1),
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn everything_runs_under_the_filter_that_is_on_offer() {
    for when in ["before", "after"] {
        alone::run(
            "devices::child_runs_everything_under_the_filter",
            &[(WHEN, when)],
        );
    }
}

const WHEN: &str = "VIRTINE_TEST_FILTER";

#[test]
#[ignore = "run alone by everything_runs_under_the_filter_that_is_on_offer"]
fn child_runs_everything_under_the_filter() {
    if env::var(WHEN).is_ok_and(|when| when == "after") {
        raw_guests();
        functions_and_programs();
    }
    wasp_core::seccomp::install(&[]).expect("the filter is in force");
    raw_guests();
    functions_and_programs();
    if !backend::by_process() {
        assert_eq!(make_interrupt_controller(), libc::EPERM);
    }
}
