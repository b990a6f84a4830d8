//! The readings of a meter in the course of time, as an SVG picture inside of the page.

use super::{
    history::VerifiedHistory,
    html::{Element, Html},
    meter::{to_f64, MeterPoint},
};
use crate::contracts::show_number;
use streembit_clock as clock;
use streembit_primitives::Decimal;

/// The size of the picture, in its own units.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 300.0;
/// The space around the plotted area.
const LEFT: f64 = 84.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 40.0;
/// The number of steps of the axis of time.
const TIME_STEPS: u32 = 4;

/// Where times and values are in the picture.
struct Scale {
    first_time: f64,
    time_span: f64,
    low: f64,
    value_span: f64,
    /// The distance of two lines of the grid, as a value.
    step: f64,
}

impl Scale {
    /// Returns the scale in which all points are inside of the picture.
    fn new(points: &[MeterPoint]) -> Self {
        let times = points.iter().map(|point| point.time as f64);
        let values = points.iter().map(|point| to_f64(&point.value));
        let (first_time, last_time) = range(times);
        let (lowest, highest) = range(values);
        let step = nice_step((highest - lowest) / 4.0);
        let low = (lowest / step).floor() * step;
        let high = ((highest / step).ceil() * step).max(low + step);
        Self {
            first_time,
            time_span: (last_time - first_time).max(1.0),
            low,
            value_span: (high - low).max(f64::MIN_POSITIVE),
            step,
        }
    }

    fn x(&self, time: u64) -> f64 {
        let share = ((time as f64 - self.first_time) / self.time_span).clamp(0.0, 1.0);
        LEFT + share * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        let share = ((value - self.low) / self.value_span).clamp(0.0, 1.0);
        HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
    }

    fn y_of(&self, point: &MeterPoint) -> f64 {
        self.y(to_f64(&point.value))
    }
}

fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)))
}

/// Returns the next number above that is 1, 2 or 5 times a power of ten.
fn nice_step(rough: f64) -> f64 {
    if !(rough > 0.0 && rough.is_finite()) {
        return 1.0;
    }
    let power = 10f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| factor * power >= rough);
    factor.unwrap_or(10.0) * power
}

/// Draws the readings. Returns nothing if there are fewer than two.
pub fn draw(history: &VerifiedHistory, description: &str) -> Html {
    let points = &history.meter.points;
    if points.len() < 2 {
        return Html::new();
    }
    let scale = Scale::new(points);
    Element::new("svg")
        .attribute("viewBox", format_args!("0 0 {WIDTH} {HEIGHT}"))
        .attribute("role", "img")
        .attribute("aria-labelledby", "chart-title chart-description")
        .with(
            Element::new("title").attribute("id", "chart-title").text("Meter readings in the course of time"),
        )
        .with(Element::new("desc").attribute("id", "chart-description").text(description))
        .with(silences(history, &scale))
        .with(grid(&scale))
        .with(time_axis(&scale))
        .with(owner_changes(history, &scale))
        .with(line(points, &scale))
        .with(irregular(history, &scale))
        .into()
}

fn at(value: f64) -> String {
    format!("{value:.1}")
}

fn text_at(x: f64, y: f64, anchor: &'static str, text: impl std::fmt::Display) -> Html {
    Element::new("text")
        .attribute("x", at(x))
        .attribute("y", at(y))
        .attribute("text-anchor", anchor)
        .text(text)
        .into()
}

fn line_between(class: &'static str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) -> Html {
    Element::new("line")
        .class(class)
        .attribute("x1", at(x1))
        .attribute("y1", at(y1))
        .attribute("x2", at(x2))
        .attribute("y2", at(y2))
        .into()
}

/// The horizontal lines with their values.
fn grid(scale: &Scale) -> Html {
    let steps = (scale.value_span / scale.step).round().clamp(1.0, 20.0) as u32;
    let mut lines = Html::new();
    for number in 0..=steps {
        let value = scale.low + f64::from(number) * scale.step;
        let y = scale.y(value);
        lines.push(line_between("grid", (LEFT, y), (WIDTH - RIGHT, y)));
        lines.push(text_at(LEFT - 8.0, y + 4.0, "end", label(value, scale.step)));
    }
    lines
}

/// Returns a value as text, with a decimal place if the steps are small.
fn label(value: f64, step: f64) -> String {
    let places = if step < 1.0 { 2i8 } else { 0 };
    let mantissa = (value * 10f64.powi(places.into())).round() as i64;
    Decimal::new(mantissa, -places).map_or_else(|_| format!("{value:e}"), |value| show_number(&value))
}

/// The dates below the picture.
fn time_axis(scale: &Scale) -> Html {
    let mut labels = Html::new();
    let bottom = HEIGHT - BOTTOM;
    for number in 0..=TIME_STEPS {
        let share = f64::from(number) / f64::from(TIME_STEPS);
        let time = (scale.first_time + share * scale.time_span) as u64;
        let x = scale.x(time);
        let anchor = match number {
            0 => "start",
            TIME_STEPS => "end",
            _ => "middle",
        };
        labels.push(line_between("axis", (x, bottom), (x, bottom + 5.0)));
        labels.push(text_at(x, bottom + 22.0, anchor, clock::show_day(time)));
    }
    labels
}

/// The times without events, as areas.
fn silences(history: &VerifiedHistory, scale: &Scale) -> Html {
    let area = |from: u64, until: u64| {
        let (left, right) = (scale.x(from), scale.x(until));
        Element::new("rect")
            .class("silence")
            .attribute("x", at(left))
            .attribute("y", at(TOP))
            .attribute("width", at((right - left).max(0.0)))
            .attribute("height", at(HEIGHT - TOP - BOTTOM))
    };
    history.silences.iter().map(|silence| area(silence.from, silence.until)).collect()
}

/// The times at which another party became the owner, as lines with the number of the owner.
fn owner_changes(history: &VerifiedHistory, scale: &Scale) -> Html {
    let mut lines = Html::new();
    let owners = history.evidence.record.owners().iter().zip(1u32..).skip(1);
    for (owner, number) in owners {
        let x = scale.x(owner.since);
        lines.push(line_between("owner", (x, TOP), (x, HEIGHT - BOTTOM)));
        lines.push(text_at(x - 4.0, TOP + 12.0, "end", format_args!("owner {number}")));
    }
    lines
}

fn line(points: &[MeterPoint], scale: &Scale) -> Html {
    let corners: Vec<_> =
        points.iter().map(|point| format!("{},{}", at(scale.x(point.time)), at(scale.y_of(point)))).collect();
    Element::new("polyline").class("meter").attribute("points", corners.join(" ")).into()
}

/// The readings that do not fit, as circles with a cross inside, so that the colour is not needed to see them.
fn irregular(history: &VerifiedHistory, scale: &Scale) -> Html {
    let mut marks = Html::new();
    for irregularity in history.meter.irregularities.iter() {
        let (x, y) = (scale.x(irregularity.found.time), scale.y_of(&irregularity.found));
        let circle = Element::new("circle").class("irregular");
        marks.push(circle.attribute("cx", at(x)).attribute("cy", at(y)).attribute("r", 7));
        marks.push(line_between("irregular", (x - 4.0, y - 4.0), (x + 4.0, y + 4.0)));
        marks.push(line_between("irregular", (x - 4.0, y + 4.0), (x + 4.0, y - 4.0)));
    }
    marks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(time: u64, value: &str) -> MeterPoint {
        MeterPoint { sequence: 0, time, received: time, value: value.parse().unwrap() }
    }

    #[test]
    fn steps_are_round_numbers() {
        for (rough, step) in
            [(0.0, 1.0), (f64::NAN, 1.0), (3.0, 5.0), (900.0, 1000.0), (0.3, 0.5), (12_000.0, 20_000.0)]
        {
            assert!((nice_step(rough) - step).abs() < 1e-9, "{rough}: {}", nice_step(rough));
        }
    }

    #[test]
    fn every_point_is_inside_of_the_picture() {
        let points =
            [point(5, "0"), point(u64::MAX, "9223372036854775807e18"), point(0, "-9223372036854775807e18")];
        for points in [&points[..], &points[..1], &[point(7, "12.5"), point(7, "12.5")]] {
            let scale = Scale::new(points);
            for point in points {
                let (x, y) = (scale.x(point.time), scale.y_of(point));
                assert!((LEFT..=WIDTH - RIGHT).contains(&x), "{x}");
                assert!((TOP..=HEIGHT - BOTTOM).contains(&y), "{y}");
            }
        }
    }

    #[test]
    fn labels_are_grouped() {
        assert_eq!(label(48_000.0, 5_000.0), "48,000");
        assert_eq!(label(0.25, 0.25), "0.25");
        assert!(!label(f64::MAX, 1.0).is_empty());
    }
}
