//! Model-specific registers: a guest in ring 0 writes as much as it can to every one of them, and the next guest finds
//! them as the first one did.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use wasp_core::{Cache, Exit, Lease, Mode, Registers};

use crate::{backend, skipped};

/// First number, and the number after the last.
const RANGES: [(u64, u64); 5] = [
    (0, 0x2000),
    (0x4000_0000, 0x4000_0200),
    (0x4b56_4d00, 0x4b56_4e00),
    (0xc000_0000, 0xc000_2000),
    (0xc001_0000, 0xc001_2000),
];

/// These advance by themselves, so no two guests read the same. The first tells a guest how long its machine has
/// existed, but nothing about what other guests did.
const RUNNING: [u32; 3] = [
    0x10,        // the time stamp counter
    0x4000_0010, // Hyper-V's run time and reference time, where a KVM shows them to all guests
    0x4000_0020,
];

const MEMORY: u64 = 0x10_0000;
/// High enough that a KVM that writes to guest memory at a given address does not hit it with a single bit.
const READ: u64 = 0x8000;
const WRITE: u64 = READ + 0x40;
const HANDLER: u64 = READ + 0x100;
const TABLE_REGISTERS: u64 = 0xa000;
const GDT: u64 = 0xa100;
const IDT: u64 = 0xa200;
const PATTERNS: u64 = 0xb000;
const ANSWERS: u64 = 0x1_0000;

/// For registers from ECX up to EBX: writes their values to RDI, 16 bytes each. The last eight tell whether RDMSR was
/// refused.
///
/// ```text
///    lgdt [0xa000]
///    lidt [0xa010]
/// 1: xor r15d, r15d
///    rdmsr
///    mov [rdi], eax
///    mov [rdi + 4], edx
///    mov [rdi + 8], r15
///    add rdi, 16
///    inc ecx
///    cmp ecx, ebx
///    jne 1b
///    out 0x30, al
/// ```
const READING: [u8; 42] = [
    0x0f, 1, 0x14, 0x25, 0, 0xa0, 0, 0, 0x0f, 1, 0x1c, 0x25, 0x10, 0xa0, 0, 0, 0x45, 0x31, 0xff,
    0x0f, 0x32, 0x89, 7, 0x89, 0x57, 4, 0x4c, 0x89, 0x7f, 8, 0x48, 0x83, 0xc7, 0x10, 0xff, 0xc1,
    0x39, 0xd9, 0x75, 0xe8, 0xe6, 0x30,
];

/// For registers from ECX up to EBX: writes the patterns from RSI up to R10 until one is accepted and visible. If the
/// register cannot be read, uses those from R11 on. The numbers of changed registers go to RDI.
///
/// ```text
///    lgdt [0xa000]
///    lidt [0xa010]
/// 2: xor r15d, r15d
///    rdmsr
///    mov r8d, eax
///    mov r9d, edx
///    mov r12, rsi
///    test r15d, r15d
///    jz 3f
///    xor r8d, r8d
///    xor r9d, r9d
///    mov r12, r11
/// 3: mov eax, [r12]
///    mov edx, [r12 + 4]
///    test dword ptr [r12 + 8], 1     bits to flip, or a value?
///    jz 4f
///    xor eax, r8d
///    xor edx, r9d
/// 4: xor r15d, r15d
///    wrmsr
///    test r15d, r15d
///    jnz 5f
///    rdmsr
///    cmp eax, r8d
///    jne 6f
///    cmp edx, r9d
///    jne 6f
/// 5: add r12, 16
///    cmp r12, r10
///    jne 3b
///    jmp 7f
/// 6: mov [rdi], ecx
///    add rdi, 4
/// 7: inc ecx
///    cmp ecx, ebx
///    jne 2b
///    out 0x30, al
/// ```
const WRITING: [u8; 117] = [
    0x0f, 1, 0x14, 0x25, 0, 0xa0, 0, 0, 0x0f, 1, 0x1c, 0x25, 0x10, 0xa0, 0, 0, 0x45, 0x31, 0xff,
    0x0f, 0x32, 0x41, 0x89, 0xc0, 0x41, 0x89, 0xd1, 0x49, 0x89, 0xf4, 0x45, 0x85, 0xff, 0x74, 9,
    0x45, 0x31, 0xc0, 0x45, 0x31, 0xc9, 0x4d, 0x89, 0xdc, 0x41, 0x8b, 4, 0x24, 0x41, 0x8b, 0x54,
    0x24, 4, 0x41, 0xf7, 0x44, 0x24, 8, 1, 0, 0, 0, 0x74, 6, 0x44, 0x31, 0xc0, 0x44, 0x31, 0xca,
    0x45, 0x31, 0xff, 0x0f, 0x30, 0x45, 0x85, 0xff, 0x75, 0x0c, 0x0f, 0x32, 0x44, 0x39, 0xc0, 0x75,
    0x10, 0x44, 0x39, 0xca, 0x75, 0x0b, 0x49, 0x83, 0xc4, 0x10, 0x4d, 0x39, 0xd4, 0x75, 0xc7, 0xeb,
    6, 0x89, 0x0f, 0x48, 0x83, 0xc7, 4, 0xff, 0xc1, 0x39, 0xd9, 0x75, 0x9d, 0xe6, 0x30,
];

/// Continues after a refused RDMSR or WRMSR, with R15 set. Avoids IRETQ, which an emulator of ring 0 may not support.
///
/// ```text
/// mov r14, [rsp + 8]
/// mov rsp, [rsp + 32]
/// add r14, 2
/// mov r15d, 1
/// jmp r14
/// ```
const REFUSED: [u8; 23] = [
    0x4c, 0x8b, 0x74, 0x24, 8, 0x48, 0x8b, 0x64, 0x24, 0x20, 0x49, 0x83, 0xc6, 2, 0x41, 0xbf, 1, 0,
    0, 0, 0x41, 0xff, 0xe6,
];

/// A pattern that is written to a register.
#[derive(Clone, Copy)]
enum Pattern {
    Flip(u64),
    Value(u64),
}

/// A write-back memory type in each byte, and in one byte; small numbers; addresses; all bits.
const VALUES: [u64; 14] = [
    0x0606_0606_0606_0606,
    0x0505_0505_0505_0505,
    6,
    0x806,
    0xc06,
    0xf_ffff_f000,
    0x800,
    3,
    0x10,
    0x1234_5000,
    0xffff_ffff,
    u64::MAX,
    1,
    0,
];
/// This many of the last values are tried on registers that cannot be read.
const BLIND: usize = 2;

fn rounds() -> [Vec<Pattern>; 3] {
    let flips = (0..64).map(|bit| Pattern::Flip(1 << bit));
    let values = VALUES.map(Pattern::Value);
    [
        values.to_vec(),
        flips.clone().chain(values).collect(),
        flips.rev().chain(values).collect(),
    ]
}

fn cache() -> Cache {
    let mut image = vec![0; 0x1000];
    for (at, code) in [(READ, &READING[..]), (WRITE, &WRITING), (HANDLER, &REFUSED)] {
        let at = (at - READ) as usize;
        image[at..at + code.len()].copy_from_slice(code);
    }
    Cache::builder(MEMORY)
        .mode(Mode::Long64)
        .binary(image, READ)
        .deadline(Duration::from_secs(300))
        .limit(1)
        .build()
        .expect("a cache")
}

/// A virtine with descriptor and handler tables.
fn virtine(cache: &Cache) -> Lease {
    let mut virtine = cache.get().expect("a virtine");
    let register = |limit: u16, base: u64| {
        let mut bytes = limit.to_le_bytes().to_vec();
        bytes.extend(base.to_le_bytes());
        bytes
    };
    let mut write = |address, bytes: &[u8]| virtine.write(address, bytes).expect("in bounds");
    write(TABLE_REGISTERS, &register(23, GDT));
    write(TABLE_REGISTERS + 0x10, &register(0xff, IDT));
    write(GDT + 8, &0x00af_9b00_0000_ffff_u64.to_le_bytes());
    write(GDT + 16, &0x00cf_9300_0000_ffff_u64.to_le_bytes());
    // #GP: a present interrupt gate to ring 0's code (Intel SDM vol. 3, 7.14.1).
    let gate = HANDLER & 0xffff | 8 << 16 | 0x8e << 40 | (HANDLER >> 16) << 48;
    write(IDT + 13 * 16, &gate.to_le_bytes());
    virtine
}

fn run(virtine: &mut Lease, set: Registers) -> Result<(), Exit> {
    virtine.set_registers(&set).expect("set");
    match virtine.run().expect("a run") {
        Exit::Hypercall { port: 0x30, .. } => Ok(()),
        other => Err(other),
    }
}

/// Reads every register that can be read.
fn read(cache: &Cache) -> BTreeMap<u32, u64> {
    let mut virtine = virtine(cache);
    let start = virtine.registers().expect("registers");
    let mut found = BTreeMap::new();
    for (first, end) in RANGES {
        run(
            &mut virtine,
            Registers {
                rip: READ,
                rcx: first,
                rbx: end,
                rdi: ANSWERS,
                ..start
            },
        )
        .expect("it reads and no more");
        let mut answers = vec![0; 16 * (end - first) as usize];
        virtine.read(ANSWERS, &mut answers).expect("in bounds");
        let words = answers.as_chunks::<8>().0.as_chunks::<2>().0;
        for (number, [value, refused]) in (first as u32..).zip(words) {
            if u64::from_le_bytes(*refused) == 0 {
                found.insert(number, u64::from_le_bytes(*value));
            }
        }
    }
    found
}

/// Changes every register that can be changed without ending the guest, and returns their numbers. If a value ends the
/// guest, its machine is gone and nothing could survive in it. Everything is then repeated without that register.
fn write(cache: &Cache, patterns: &[Pattern]) -> Vec<u32> {
    let mut deadly = BTreeSet::new();
    loop {
        match try_write(cache, patterns, &deadly) {
            Ok(changed) => return changed,
            Err((number, exit)) => {
                let name = "no_model_specific_register_survives";
                skipped::tell(
                    name,
                    &format!("register {number:#x} ends its guest: {exit:?}"),
                );
                assert!(deadly.insert(number), "{number:#x}: {exit:?}");
            }
        }
    }
}

/// The ranges without these registers.
fn pieces(without: &BTreeSet<u64>) -> Vec<(u64, u64)> {
    let mut pieces = Vec::new();
    for (first, behind) in RANGES {
        let mut start = first;
        for &hole in without.range(first..behind) {
            pieces.push((start, hole));
            start = hole + 1;
        }
        pieces.push((start, behind));
    }
    pieces.retain(|(start, behind)| start < behind);
    pieces
}

fn try_write(
    cache: &Cache,
    patterns: &[Pattern],
    deadly: &BTreeSet<u64>,
) -> Result<Vec<u32>, (u64, Exit)> {
    let mut virtine = virtine(cache);
    let start = virtine.registers().expect("registers");
    let entry = |pattern: &Pattern| match *pattern {
        Pattern::Flip(bits) => [bits, 1],
        Pattern::Value(value) => [value, 0],
    };
    let table: Vec<u8> = patterns
        .iter()
        .flat_map(entry)
        .flat_map(u64::to_le_bytes)
        .collect();
    virtine.write(PATTERNS, &table).expect("in bounds");
    let end = PATTERNS + table.len() as u64;
    let mut changed = Vec::new();
    for (first, behind) in pieces(deadly) {
        let set = Registers {
            rip: WRITE,
            rcx: first,
            rbx: behind,
            rsi: PATTERNS,
            r10: end,
            r11: end - 16 * BLIND as u64,
            rdi: ANSWERS,
            ..start
        };
        let ran = run(&mut virtine, set);
        let registers = virtine.registers().expect("registers");
        ran.map_err(|exit| (registers.rcx, exit))?;
        let count = (registers.rdi - ANSWERS) / 4;
        let mut numbers = vec![0; 4 * count as usize];
        virtine.read(ANSWERS, &mut numbers).expect("in bounds");
        let numbers = numbers.as_chunks().0.iter().copied();
        changed.extend(numbers.map(u32::from_le_bytes));
    }
    Ok(changed)
}

/// Registers that a guest reads differently from the first one.
fn survivors(fresh: &BTreeMap<u32, u64>, found: &BTreeMap<u32, u64>) -> Vec<String> {
    let numbers = fresh.keys().chain(found.keys());
    let mut survivors: Vec<String> = numbers
        .filter(|number| !RUNNING.contains(number) && fresh.get(number) != found.get(number))
        .map(|number| {
            let value = |of: &BTreeMap<u32, u64>| of.get(number).map(|value| format!("{value:#x}"));
            format!("{number:#x}: {:?}, not {:?}", value(found), value(fresh))
        })
        .collect();
    survivors.sort();
    survivors.dedup();
    survivors
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn no_model_specific_register_survives() {
    if backend::refuses(Mode::Long64) {
        return;
    }
    let cache = cache();
    let fresh = read(&cache);
    for (round, patterns) in rounds().iter().enumerate() {
        let changed = write(&cache, patterns);
        // LSTAR accepts any address. Other registers must have changed too, or this test would find nothing.
        assert!(changed.contains(&0xc000_0082), "{changed:x?}");
        assert!(changed.len() > 10, "{changed:x?}");
        let survivors = survivors(&fresh, &read(&cache));
        assert_eq!(
            survivors,
            [""; 0],
            "round {round}, {} changed",
            changed.len()
        );
    }
}
