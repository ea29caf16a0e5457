//! Section 6.4: AES-128-CBC by chunk size.

use virtine_aes::{BLOCK, encrypt, in_place};

use crate::bare::Bare;
use crate::effort::Effort;
use crate::figure::{Figure, Kind, Plot, Table};
use crate::measure::{Subject, clock_cost, in_batches, in_turns};
use crate::published::{self, beside};
use crate::samples::Samples;
use crate::units::{bytes, number};

const NATIVE: &str = "native";
const VIRTINE: &str = "virtine with snapshot";
const FLOOR: &str = "bare KVM_RUN";
const SIZES: [usize; 6] = [16, 64, 256, 1 << 10, 8 << 10, 16 << 10];
const KEY: [u8; BLOCK] = 0x2b7e151628aed2a6abf7158809cf4f3c_u128.to_be_bytes();
const IV: [u8; BLOCK] = 0x000102030405060708090a0b0c0d0e0f_u128.to_be_bytes();
/// NIST SP 800-38A, F.2.1: plaintext and ciphertext.
const VECTORS: [(u128, u128); 4] = [
    (
        0x6bc1bee22e409f96e93d7e117393172a,
        0x7649abac8119b246cee98e9b12e9197d,
    ),
    (
        0xae2d8a571e03ac9c9eb76fac45af8e51,
        0x5086cb9b507219ee95db113a917678b2,
    ),
    (
        0x30c81c46a35ce411e5fbc1191a0a52ef,
        0x73bed6b8e3c1743b7116e69e22229516,
    ),
    (
        0xf69f2445df4f9b17ad2b417be66c3710,
        0x3ff1caa1681fac09120eca307586e1a7,
    ),
];

pub(super) fn measure(effort: &Effort) -> Result<Figure, String> {
    hold_vectors()?;
    let (mut samples, clock, bare) = (Samples::default(), clock_cost(), Bare::open()?);
    for size in SIZES {
        let plain: Vec<u8> = (0..size).map(|n| (n * 7) as u8).collect();
        let mut expected = plain.clone();
        in_place(&KEY, &IV, &mut expected).map_err(|length| format!("{length} bytes"))?;
        let (at, mut machine) = (size as f64, bare.machine());
        let mut native = native(&plain, &expected, clock);
        let mut subjects: Vec<Subject<'_>> = vec![
            Box::new(move |samples| native(samples)),
            Box::new(|samples| {
                let answer = samples.time(VIRTINE, at, || encrypt::try_call(&KEY, &IV, &plain));
                match answer.map_err(|error| error.to_string())? {
                    Ok(data) if data == expected => Ok(()),
                    _ => Err(format!("{size} bytes were encrypted wrongly")),
                }
            }),
            Box::new(move |samples| {
                samples.time(FLOOR, at, || machine.call());
                Ok(())
            }),
        ];
        in_turns(
            effort,
            effort.rounds(200, 3000),
            &mut samples,
            &mut subjects,
        )?;
    }
    let ratio = |size: usize| samples.ratio(VIRTINE, NATIVE, size as f64);
    let ratios = [
        (published::AES_16, ratio(16)),
        (published::AES_16K, ratio(16 << 10)),
    ];
    Ok(Figure {
        title: "Section 6.4: AES-128-CBC by size",
        method: "Each call encrypts one chunk, native in place and in a virtine that gets key, vector and text and gives the encrypted \
                 text back; both run the same code with the processor's AES instructions, are held against NIST's vectors first, and \
                 every chunk of the virtine's against the native one. The paper cut chunks into calls of 256 bytes and gave back \
                 16 bytes of each; native chunks are timed in batches, less the clock's cost."
            .to_owned(),
        plots: vec![Plot {
            title: "AES-128-CBC: time of one call".to_owned(),
            kind: Kind::Lines { over: "chunk, bytes", logarithmic: true },
            axis: "time",
            series: samples.all().to_vec(),
        }],
        tables: vec![table(&samples), beside(&ratios)],
        samples,
    })
}

fn hold_vectors() -> Result<(), String> {
    let expected = VECTORS
        .map(|(_, encrypted)| encrypted.to_be_bytes())
        .concat();
    let mut here = VECTORS.map(|(plain, _)| plain.to_be_bytes()).concat();
    let plain = here.clone();
    let right = in_place(&KEY, &IV, &mut here).is_ok() && here == expected;
    let answer = encrypt::try_call(&KEY, &IV, &plain).map_err(|error| error.to_string())?;
    match right && answer == Ok(expected) {
        true => Ok(()),
        false => Err("NIST's vectors for AES-128-CBC do not hold".to_owned()),
    }
}

/// Encrypts the chunk repeatedly, and then once from the start for the check.
fn native<'a>(
    plain: &'a [u8],
    expected: &'a [u8],
    clock: f64,
) -> impl FnMut(&mut Samples) -> Result<(), String> + use<'a> {
    let mut data = plain.to_vec();
    let at = plain.len() as f64;
    move |samples| {
        in_batches(samples, (NATIVE, at), clock, &Ok(()), || {
            in_place(&KEY, &IV, &mut data)
        })?;
        data.copy_from_slice(plain);
        let encrypted = in_place(&KEY, &IV, &mut data);
        match encrypted.is_ok() && data == expected {
            true => Ok(()),
            false => Err("a chunk was encrypted wrongly on the host".to_owned()),
        }
    }
}

fn table(samples: &Samples) -> Table {
    let header = [
        "chunk",
        FLOOR,
        NATIVE,
        VIRTINE,
        "native, MB/s",
        "virtine, MB/s",
        "native / virtine",
    ];
    let mut table = Table::new("Median time of one call in us, and throughput.", &header);
    for size in SIZES {
        let at = size as f64;
        let times = [FLOOR, NATIVE, VIRTINE].map(|subject| samples.median(subject, at));
        let rates = [times[1], times[2]].map(|time| at * 1000.0 / time);
        let cells = times
            .map(|time| number(time / 1000.0))
            .into_iter()
            .chain(rates.map(number));
        table.row(
            [bytes(size)]
                .into_iter()
                .chain(cells)
                .chain([number(times[2] / times[1])]),
        );
    }
    table
}
