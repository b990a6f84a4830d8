//! The output of commands: results on standard output, everything else on standard error.

use crate::{
    printable::{escape_json, Printable},
    remedies::with_causes,
};
use anyhow::Context as _;
use comfy_table::{presets, ContentArrangement, Table};
use serde_json::json;
use std::io::{self, IsTerminal as _, Write as _};
use tracing_subscriber::EnvFilter;

/// Prints a text on standard output. Characters that a terminal acts on are escaped, apart from the colours of [`paint`].
pub fn print_text(text: &str) -> anyhow::Result<()> {
    print(&escape_text(text))
}

/// Prints one line of JSON on standard output. Characters that a terminal acts on are escaped.
pub fn print_json(json: &str) -> anyhow::Result<()> {
    print(&escape_json(json))
}

/// Prints on standard output. Exits quietly if the reader has closed the pipe, as `head` does.
fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        result => result.context("writing to standard output"),
    }
}

/// Prints an error and its causes on standard error.
pub fn print_error(error: &anyhow::Error, as_json: bool) {
    let text = with_causes(error);
    if as_json {
        eprintln!("{}", json!({ "error": text }));
    } else {
        eprintln!("error: {text}");
    }
}

/// Creates a table without borders that is at most as wide as the terminal.
pub fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(header.map(str::to_uppercase));
    table
}

/// Renders a table without trailing spaces.
pub fn render(table: &Table) -> String {
    table.trim_fmt()
}

/// Colours a text if standard output is a terminal and `NO_COLOR` is not set.
pub fn paint(colour: Colour, text: &str) -> String {
    if io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        format!("{}{text}{PLAIN}", colour.start())
    } else {
        text.to_owned()
    }
}

/// The sequence that ends a colour.
const PLAIN: &str = "\x1b[0m";

/// Escapes the characters that a terminal acts on. Keeps the sequences of [`paint`], which change nothing but the colour.
fn escape_text(text: &str) -> String {
    let sequences = Colour::ALL.map(Colour::start);
    let kept = || sequences.iter().map(String::as_str).chain([PLAIN]);
    let (mut escaped, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((at, sequence)) =
        kept().filter_map(|sequence| Some((rest.find(sequence)?, sequence))).min_by_key(|(at, _)| *at)
    {
        let (before, after) = rest.split_at(at);
        escaped.push_str(Printable::escaped(before).as_str());
        escaped.push_str(sequence);
        rest = after.strip_prefix(sequence).unwrap_or_default();
    }
    escaped.push_str(Printable::escaped(rest).as_str());
    escaped
}

/// The colours of results.
#[derive(Clone, Copy, Debug)]
pub enum Colour {
    /// An error, or something that needs action.
    Red = 31,
    /// Everything is in order.
    Green = 32,
    /// Incomplete, or a warning.
    Yellow = 33,
}

impl Colour {
    const ALL: [Self; 3] = [Self::Red, Self::Green, Self::Yellow];

    /// Returns the sequence that starts the colour.
    fn start(self) -> String {
        format!("\x1b[{}m", self as u8)
    }
}

/// Starts logging to standard error with the filter in `RUST_LOG`. The default is `level` for Streembit's own crates
/// and `warn` for all others.
pub fn start_logging(level: &str) {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new(format!("warn,streembit={level}")));
    let logger = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .with_writer(io::stderr);
    // This fails if the process already has a logger.
    let _ = logger.try_init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_colours_of_results_reach_the_terminal() {
        let text = "a \x1b[31mred\x1b[0m b\nc\x1b[2J\u{202e}\x1b[8m";
        assert_eq!(escape_text(text), "a \x1b[31mred\x1b[0m b\nc\\u{1b}[2J\\u{202e}\\u{1b}[8m");
    }

    #[test]
    fn tables_have_no_trailing_spaces() {
        let mut table = table(["name", "value"]);
        table.add_row(["a", "1"]).add_row(["longer", "2"]);
        let text = render(&table);
        assert!(text.contains("NAME") && text.lines().all(|line| line == line.trim_end()), "{text:?}");
    }
}
