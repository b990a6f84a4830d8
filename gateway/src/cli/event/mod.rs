//! `streembit event`: events by hand and from pipes.

mod erase;

use super::{output, ConfigArg, Context, Outcome};
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
use tokio::sync::{mpsc, oneshot};

pub use erase::EraseArgs;

/// The longest line, in bytes; longer ones are refused.
const MAX_LINE: u64 = 64 * 1024;
/// How many lines are sent at once at most.
const AT_ONCE: usize = 256;
/// How many bytes of lines are sent at once at most, beside the last line.
const BYTES_AT_ONCE: usize = 1024 * 1024;

/// What to do with events.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Add events: SenML JSON (RFC 8428) on standard input, one pack a line.
    ///
    /// Ends with 0 when all lines are in the log, with 1 when some were refused: each of them is named on standard
    /// error. Blank lines are passed over.
    Add(AddArgs),
    /// Erase what events say, for good: from the log's database and its write-ahead log. There is no way back.
    ///
    /// That they happened, when, and who signed them stays, with all that is proven of it; what they said does not.
    /// Copies that others were sent, backups, and blocks of the disk that were not written again yet are out of reach.
    Erase(EraseArgs),
}

/// `event add`
#[derive(Debug, Args)]
pub struct AddArgs {
    /// The device: its name in the gateway's configuration, or its id.
    #[arg(long)]
    device: String,
    /// The gateway.
    #[command(flatten)]
    config: ConfigArg,
}

/// Does it.
pub async fn run(command: Command, context: &Context) -> Outcome {
    let args = match command {
        Command::Add(args) => args,
        Command::Erase(args) => return erase::run(args, context).await,
    };
    let (config, account) = args.config.load_with_account()?;
    // Here already, so that a mistyped name is told before anything is read.
    config.device(&args.device, account)?;
    let client = Client::new(&config.api.socket)?;
    // Nor is anything read where no gateway runs.
    client.log().await?;
    add(&client, &args.device, io::BufReader::new(io::stdin()), context).await
}

/// A line of the input with its number, from 1; an error where it cannot be sent.
struct Line {
    number: u64,
    text: Result<String, &'static str>,
}

/// Sends what has been read while the next lines are read: one request is under way at a time, so that the events are
/// logged in the order of the lines, and the more lines wait the more of them travel at once.
async fn add(
    client: &Client,
    device: &str,
    mut input: impl BufRead + Send + 'static,
    context: &Context,
) -> Outcome {
    let (sender, mut lines) = mpsc::channel(AT_ONCE);
    let (ended, end) = oneshot::channel();
    // A thread of its own: nobody need wait for it when this ends before the input does.
    std::thread::spawn(move || ended.send(read_lines(&mut input, &sender)));
    let (mut added, mut refused) = (0u64, 0u64);
    let mut last = 0;
    while let Some(batch) = next_batch(&mut lines).await {
        last = batch.last().map_or(last, |line| line.number);
        let first = batch.first().map_or(last, |line| line.number);
        let tally = send(client, device, batch, context).await.with_context(|| how_far(first, last))?;
        added += tally.added;
        refused += tally.refused;
    }
    end.await?.with_context(|| format!("reading standard input after line {last}"))?;
    if !context.json {
        eprintln!("{added} added, {refused} refused");
    }
    Ok(if refused == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// What a break means for the lines that were on their way.
fn how_far(first: u64, last: u64) -> String {
    let before = first.saturating_sub(1);
    let behind = if before == 0 { String::new() } else { format!("lines 1 to {before} were answered; ") };
    format!("{behind}lines {first} to {last} were not: see which of them are in the log before they are sent again")
}

/// The lines that wait, at least one; `None` at the end.
async fn next_batch(lines: &mut mpsc::Receiver<Line>) -> Option<Vec<Line>> {
    let mut batch = vec![lines.recv().await?];
    let mut bytes = 0;
    while batch.len() < AT_ONCE && bytes < BYTES_AT_ONCE {
        let Ok(line) = lines.try_recv() else { break };
        bytes += line.text.as_ref().map_or(0, String::len);
        batch.push(line);
    }
    Some(batch)
}

#[derive(Default)]
struct Tally {
    added: u64,
    refused: u64,
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
            Ok(_) => results.next().context("the gateway told of fewer lines than it was sent")?,
            Err(problem) => {
                tally.refused += 1;
                print_refused(number, problem, context);
                continue;
            }
        };
        match result {
            ItemResult::Receipt(receipt) => {
                tally.added += 1;
                print_added(number, &receipt, context)?;
            }
            ItemResult::Problem(problem) => {
                tally.refused += 1;
                print_refused(number, &problem.to_string(), context);
            }
        }
    }
    Ok(tally)
}

fn print_added(line: u64, receipt: &ReceiptView, context: &Context) -> anyhow::Result<()> {
    if context.json {
        output::print_line(&json!({ "line": line, "receipt": receipt }).to_string())?;
    }
    Ok(())
}

fn print_refused(line: u64, problem: &str, context: &Context) {
    if context.json {
        eprintln!("{}", json!({ "line": line, "error": problem }));
    } else {
        eprintln!("line {line}: {problem}");
    }
}

/// Reads lines until the end of the input, or until nobody wants more.
fn read_lines(input: &mut impl BufRead, sender: &mpsc::Sender<Line>) -> io::Result<()> {
    for number in 1.. {
        let mut bytes = Vec::new();
        let read = input.by_ref().take(MAX_LINE + 1).read_until(b'\n', &mut bytes)?;
        if read == 0 {
            break;
        }
        let text = if bytes.last() != Some(&b'\n') && bytes.len() as u64 > MAX_LINE {
            skip_line(input)?;
            Err("more than 65536 bytes: split it into packs of fewer readings")
        } else {
            String::from_utf8(bytes).map_err(|_| "not UTF-8: SenML JSON is UTF-8 text")
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

/// Passes over the rest of a line without keeping it.
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
    fn lines_are_numbered_as_an_editor_does() {
        let lines = lines_of(b"one\n\n  \r\ntwo\r\n\xff\xfe\nlast");
        let numbers: Vec<_> = lines.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [1, 4, 5, 6]);
        assert_eq!(lines[0].1.as_deref(), Ok("one"));
        assert_eq!(lines[1].1.as_deref(), Ok("two"));
        assert!(lines[2].1.as_ref().unwrap_err().contains("UTF-8"));
        assert_eq!(lines[3].1.as_deref(), Ok("last"));
    }

    #[test]
    fn an_endless_line_is_refused_without_keeping_it_and_the_next_goes_through() {
        let mut input = vec![b'x'; MAX_LINE as usize * 3];
        input.extend_from_slice(b"\nnext\n");
        let lines = lines_of(&input);
        assert_eq!(lines.len(), 2);
        assert!(lines[0].1.as_ref().unwrap_err().contains("65536"));
        assert_eq!(lines[1], (2, Ok("next".to_owned())));
        // Exactly the longest is taken.
        let mut input = vec![b'x'; MAX_LINE as usize];
        input.push(b'\n');
        assert!(lines_of(&input)[0].1.is_ok());
    }
}
