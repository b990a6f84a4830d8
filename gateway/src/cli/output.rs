//! The output of commands: results on standard output, everything else on standard error.

use crate::remedies::with_causes;
use anyhow::Context as _;
use comfy_table::{presets, ContentArrangement, Table};
use serde_json::json;
use std::io::{self, IsTerminal as _, Write as _};
use streembit_primitives::shown::is_hidden;
use tracing_subscriber::EnvFilter;

/// Prints a text on standard output. Exits quietly if the reader has closed the pipe, as `head` does.
pub fn print_text(text: &str) -> anyhow::Result<()> {
    print_line(&safe_text(text))
}

/// Prints one line of JSON on standard output, like [`print_text`].
pub fn print_json(json: &str) -> anyhow::Result<()> {
    print_line(&safe_json(json))
}

fn print_line(line: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        result => result.context("writing to standard output"),
    }
}

/// Prints a text on standard error.
pub fn note_text(text: &str) {
    eprintln!("{}", safe_text(text));
}

/// Prints one line of JSON on standard error.
pub fn note_json(json: &str) {
    eprintln!("{}", safe_json(json));
}

/// Prints an error and its causes on standard error.
pub fn print_error(error: &anyhow::Error, as_json: bool) {
    let text = with_causes(error);
    if as_json {
        note_json(&json!({ "error": text }).to_string());
    } else {
        note_text(&format!("error: {text}"));
    }
}

/// Escapes the hidden characters of a text, apart from line breaks, tabs and the colours of [`paint`].
///
/// Texts of others are escaped where they become part of the output, line breaks included. This is the last defence, for
/// what was forgotten there.
fn safe_text(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for (at, character) in text.char_indices() {
        let is_own_colour = || {
            let rest = text.get(at..).unwrap_or_default();
            COLOURS.iter().any(|colour| rest.starts_with(colour))
        };
        let is_allowed = match character {
            '\n' | '\t' => true,
            '\x1b' => is_own_colour(),
            other => !is_hidden(other),
        };
        if is_allowed {
            safe.push(character);
        } else {
            safe.extend(character.escape_unicode());
        }
    }
    safe
}

/// Escapes the hidden characters of JSON. They can only be in strings, so the JSON means the same.
fn safe_json(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for character in json.chars() {
        if is_hidden(character) {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                safe.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            safe.push(character);
        }
    }
    safe
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

/// The escape sequences that [`paint`] makes.
const COLOURS: [&str; 4] = ["\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[0m"];

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
    fn only_colours_and_line_breaks_act_on_the_terminal() {
        for colour in [Colour::Red, Colour::Green, Colour::Yellow] {
            let painted = format!("\x1b[{}mx\x1b[0m\n", colour as u8);
            assert_eq!(safe_text(&painted), painted);
        }
        assert_eq!(
            safe_text("a\x1b[8mb\x1b]0;t\x07\u{202e}\r"),
            "a\\u{1b}[8mb\\u{1b}]0;t\\u{7}\\u{202e}\\u{d}"
        );
    }

    #[test]
    fn escaped_json_means_the_same() {
        let value = json!({ "text": "a\u{202e}b\u{7f}\u{9b}2J\u{e0041}\nc \u{200b}" });
        let safe = safe_json(&value.to_string());
        assert!(!safe.chars().any(is_hidden), "{safe}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), value);
    }

    #[test]
    fn tables_have_no_trailing_spaces() {
        let mut table = table(["name", "value"]);
        table.add_row(["a", "1"]).add_row(["longer", "2"]);
        let text = render(&table);
        assert!(text.contains("NAME") && text.lines().all(|line| line == line.trim_end()), "{text:?}");
    }
}
