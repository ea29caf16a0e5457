//! A member with a virtine of its own, and with one of another member's.

use wasp_core::virtine;

#[virtine]
fn area(width: u32) -> u32 {
    width * 3
}

fn main() {
    println!("app {}, shapes {}", area(4), workspace_shapes::area(4));
    match workspace_shapes::area::try_call(0) {
        Ok(area) => println!("area {area}"),
        Err(error) => println!("{error}"),
    }
}
