//! `streembit audit export`, `verify` and `show`: evidence files.

use crate::{
    cli::{
        common::subject,
        output::{self, paint, Colour},
        progress::ProgressBar,
        ConfigArg, Context, Outcome,
    },
    remedies::explain,
};
use anyhow::Context as _;
use clap::Args;
use serde::Serialize;
use serde_json::json;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};
use streembit_clock as clock;
use streembit_clock::{PeriodEnd, PeriodStart};
use streembit_evidence::{
    chain_spec,
    export::{self, ExportSummary, Request},
    output::Output,
    select::{Disclose, Span},
    show::{self, Disclosed, UnverifiedEvent, UnverifiedSummary},
    verify::{self, VerifyError},
};
use streembit_keystore::account;
use streembit_log::Log;
use streembit_primitives::{
    evidence::{BodyCounts, VerifiedEvidence},
    DeviceKey, Hash, LogId, Part, PublicKey, Signer,
};

/// What to export.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The device: its name in the gateway's configuration, or its id.
    #[arg(long)]
    device: String,
    /// The first events: from a day on (2027-06-01, UTC), or from a time (2027-06-01T12:00:00Z).
    #[arg(long, value_name = "T")]
    from: Option<PeriodStart>,
    /// The last events: up to the end of a day (2027-06-30, UTC), or before a time.
    #[arg(long, value_name = "T")]
    to: Option<PeriodEnd>,
    /// What of the events' bodies to show: `all`, `none`, or the names of readings with commas between. What is not shown
    /// stays proven to exist.
    #[arg(long, value_name = "all|none|NAMES", default_value = "all")]
    disclose: Disclose,
    /// The chain to prove it by, where the log was anchored on more than one: the hash of its first block, as
    /// `streembit audit chains` lists it. By default the one that the gateway collected from last.
    #[arg(long, value_name = "GENESIS")]
    chain: Option<Hash>,
    /// The file to write; `-` for standard output.
    #[arg(short, long = "output", value_name = "FILE")]
    output: PathBuf,
    /// Replace the file where it exists.
    #[arg(long)]
    force: bool,
    /// The gateway's configuration.
    #[command(flatten)]
    config: ConfigArg,
}

/// What to verify.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The evidence.
    file: PathBuf,
    /// The chain's specification, raw: `streembit-node export-chain-spec --chain X --raw` writes it. It is what is trusted,
    /// so take it from somebody you trust, not from whoever gave you the evidence.
    #[arg(long, value_name = "SPEC", env = "STREEMBIT_CHAIN_SPEC")]
    chain_spec: PathBuf,
}

/// What to show.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The evidence.
    file: PathBuf,
    /// How many of the events to list for people.
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: u64,
}

/// Writes evidence.
pub async fn export(args: ExportArgs, context: &Context) -> Outcome {
    let (config, account) = args.config.load_with_account()?;
    let device = subject(&config, account, &args.device)?.device;
    let (from, to) = (args.from, args.to);
    let request = Request { device, span: Span { from, to }, disclose: args.disclose, chain: args.chain };
    let id = LogId::first(account);
    let data = config.gateway.data_dir.clone();
    let (path, force) = (args.output.clone(), args.force);
    let (exported, to_stdout) = tokio::task::spawn_blocking(move || {
        let log = Log::open_read_only(&data).and_then(|log| log.ensure_is(id)).map_err(explain)?;
        let mut output = Output::create(&path, force).map_err(explain)?;
        let mut progress = ProgressBar::new("exporting");
        let exported = export::write(&log, &request, &mut output, |behind, size, events| {
            progress.at(behind, size, events);
        })
        .map_err(explain)?;
        let to_stdout = output.is_stdout();
        output.finish().map_err(explain)?;
        anyhow::Ok((exported, to_stdout))
    })
    .await??;
    if to_stdout {
        eprintln!("{}", exported_text(&exported, None));
    } else {
        context.print(&exported, |exported| exported_text(exported, Some(&args.output)))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Verifies evidence.
pub async fn verify(args: VerifyArgs, context: &Context) -> Outcome {
    let file = args.file.clone();
    let result = tokio::task::spawn_blocking(move || {
        let trust = chain_spec::read(&args.chain_spec).map_err(explain)?;
        let mut progress = ProgressBar::new("verifying");
        let result = verify::verify(&args.file, &trust, |behind, length, events| {
            progress.at(behind, length, events);
        });
        drop(progress);
        match result {
            Ok(verdict) => anyhow::Ok(Ok(verdict)),
            Err(VerifyError::Refused(error)) => Ok(Err(error)),
            Err(error) => Err(error.into()),
        }
    })
    .await??;
    match result {
        Ok(verdict) => {
            context.print(&VerifyOutput { verified: true, verdict: &verdict }, |_| verdict_text(&verdict))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            let answer = json!({ "verified": false, "problem": error.to_string() });
            context.print(&answer, |_| {
                paint(Colour::Red, &format!("NOT VERIFIED: {}: {error}", file.display()))
            })?;
            Ok(ExitCode::FAILURE)
        }
    }
}

#[derive(Serialize)]
struct VerifyOutput<'a> {
    verified: bool,
    #[serde(flatten)]
    verdict: &'a VerifiedEvidence,
}

/// Shows evidence, unverified.
pub async fn show(args: ShowArgs, context: &Context) -> Outcome {
    let context = context.clone();
    tokio::task::spawn_blocking(move || if context.json { show_lines(&args) } else { show_screen(&args) })
        .await??;
    Ok(ExitCode::SUCCESS)
}

/// For programs: what it is of in the first line, then one event a line.
fn show_lines(args: &ShowArgs) -> anyhow::Result<()> {
    let line = |value: &dyn Fn() -> serde_json::Result<String>| output::print_line(&value()?);
    show::show(
        &args.file,
        |claim| line(&|| serde_json::to_string(&claim)),
        |event| line(&|| serde_json::to_string(&event)),
    )
    .with_context(|| format!("showing {}", args.file.display()))
}

fn show_screen(args: &ShowArgs) -> anyhow::Result<()> {
    let mut table = output::table(["event", "time", "what", "signed by", "entry"]);
    let (mut count, limit) = (0u64, args.limit);
    show::show(
        &args.file,
        |claim| output::print_line(&claim_text(&claim)),
        |event| {
            count = count.saturating_add(1);
            if count <= limit {
                table.add_row([
                    event.sequence.to_string(),
                    clock::show(event.time),
                    summary(&event),
                    signed_by(event.signer).into(),
                    event.index.to_string(),
                ]);
            }
            anyhow::Ok(())
        },
    )
    .with_context(|| format!("showing {}", args.file.display()))?;
    let rest = match count.saturating_sub(limit) {
        0 => String::new(),
        more => format!("\n{more} more events: --limit N lists N, --json all"),
    };
    output::print_line(&format!("{}{rest}\n\n{}", output::render(&table), not_verified()))
}

fn not_verified() -> String {
    paint(
        Colour::Yellow,
        "NOT VERIFIED. This is what the file says; `streembit audit verify FILE --chain-spec SPEC` checks it.",
    )
}

fn claim_text(claim: &UnverifiedSummary) -> String {
    [
        not_verified(),
        String::new(),
        format!("device   {}", claim.device),
        format!("owner    {}", account::show(&claim.owner)),
        format!("gateway  {}", account::show(&claim.gateway)),
        format!("anchored {} log entries, in block {}", claim.checkpoint.size, claim.anchored),
        format!("chain    {}", claim.genesis),
        String::new(),
    ]
    .join("\n")
}

fn summary(event: &UnverifiedEvent) -> String {
    let texts = event.parts.iter().map(|part| match part {
        Part::Reading(reading) => {
            let short = reading.name.as_str().rsplit('.').next().unwrap_or_default();
            format!("{short} {} {}", reading.value, reading.unit).trim_end().to_owned()
        }
        Part::Status(text) => text.to_string(),
    });
    let text = texts.collect::<Vec<_>>().join(", ");
    match event.body {
        Disclosed::Whole => text,
        Disclosed::Parts => format!("{text}, (more withheld)"),
        Disclosed::Withheld => "(withheld)".into(),
        Disclosed::Erased => "(erased)".into(),
    }
}

fn signed_by(signer: Signer) -> &'static str {
    match signer {
        Signer::Device => "device",
        Signer::Gateway(_) => "gateway",
    }
}

fn exported_text(exported: &ExportSummary, path: Option<&Path>) -> String {
    let ExportSummary {
        events, first, last, head, not_anchored, log_size, chain, block, bodies, bytes, ..
    } = exported;
    let name = path.map_or("standard output".into(), |path| path.display().to_string());
    let mut lines = vec![
        format!("{name}: {} in {}", events_of(*events, *first, *last), size(*bytes)),
        format!("shown    {}", shares(bodies)),
        format!("proven   by an anchor of {log_size} log entries, as of final block {block}"),
        format!("chain    {chain}"),
    ];
    if let Some(after) = head.checked_sub(*last).filter(|after| *after > 0) {
        lines.push(format!("left out {after} later events, by --to"));
    }
    if *not_anchored > 0 {
        lines.push(format!("not yet  {not_anchored} newer events wait for the next anchor"));
    }
    if let Some(path) = path {
        lines.push(format!("check it with: streembit audit verify {} --chain-spec SPEC", path.display()));
    }
    lines.join("\n")
}

fn verdict_text(verdict: &VerifiedEvidence) -> String {
    let VerifiedEvidence { record, checkpoint, last, first, last_event, .. } = verdict;
    let set = format!("voter set {}, {} of {} voters", last.set, last.signers.len(), last.voters);
    let at = last.time.map_or(String::new(), |time| format!(", {}", clock::show(time)));
    [
        paint(
            Colour::Green,
            &format!("VERIFIED: {}", events_of(verdict.events, first.sequence, last_event.sequence)),
        ),
        String::new(),
        format!("device   {}", verdict.device),
        format!("key      {}", key(&record.key)),
        format!("owner    {}, as of block {}", account::show(&record.owner), last.block.number),
        format!("gateway  {}", account::show(&record.gateway)),
        format!("signed   {}", signers(verdict)),
        format!(
            "time     {} to {}, by the signer's clock",
            clock::show(first.time),
            clock::show(last_event.time)
        ),
        format!("complete {}", completeness(verdict)),
        format!("shown    {}", shares(&verdict.bodies)),
        format!("anchored {} log entries in block {}", checkpoint.size, verdict.anchored),
        format!("final    block {}{at} ({set})", last.block.number),
        format!(
            "chain    {}, {} of the voters since its beginning",
            verdict.genesis,
            changes(verdict.changes)
        ),
    ]
    .join("\n")
}

fn completeness(verdict: &VerifiedEvidence) -> String {
    let start = if verdict.from_first {
        "from its first event".to_owned()
    } else {
        format!("{} earlier events are not in this file", verdict.first.sequence)
    };
    let end = match verdict.head.saturating_sub(verdict.last_event.sequence) {
        0 => "to the last that was anchored".to_owned(),
        later => format!("{later} later ones are not in this file"),
    };
    let none = "none left out between";
    match verdict.is_complete() {
        true => format!("{start} {end}, {none}"),
        false => format!("{start}, {end}; {none}"),
    }
}

fn changes(count: u64) -> String {
    format!("{count} change{}", if count == 1 { "" } else { "s" })
}

fn key(key: &DeviceKey) -> String {
    match key {
        DeviceKey::Own(PublicKey::Sr25519(bytes)) => format!("sr25519 0x{}", hex::encode(bytes)),
        DeviceKey::Own(PublicKey::Ed25519(bytes)) => format!("Ed25519 0x{}", hex::encode(bytes)),
        DeviceKey::Hosted { label, .. } => format!("none of its own: its gateway signs for it (\"{label}\")"),
    }
}

fn signers(verdict: &VerifiedEvidence) -> String {
    match (verdict.device_signed, verdict.gateway_signed) {
        (_, 0) => "all by the device itself".into(),
        (0, _) => "all by the gateway, for a device that cannot sign".into(),
        (device, gateway) => format!("{device} by the device, {gateway} by the gateway"),
    }
}

fn shares(shares: &BodyCounts) -> String {
    let counts = [
        (shares.whole, "whole"),
        (shares.parts, "in part"),
        (shares.withheld, "withheld"),
        (shares.erased, "erased"),
    ];
    let said: Vec<_> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, how)| format!("{count} {how}")).collect();
    said.join(", ")
}

fn events_of(count: u64, first: u64, last: u64) -> String {
    match count {
        1 => format!("1 event, number {first} of its device"),
        _ => format!("{count} events, numbers {first} to {last} of their device"),
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..=9_999 => format!("{bytes} bytes"),
        10_000..=9_999_999 => format!("{} KB", bytes / 1000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}
