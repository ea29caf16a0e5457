//! The command as a user runs it.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Output};

fn file(name: &str, contents: &[u8]) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, contents).expect("written");
    path
}

fn count(file: &PathBuf, options: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_word-count"))
        .arg(file)
        .args(options)
        .output()
        .expect("the command starts")
}

fn lines(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn failure(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

/// The same count by another way: character by character, natively.
fn expected(text: &str, limit: usize) -> String {
    let mut counts: HashMap<String, u64> = HashMap::new();
    let mut word = String::new();
    for character in text.chars().chain([' ']) {
        if character.is_alphanumeric() {
            word.push(character);
        } else if !word.is_empty() {
            *counts.entry(word.to_lowercase()).or_default() += 1;
            word.clear();
        }
    }
    let mut ranking: Vec<(String, u64)> = counts.into_iter().collect();
    ranking.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    ranking
        .iter()
        .take(limit)
        .map(|(word, count)| format!("{count} {word}\n"))
        .collect()
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn words_come_by_count_then_by_word() {
    let text = file("ranking.txt", b"b a c b, c! B? d_e 7 7");
    assert_eq!(lines(&count(&text, &[])), "3 b\n2 7\n2 c\n1 a\n1 d\n1 e\n");
    assert_eq!(lines(&count(&text, &["-n", "2"])), "3 b\n2 7\n");
    assert_eq!(lines(&count(&text, &["-n", "0"])), "");
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn any_script_is_counted_as_natively() {
    let pieces = [
        "Straße",
        "STRASSE",
        "ΣΊΣΥΦΟΣ",
        "İstanbul",
        "中文",
        "naïve",
        "٣٤",
        "x½",
        "e\u{301}té",
        "\u{1f980}",
    ];
    let text: String = (0..20_000_usize)
        .map(|n| format!("{}{}", pieces[n * 7 % 10], [" ", ", ", "\n", "-"][n % 4]))
        .collect();
    let output = count(&file("scripts.txt", text.as_bytes()), &["-n", "1000"]);
    assert_eq!(lines(&output), expected(&text, 1000));
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn default_is_ten_words_of_many() {
    let text: String = (0..300_000_u64)
        .map(|n| format!("w{} ", n * n % 9973))
        .collect();
    let output = count(&file("many.txt", text.as_bytes()), &[]);
    assert_eq!(lines(&output), expected(&text, 10));
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn empty_file_has_no_words() {
    assert_eq!(lines(&count(&file("empty.txt", b""), &[])), "");
}

#[test]
fn file_that_is_not_utf8_is_an_error_with_the_offset() {
    let message = failure(&count(&file("binary.txt", b"abc \xff\xfe"), &[]));
    assert!(
        message.contains("is not UTF-8: invalid bytes at offset 4"),
        "{message}"
    );
}

#[test]
fn file_that_is_not_there_is_an_error_with_its_name() {
    let message = failure(&count(&PathBuf::from("no/such/file"), &[]));
    assert!(
        message.starts_with("word-count: cannot read no/such/file: "),
        "{message}"
    );
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn file_beyond_the_memory_names_the_limit_and_the_attribute() {
    // All zeros, which is UTF-8 and takes no disk.
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("huge.txt");
    File::create(&path)
        .and_then(|file| file.set_len(1100 << 20))
        .expect("created");
    let output = count(&path, &[]);
    fs::remove_file(&path).expect("removed");
    let message = failure(&output);
    assert!(message.contains("1073741824 bytes"), "{message}");
    assert!(message.contains("#[virtine(memory = "), "{message}");
}
