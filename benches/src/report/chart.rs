//! Drawings, as SVG: one curve a contender.

use std::path::Path;

use plotters::prelude::*;

use crate::Result;

const SIZE: (u32, u32) = (760, 400);

/// Ours stands out; the ruler is black; the rest are told apart.
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 0, 0),
    RGBColor(200, 30, 30),
    RGBColor(40, 110, 180),
    RGBColor(60, 150, 70),
    RGBColor(150, 90, 170),
    RGBColor(200, 140, 20),
];

/// What a chart says beside its curves.
#[derive(Debug, Clone, Copy)]
pub struct Legend<'a> {
    /// Above it.
    pub title: &'a str,
    /// Below it, and what each step along it is called.
    pub across: (&'a str, &'a [String]),
    /// Beside it.
    pub up: &'a str,
    /// Whether each step grows out of the one before, so that lines join them.
    pub is_joined: bool,
}

/// The figures of one contender, from left to right.
#[derive(Debug, Clone)]
pub struct Curve {
    /// Who it is.
    pub name: String,
    /// A figure a step.
    pub figures: Vec<f64>,
}

/// Draws curves from zero up.
pub fn draw(path: &Path, legend: Legend<'_>, curves: &[Curve]) -> Result {
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let (across, steps) = legend.across;
    let last = steps.len().saturating_sub(1) as f64;
    let mut chart = ChartBuilder::on(&root)
        .caption(legend.title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(-0.2..last + 0.2, 0.0..top(curves))?;
    let label = |position: &f64| label_of(steps, *position);
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(2 * steps.len() + 1)
        .x_label_formatter(&label)
        .x_desc(across)
        .y_desc(legend.up)
        .draw()?;
    for (curve, colour) in curves.iter().zip(COLOURS.iter().cycle()) {
        let points: Vec<(f64, f64)> =
            curve.figures.iter().enumerate().map(|(step, figure)| (step as f64, *figure)).collect();
        let is_ours = curve.name == "reactor";
        let style = colour.stroke_width(if is_ours { 3 } else { 1 });
        if legend.is_joined {
            chart.draw_series(LineSeries::new(points.iter().copied(), style))?;
        }
        let size = if is_ours { 5 } else { 3 };
        chart
            .draw_series(points.iter().map(|point| Circle::new(*point, size, style)))?
            .label(&curve.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK)
        .draw()?;
    Ok(root.present()?)
}

/// A little above the highest figure.
fn top(curves: &[Curve]) -> f64 {
    let figures = curves.iter().flat_map(|curve| curve.figures.iter().copied());
    figures.fold(f64::MIN_POSITIVE, f64::max) * 1.1
}

/// The name of the step at a position, if it is at one.
fn label_of(steps: &[String], position: f64) -> String {
    let nearest = position.round();
    let is_there = (position - nearest).abs() < 1e-6 && nearest >= 0.0;
    let name = is_there.then(|| steps.get(nearest as usize)).flatten();
    name.cloned().unwrap_or_default()
}
