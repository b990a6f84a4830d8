//! `streembit audit export --format tlog-proof|cose`: proving one event to other people's tools.

use super::{
    evidence::{ExportArgs, Format},
    open_own_log,
};
use crate::{
    cli::common::{CommandResult, Context},
    remedies::explain,
};
use anyhow::{ensure, Context as _};
use serde::Serialize;
use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};
use streembit_evidence::{entry_proof::LIMITS, output::Output, EntryProof, EntryRequest, EntrySummary};
use streembit_keystore::KeyPair;
use streembit_primitives::note::VerifierKey;

/// A summary of the exported files.
#[derive(Serialize)]
struct Exported {
    #[serde(flatten)]
    entry: EntrySummary,
    /// The file with the proof.
    proof_file: PathBuf,
    /// The file with the bytes whose hash is proven.
    entry_file: PathBuf,
    /// The C2SP verifier key of the log.
    verifier_key: String,
    /// What the proof does not prove.
    limits: &'static str,
}

/// Runs `audit export` for one event.
pub async fn export(args: ExportArgs, context: &Context) -> CommandResult {
    ensure!(
        args.output != Path::new("-"),
        "this format needs two files, the proof and the bytes of the entry: name the file of the proof with -o FILE"
    );
    let (config, keys) = args.config.load_with_keys(context)?;
    let device = context.resolver().gateway(&config, keys.account()).device(&args.device).await?;
    let request = EntryRequest { device, sequence: args.sequence, chain: args.chain };
    let data = config.gateway.data_dir.clone();
    let exported = tokio::task::spawn_blocking(move || {
        let log = open_own_log(&data, keys.account())?;
        let proof = EntryProof::new(&log, &request).map_err(explain)?;
        write(&proof, &args, &keys)
    })
    .await??;
    context.print(&exported, text)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the proof to `FILE` and the bytes of the entry to `FILE.entry`.
fn write(proof: &EntryProof, args: &ExportArgs, keys: &KeyPair) -> anyhow::Result<Exported> {
    let bytes = match args.format {
        Format::Cose => proof.to_cose(&keys.log_key()).and_then(|statement| statement.encode())?,
        Format::TlogProof | Format::Evidence => proof.to_tlog_proof(&keys.log_key()).to_string().into_bytes(),
    };
    let key = VerifierKey::new(*proof.origin(), &keys.log_public_key())
        .context("the gateway's log key is not valid: restore its keystore from a backup")?;
    let mut entry_file = args.output.clone().into_os_string();
    entry_file.push(".entry");
    let entry_file = PathBuf::from(entry_file);
    // Open both before either gets its name, so that no proof appears without its entry.
    let mut proof_output = Output::create(&args.output, args.force).map_err(explain)?;
    let mut entry_output = Output::create(&entry_file, args.force).map_err(explain)?;
    proof_output.write_all(&bytes).with_context(|| format!("writing {}", args.output.display()))?;
    entry_output.write_all(&proof.preimage()).with_context(|| format!("writing {}", entry_file.display()))?;
    entry_output.finish().map_err(explain)?;
    proof_output.finish().map_err(explain)?;
    Ok(Exported {
        entry: proof.summary(),
        proof_file: args.output.clone(),
        entry_file,
        verifier_key: key.to_string(),
        limits: LIMITS,
    })
}

fn text(exported: &Exported) -> String {
    let Exported { entry, proof_file, entry_file, verifier_key, limits } = exported;
    [
        format!(
            "{}: entry {} of {} log entries, the device's event with sequence number {}",
            proof_file.display(),
            entry.index,
            entry.log_size,
            entry.sequence
        ),
        format!("entry    {}; its SHA-256 hash is what is proven", entry_file.display()),
        format!("key      {verifier_key}"),
        String::new(),
        (*limits).to_owned(),
    ]
    .join("\n")
}
