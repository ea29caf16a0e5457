//! What the paper's authors have published: medians of the raw data in their code's repository
//! (github.com/virtines/wasp, folder data_example, commit 0ddb514). `gold` is the paper's own run, and `tinker-2` a
//! second one on the same type of machine (AMD EPYC 7281). The range covers all data sets there, ten unless a figure
//! says why fewer.

use crate::figure::Table;
use crate::units::number;

/// A ratio on which the paper's claims rest.
pub(crate) struct Ratio {
    pub(crate) name: &'static str,
    /// The ratio in the paper's own data. `None` if they have no usable data.
    pub(crate) gold: Option<f64>,
    pub(crate) tinker2: Option<f64>,
    pub(crate) range: &'static str,
}

/// A table of these ratios with ours.
pub(crate) fn beside(ratios: &[(Ratio, f64)]) -> Table {
    let header = [
        "ratio of medians",
        "paper",
        "same machine again",
        "all its machines",
        "here",
    ];
    let mut table = Table::new("Beside the paper's own data.", &header);
    let known = |value: Option<f64>| value.map_or_else(|| "none".to_owned(), number);
    for (ratio, here) in ratios {
        table.row([
            ratio.name.to_owned(),
            known(ratio.gold),
            known(ratio.tinker2),
            ratio.range.to_owned(),
            number(*here),
        ]);
    }
    table
}

const fn ratio(name: &'static str, gold: f64, tinker2: f64, range: &'static str) -> Ratio {
    Ratio {
        name,
        gold: Some(gold),
        tinker2: Some(tinker2),
        range,
    }
}

/// Figure 8: cached with asynchronous cleaning, compared with a bare `KVM_RUN`.
pub(crate) const ASYNC_TO_RUN: Ratio = ratio(
    "cached, asynchronous / KVM_RUN of its mode",
    0.990,
    1.010,
    "0.64 to 1.47",
);
pub(crate) const CACHED_TO_RUN: Ratio = ratio("cached / bare KVM_RUN", 2.44, 1.47, "0.99 to 4.10");
pub(crate) const ASYNC_TO_THREAD: Ratio = ratio(
    "cached, asynchronous / thread",
    0.144,
    0.082,
    "0.082 to 0.559",
);
/// Their `create` creates a VM and a vCPU, but no virtine.
pub(crate) const CREATE_TO_ASYNC: Ratio = ratio(
    "from nothing / cached, asynchronous",
    89.0,
    107.0,
    "22 to 355 (VM and vCPU only)",
);
pub(crate) const PROCESS_TO_ASYNC: Ratio =
    ratio("process / cached, asynchronous", 183.0, 67.0, "8.7 to 183");

/// Figure 3.
pub(crate) const REAL_TO_LONG: Ratio = ratio("real / long mode", 0.922, 0.890, "0.62 to 1.94");
pub(crate) const PROTECTED_TO_LONG: Ratio =
    ratio("protected / long mode", 1.01, 0.901, "0.49 to 1.01");

/// Figure 4: milestones in cycles of the guest's counter since its first instruction.
pub(crate) const RECEIVED_TO_ENTRY: Ratio = ratio(
    "received / entry",
    55_030.0 / 9_040.0,
    48_717.0 / 20_853.0,
    "1.57 to 6.09",
);
pub(crate) const SENT_TO_ENTRY: Ratio = ratio(
    "sent / entry",
    142_286.0 / 9_040.0,
    113_917.0 / 20_853.0,
    "2.39 to 15.7",
);

/// Table 1, in cycles: as printed in the paper (its own data file has another run), and tinker-2's.
pub(crate) const BOOT: [(&str, f64, f64); 7] = [
    ("First instruction", 74.0, 63.0),
    ("Load 32-bit GDT", 4_118.0, 105.0),
    ("Protected mode enable", 3_217.0, 3_507.0),
    ("Jump to 32-bit", 175.0, 210.0),
    ("Paging, identity mapping", 28_109.0, 13_734.0),
    ("Load 64-bit GDT", 681.0, 231.0),
    ("Jump to 64-bit", 190.0, 210.0),
];

/// Figure 11: in both runs, the native fib(0) took no longer than the clock's resolution.
pub(crate) const FIB_0_IMAGE_TO_SNAPSHOT: Ratio = ratio(
    "fib(0): without / with snapshot",
    2.59,
    2.87,
    "1.22 to 10.3",
);
pub(crate) const FIB_0_TO_NATIVE: Ratio = ratio(
    "fib(0): snapshot / native",
    6.40,
    3.79,
    "3.8 to 3,210 (clock's cost in both)",
);
pub(crate) const FIB_20_TO_NATIVE: Ratio =
    ratio("fib(20): snapshot / native", 1.20, 1.12, "1.07 to 2.41");
pub(crate) const FIB_25_TO_NATIVE: Ratio =
    ratio("fib(25): snapshot / native", 1.03, 1.02, "1.00 to 1.14");
pub(crate) const FIB_30_TO_NATIVE: Ratio =
    ratio("fib(30): snapshot / native", 1.02, 1.02, "0.99 to 1.02");

/// Figure 12: gold's virtines came from a pool, all others were created from nothing.
pub(crate) const IMAGE_16M_TO_4K: Ratio = ratio(
    "largest / smallest image",
    2_230.0 / 15.6,
    8_326.0 / 553.0,
    "1.76 to 143",
);

/// Figure 13. The range excludes two machines whose virtines were native code.
pub(crate) const LATENCY_SNAPSHOT: Ratio =
    ratio("latency: snapshot / native", 1.58, 1.85, "1.58 to 11.5");
pub(crate) const LATENCY_IMAGE: Ratio = ratio(
    "latency: without snapshot / native",
    2.10,
    1.87,
    "1.87 to 11.5",
);
pub(crate) const RATE_SNAPSHOT: Ratio = ratio(
    "throughput: snapshot / native",
    0.783,
    0.651,
    "0.159 to 0.783",
);
pub(crate) const RATE_IMAGE: Ratio = ratio(
    "throughput: without snapshot / native",
    0.661,
    0.649,
    "0.156 to 0.661",
);

/// Figure 14, compared with their native run, which also covers the whole life of an engine.
pub(crate) const JS_WHOLE: Ratio = ratio("virtine / native", 1.31, 1.70, "1.31 to 2.92");
pub(crate) const JS_NO_TEARDOWN: Ratio =
    ratio("virtine, no teardown / native", 1.02, 1.42, "1.02 to 2.66");
pub(crate) const JS_SNAPSHOT: Ratio = ratio("snapshot / native", 0.553, 0.789, "0.553 to 1.56");
pub(crate) const JS_SNAPSHOT_NO_TEARDOWN: Ratio = ratio(
    "snapshot, no teardown / native",
    133.0 / 418.0,
    0.535,
    "0.318 to 1.20",
);

/// OpenSSL's AES-128-CBC at 16 KiB, whose output was wrong. Only the paper's own native run was published.
pub(crate) const AES_16K: Ratio = Ratio {
    name: "16 KiB: native / virtine with snapshot, throughput",
    gold: Some(17.6),
    tinker2: None,
    range: "17.6 (only one with both)",
};
pub(crate) const AES_16: Ratio = Ratio {
    name: "16 B: native / virtine with snapshot, throughput",
    gold: Some(200_317.0 / 1_089.0),
    tinker2: None,
    range: "184 (only one with both)",
};
