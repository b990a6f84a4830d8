//! `streembit event erase`: what events say, removed for good by the running gateway.

use crate::{
    api::{
        client::Client,
        types::{ErasureView, NewErasure},
    },
    cli::{output, ConfigArg, Context, Outcome},
};
use anyhow::bail;
use clap::{ArgGroup, Args};
use std::{
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
};
use streembit_clock as clock;

/// `event erase`
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("which").required(true).args(["sequence", "index"])))]
pub struct EraseArgs {
    /// The device: its name in the gateway's configuration, or its id.
    #[arg(long, requires = "sequence", conflicts_with = "index")]
    device: Option<String>,
    /// The event's place in the device's history, as `streembit audit device` shows it.
    #[arg(long, value_name = "N", requires = "device")]
    sequence: Option<u64>,
    /// The event's place in the log, whosesoever it is.
    #[arg(long, value_name = "N")]
    index: Option<u64>,
    /// Up to this place, where it is more than one event; at most 10,000 at once.
    #[arg(long, value_name = "N")]
    to: Option<u64>,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    /// The gateway.
    #[command(flatten)]
    config: ConfigArg,
}

/// Does it.
pub async fn run(args: EraseArgs, context: &Context) -> Outcome {
    let EraseArgs { device, sequence, index, to, yes, config } = args;
    let Some(first) = sequence.or(index) else {
        bail!("name an event: --device D --sequence N, or --index N")
    };
    let config = config.load()?;
    let client = Client::new(&config.api.socket)?;
    // Nobody is asked where no gateway runs.
    client.log().await?;
    let asked = NewErasure { device, first, last: to };
    if !yes && !confirmed(&question(&asked))? {
        bail!("nothing is erased");
    }
    let erased = client.erase(&asked).await?;
    context.print(&erased, |erased| text(erased))?;
    Ok(ExitCode::SUCCESS)
}

fn question(asked: &NewErasure) -> String {
    let NewErasure { device, first, last } = asked;
    let span = match last.filter(|last| last != first) {
        Some(last) => format!("events {first} to {last}"),
        None => format!("event {first}"),
    };
    let whose = device.as_ref().map_or("the log".into(), |device| format!("device {device}"));
    format!("What {span} of {whose} say will be gone for good: there is no way back.")
}

/// Asks on the terminal. Where there is none, nobody could answer.
fn confirmed(question: &str) -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() {
        bail!("there is no terminal to ask on: repeat it with --yes if it is meant");
    }
    let mut err = io::stderr().lock();
    write!(err, "{question}\nErase? Type yes: ")?;
    err.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(answer.trim() == "yes")
}

fn text(erased: &[ErasureView]) -> String {
    if let [one] = erased {
        let ErasureView { index, device, sequence, erased, before } = one;
        let when = if *before { "was erased before, " } else { "is erased, " };
        return format!(
            "event {sequence} of device {device}, entry {index}: its body {when}{}",
            clock::show(*erased)
        );
    }
    let mut table = output::table(["entry", "event", "erased", "device"]);
    for one in erased {
        let before = if one.before { " (before)" } else { "" };
        let when = format!("{}{before}", clock::show(one.erased));
        table.add_row([one.index.to_string(), one.sequence.to_string(), when, one.device.clone()]);
    }
    format!("{}\n\n{} bodies are erased.", output::render(&table), erased.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        args: EraseArgs,
    }

    #[test]
    fn an_event_is_named_in_one_way() {
        let parses = |words: &str| Only::try_parse_from(words.split(' ')).map(|only| only.args).is_ok();
        assert!(parses("erase --device car --sequence 3 --config x"));
        assert!(parses("erase --device car --sequence 3 --to 9 --yes --config x"));
        assert!(parses("erase --index 3 --config x"));
        for wrong in [
            "erase --config x",
            "erase --device car --config x",
            "erase --sequence 3 --config x",
            "erase --device car --index 3 --config x",
            "erase --device car --sequence 3 --index 3 --config x",
        ] {
            assert!(!parses(wrong), "{wrong}");
        }
    }
}
