//! Calls a virtine that panics.

mod deep;

fn main() {
    println!("{}", deep::inner::half(7));
}
