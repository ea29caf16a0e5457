//! Floating-point numbers. Results of transcendental functions are rounded: their last bit is the
//! platform's own.

use std::f64::consts::{E, PI};

use wasp_core::virtine;

fn rounded(x: f64) -> f64 {
    (x * 1e9).round() / 1e9
}

#[virtine]
pub fn mean_and_deviation(values: &[f64]) -> Option<(f64, f64)> {
    let n = values.len() as f64;
    if values.is_empty() {
        return None;
    }
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
    Some((mean, variance.sqrt()))
}

#[virtine]
pub fn quadratic(a: f64, b: f64, c: f64) -> Vec<f64> {
    let d = b * b - 4.0 * a * c;
    match d.partial_cmp(&0.0) {
        Some(std::cmp::Ordering::Less) | None => vec![],
        Some(std::cmp::Ordering::Equal) => vec![-b / (2.0 * a)],
        Some(std::cmp::Ordering::Greater) => {
            let r = d.sqrt();
            vec![(-b - r) / (2.0 * a), (-b + r) / (2.0 * a)]
        }
    }
}

#[virtine]
pub fn newton_root(x: f64, n: i32) -> f64 {
    let mut guess = x;
    for _ in 0..100 {
        guess = ((n - 1) as f64 * guess + x / guess.powi(n - 1)) / n as f64;
    }
    rounded(guess)
}

#[virtine]
pub fn trigonometry(degrees: f64) -> [f64; 6] {
    let x = degrees.to_radians();
    let (s, c) = x.sin_cos();
    [s, c, x.tan(), s.asin(), c.acos(), s.atan2(c)].map(rounded)
}

#[virtine]
pub fn exponentials(x: f64) -> Vec<f64> {
    vec![
        x.exp(),
        x.ln(),
        x.log10(),
        x.log2(),
        x.log(7.0),
        x.exp2(),
        x.cbrt(),
        x.powf(1.5),
        x.sinh(),
        x.tanh(),
        x.ln_1p(),
        x.exp_m1(),
    ]
    .into_iter()
    .map(rounded)
    .collect()
}

#[virtine]
pub fn roundings(x: f64) -> (f64, f64, f64, f64, f64, f64, f64) {
    (
        x.floor(),
        x.ceil(),
        x.round(),
        x.trunc(),
        x.fract(),
        x.abs(),
        x.signum(),
    )
}

#[virtine]
pub fn euclidean_division(a: f64, b: f64) -> (f64, f64, f64) {
    (a.div_euclid(b), a.rem_euclid(b), a % b)
}

#[virtine]
pub fn single_precision(x: f32) -> (f32, f32, f32, u32) {
    (x.sqrt(), x.floor(), f32::hypot(x, 2.0), x.to_bits())
}

#[virtine]
pub fn compound_interest(principal: f64, rate: f64, years: u32) -> f64 {
    (principal * (1.0 + rate / 100.0).powi(years as i32) * 100.0).round() / 100.0
}

#[virtine]
pub fn integrate(from: f64, to: f64, steps: usize) -> f64 {
    let f = |x: f64| (-x * x).exp();
    let h = (to - from) / steps as f64;
    let inner: f64 = (1..steps)
        .map(|i| if i % 2 == 1 { 4.0 } else { 2.0 } * f(from + i as f64 * h))
        .sum();
    rounded((f(from) + f(to) + inner) * h / 3.0)
}

#[virtine]
pub fn bisect(low: f64, high: f64) -> Result<f64, String> {
    let f = |x: f64| x.powi(3) - x - 2.0;
    let (mut low, mut high) = (low, high);
    if f(low) * f(high) > 0.0 {
        return Err(format!("no change of sign between {low} and {high:.2}"));
    }
    while high - low > 1e-12 {
        let middle = (low + high) / 2.0;
        if f(low) * f(middle) <= 0.0 {
            high = middle
        } else {
            low = middle
        }
    }
    Ok(rounded(low))
}

#[virtine]
pub fn distance(a: [f64; 3], b: [f64; 3]) -> f64 {
    a.iter()
        .zip(&b)
        .map(|(x, y)| (x - y).powi(2))
        .sum::<f64>()
        .sqrt()
}

#[virtine]
pub fn haversine(from: (f64, f64), to: (f64, f64)) -> f64 {
    const EARTH_KM: f64 = 6371.0088;
    let (lat1, lat2) = (from.0.to_radians(), to.0.to_radians());
    let (dlat, dlon) = (lat2 - lat1, (to.1 - from.1).to_radians());
    let a = (dlat / 2.0).sin().powi(2) + lat1.cos() * lat2.cos() * (dlon / 2.0).sin().powi(2);
    (2.0 * EARTH_KM * a.sqrt().asin() * 1000.0).round() / 1000.0
}

#[virtine]
pub fn format_float(x: f64) -> Vec<String> {
    vec![
        format!("{x}"),
        format!("{x:.3}"),
        format!("{x:e}"),
        format!("{x:>12.1}"),
        format!("{x:+}"),
        format!("{:?}", x),
    ]
}

#[virtine]
pub fn parse_floats(text: &str) -> Vec<Result<f64, String>> {
    text.split(',')
        .map(|part| part.trim().parse::<f64>().map_err(|e| e.to_string()))
        .collect()
}

#[virtine]
pub fn polynomial(coefficients: &[f64], x: f64) -> f64 {
    coefficients
        .iter()
        .rev()
        .fold(0.0, |sum, c| sum.mul_add(x, *c))
}

#[virtine]
pub fn linear_regression(points: Vec<(f64, f64)>) -> Option<(f64, f64)> {
    let n = points.len() as f64;
    let (sx, sy) = points
        .iter()
        .fold((0.0, 0.0), |(sx, sy), (x, y)| (sx + x, sy + y));
    let (mx, my) = (sx / n, sy / n);
    let sxx: f64 = points.iter().map(|(x, _)| (x - mx).powi(2)).sum();
    let sxy: f64 = points.iter().map(|(x, y)| (x - mx) * (y - my)).sum();
    (sxx > f64::EPSILON).then(|| (sxy / sxx, my - sxy / sxx * mx))
}

#[virtine]
pub fn special_values() -> (bool, f64, f64, bool, f64) {
    let nan = f64::NAN;
    (
        nan == nan,
        f64::INFINITY,
        -0.0_f64,
        (0.0_f64 / 0.0).is_nan(),
        f64::MAX.min(nan),
    )
}

#[virtine]
pub fn clamp_and_lerp(x: f64, low: f64, high: f64) -> f64 {
    let t = x.clamp(0.0, 1.0);
    low + (high - low) * t
}

#[virtine]
pub fn circle(radius: f32) -> (f32, f64) {
    let r = f64::from(radius);
    ((PI * r * r) as f32, (2.0 * PI * r * E / E).floor())
}

#[virtine]
pub fn mandelbrot(width: usize, height: usize) -> Vec<String> {
    (0..height)
        .map(|row| {
            (0..width)
                .map(|column| {
                    let c = (
                        column as f64 / width as f64 * 3.0 - 2.0,
                        row as f64 / height as f64 * 2.0 - 1.0,
                    );
                    let mut z = (0.0, 0.0);
                    let mut n = 0;
                    while n < 50 && z.0 * z.0 + z.1 * z.1 <= 4.0 {
                        z = (z.0 * z.0 - z.1 * z.1 + c.0, 2.0 * z.0 * z.1 + c.1);
                        n += 1;
                    }
                    if n == 50 {
                        '#'
                    } else {
                        char::from(b'0' + (n % 10) as u8)
                    }
                })
                .collect()
        })
        .collect()
}

#[virtine]
pub fn casts(x: f64) -> (i8, u8, i64, u64, f32, bool) {
    (
        x as i8,
        x as u8,
        x as i64,
        x as u64,
        x as f32,
        x as i64 as f64 == x,
    )
}

#[virtine]
pub fn map_with_method_paths(values: Vec<f64>) -> Vec<f64> {
    values
        .into_iter()
        .map(f64::abs)
        .map(f64::sqrt)
        .map(f64::floor)
        .collect()
}

#[virtine]
pub fn total_order(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}
