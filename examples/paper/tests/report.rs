//! A short run, and whether its report says what its samples do.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn run(options: &[&str], out: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_paper"))
        .args(options)
        .arg("--out")
        .arg(out)
        .output()
        .expect("the program starts")
}

fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    folder
}

fn read(path: PathBuf) -> String {
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The cells of the first row of the report that starts with this one.
fn row(report: &str, first: &str) -> Vec<String> {
    let start = format!("| {first}");
    let line = report.lines().find(|line| line.starts_with(&start));
    let line = line.unwrap_or_else(|| panic!("no row of {first} in {report}"));
    line.trim_matches('|')
        .split('|')
        .map(|cell| cell.trim().to_owned())
        .collect()
}

/// The values of the samples whose subject starts so, by size.
fn samples(csv: &str, subject: &str) -> Vec<f64> {
    let start = format!("\"{subject}");
    let lines = csv.lines().filter(|line| line.starts_with(&start));
    let mut values: Vec<f64> = lines
        .map(|line| {
            line.rsplit(',')
                .next()
                .expect("a cell")
                .parse()
                .expect("a number")
        })
        .collect();
    values.sort_unstable_by(f64::total_cmp);
    values
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn report_has_the_medians_of_its_samples_and_every_plot() {
    let out = folder("short");
    let output = run(&["--quick", "--only", "aes,fig2,fig14,table1"], &out);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let (report, page) = (read(out.join("report.md")), read(out.join("report.html")));
    for subject in ["thread: create, join", "process: fork, exit, wait"] {
        let values = samples(&read(out.join("data/fig2.csv")), subject);
        let median = values[(values.len() - 1) / 2] / 1000.0;
        let told: f64 = row(&report, subject)[1].parse().expect("a number");
        assert!(
            (told - median).abs() <= median / 100.0,
            "{subject}: {told}, {median}"
        );
    }
    for name in ["fig2", "fig14", "aes", "table1"] {
        let plot = read(out.join(format!("plots/{name}.svg")));
        assert!(
            plot.contains("5th to 95th percentile") && plot.contains("</svg>"),
            "{name}"
        );
    }
    assert_eq!(page.matches("</svg>").count(), 4);
    // In the paper's order, whatever was asked for.
    let places = ["Figure 2", "Table 1", "Figure 14", "AES"].map(|title| report.find(title));
    assert!(places.is_sorted() && places[0].is_some(), "{places:?}");
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn rows_of_ring_0_say_where_it_is_emulated() {
    let out = folder("emulated");
    let output = run(&["--quick", "--only", "table1"], &out);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let direct = &row(
        &read(out.join("report.md")),
        "entered directly in long mode, ring 0",
    )[0];
    let emulated = Path::new("/sys/module/kvm_pvm").exists();
    assert_eq!(direct.contains("emulated here"), emulated, "{direct}");
}

#[test]
fn figure_that_is_not_there_is_refused_with_those_that_are() {
    let output = run(&["--only", "fig15"], &folder("refused"));
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("expected one of fig2, fig3"), "{message}");
}
