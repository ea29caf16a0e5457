//! Plots as SVG: medians, with a line from the 5th to the 95th percentile.

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::figure::{Kind, Plot};
use crate::samples::{Series, Spread};
use crate::units::{bytes, number};

const COLOURS: [RGBColor; 7] = [
    RGBColor(0x1b, 0x6c, 0xa8),
    RGBColor(0xd9, 0x5f, 0x02),
    RGBColor(0x1b, 0x9e, 0x77),
    RGBColor(0x75, 0x70, 0xb3),
    RGBColor(0xc2, 0x18, 0x5b),
    RGBColor(0x66, 0x66, 0x66),
    RGBColor(0x8c, 0x6d, 0x1f),
];
const FONT: &str = "sans-serif";
const WIDTH: u32 = 960;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn std::error::Error>>;

/// Draws a plot into a file.
pub(crate) fn draw(plot: &Plot, path: &Path) -> Result<(), String> {
    let height = match plot.kind {
        Kind::Bars => 110 + 34 * plot.series.len() as u32,
        Kind::Lines { .. } => 560,
    };
    let area = SVGBackend::new(path, (WIDTH, height)).into_drawing_area();
    let drawn = area
        .fill(&WHITE)
        .map_err(Into::into)
        .and_then(|()| match plot.kind {
            Kind::Bars => bars(plot, &area),
            Kind::Lines { over, logarithmic } => lines(plot, over, logarithmic, &area),
        })
        .and_then(|()| area.present().map_err(Into::into));
    drawn.map_err(|error: Box<dyn std::error::Error>| {
        format!("cannot draw {}: {error}", path.display())
    })
}

/// The values as they are shown.
fn spread(series: &Series) -> Spread {
    let Spread { low, median, high } = series.spread();
    let scale = |value| series.unit.scale(value).max(1e-4);
    Spread {
        low: scale(low),
        median: scale(median),
        high: scale(high),
    }
}

/// From a power of ten below all values to one above.
fn decades(values: impl Iterator<Item = f64> + Clone) -> std::ops::Range<f64> {
    let low = values.clone().fold(f64::INFINITY, f64::min);
    let high = values.fold(f64::NEG_INFINITY, f64::max);
    10_f64.powf(low.log10().floor())..10_f64.powf((high * 1.2).log10().ceil())
}

fn axis(plot: &Plot) -> String {
    let unit = plot.series.first().map_or("", |series| series.unit.shown());
    format!(
        "{}, {unit} (logarithmic; bar or point: median, line: 5th to 95th percentile)",
        plot.axis
    )
}

fn bars(plot: &Plot, area: &Area<'_>) -> Drawn {
    let spreads: Vec<Spread> = plot.series.iter().map(spread).collect();
    let range = decades(spreads.iter().flat_map(|spread| [spread.low, spread.high]));
    let start = range.start;
    let count = spreads.len();
    let mut chart = ChartBuilder::on(area)
        .caption(&plot.title, (FONT, 20))
        .margin(12)
        .margin_right(70)
        .x_label_area_size(44)
        .y_label_area_size(380)
        .build_cartesian_2d(range.log_scale(), 0.0..count as f64)?;
    // The first one is on top. Labels are at the middle of the bars, which is not a whole number.
    let place = |at: usize| (count - 1 - at) as f64;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .x_desc(axis(plot))
        .x_label_formatter(&|value| number(*value))
        .label_style((FONT, 13))
        .draw()?;
    for (at, (series, spread)) in plot.series.iter().zip(&spreads).enumerate() {
        let (colour, bottom) = (COLOURS[at % COLOURS.len()], place(at));
        let bar = [(start, bottom + 0.2), (spread.median, bottom + 0.8)];
        let middle = bottom + 0.5;
        chart.draw_series([Rectangle::new(bar, colour.mix(0.75).filled())])?;
        chart.draw_series([PathElement::new(
            [(spread.low, middle), (spread.high, middle)],
            BLACK.stroke_width(2),
        )])?;
        let value = Text::new(
            number(spread.median),
            (spread.high * 1.05, middle + 0.2),
            (FONT, 13),
        );
        chart.draw_series([value])?;
        let (x, y) = chart.backend_coord(&(start, middle));
        let style = (FONT, 13)
            .into_text_style(area)
            .pos(plotters::style::text_anchor::Pos::new(
                plotters::style::text_anchor::HPos::Right,
                plotters::style::text_anchor::VPos::Center,
            ));
        area.draw(&Text::new(series.subject.clone(), (x - 8, y), style))?;
    }
    Ok(())
}

fn lines(plot: &Plot, over: &str, logarithmic: bool, area: &Area<'_>) -> Drawn {
    let points = plot.series.iter().map(|series| series.at);
    let spreads = plot.series.iter().map(spread);
    let values = decades(spreads.flat_map(|spread| [spread.low, spread.high]));
    let low = points.clone().fold(f64::INFINITY, f64::min);
    let high = points.fold(f64::NEG_INFINITY, f64::max);
    let below = legend(plot, &area.titled(&plot.title, (FONT, 20))?)?;
    let mut builder = ChartBuilder::on(&below);
    builder
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(72);
    match logarithmic {
        true => {
            let places = (low / 1.3..high * 1.3).log_scale().base(4.0);
            let chart = builder.build_cartesian_2d(places, values.log_scale())?;
            over_axis(plot, over, &|value| bytes(*value as usize), chart)
        }
        false => {
            let places = low - 0.5..high + 0.5;
            let chart = builder.build_cartesian_2d(places, values.log_scale())?;
            over_axis(plot, over, &|value| number(*value), chart)
        }
    }
}

/// In order of appearance.
fn subjects(plot: &Plot) -> Vec<&str> {
    let mut subjects: Vec<&str> = Vec::new();
    for series in &plot.series {
        if !subjects.contains(&series.subject.as_str()) {
            subjects.push(&series.subject);
        }
    }
    subjects
}

/// Draws the legend above the lines, so that it hides none, and returns the remaining area below.
fn legend<'a>(plot: &Plot, area: &Area<'a>) -> Result<Area<'a>, Box<dyn std::error::Error>> {
    let subjects = subjects(plot);
    let rows = subjects.len().div_ceil(2);
    let (top, below) = area.split_vertically(20 * rows as i32 + 4);
    for (at, subject) in subjects.into_iter().enumerate() {
        let colour = COLOURS[at % COLOURS.len()];
        let (x, y) = (84 + 440 * (at / rows) as i32, 10 + 20 * (at % rows) as i32);
        let line = [(x, y), (x + 24, y)];
        top.draw(&PathElement::new(line, colour.stroke_width(3)))?;
        top.draw(&Text::new(subject.to_owned(), (x + 32, y - 6), (FONT, 13)))?;
    }
    Ok(below)
}

/// Draws the lines, for any horizontal axis.
fn over_axis<'a, X>(
    plot: &Plot,
    over: &str,
    place: &dyn Fn(&f64) -> String,
    mut chart: ChartContext<
        'a,
        SVGBackend<'a>,
        Cartesian2d<X, plotters::coord::combinators::LogCoord<f64>>,
    >,
) -> Drawn
where
    X: Ranged<ValueType = f64> + plotters::coord::ranged1d::ValueFormatter<f64>,
{
    chart
        .configure_mesh()
        .x_desc(over)
        .y_desc(axis(plot))
        .x_label_formatter(place)
        .y_label_formatter(&|value| number(*value))
        .label_style((FONT, 13))
        .draw()?;
    for (at, subject) in subjects(plot).into_iter().enumerate() {
        let colour = COLOURS[at % COLOURS.len()];
        let own: Vec<(f64, Spread)> = plot
            .series
            .iter()
            .filter(|series| series.subject == subject)
            .map(|series| (series.at, spread(series)))
            .collect();
        let medians = own.iter().map(|(at, spread)| (*at, spread.median));
        chart.draw_series(LineSeries::new(medians.clone(), colour.stroke_width(2)))?;
        chart.draw_series(medians.map(|point| Circle::new(point, 3, colour.filled())))?;
        chart.draw_series(own.iter().map(|(at, spread)| {
            PathElement::new([(*at, spread.low), (*at, spread.high)], colour.mix(0.6))
        }))?;
    }
    Ok(())
}
