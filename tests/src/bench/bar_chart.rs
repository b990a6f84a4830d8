//! A horizontal bar chart as SVG, on a logarithmic scale.

use std::fmt::Write as _;

/// One bar.
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) value: f64,
    /// Whether to draw it in the colour of Streembit.
    pub(super) highlighted: bool,
}

const WIDTH: f64 = 900.0;
const LEFT: f64 = 360.0;
const RIGHT: f64 = 90.0;
const ROW: f64 = 30.0;
const TOP: f64 = 56.0;

/// Draws a chart with a title and a subtitle.
pub(super) fn bar_chart(title: &str, subtitle: &str, bars: &[Bar]) -> String {
    let height = TOP + ROW * bars.len() as f64 + 34.0;
    let least = bars.iter().map(|bar| bar.value).fold(f64::INFINITY, f64::min).max(1.0).log10().floor();
    let most = bars.iter().map(|bar| bar.value).fold(1.0, f64::max).log10().ceil().max(least + 1.0);
    let x = |value: f64| LEFT + (value.max(1.0).log10() - least) / (most - least) * (WIDTH - LEFT - RIGHT);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>\n\
         <text x=\"16\" y=\"24\" font-size=\"16\" font-weight=\"bold\">{}</text>\n\
         <text x=\"16\" y=\"43\" fill=\"#555\">{}</text>\n",
        escape(title),
        escape(subtitle)
    );
    let bottom = TOP + ROW * bars.len() as f64;
    for power in least as i32..=most as i32 {
        let (at, label) = (x(10f64.powi(power)), thousands(10f64.powi(power)));
        let _ = writeln!(
            svg,
            "<line x1=\"{at:.1}\" y1=\"{TOP}\" x2=\"{at:.1}\" y2=\"{bottom}\" stroke=\"#ddd\"/>\
             <text x=\"{at:.1}\" y=\"{:.0}\" text-anchor=\"middle\" fill=\"#555\">{label}</text>",
            bottom + 18.0
        );
    }
    for (row, bar) in bars.iter().enumerate() {
        let y = TOP + ROW * row as f64;
        let (end, colour) = (x(bar.value), if bar.highlighted { "#0b6e4f" } else { "#9aa5b1" });
        let _ = writeln!(
            svg,
            "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{}</text>\
             <rect x=\"{LEFT}\" y=\"{:.0}\" width=\"{:.1}\" height=\"18\" fill=\"{colour}\"/>\
             <text x=\"{:.1}\" y=\"{:.0}\">{}</text>",
            LEFT - 8.0,
            y + 20.0,
            escape(&bar.name),
            y + 6.0,
            (end - LEFT).max(1.0),
            end + 6.0,
            y + 20.0,
            thousands(bar.value)
        );
    }
    svg + "</svg>\n"
}

/// Formats a number with thousands separators.
pub(super) fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let length = digits.len();
    digits.char_indices().fold(String::new(), |mut text, (at, digit)| {
        if at > 0 && (length - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
        text
    })
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_has_a_bar_for_each_row_and_escapes_text() {
        let bar = |name: &str, value, highlighted| Bar { name: name.into(), value, highlighted };
        let svg =
            bar_chart("a < b", "events/s", &[bar("one & two", 12.0, false), bar("ours", 54_321.0, true)]);
        assert_eq!(svg.matches("height=\"18\"").count(), 2);
        assert!(svg.contains("a &lt; b") && svg.contains("one &amp; two") && svg.contains("54,321"));
        assert_eq!(thousands(999.6), "1,000");
        assert_eq!(thousands(1_234_567.0), "1,234,567");
    }
}
