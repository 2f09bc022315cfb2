//! Drawings, as SVG: a curve or a bar an entrant.

use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::contest::{Kind, is_ours};
use super::page::spell;
use super::results::Table;
use crate::Result;

const WIDTH: u32 = 760;

/// Of a drawing with curves.
const HEIGHT: u32 = 400;

/// Of a bar, with the space to the next.
const BAR: i32 = 26;

/// Where bars begin and end at most, from the left.
const BARS: (i32, i32) = (130, 640);

/// A bar that is longer than so many times the median one is cut there.
const CUT: f64 = 3.0;

/// Ours stands out; the ruler is black; the rest are told apart.
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 0, 0),
    RGBColor(200, 30, 30),
    RGBColor(40, 110, 180),
    RGBColor(60, 150, 70),
    RGBColor(150, 90, 170),
    RGBColor(200, 140, 20),
    RGBColor(90, 160, 170),
    RGBColor(150, 110, 90),
];

/// What is drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// What stands above it.
    pub title: String,
    /// Its form.
    pub form: Form,
    /// A curve, or a bar, an entrant.
    pub curves: Vec<Curve>,
}

/// How figures become a drawing.
#[derive(Debug, Clone, PartialEq)]
pub enum Form {
    /// Steps from left to right.
    Curves {
        /// What they are, and what each is called.
        across: (String, Vec<String>),
        /// What goes up.
        up: String,
        /// Whether each step grows out of the one before, so that lines join them.
        is_joined: bool,
    },
    /// The one figure of each, written in this way.
    Bars(Kind),
}

/// The figures of one entrant, from left to right.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// Who it is.
    pub name: String,
    /// A figure a step; `None` where there is none.
    pub figures: Vec<Option<f64>>,
}

impl Picture {
    /// The ratios of a column, table by table.
    pub fn ratios(section: &str, tables: &[Table], column: usize) -> Self {
        let ratio = |table: &Table, name: &str| {
            Some(table.row(name)?.cells.get(column)?.ratio?[1]).filter(|ratio| ratio.is_finite())
        };
        let steps = (1..=tables.len()).map(|number| number.to_string()).collect();
        Self {
            title: format!("{section}: ratio to the first of each table"),
            form: Form::Curves {
                across: ("the tables below, in order".to_owned(), steps),
                up: "ratio".to_owned(),
                is_joined: false,
            },
            curves: curves(&tables.iter().collect::<Vec<_>>(), ratio),
        }
    }

    /// A column over the tables that stand in order of growth, in microseconds.
    pub fn growth(section: &str, tables: &[Table], column: usize) -> Self {
        let growing: Vec<&Table> = tables.iter().filter(|table| table.grows_to.is_some()).collect();
        let steps = growing.iter().filter_map(|table| Some(table.grows_to?.to_string())).collect();
        let value = |table: &Table, name: &str| Some(table.figure(table.row(name)?, column)? / 1e3);
        let what = growing.first().and_then(|table| table.columns.get(column));
        let what = what.map_or("", |column| column.name.as_str());
        Self {
            title: format!("{section}: {what}, as clients grow"),
            form: Form::Curves {
                across: ("clients".to_owned(), steps),
                up: "µs".to_owned(),
                is_joined: true,
            },
            curves: curves(&growing, value),
        }
    }

    /// A column of one table.
    pub fn bars(section: &str, table: &Table, column: usize) -> Self {
        let value = |table: &Table, name: &str| table.figure(table.row(name)?, column);
        let (what, kind) = table
            .columns
            .get(column)
            .map_or(("", Kind::Count), |column| (column.name.as_str(), column.kind));
        Self {
            title: format!("{section}, {}: {what}", table.name),
            form: Form::Bars(kind),
            curves: curves(&[table], value),
        }
    }

    /// The first columns of one table, which are times, from left to right.
    pub fn columns(section: &str, table: &Table, columns: usize) -> Self {
        let heads: Vec<String> =
            table.columns.iter().take(columns).map(|column| column.name.clone()).collect();
        let curve = |row: &super::results::Row| Curve {
            name: row.name.clone(),
            figures: (0..columns).map(|column| Some(table.figure(row, column)? / 1e3)).collect(),
        };
        Self {
            title: format!("{section}: {}", table.name),
            form: Form::Curves {
                across: ("quantile".to_owned(), heads),
                up: "µs".to_owned(),
                is_joined: true,
            },
            curves: table.rows.iter().map(curve).collect(),
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.curves.iter().all(|curve| curve.figures.iter().all(Option::is_none))
    }

    /// Draws it from zero up.
    pub fn draw(&self, path: &Path) -> Result {
        match &self.form {
            Form::Curves { across, up, is_joined } => {
                self.draw_curves(path, across, up, *is_joined)
            }
            Form::Bars(kind) => self.draw_bars(path, *kind),
        }
    }

    fn draw_curves(
        &self,
        path: &Path,
        (across, steps): &(String, Vec<String>),
        up: &str,
        is_joined: bool,
    ) -> Result {
        let root = SVGBackend::new(path, (WIDTH, HEIGHT)).into_drawing_area();
        root.fill(&WHITE)?;
        let last = steps.len().saturating_sub(1) as f64;
        let mut chart = ChartBuilder::on(&root)
            .caption(&self.title, ("sans-serif", 18))
            .margin(12)
            .x_label_area_size(44)
            .y_label_area_size(64)
            .build_cartesian_2d(-0.2..last + 0.2, 0.0..self.top())?;
        let label = |position: &f64| label_of(steps, *position);
        chart
            .configure_mesh()
            .disable_x_mesh()
            .x_labels(2 * steps.len() + 1)
            .x_label_formatter(&label)
            .x_desc(across)
            .y_desc(up)
            .draw()?;
        for (curve, colour) in self.curves.iter().zip(COLOURS.iter().cycle()) {
            let points: Vec<(f64, f64)> = (0_u32..)
                .zip(&curve.figures)
                .filter_map(|(step, figure)| Some((f64::from(step), (*figure)?)))
                .collect();
            let is_ours = is_ours(&curve.name);
            let style = colour.stroke_width(if is_ours { 3 } else { 1 });
            if is_joined {
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
            .position(self.room_for_names())
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK)
            .draw()?;
        Ok(root.present()?)
    }

    /// A bar below the other, each with its figure at its end; one far longer than most is cut.
    fn draw_bars(&self, path: &Path, kind: Kind) -> Result {
        let height = 48 + BAR * self.curves.len() as i32;
        let root = SVGBackend::new(path, (WIDTH, height as u32)).into_drawing_area();
        root.fill(&WHITE)?;
        let title = ("sans-serif", 16).into_font().color(&BLACK);
        root.draw(&Text::new(self.title.clone(), (12, 12), title))?;
        let longest = self.longest_bar();
        let text = |horizontal| {
            ("sans-serif", 14).into_font().color(&BLACK).pos(Pos::new(horizontal, VPos::Center))
        };
        for (index, (curve, colour)) in (0..).zip(self.curves.iter().zip(COLOURS.iter().cycle())) {
            let top = 40 + BAR * index;
            let middle = top + BAR / 2 - 2;
            root.draw(&Text::new(curve.name.clone(), (BARS.0 - 8, middle), text(HPos::Right)))?;
            let Some(figure) = curve.figures.first().copied().flatten() else {
                root.draw(&Text::new("not measured", (BARS.0 + 8, middle), text(HPos::Left)))?;
                continue;
            };
            let part = (figure / longest).min(1.0);
            let end = BARS.0 + (part * f64::from(BARS.1 - BARS.0)) as i32;
            root.draw(&Rectangle::new([(BARS.0, top), (end, top + BAR - 6)], colour.filled()))?;
            let cut = if figure > longest { "… " } else { "" };
            let words = format!("{cut}{}", spell(kind, figure));
            root.draw(&Text::new(words, (end + 6, middle), text(HPos::Left)))?;
        }
        Ok(root.present()?)
    }

    /// The upper corner at the lower end of the curves.
    fn room_for_names(&self) -> SeriesLabelPosition {
        let end = |figure: fn(&Curve) -> Option<&Option<f64>>| {
            self.curves.iter().filter_map(|curve| *figure(curve)?).fold(0.0, f64::max)
        };
        if end(|curve| curve.figures.first()) > end(|curve| curve.figures.last()) {
            SeriesLabelPosition::UpperRight
        } else {
            SeriesLabelPosition::UpperLeft
        }
    }

    fn figures(&self) -> impl Iterator<Item = f64> {
        self.curves.iter().flat_map(|curve| curve.figures.iter().copied().flatten())
    }

    /// A little above the highest figure.
    fn top(&self) -> f64 {
        self.figures().fold(f64::MIN_POSITIVE, f64::max) * 1.1
    }

    /// The figure that reaches the end: the highest, unless that is far above most.
    fn longest_bar(&self) -> f64 {
        let mut figures: Vec<f64> = self.figures().collect();
        figures.sort_by(f64::total_cmp);
        let median = figures.get(figures.len() / 2).copied().unwrap_or(1.0);
        let highest = figures.last().copied().unwrap_or(1.0);
        highest.min(CUT * median).max(f64::MIN_POSITIVE)
    }
}

/// A curve for everyone in the first table, with a figure of each table.
fn curves(tables: &[&Table], figure: impl Fn(&Table, &str) -> Option<f64>) -> Vec<Curve> {
    let mut names: Vec<&String> = Vec::new();
    for row in tables.iter().flat_map(|table| &table.rows) {
        if !names.contains(&&row.name) {
            names.push(&row.name);
        }
    }
    let curve = |name: &String| Curve {
        name: name.clone(),
        figures: tables.iter().map(|table| figure(table, name)).collect(),
    };
    names.into_iter().map(curve).collect()
}

/// The name of the step at a position, if it is at one.
fn label_of(steps: &[String], position: f64) -> String {
    let nearest = position.round();
    let is_there = (position - nearest).abs() < 1e-6 && nearest >= 0.0;
    let name = is_there.then(|| steps.get(nearest as usize)).flatten();
    name.cloned().unwrap_or_default()
}
