//! `streembit audit`: checking a device's history against the chain, and exporting and verifying evidence.

mod chains;
mod entry;
mod evidence;
mod forks;
mod note;
mod report;
mod root;
mod verdict;

#[cfg(test)]
mod schema;
#[cfg(test)]
mod tests;

use super::{
    common::{connect, CommandResult, ConfigArg, Context, NodeArg},
    output::{self, paint, Colour},
    record,
    resolver::Reference,
};
use crate::{
    address_book::{AddressBook, EntryName},
    audit::{audit, AnchorState, AuditedEvent, ChainState, Report, Subject},
    config::Config,
    event_view::EventView,
    remedies::explain,
};
use clap::{Args, Subcommand};
use std::{path::Path, process::ExitCode};
use streembit_chain::{ChainClient, ChainError};
use streembit_clock as clock;
use streembit_log::{Log, LogReader, OpenError, StorageError};
use streembit_primitives::{
    evidence::{EventPosition, EventSpan, EventSpans},
    AccountId, LogId,
};

/// The most problems that the text output lists. The JSON output has all of them.
const MAX_LISTED_PROBLEMS: usize = 50;

/// The heading of the list of keys, gateways and owners that count for the events.
const ACTED: &str = "Who acted for which events, and for whom:";

/// The subcommands of `streembit audit`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Verify a device's whole history in the log against the finalized chain.
    ///
    /// The exit code is 0 if the whole history is valid, and 1 if there is any problem. The gateway may be running.
    Device(DeviceArgs),
    /// Show the devices whose keys were copied, each with the two events that prove it.
    ///
    /// The exit code is 0 if there are none, and 1 otherwise. The gateway may be running. Needs no node.
    Forks(forks::ForksArgs),
    /// Write a device's history to an evidence file, which anyone can verify offline.
    ///
    /// Can also prove one event to other people's tools (--format). The gateway may be running. Needs no node.
    Export(evidence::ExportArgs),
    /// Compare a signed note of a gateway's log with what the chain anchored.
    ///
    /// The exit code is 0 if nothing contradicts the note, and 1 if it proves a fork or is not the gateway's. Only
    /// `CONFIRMED` (`"confirmed": true`) says that the chain has this history.
    Note(note::NoteArgs),
    /// List the chains for which the gateway stores proofs of its anchors.
    ///
    /// There is more than one if the chain was founded again. The gateway may be running. Needs no node.
    Chains(chains::ChainsArgs),
    /// Write the trust root of a chain as one line of text, which auditors verify evidence with.
    ///
    /// If there are several sources, the command fails unless all of them have the same trust root.
    Root(root::RootArgs),
    /// Verify an evidence file offline, with only the trust root or the chain spec, and list its newest events.
    ///
    /// Needs no network, node or database. The exit code is 0 if the evidence is valid, and 1 if it is not.
    Verify(evidence::VerifyArgs),
    /// Verify an evidence file and write a report for a buyer: one HTML page that says what is proven and what is only
    /// said.
    ///
    /// Needs no network, node or database. The exit code is 1, and no report is written, if the evidence is not valid.
    Report(report::ReportArgs),
    /// Show the content of an evidence file without verifying it.
    Show(evidence::ShowArgs),
}

/// The arguments of `audit device`.
#[derive(Debug, Args)]
pub struct DeviceArgs {
    /// The device: its name in the gateway's configuration or in the address book, or its id or the beginning of it.
    #[arg(value_parser = Reference::of_device)]
    device: Reference,
    #[command(flatten)]
    config: ConfigArg,
    #[command(flatten)]
    node: NodeArg,
    /// The number of newest events to list. Events with problems are always listed.
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
}

/// Runs the command.
pub async fn run(command: Command, context: &Context) -> CommandResult {
    match command {
        Command::Device(args) => run_device(args, context).await,
        Command::Forks(args) => forks::run(args, context).await,
        Command::Note(args) => note::run(args, context).await,
        Command::Chains(args) => chains::run(args, context).await,
        Command::Export(args) => evidence::export(args, context).await,
        Command::Root(args) => root::run(args, context).await,
        Command::Verify(args) => evidence::verify(args, context).await,
        Command::Report(args) => report::run(args, context).await,
        Command::Show(args) => evidence::show(args, context).await,
    }
}

async fn run_device(args: DeviceArgs, context: &Context) -> CommandResult {
    let (config, account) = args.config.load_with_ids(Some(context))?;
    let chain = connect(args.node.or_configured(&config)).await?;
    let resolver = context.resolver().gateway(&config, account).chain(&chain);
    let device = resolver.device(&args.device).await?;
    let configured = config.devices.iter().find(|configured| configured.id(account) == device);
    let subject = Subject { device, name: configured.map(|configured| configured.name.clone()) };
    let report = audit_device(&config, account, subject, &chain).await?;
    context.print_named(&report, |report| text(report, args.limit, context.names()))?;
    Ok(if report.verified { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn audit_device(
    config: &Config,
    account: AccountId,
    subject: Subject,
    chain: &ChainClient,
) -> anyhow::Result<Report> {
    let path = config.gateway.data_dir.clone();
    let id = own_log(&path, account);
    // Read the chain before the log, so that the log already contains every event that the chain has anchored.
    let state = chain_state(chain, &subject, id).await.map_err(explain)?;
    let report = tokio::task::spawn_blocking(move || {
        match Log::open_for_audit(&path).and_then(|log| log.ensure_is(id)) {
            Ok(log) => audit(&log, subject, &state).map_err(explain),
            Err(OpenError::Storage(StorageError::Damaged { what, .. })) => {
                Ok(Report::for_unreadable_log(subject, &state, id, what))
            }
            Err(error) => Err(explain(error)),
        }
    })
    .await??;
    Ok(report)
}

/// Returns the id of the log in a gateway's data folder, or of the gateway's first log if there is none that can be read.
fn own_log(path: &Path, gateway: AccountId) -> LogId {
    let found = Log::identity(path).ok().flatten();
    LogId { gateway, epoch: found.map_or(0, |log| log.epoch) }
}

/// Opens the log in a gateway's data folder, without writing. Fails if it is a log of another gateway.
fn open_own_log(path: &Path, gateway: AccountId) -> anyhow::Result<LogReader> {
    let id = own_log(path, gateway);
    Log::open_read_only(path).and_then(|log| log.ensure_is(id)).map_err(explain)
}

async fn chain_state(chain: &ChainClient, subject: &Subject, log: LogId) -> Result<ChainState, ChainError> {
    let view = chain.view().await?;
    let block = view.block();
    let anchor = view.latest_anchor(log).await?;
    // A runtime of an earlier release lists no anchors.
    let roots = match (view.anchored_roots(log).await, &anchor) {
        (Ok(roots), _) => roots,
        (Err(_), Some(anchor)) => {
            view.anchored_root(log, anchor.checkpoint.size).await?.into_iter().collect()
        }
        (Err(_), None) => Vec::new(),
    };
    Ok(ChainState {
        genesis: chain.genesis(),
        block: block.number,
        hash: block.hash,
        time: block.time,
        device: view.device(subject.device).await?,
        anchor,
        roots,
    })
}

fn text(report: &Report, limit: usize, names: &AddressBook) -> String {
    let colour = match (report.verified, report.pending) {
        (false, _) => Colour::Red,
        (true, 0) => Colour::Green,
        (true, _) => Colour::Yellow,
    };
    let mut lines = vec![paint(colour, &report.verdict()), String::new()];
    lines.extend(facts(report, names));
    if !report.problems.is_empty() {
        lines.push(String::new());
        lines.push("Problems:".into());
        lines.extend(report.problems.iter().take(MAX_LISTED_PROBLEMS).map(|problem| format!("  {problem}")));
        if let Some(more) = report.problems.len().checked_sub(MAX_LISTED_PROBLEMS).filter(|more| *more > 0) {
            lines.push(format!("  and {more} more; --json lists all of them"));
        }
    }
    if !report.times.is_empty() {
        lines.push(String::new());
        lines.push("A clock was wrong, which the order of the events does not depend on:".into());
        lines.extend(report.times.iter().take(MAX_LISTED_PROBLEMS).map(|time| format!("  {time}")));
        if let Some(more) = report.times.len().checked_sub(MAX_LISTED_PROBLEMS).filter(|more| *more > 0) {
            lines.push(format!("  and {more} more; --json lists all of them"));
        }
    }
    if !report.elsewhere.is_empty() {
        lines.push(String::new());
        lines.push(format!(
            "Other devices of this log: {} damaged bodies or index entries",
            report.elsewhere.len()
        ));
    }
    let acted = acted(report);
    if !acted.is_empty() {
        lines.extend([String::new(), ACTED.to_owned()]);
        lines.extend(acted.iter().map(record::span_line));
    }
    if !report.history.is_empty() {
        lines.push(String::new());
        lines.push(table(report, limit, names));
    }
    lines.join("\n")
}

fn facts(report: &Report, names: &AddressBook) -> Vec<String> {
    // The name in the address book is put beside the id later. It may be the one in the configuration.
    let known = names.name_of(report.device.into()).map(EntryName::as_str);
    let name = report.name.as_deref().filter(|name| known != Some(*name));
    let name = name.map(|name| format!(" ({name})")).unwrap_or_default();
    let anchor = match &report.anchor {
        Some(anchor) => format!(
            "{} of {} log entries, in block {}",
            anchor.checkpoint.size, report.log_size, anchor.block
        ),
        None => format!("none of {} log entries", report.log_size),
    };
    let mut facts = vec![format!("device   {}{name}", report.device)];
    facts.extend(report.record.iter().flat_map(record::lines));
    facts.extend([
        format!("log      {}", record::log_name(&report.log)),
        format!("anchored {anchor}"),
        format!(
            "chain    {} at finalized block {}, {}",
            report.genesis,
            report.block,
            clock::show(report.block_time)
        ),
        events(report),
        format!("complete {}", report.completeness),
    ]);
    facts
}

/// Returns the line with the numbers of the events.
fn events(report: &Report) -> String {
    let Report { events, anchored, pending, lost, erased, .. } = report;
    let valid = anchored.saturating_add(*pending).saturating_add(*lost);
    let mut line = format!("events   {events}: {anchored} anchored, {pending} not yet anchored");
    for (count, what) in [(lost, "declared lost"), (&events.saturating_sub(valid), "not verified")] {
        if *count > 0 {
            line.push_str(&format!(", {count} {what}"));
        }
    }
    if *erased > 0 {
        line.push_str(&format!("; {erased} bodies were erased"));
    }
    line
}

/// Returns which key, gateway and owner count for which of the valid events.
fn acted(report: &Report) -> Vec<EventSpan> {
    let Some(record) = &report.record else { return Vec::new() };
    let mut spans = EventSpans::default();
    for AuditedEvent { event, .. } in report.history.iter().filter(|event| event.ok && !event.lost) {
        let EventView { sequence, index, time, received, .. } = *event;
        spans.add(record, &EventPosition { sequence, index, time, received });
    }
    spans.finish()
}

fn table(report: &Report, limit: usize, names: &AddressBook) -> String {
    let newest = report.history.len().saturating_sub(limit);
    let listed = |(position, event): &(usize, &AuditedEvent)| *position >= newest || !event.ok;
    let mut table =
        output::table(["sequence", "time", "content", "signed by", "key", "index", "anchored", "valid"]);
    let mut count = 0;
    for (_, audited) in report.history.iter().enumerate().filter(listed) {
        count += 1;
        let AuditedEvent { event, .. } = audited;
        table.add_row([
            event.sequence.to_string(),
            event.times(),
            event.content(),
            record::signer(&event.signer, names),
            audited.key.map_or("-".to_owned(), |key| key.to_string()),
            event.index.to_string(),
            match audited.anchor {
                AnchorState::Anchored => "yes",
                AnchorState::Pending => "not yet",
                AnchorState::Outside => "NO",
            }
            .to_owned(),
            if audited.ok { "yes" } else { "NO" }.to_owned(),
        ]);
    }
    let hidden = report.history.len().saturating_sub(count);
    let rest = if hidden > 0 {
        format!("\n{hidden} valid events are not listed; --limit N lists the newest N, --json lists all")
    } else {
        String::new()
    };
    format!("{}{rest}", output::render(&table))
}
