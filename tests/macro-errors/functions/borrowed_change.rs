use wasp_core::virtine;

#[virtine]
fn sort(words: &mut [&str]) {
    words.sort();
}

#[virtine]
fn next(last: Option<&mut u32>, all: &[&mut u8]) {
    let _ = (last, all);
}

fn main() {}
