//! `streembit event erase`: permanently erasing event bodies through the running gateway.

use crate::{
    api::{
        client::Client,
        types::{ErasureView, NewErasure},
    },
    cli::{
        common::{CommandResult, ConfigArg, Context},
        output,
        resolver::Reference,
    },
};
use anyhow::bail;
use clap::{ArgGroup, Args};
use std::{
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
};
use streembit_clock as clock;

/// The arguments of `event erase`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("which").required(true).args(["sequence", "index"])))]
pub struct EraseArgs {
    /// The device: its name in the gateway's configuration or in the address book, or its id or the beginning of it.
    #[arg(long, requires = "sequence", conflicts_with = "index", value_parser = Reference::of_device)]
    device: Option<Reference>,
    /// The event's sequence number, as `streembit audit device` shows it.
    #[arg(long, value_name = "N", requires = "device")]
    sequence: Option<u64>,
    /// The event's index in the log, whichever device it belongs to.
    #[arg(long, value_name = "N")]
    index: Option<u64>,
    /// The last sequence number or index of a range. One command erases at most 10,000 bodies.
    #[arg(long, value_name = "N")]
    to: Option<u64>,
    /// Erase without asking for confirmation.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    config: ConfigArg,
}

/// Runs the command.
pub async fn run(args: EraseArgs, context: &Context) -> CommandResult {
    let EraseArgs { device, sequence, index, to, yes, config } = args;
    let Some(first) = sequence.or(index) else {
        bail!("no event given: use --device DEVICE --sequence N, or --index N")
    };
    let (config, device) = match &device {
        Some(device) => {
            let (config, account) = config.load_with_ids(Some(context))?;
            let id = context.resolver().gateway(&config, account).device(device).await?;
            (config, Some(id.to_string()))
        }
        None => (config.load()?, None),
    };
    let client = Client::new(&config.api.socket)?;
    // Report a gateway that is not running before asking for confirmation.
    client.log().await?;
    let request = NewErasure { device, first, last: to };
    if !yes && !confirm(&context.names().label(&question(&request)))? {
        bail!("not confirmed; nothing is erased");
    }
    let erased = client.erase(&request).await?;
    context.print(&erased, |erased| text(erased))?;
    Ok(ExitCode::SUCCESS)
}

fn question(request: &NewErasure) -> String {
    let NewErasure { device, first, last } = request;
    let (range, bodies) = match last.filter(|last| last != first) {
        Some(last) => (format!("events {first} to {last}"), "bodies"),
        None => (format!("event {first}"), "body"),
    };
    let owner = device.as_ref().map_or("the log".into(), |device| format!("device {device}"));
    format!("This permanently erases the {bodies} of {range} of {owner}. It cannot be undone.")
}

/// Asks for confirmation on the terminal. Returns an error if there is no terminal.
fn confirm(question: &str) -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() {
        bail!("cannot ask for confirmation without a terminal: add --yes to erase without asking");
    }
    let mut err = io::stderr().lock();
    write!(err, "{question}\nType \"yes\" to erase: ")?;
    err.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(answer.trim() == "yes")
}

fn text(erased: &[ErasureView]) -> String {
    if let [one] = erased {
        let ErasureView { index, device, sequence, erased, before } = one;
        let when = if *before { "was already erased, " } else { "is erased, " };
        return format!(
            "event {sequence} of device {device}, entry {index}: its body {when}{}",
            clock::show(*erased)
        );
    }
    let mut table = output::table(["entry", "event", "erased", "device"]);
    for one in erased {
        let before = if one.before { " (already)" } else { "" };
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
    fn an_event_is_given_by_device_and_sequence_number_or_by_index() {
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
