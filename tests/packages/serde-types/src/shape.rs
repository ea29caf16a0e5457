//! Types with derives, attributes and methods.

#[derive(serde::Serialize, serde::Deserialize, Clone, Copy, Debug, PartialEq)]
pub struct Point(pub u64, pub u64);

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    Dot(Point),
    Rectangle { width: u64, height: u64 },
}

impl Shape {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Dot(_) => "dot",
            Self::Rectangle { .. } => "rectangle",
        }
    }

    pub fn area(&self) -> u64 {
        match self {
            Self::Dot(_) => 0,
            Self::Rectangle { width, height } => width * height,
        }
    }

    pub fn corners(&self) -> Vec<Point> {
        match *self {
            Self::Dot(point) => vec![point],
            Self::Rectangle { width, height } => vec![Point(0, 0), Point(width, height)],
        }
    }
}
