//! `streembit audit report`: a page about a device's history for a buyer, from a verified evidence file.

use crate::{
    address_book::AddressBook,
    audit::buyer::{ContractRecords, HistoryCollector, Page, VerifiedHistory, ODOMETER},
    cli::{
        common::{CommandResult, Context},
        output::{paint, Colour},
        progress::ProgressBar,
    },
    remedies::explain,
};
use anyhow::{ensure, Context as _};
use clap::Args;
use serde_json::json;
use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};
use streembit_clock as clock;
use streembit_evidence::{
    output::Output,
    verify::{self, VerifyError},
    TrustRootSource,
};
use streembit_primitives::{evidence::EvidenceError, reading::Name};

/// The arguments of `audit report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The evidence file.
    file: PathBuf,
    /// The trust root or the raw chain spec, as for `audit verify`. Get it from someone you trust, not from the seller.
    #[arg(long, visible_alias = "trust-root", value_name = "SPEC|ROOT", env = "STREEMBIT_CHAIN_SPEC")]
    chain_spec: TrustRootSource,
    /// The records of a contract about the device, such as its service book, as written by `streembit contract show
    /// CONTRACT --json`. They are shown as said, not as proven. May be given more than once.
    #[arg(long = "contract", value_name = "FILE")]
    contracts: Vec<PathBuf>,
    /// The name of the reading that counts the use of the device.
    #[arg(long, value_name = "NAME", default_value = ODOMETER)]
    meter: Name,
    /// The HTML file to write.
    #[arg(short, long = "output", value_name = "FILE")]
    output: PathBuf,
    /// Replace the file if it exists.
    #[arg(long)]
    force: bool,
}

/// Runs the command.
pub async fn run(args: ReportArgs, context: &Context) -> CommandResult {
    ensure!(
        args.output != Path::new("-"),
        "the report is a file for a browser: name it with -o FILE, such as -o report.html"
    );
    let (file, output) = (args.file.clone(), args.output.clone());
    let address_book = context.address_book.clone();
    let result = tokio::task::spawn_blocking(move || verify_and_write(&args, address_book.names())).await??;
    match result {
        Ok(history) => {
            let verdict = history.evidence();
            let result = json!({
                "verified": true, "report": output, "device": verdict.device, "event_count": verdict.events,
                "irregularities": history.irregularities(),
            });
            context.print(&result, |_| {
                format!("{}: the report on {}, which is verified", output.display(), file.display())
            })?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            let result = json!({ "verified": false, "problem": error.to_string() });
            context.print(&result, |_| {
                let text = format!("NOT VERIFIED: {}: {error}. No report was written.", file.display());
                paint(Colour::Red, &text)
            })?;
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Verifies the file and writes the report. Returns the first problem of the evidence, and writes nothing, if it is not
/// verified.
fn verify_and_write(
    args: &ReportArgs,
    names: &AddressBook,
) -> anyhow::Result<Result<VerifiedHistory, EvidenceError>> {
    let trust = args.chain_spec.read().map_err(explain)?;
    let contracts: Vec<_> =
        args.contracts.iter().map(|path| ContractRecords::read(path)).collect::<Result<_, _>>()?;
    let mut output = Output::create(&args.output, args.force).map_err(explain)?;
    let wanted = contracts.iter().flat_map(ContractRecords::sequences).collect();
    let mut collector = HistoryCollector::new(args.meter.clone(), wanted);
    let mut bar = ProgressBar::new("verifying");
    let verified = verify::verify_each(
        &args.file,
        &trust,
        |item| collector.add(item),
        |done, total, events| bar.update(done, total, events),
    );
    drop(bar);
    let history = match verified {
        Ok(verdict) => collector.verified(verdict),
        Err(VerifyError::Refused(error)) => return Ok(Err(error)),
        Err(error) => return Err(error.into()),
    };
    for contract in &contracts {
        contract.ensure_about(history.evidence().device)?;
    }
    let name = args.file.file_name().unwrap_or(args.file.as_os_str()).to_string_lossy();
    let page =
        Page { history: &history, contracts: &contracts, names, file: &name, made: clock::now_ms() }.render();
    let writing = || format!("writing {}", args.output.display());
    output.write_all(page.as_bytes()).with_context(writing)?;
    output.finish().map_err(explain)?;
    Ok(Ok(history))
}
