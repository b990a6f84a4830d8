//! `streembit audit export`, `verify` and `show`: writing, verifying and showing evidence files.

use super::{entry, open_own_log, verdict::verdict_text};
use crate::{
    address_book::AddressBook,
    cli::{
        common::{CommandResult, ConfigArg, Context},
        output::{self, paint, Colour},
        progress::ProgressBar,
        record,
        resolver::Reference,
    },
    event_view::{EventView, LogIdView},
    remedies::explain,
};
use anyhow::{ensure, Context as _};
use clap::{Args, ValueEnum};
use comfy_table::Table;
use serde::Serialize;
use serde_json::json;
use std::{
    cell::RefCell,
    path::{Path, PathBuf},
    process::ExitCode,
};
use streembit_clock::{self as clock, PeriodEnd, PeriodStart};
use streembit_evidence::{
    export::{self, ExportSummary, Request, TimeCounts},
    output::Output,
    select::{Disclose, Span, SpanClock},
    show::{self, UnverifiedEvent, UnverifiedSummary},
    verify::{self, ProvenEvent, VerifiedFile, VerifyError},
    TrustRootSource,
};
use streembit_primitives::{
    evidence::{BodyCounts, VerifiedEvidence},
    Hash,
};

/// The arguments of `audit export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The device: its name in the gateway's configuration or in the address book, or its id or the beginning of it.
    #[arg(long, value_parser = Reference::of_device)]
    pub(super) device: Reference,
    /// The format of the file. `evidence` proves a history by the chain. `tlog-proof` (C2SP) and `cose` prove one event
    /// to other people's tools, and less of it; they are signed with the gateway's key.
    #[arg(long, value_enum, default_value_t = Format::Evidence)]
    pub(super) format: Format,
    /// The sequence number of the event to prove; the default is the last anchored event. Only for `tlog-proof` and
    /// `cose`.
    #[arg(long, value_name = "N")]
    pub(super) sequence: Option<u64>,
    /// Continue this evidence file, if the device's events were in another log before. It must have the device's last event
    /// in that log. The new file has all of its events with their proof, whatever has become of that log since.
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    after: Option<PathBuf>,
    /// Export events from this day (2027-06-01, UTC) or time (2027-06-01T12:00:00Z) on.
    #[arg(long, value_name = "T")]
    from: Option<PeriodStart>,
    /// Export events up to the end of this day (2027-06-30, UTC), or before this time.
    #[arg(long, value_name = "T")]
    to: Option<PeriodEnd>,
    /// The parts of the events' bodies to disclose: `all`, `none`, or a comma-separated list of names of readings. The
    /// evidence still proves that the withheld parts exist.
    /// The default is `all`.
    #[arg(long, value_name = "all|none|NAMES")]
    disclose: Option<Disclose>,
    /// The times that --from and --to are about: of the events by their signers' clocks (`signer`), of their receipt by
    /// the gateway's clock (`received`), or of the readings in them (`readings`).
    #[arg(long, value_enum, value_name = "TIMES", default_value_t = SpanTimes::Signer)]
    by: SpanTimes,
    /// The chain whose anchors prove the events, if the log was anchored on more than one: the hash of its first block,
    /// as listed by `streembit audit chains`. The default is the chain of the newest proof.
    #[arg(long, value_name = "GENESIS")]
    pub(super) chain: Option<Hash>,
    /// The file to write, or `-` for standard output.
    #[arg(short, long = "output", value_name = "FILE")]
    pub(super) output: PathBuf,
    /// Replace the file if it exists.
    #[arg(long)]
    pub(super) force: bool,
    #[command(flatten)]
    pub(super) config: ConfigArg,
}

/// The arguments of `audit verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The evidence file.
    file: PathBuf,
    /// The trust root: its text (streembit-root-1-...), a file with the text, as written by `streembit audit root`, or
    /// the raw chain spec, as written by `streembit-node export-chain-spec --chain CHAIN --raw`. The result is only as
    /// trustworthy as the trust root, so get it from someone you trust, not from the person who gave you the evidence.
    #[arg(long, visible_alias = "trust-root", value_name = "SPEC|ROOT", env = "STREEMBIT_CHAIN_SPEC")]
    chain_spec: TrustRootSource,
    /// The number of newest events to list.
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
}

/// The arguments of `audit show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The evidence file.
    file: PathBuf,
    /// The number of events to list.
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: u64,
}

/// The times by which events are selected.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum SpanTimes {
    /// The times of the events, by the clocks of their signers.
    Signer,
    /// The times at which the gateway received the events.
    Received,
    /// The times of the readings in the events.
    Readings,
}

impl From<SpanTimes> for SpanClock {
    fn from(times: SpanTimes) -> Self {
        match times {
            SpanTimes::Signer => Self::Signer,
            SpanTimes::Received => Self::Received,
            SpanTimes::Readings => Self::Readings,
        }
    }
}

/// The format of an exported file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Format {
    /// A device's history, proven by the chain.
    Evidence,
    /// One event, proven to be in the log: <https://c2sp.org/tlog-proof>.
    TlogProof,
    /// One event, proven to be in the log: a COSE hash envelope with a receipt (RFC 9995, RFC 9942).
    Cose,
}

/// Runs `audit export`.
pub async fn export(args: ExportArgs, context: &Context) -> CommandResult {
    if args.format != Format::Evidence {
        ensure!(
            args.from.is_none() && args.to.is_none() && args.disclose.is_none() && args.after.is_none(),
            "--from, --to, --disclose and --after select what evidence shows, and this format proves one event: use --sequence"
        );
        return entry::export(args, context).await;
    }
    ensure!(
        args.sequence.is_none(),
        "--sequence selects the event of a tlog-proof or COSE statement: use --from and --to"
    );
    let (config, account) = args.config.load_with_ids(Some(context))?;
    let device = context
        .resolver()
        .gateway(&config, account)
        .evidence(args.after.as_deref())
        .device(&args.device)
        .await?;
    let (from, to) = (args.from, args.to);
    let request = Request {
        device,
        span: Span { from, to, clock: args.by.into() },
        disclose: args.disclose.unwrap_or_default(),
        chain: args.chain,
        after: args.after,
    };
    let data = config.gateway.data_dir.clone();
    let (path, force) = (args.output.clone(), args.force);
    let (exported, to_stdout) = tokio::task::spawn_blocking(move || {
        let log = open_own_log(&data, account)?;
        let mut output = Output::create(&path, force).map_err(explain)?;
        let mut progress = ProgressBar::new("exporting");
        let exported = export::write(&log, &request, &mut output, |done, total, events| {
            progress.update(done, total, events);
        })
        .map_err(explain)?;
        let to_stdout = output.is_stdout();
        output.finish().map_err(explain)?;
        anyhow::Ok((exported, to_stdout))
    })
    .await??;
    if to_stdout {
        // Standard output carries the evidence itself.
        match context.json {
            true => output::note_json(&context.to_json(&exported)?),
            false => output::note_text(&context.names().label(&exported_text(&exported, None))),
        }
    } else {
        context.print_named(&exported, |exported| exported_text(exported, Some(&args.output)))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs `audit verify`.
pub async fn verify(args: VerifyArgs, context: &Context) -> CommandResult {
    let file = args.file.clone();
    let result = tokio::task::spawn_blocking(move || {
        let trust = args.chain_spec.read().map_err(explain)?;
        let mut progress = ProgressBar::new("verifying");
        let result = verify::verify_and_keep(&args.file, &trust, args.limit, |done, total, events| {
            progress.update(done, total, events);
        });
        drop(progress);
        match result {
            Ok(verified) => anyhow::Ok(Ok(verified)),
            Err(VerifyError::Refused(error)) => Ok(Err(error)),
            Err(error) => Err(error.into()),
        }
    })
    .await??;
    match result {
        Ok(verified) => {
            let output = VerifyOutput::of(&verified);
            context.print_named(&output, |output| {
                format!("{}{}", verdict_text(output.verdict), listed(output, context.names()))
            })?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            let result = json!({ "verified": false, "problem": error.to_string() });
            context.print(&result, |_| {
                paint(Colour::Red, &format!("NOT VERIFIED: {}: {error}", file.display()))
            })?;
            Ok(ExitCode::FAILURE)
        }
    }
}

/// The JSON result of a successful verification.
#[derive(Serialize)]
pub(super) struct VerifyOutput<'a> {
    verified: bool,
    #[serde(flatten)]
    verdict: &'a VerifiedEvidence,
    /// The newest events, oldest first.
    history: Vec<EventView>,
}

impl<'a> VerifyOutput<'a> {
    pub(super) fn of(VerifiedFile { verdict, newest }: &'a VerifiedFile) -> Self {
        let history = newest.iter().map(ProvenEvent::event).map(EventView::from).collect();
        Self { verified: true, verdict, history }
    }
}

/// Returns the table of the newest events, after an empty line, or nothing if none is listed.
fn listed(output: &VerifyOutput<'_>, names: &AddressBook) -> String {
    let VerifyOutput { verdict, history, .. } = output;
    if history.is_empty() {
        return String::new();
    }
    let logs: Vec<_> =
        verdict.segments.iter().map(|segment| LogIdView::from(segment.checkpoint.log)).collect();
    let mut table = event_table();
    for event in history {
        table.add_row(event_row(event, &logs, names));
    }
    let rest = match verdict.events.saturating_sub(history.len() as u64) {
        0 => String::new(),
        more => format!("\n{more} earlier events are not listed; --limit N lists the newest N"),
    };
    format!("\n\n{}{rest}", output::render(&table))
}

/// Returns an empty table of events.
fn event_table() -> Table {
    output::table(["sequence", "time", "content", "signed by", "log", "index"])
}

/// Returns the row of an event. The table has the number of the log among `logs`, because its name is long.
fn event_row(event: &EventView, logs: &[LogIdView], names: &AddressBook) -> [String; 6] {
    [
        event.sequence.to_string(),
        event.times(),
        event.content(),
        record::signer(&event.signer, names),
        logs.iter().position(|log| *log == event.log).map_or(0, |at| at.saturating_add(1)).to_string(),
        event.index.to_string(),
    ]
}

/// Runs `audit show`.
pub async fn show(args: ShowArgs, context: &Context) -> CommandResult {
    let context = context.clone();
    tokio::task::spawn_blocking(move || {
        if context.json {
            print_json_lines(&args, &context)
        } else {
            print_text(&args, &context)
        }
    })
    .await??;
    Ok(ExitCode::SUCCESS)
}

/// Prints the summary of the file as one line of JSON, then each event as one line.
fn print_json_lines(args: &ShowArgs, context: &Context) -> anyhow::Result<()> {
    let print_event = |event| print_json(&UnverifiedView::of(&event), context);
    show::show(&args.file, |summary| print_json(&summary, context), print_event)
        .with_context(|| format!("reading {}", args.file.display()))
}

/// The JSON of an event that is not verified.
#[derive(Serialize)]
pub(super) struct UnverifiedView {
    /// Always false.
    verified: bool,
    #[serde(flatten)]
    event: EventView,
}

impl UnverifiedView {
    pub(super) fn of(event: &UnverifiedEvent) -> Self {
        Self { verified: false, event: event.into() }
    }
}

fn print_json(value: &impl Serialize, context: &Context) -> anyhow::Result<()> {
    output::print_json(&context.to_json(value)?)
}

fn print_text(args: &ShowArgs, context: &Context) -> anyhow::Result<()> {
    let mut table = event_table();
    let (mut count, limit) = (0u64, args.limit);
    let logs = RefCell::new(Vec::<LogIdView>::new());
    show::show(
        &args.file,
        |summary| {
            logs.replace(summary.segments.iter().map(|segment| segment.log.into()).collect());
            output::print_text(&context.names().label(&summary_text(&summary)))
        },
        |event| {
            count = count.saturating_add(1);
            if count <= limit {
                table.add_row(event_row(&EventView::from(&event), &logs.borrow(), context.names()));
            }
            anyhow::Ok(())
        },
    )
    .with_context(|| format!("reading {}", args.file.display()))?;
    let rest = match count.saturating_sub(limit) {
        0 => String::new(),
        more => format!("\n{more} more events; --limit N lists N of them, --json lists all"),
    };
    output::print_text(&format!("{}{rest}\n\n{}", output::render(&table), unverified_warning()))
}

fn unverified_warning() -> String {
    paint(
        Colour::Yellow,
        "NOT VERIFIED. This is only what the file says; `streembit audit verify FILE --trust-root ROOT` verifies it and \
         lists the events too.",
    )
}

fn summary_text(summary: &UnverifiedSummary) -> String {
    let mut lines = vec![unverified_warning(), String::new(), format!("device   {}", summary.device)];
    lines.extend(record::lines(&summary.record));
    for (number, segment) in (1..).zip(&summary.segments) {
        let size = segment.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.size);
        let block = segment.anchored.unwrap_or_default();
        lines.push(format!(
            "log {number}    {size} entries, anchored in block {block}: {}",
            record::log_name(&segment.log)
        ));
    }
    lines.extend([format!("chain    {}", summary.genesis), String::new()]);
    lines.join("\n")
}

pub(super) fn exported_text(exported: &ExportSummary, path: Option<&Path>) -> String {
    let ExportSummary {
        device,
        segments,
        events,
        first,
        last,
        head,
        not_anchored,
        log_size,
        chain,
        block,
        bodies,
        bytes,
        times,
    } = exported;
    let name = path.map_or("standard output".into(), |path| path.display().to_string());
    let mut lines = vec![
        format!("{name}: {} in {}", events_of(*events, *first, *last), size(*bytes)),
        format!("device   {device}"),
        format!("logs     {segments}"),
        format!("bodies   {}", shares(bodies)),
        format!("anchored {log_size} log entries, as of finalized block {block}"),
        format!("chain    {chain}"),
    ];
    lines.extend(contradictory_times(times));
    if let Some(after) = head.checked_sub(*last).filter(|after| *after > 0) {
        lines.push(format!("left out {after} later events, because of --to"));
    }
    if *not_anchored > 0 {
        lines.push(format!("pending  {not_anchored} newer events, which wait for the next anchor"));
    }
    if let Some(path) = path {
        lines.push(format!(
            "\nVerify it with:\n  streembit audit verify {} --trust-root ROOT",
            path.display()
        ));
    }
    lines.join("\n")
}

/// Says that times of the exported events cannot be right, or returns `None` if they can.
fn contradictory_times(times: &TimeCounts) -> Option<String> {
    let TimeCounts { earliest, latest, outside, back, .. } = times;
    let (earliest, latest) = (*earliest).zip(*latest)?;
    times.is_contradictory().then(|| {
        paint(
            Colour::Yellow,
            &format!(
                "times    from {} to {}: {outside} outside of --from and --to, {back} before that of the event before. A \
                 clock was wrong; the order of the events does not depend on it",
                clock::show(earliest),
                clock::show(latest)
            ),
        )
    })
}

pub(super) fn shares(shares: &BodyCounts) -> String {
    let counts = [
        (shares.whole, "whole"),
        (shares.parts, "partial"),
        (shares.withheld, "withheld"),
        (shares.erased, "erased"),
    ];
    let shares: Vec<_> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, how)| format!("{count} {how}")).collect();
    shares.join(", ")
}

pub(super) fn events_of(count: u64, first: u64, last: u64) -> String {
    match count {
        1 => format!("1 event of the device, sequence number {first}"),
        _ => format!("{count} events of the device, sequence numbers {first} to {last}"),
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..=9_999 => format!("{bytes} bytes"),
        10_000..=9_999_999 => format!("{} KB", bytes / 1000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}
