//! The output of commands: results on standard output, everything else on standard error.

use crate::remedies::with_causes;
use anyhow::Context as _;
use comfy_table::{presets, ContentArrangement, Table};
use serde_json::json;
use std::io::{self, IsTerminal as _, Write as _};
use tracing_subscriber::EnvFilter;

/// Prints one line on standard output. Exits quietly if the reader has closed the pipe, as `head` does.
pub fn print_line(line: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
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
    if cfg!(test) {
        // The texts in tests must not depend on the terminal that the tests run in.
        table.force_no_tty();
    }
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
    if !cfg!(test) && io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        format!("\x1b[{}m{text}\x1b[0m", colour as u8)
    } else {
        text.to_owned()
    }
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
    fn tables_have_no_trailing_spaces() {
        let mut table = table(["name", "value"]);
        table.add_row(["a", "1"]).add_row(["longer", "2"]);
        let text = render(&table);
        assert!(text.contains("NAME") && text.lines().all(|line| line == line.trim_end()), "{text:?}");
    }
}
