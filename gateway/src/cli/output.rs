//! What commands print: results on standard output, everything else on standard error.

use crate::remedies::with_causes;
use anyhow::Context as _;
use comfy_table::{presets, ContentArrangement, Table};
use serde_json::json;
use std::io::{self, IsTerminal as _, Write as _};
use tracing_subscriber::EnvFilter;

/// Prints one line on standard output. A reader that went away ends the command quietly, as `head` expects.
pub fn print_line(line: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        result => result.context("writing to standard output"),
    }
}

/// Prints an error with what caused it on standard error.
pub fn print_error(error: &anyhow::Error, as_json: bool) {
    let text = with_causes(error);
    if as_json {
        eprintln!("{}", json!({ "error": text }));
    } else {
        eprintln!("error: {text}");
    }
}

/// A table for people: no lines but one under the header; as wide as the terminal at most.
pub fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(header.map(str::to_uppercase));
    table
}

/// A table as text, without the spaces that fill its lines.
pub fn render(table: &Table) -> String {
    table.trim_fmt()
}

/// A text in green, yellow or red on a terminal; plain where nobody sees colours.
pub fn paint(colour: Colour, text: &str) -> String {
    if io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        format!("\x1b[{}m{text}\x1b[0m", colour as u8)
    } else {
        text.to_owned()
    }
}

/// What a colour says.
#[derive(Clone, Copy, Debug)]
pub enum Colour {
    /// Wrong.
    Red = 31,
    /// As it should be.
    Green = 32,
    /// Not yet, or not quite.
    Yellow = 33,
}

/// Logs to standard error as `RUST_LOG` says; otherwise from `level` on for our own parts, and only warnings of others.
pub fn start_logging(level: &str) {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new(format!("warn,streembit={level}")));
    let logger = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .with_writer(io::stderr);
    // Already started where another program runs these commands.
    let _ = logger.try_init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_have_no_trailing_spaces_and_nothing_is_coloured_in_a_pipe() {
        let mut table = table(["name", "value"]);
        table.add_row(["a", "1"]).add_row(["longer", "2"]);
        let text = render(&table);
        assert!(text.contains("NAME") && text.lines().all(|line| line == line.trim_end()), "{text:?}");
    }
}
