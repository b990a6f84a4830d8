//! `streembit event`: adding events from standard input, and erasing event bodies.

mod erase;

use super::{
    common::{find_configured, CommandResult, ConfigArg, Context},
    output,
    resolver::Reference,
};
use crate::api::{
    client::Client,
    types::{ItemResult, ReceiptView},
};
use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::json;
use std::{
    io::{self, BufRead, Read as _},
    process::ExitCode,
};
use streembit_adapters::senml;
use streembit_primitives::Shown;
use tokio::sync::{mpsc, oneshot};

pub use erase::EraseArgs;

/// The longest accepted line, in bytes.
const MAX_LINE: u64 = 64 * 1024;
/// The most lines in one request.
const MAX_BATCH_LINES: usize = 256;
/// The size at which a request takes no further line, in bytes.
const MAX_BATCH_BYTES: usize = 1024 * 1024;

/// The subcommands of `streembit event`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Add events from standard input: SenML JSON (RFC 8428), one pack per line.
    ///
    /// Each line becomes one event. Rejected lines are reported on standard error with their line numbers. Blank lines
    /// are skipped. The exit code is 0 if all events are in the log, and 1 if a line was rejected.
    Add(AddArgs),
    /// Permanently erase the bodies of events from the log's database and its write-ahead log.
    ///
    /// The events stay in the log: their times, signers and hashes can still be proven, but not what they said. Copies
    /// that other parties received, backups, and disk blocks that are not overwritten yet are not erased.
    Erase(EraseArgs),
}

/// The arguments of `event add`.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// The device: its name in the gateway's configuration or in the address book, or its id or the beginning of it.
    #[arg(long, value_parser = Reference::of_device)]
    device: Reference,
    #[command(flatten)]
    config: ConfigArg,
}

/// Runs the command.
pub async fn run(command: Command, context: &Context) -> CommandResult {
    let args = match command {
        Command::Add(args) => args,
        Command::Erase(args) => return erase::run(args, context).await,
    };
    let (config, account) = args.config.load_with_ids(Some(context))?;
    // Report a mistyped name, or a gateway that is not running, before reading any input.
    let device = find_configured(context, &config, account, &args.device).await?.id(account);
    let client = Client::new(&config.api.socket)?;
    client.log().await?;
    add(&client, &device.to_string(), io::BufReader::new(io::stdin()), context).await
}

/// A line of the input. `text` is an error if the line cannot be sent.
struct Line {
    /// The line number, counted from 1.
    number: u64,
    text: Result<String, &'static str>,
}

/// Sends lines while the next lines are read. Only one request is open at a time, so the events are logged in the order
/// of the lines. The lines that arrive during a request form the next one.
async fn add(
    client: &Client,
    device: &str,
    mut input: impl BufRead + Send + 'static,
    context: &Context,
) -> CommandResult {
    let (sender, mut lines) = mpsc::channel(MAX_BATCH_LINES);
    let (ended, end) = oneshot::channel();
    // A separate thread, because nothing can interrupt a blocking read if this function returns early.
    std::thread::spawn(move || ended.send(read_lines(&mut input, &sender)));
    let (mut added, mut rejected) = (0u64, 0u64);
    let mut last = 0;
    while let Some(batch) = next_batch(&mut lines).await {
        last = batch.last().map_or(last, |line| line.number);
        let first = batch.first().map_or(last, |line| line.number);
        let tally =
            send(client, device, batch, context).await.with_context(|| describe_progress(first, last))?;
        added += tally.added;
        rejected += tally.rejected;
    }
    end.await?.with_context(|| format!("reading standard input after line {last}"))?;
    if !context.json {
        eprintln!("{added} added, {rejected} rejected");
    }
    Ok(if rejected == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Says which lines are in the log, and which may be, after a request failed.
fn describe_progress(first: u64, last: u64) -> String {
    let before = first.saturating_sub(1);
    let processed = if before == 0 { String::new() } else { format!("lines 1 to {before} were processed; ") };
    format!(
        "{processed}the gateway did not confirm lines {first} to {last}: check which of them are in the log before you \
         send them again"
    )
}

/// Returns the lines that are waiting, at least one, or `None` at the end of the input.
async fn next_batch(lines: &mut mpsc::Receiver<Line>) -> Option<Vec<Line>> {
    let mut batch = vec![lines.recv().await?];
    let mut bytes = 0;
    while batch.len() < MAX_BATCH_LINES && bytes < MAX_BATCH_BYTES {
        let Ok(line) = lines.try_recv() else { break };
        bytes += line.text.as_ref().map_or(0, String::len);
        batch.push(line);
    }
    Some(batch)
}

/// The number of lines that were added and rejected.
#[derive(Default)]
struct Tally {
    added: u64,
    rejected: u64,
}

async fn send(client: &Client, device: &str, batch: Vec<Line>, context: &Context) -> anyhow::Result<Tally> {
    let sendable: String =
        batch.iter().filter_map(|line| line.text.as_deref().ok()).flat_map(|text| [text, "\n"]).collect();
    let results =
        if sendable.is_empty() { Vec::new() } else { client.add_lines(device, sendable).await?.results };
    let mut results = results.into_iter();
    let mut tally = Tally::default();
    for Line { number, text } in batch {
        let result = match text {
            Ok(_) => results.next().context("the gateway returned fewer results than it received lines")?,
            Err(problem) => {
                tally.rejected += 1;
                print_rejected(number, problem, context);
                continue;
            }
        };
        match result {
            ItemResult::Receipt(receipt) => {
                tally.added += 1;
                print_added(number, &receipt, context)?;
            }
            ItemResult::Problem(problem) => {
                tally.rejected += 1;
                print_rejected(number, &problem.to_string(), context);
            }
        }
    }
    Ok(tally)
}

fn print_added(line: u64, receipt: &ReceiptView, context: &Context) -> anyhow::Result<()> {
    if context.json {
        output::print_json(&json!({ "line": line, "receipt": receipt }).to_string())?;
    } else {
        for remark in &receipt.remarks {
            output::note_text(&format!("line {line}: warning: {}", Shown(remark)));
        }
    }
    Ok(())
}

fn print_rejected(line: u64, problem: &str, context: &Context) {
    if context.json {
        output::note_json(&json!({ "line": line, "error": problem }).to_string());
    } else {
        output::note_text(&format!("line {line}: {problem}"));
    }
}

/// Reads lines until the end of the input, or until the receiver is dropped.
fn read_lines(input: &mut impl BufRead, sender: &mpsc::Sender<Line>) -> io::Result<()> {
    for number in 1.. {
        let mut bytes = Vec::new();
        let read = input.by_ref().take(MAX_LINE + 1).read_until(b'\n', &mut bytes)?;
        if read == 0 {
            break;
        }
        // Every later line would be wrong for the same reason.
        if number == 1 && senml::is_utf16(&bytes) {
            let text = Err("the input is UTF-16, and no line was read: send UTF-8 text, for example with `Out-File -Encoding utf8`");
            let _ = sender.blocking_send(Line { number, text });
            break;
        }
        let text = if bytes.last() != Some(&b'\n') && bytes.len() as u64 > MAX_LINE {
            skip_line(input)?;
            Err("the line has more than 65536 bytes: split the pack into several with fewer readings")
        } else {
            String::from_utf8(senml::without_mark(&bytes).to_vec())
                .map_err(|_| "the line is not UTF-8: send SenML JSON as UTF-8 text")
        };
        let text = text.map(|text| text.trim().to_owned());
        if text.as_deref() == Ok("") {
            continue;
        }
        if sender.blocking_send(Line { number, text }).is_err() {
            break;
        }
    }
    Ok(())
}

/// Skips the rest of a line without storing it.
fn skip_line(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        let (used, ended) = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        input.consume(used);
        if ended {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(input: &[u8]) -> Vec<(u64, Result<String, &'static str>)> {
        let (sender, mut receiver) = mpsc::channel(100);
        read_lines(&mut io::BufReader::with_capacity(16, input), &sender).unwrap();
        std::iter::from_fn(|| receiver.try_recv().ok()).map(|line| (line.number, line.text)).collect()
    }

    #[test]
    fn lines_are_numbered_from_one_and_blank_lines_are_skipped() {
        let lines = lines_of(b"one\n\n  \r\ntwo\r\n\xff\xfe\nlast");
        let numbers: Vec<_> = lines.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [1, 4, 5, 6]);
        assert_eq!(lines[0].1.as_deref(), Ok("one"));
        assert_eq!(lines[1].1.as_deref(), Ok("two"));
        assert!(lines[2].1.as_ref().unwrap_err().contains("UTF-8"));
        assert_eq!(lines[3].1.as_deref(), Ok("last"));
    }

    #[test]
    fn text_from_windows_is_read_or_refused_once() {
        let lines = lines_of(b"\xef\xbb\xbfone\r\n\xef\xbb\xbftwo\r\n");
        assert_eq!(lines, [(1, Ok("one".to_owned())), (2, Ok("two".to_owned()))]);
        for mark in ["\u{feff}", ""] {
            let utf16 = format!("{mark}[]\r\n[]\r\n[]\r\n");
            let lines = lines_of(&utf16.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>());
            assert_eq!(lines.len(), 1);
            assert!(lines[0].1.as_ref().unwrap_err().contains("UTF-16"), "{lines:?}");
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_rejected_and_the_next_line_is_read() {
        let mut input = vec![b'x'; MAX_LINE as usize * 3];
        input.extend_from_slice(b"\nnext\n");
        let lines = lines_of(&input);
        assert_eq!(lines.len(), 2);
        assert!(lines[0].1.as_ref().unwrap_err().contains("65536"));
        assert_eq!(lines[1], (2, Ok("next".to_owned())));
        // A line of exactly the maximum length is accepted.
        let mut input = vec![b'x'; MAX_LINE as usize];
        input.push(b'\n');
        assert!(lines_of(&input)[0].1.is_ok());
    }
}
