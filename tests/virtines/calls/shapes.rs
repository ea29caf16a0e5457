//! Types in another file that a virtine takes and returns.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Shape {
    Square { side: f64 },
    Rectangle { width: f64, height: f64 },
}

pub(crate) trait Area {
    fn area(&self) -> f64;
}

impl Area for Shape {
    fn area(&self) -> f64 {
        match self {
            Self::Square { side } => side * side,
            Self::Rectangle { width, height } => width * height,
        }
    }
}

#[expect(
    dead_code,
    reason = "must not be carried into the guest, which has no files"
)]
fn load() -> std::io::Result<Vec<u8>> {
    std::fs::read("/etc/hostname")
}
