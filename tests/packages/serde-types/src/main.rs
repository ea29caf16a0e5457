//! Arguments and results of the user's own types.

use serde::{Deserialize, Serialize};
use wasp_core::virtine;

mod shape;

use shape::{Point, Shape};

#[derive(Serialize, Deserialize, Debug, PartialEq)]
struct Report {
    name: String,
    area: u64,
    corners: Vec<Point>,
}

#[virtine]
fn describe(shape: &Shape, scale: Option<u64>) -> Result<Report, String> {
    let scale = scale.ok_or_else(|| "no scale".to_owned())?;
    Ok(Report {
        name: shape.name().to_uppercase(),
        area: shape.area() * scale * scale,
        corners: shape.corners(),
    })
}

fn main() {
    let shape = Shape::Rectangle {
        width: 3,
        height: 2,
    };
    println!("{:?}", describe(&shape, Some(10)));
    println!("{:?}", describe(&Shape::Dot(Point(1, 1)), None));
}
