//! Compiles the package's virtines.

fn main() {
    virtine_build::build()
}
