fn main() {
    virtine_build::build()
}
