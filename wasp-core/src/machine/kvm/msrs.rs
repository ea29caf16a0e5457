//! Model-specific registers of guests in ring 0: one list of those that are restored after each guest, found once per
//! process. Guests may write no others, if KVM can prevent it.

use std::io;

use kvm_bindings::{Msrs, kvm_msr_entry};
use kvm_ioctls::{
    Cap, Kvm, MsrFilterDefaultAction, MsrFilterRange, MsrFilterRangeFlags, VcpuFd, VmFd,
};

use crate::Error;
use crate::machine::kvm::ioctl;

/// Registers that KVM emulates, or may emulate one day, and does not list (KVM_GET_MSR_INDEX_LIST): first and last
/// number.
const UNLISTED: [(u32, u32); 10] = [
    // Machine check: status, control.
    (0x17a, 0x17b),
    // Memory types, Intel SDM vol. 3, 12.11: variable ranges, fixed ranges, the page attribute table, the default.
    (0x200, 0x20f),
    (0x250, 0x250),
    (0x258, 0x259),
    (0x268, 0x26f),
    (0x277, 0x277),
    (0x2ff, 0x2ff),
    // Machine check: control, status, address and more of each bank; its interrupts.
    (0x400, 0x47f),
    (0x280, 0x29f),
    // AMD's configuration of hardware and of the northbridge.
    (0xc001_0015, 0xc001_001f),
];

/// What KVM_SET_SREGS restores: the APIC's base, EFER, FS base and GS base.
const IN_SREGS: [u32; 4] = [0x1b, 0xc000_0080, 0xc000_0100, 0xc000_0101];
/// Commands to predictors and caches (IA32_PRED_CMD, IA32_FLUSH_CMD). They hold no state.
const COMMANDS: [u32; 2] = [0x49, 0x10b];

/// AMD's configuration of hardware. KVM before Linux 6.8 lets a guest set McStatusWrEn but never clear it.
const HARDWARE_CONFIGURATION: u32 = 0xc001_0015;
/// The time stamp counter, which never reads the same twice.
const TIME_STAMP_COUNTER: u32 = 0x10;

/// Whether a register makes KVM write to guest memory, makes KVM count for the guest, or belongs to Hyper-V's
/// interface. Our CPUID offers none of them. They are restored, and guests may not write them.
const fn is_paravirtual(number: u32) -> bool {
    matches!(
        number,
        0x11 | 0x12 | 0x4b56_4d00..=0x4b56_4dff | 0x4000_0000..=0x4000_ffff
    )
}

/// Whether guests may write a register of the list.
const fn is_writable(number: u32) -> bool {
    !is_paravirtual(number) && number != HARDWARE_CONFIGURATION
}

/// The ranges in which model-specific registers exist so far: first number and count. No KVM has any elsewhere.
const RANGES: [(u32, u32); 5] = [
    (0, 0x2000),
    (0x4000_0000, 0x200),
    (0x4b56_4d00, 0x100),
    (0xc000_0000, 0x2000),
    (0xc001_0000, 0x2000),
];

/// Fewer than KVM takes at a time (255).
const BATCH: usize = 128;

/// The list of registers to restore.
#[derive(Debug)]
pub(crate) struct ModelRegisters {
    numbers: Vec<u32>,
    filter: Option<Filter>,
}

/// Values of all registers of the list.
pub(crate) struct ModelState {
    values: Vec<Msrs>,
    registers: &'static ModelRegisters,
}

impl ModelRegisters {
    /// Finds which registers KVM lets the host read and write. `vcpu` must be new.
    pub(crate) fn find(kvm: &Kvm, vcpu: &VcpuFd) -> Result<Self, Error> {
        let listed = kvm.get_msr_index_list();
        let listed = listed.map_err(ioctl::refused("KVM_GET_MSR_INDEX_LIST"))?;
        let candidates = candidates(listed.as_slice());
        let readable = accepted(&zeros(&candidates), |msrs| vcpu.get_msrs(msrs))?;
        let resettable = accepted(&readable, |msrs| vcpu.set_msrs(msrs))?;
        let numbers: Vec<u32> = resettable.iter().map(|entry| entry.index).collect();
        let filter = kvm
            .check_extension(Cap::X86MsrFilter)
            .then(|| Filter::new(&numbers));
        Ok(Self { numbers, filter })
    }

    /// Prevents guests of this VM from writing registers that are not restored. Needs Linux 5.10; before that, only the
    /// list protects.
    pub(crate) fn shield(&self, vm: &VmFd) -> Result<(), Error> {
        match &self.filter {
            Some(filter) => filter.apply(vm),
            None => Ok(()),
        }
    }

    /// Reads all registers of the list.
    pub(crate) fn read(&'static self, vcpu: &VcpuFd) -> Result<ModelState, Error> {
        let entries = zeros(&self.numbers);
        let values = entries.chunks(BATCH).map(|entries| get_all(vcpu, entries));
        Ok(ModelState {
            values: values.collect::<Result<_, _>>()?,
            registers: self,
        })
    }
}

impl ModelState {
    /// Restores all registers. If guests could write all of them, this also reads them back: KVM has registers that
    /// accept a value and then hold another.
    pub(crate) fn write(&self, vcpu: &VcpuFd) -> Result<(), Error> {
        self.values.iter().try_for_each(|msrs| {
            set_all(vcpu, msrs)?;
            match self.registers.filter {
                Some(_) => Ok(()),
                None => check(msrs, &get_all(vcpu, msrs.as_slice())?),
            }
        })
    }
}

/// Checks that all registers hold what they were set to, except those that advance by themselves.
fn check(set: &Msrs, left: &Msrs) -> Result<(), Error> {
    let mut pairs = set.as_slice().iter().zip(left.as_slice());
    let runs = |number| number == TIME_STAMP_COUNTER || is_paravirtual(number);
    match pairs.find(|(set, left)| set.data != left.data && !runs(set.index)) {
        Some((set, left)) => Err(kept(set, left)),
        None => Ok(()),
    }
}

fn get_all(vcpu: &VcpuFd, entries: &[kvm_msr_entry]) -> Result<Msrs, Error> {
    let mut msrs = batch(entries)?;
    let read = vcpu.get_msrs(&mut msrs);
    let read = read.map_err(ioctl::refused("KVM_GET_MSRS"))?;
    all_of(entries.len(), read, "KVM_GET_MSRS")?;
    Ok(msrs)
}

/// Sets these registers.
pub(crate) fn set_all(vcpu: &VcpuFd, msrs: &Msrs) -> Result<(), Error> {
    let set = vcpu
        .set_msrs(msrs)
        .map_err(ioctl::refused("KVM_SET_MSRS"))?;
    all_of(msrs.as_slice().len(), set, "KVM_SET_MSRS")
}

/// Checks that all registers were processed. KVM stops at the first register that it refuses and returns how many came
/// before it.
fn all_of(wanted: usize, done: usize, operation: &'static str) -> Result<(), Error> {
    match done == wanted {
        true => Ok(()),
        false => Err(Error::system(operation)(io::ErrorKind::InvalidInput.into())),
    }
}

fn kept(set: &kvm_msr_entry, left: &kvm_msr_entry) -> Error {
    Error::system("KVM_SET_MSRS")(io::Error::other(format!(
        "register {:#x}: expected {:#x}, found {:#x}",
        set.index, set.data, left.data
    )))
}

/// All registers that KVM lists, then the others, each once.
fn candidates(listed: &[u32]) -> Vec<u32> {
    let mut candidates = listed.to_vec();
    let unlisted = UNLISTED.iter().flat_map(|&(first, last)| first..=last);
    candidates.extend(unlisted.filter(|number| !listed.contains(number)));
    candidates
}

fn zeros(numbers: &[u32]) -> Vec<kvm_msr_entry> {
    let entry = |&index| kvm_msr_entry {
        index,
        ..Default::default()
    };
    numbers.iter().map(entry).collect()
}

fn batch(entries: &[kvm_msr_entry]) -> Result<Msrs, Error> {
    Msrs::from_entries(entries).map_err(|_| {
        Error::system("KVM_GET_MSRS")(io::Error::other("more registers than KVM takes"))
    })
}

/// The registers that `operation` accepts, with the values that it leaves. Some registers that KVM lists exist only
/// with features that a vCPU does not have, and some are read-only: the operation stops before each of these.
fn accepted(
    entries: &[kvm_msr_entry],
    mut operation: impl FnMut(&mut Msrs) -> Result<usize, kvm_ioctls::Error>,
) -> Result<Vec<kvm_msr_entry>, Error> {
    let (mut accepted, mut rest) = (Vec::new(), entries);
    while !rest.is_empty() {
        let mut msrs = batch(&rest[..rest.len().min(BATCH)])?;
        let tried = msrs.as_slice().len();
        let done = operation(&mut msrs).unwrap_or(0).min(tried);
        accepted.extend_from_slice(&msrs.as_slice()[..done]);
        let refused = usize::from(done < tried);
        rest = &rest[done + refused..];
    }
    Ok(accepted)
}

/// One bit for each register of [`RANGES`], set if guests may write it.
#[derive(Debug)]
struct Filter {
    writable: [Vec<u8>; RANGES.len()],
    readable: Vec<u8>,
}

impl Filter {
    fn new(put_back: &[u32]) -> Self {
        let mut writable = RANGES.map(|(_, count)| vec![0; count as usize / 8]);
        let others = IN_SREGS.iter().chain(&COMMANDS);
        let allowed = put_back
            .iter()
            .chain(others)
            .filter(|&&number| is_writable(number));
        for &number in allowed {
            for (&(first, count), bitmap) in RANGES.iter().zip(&mut writable) {
                if (first..first + count).contains(&number) {
                    let at = number - first;
                    bitmap[at as usize / 8] |= 1 << (at % 8);
                }
            }
        }
        let longest = RANGES.iter().map(|&(_, count)| count).fold(0, u32::max);
        Self {
            writable,
            readable: vec![0xff; longest as usize / 8],
        }
    }

    /// KVM has one default for reads and writes outside all ranges, so readable registers need ranges too.
    fn apply(&self, vm: &VmFd) -> Result<(), Error> {
        let range = |flags, (base, msr_count), bitmap| MsrFilterRange {
            flags,
            base,
            msr_count,
            bitmap,
        };
        let reads = RANGES.map(|bounds| range(MsrFilterRangeFlags::READ, bounds, &self.readable));
        let writes = RANGES.into_iter().zip(&self.writable);
        let writes =
            writes.map(|(bounds, bitmap)| range(MsrFilterRangeFlags::WRITE, bounds, bitmap));
        let ranges: Vec<MsrFilterRange<'_>> = reads.into_iter().chain(writes).collect();
        vm.set_msr_filter(MsrFilterDefaultAction::DENY, &ranges)
            .map_err(ioctl::refused("KVM_X86_SET_MSR_FILTER"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lets_write(filter: &Filter, number: u32) -> bool {
        RANGES
            .iter()
            .zip(&filter.writable)
            .any(|(&(first, count), bitmap)| {
                let at = number.wrapping_sub(first);
                at < count && bitmap[at as usize / 8] & 1 << (at % 8) != 0
            })
    }

    #[test]
    fn guests_write_what_is_put_back_and_no_more() {
        let put_back = [
            0x10,
            0x200,
            0xc000_0082,
            0x12,
            0x4b56_4d01,
            0x4000_0000,
            HARDWARE_CONFIGURATION,
        ];
        let filter = Filter::new(&put_back);
        for number in [
            0x10,
            0x200,
            0xc000_0082,
            0xc000_0080,
            0xc000_0101,
            0x1b,
            0x49,
        ] {
            assert!(lets_write(&filter, number), "{number:#x}");
        }
        // Registers through which KVM writes memory are not writable, though they are restored.
        for number in [
            0x12,
            0x4b56_4d01,
            0x4000_0000,
            0x11,
            0x201,
            0xc001_0015,
            0x1fff,
        ] {
            assert!(!lets_write(&filter, number), "{number:#x}");
        }
    }

    #[test]
    fn each_candidate_is_there_once() {
        let candidates = candidates(&[0x10, 0x277, 0xc001_0015]);
        let mut once = candidates.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), candidates.len());
        for number in [0x10, 0x200, 0x20f, 0x26f, 0x2ff, 0x47f] {
            assert!(once.contains(&number), "{number:#x}");
        }
    }

    #[test]
    fn refused_registers_are_passed_over() {
        let entries = zeros(&(0..400).collect::<Vec<u32>>());
        let left = accepted(&entries, |msrs| {
            let entries = msrs.as_slice();
            Ok(entries
                .iter()
                .position(|entry| entry.index % 7 == 3)
                .unwrap_or(entries.len()))
        });
        let left: Vec<u32> = left.expect("few").iter().map(|entry| entry.index).collect();
        let expected: Vec<u32> = (0..400).filter(|number| number % 7 != 3).collect();
        assert_eq!(left, expected);
    }

    #[test]
    fn register_that_is_not_put_back_is_found() {
        let state = |index, data| {
            let entry = kvm_msr_entry {
                index,
                data,
                ..Default::default()
            };
            batch(&[entry]).expect("one")
        };
        assert!(check(&state(0x200, 6), &state(0x200, 6)).is_ok());
        assert!(check(&state(TIME_STAMP_COUNTER, 6), &state(TIME_STAMP_COUNTER, 7)).is_ok());
        let error = check(&state(0xc001_0015, 0), &state(0xc001_0015, 0x4_0000));
        let message = error.expect_err("it kept a bit").to_string();
        assert!(message.contains("0xc0010015"), "{message}");
    }

    /// KVM reads bitmaps in words of eight bytes (KVM API document, KVM_X86_SET_MSR_FILTER).
    #[test]
    fn bitmaps_are_whole_words() {
        assert!(RANGES.iter().all(|(_, count)| count % 64 == 0));
    }
}
