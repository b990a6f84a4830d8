//! `streembit audit note`: comparing a signed note of a log with what the chain anchored.

use super::own_log;
use crate::{
    cli::{
        common::{connect, CommandResult, Context, NodeArg},
        output::{paint, Colour},
    },
    config::Config,
    remedies::explain,
};
use anyhow::{ensure, Context as _};
use clap::Args;
use serde::Serialize;
use serde_json::json;
use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
    process::ExitCode,
};
use streembit_chain::{ChainError, ChainView};
use streembit_evidence::{judge_note, LogRoot, NoteVerdict, RootSource};
use streembit_keystore::{account, account_of};
use streembit_log::Log;
use streembit_primitives::{
    checkpoint::{Anchor, AnchoredRoot},
    note::{Origin, SignedNote, VerifiedCheckpoint, VerifierKey, MAX_NOTE_BYTES},
    Hash, LogId,
};

/// What to do with a note that proves a fork.
const FORK_REMEDY: &str =
    "keep the note. It proves with the gateway's own signature that the gateway showed two histories of its log. Show \
     it to the parties of the consortium, and trust nothing from this log any more";

/// The arguments of `audit note`.
#[derive(Debug, Args)]
pub struct NoteArgs {
    /// The file with the note, as fetched from a gateway (`GET /tlog/0/checkpoint`).
    file: PathBuf,
    /// The configuration of a gateway. If the note is of this gateway's log, the log is compared with it too. The
    /// configuration also names the node.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    node: NodeArg,
}

/// A verified note, and what the chain says about its log at one final block.
struct AnchoredLog {
    /// The number of the final block.
    block: u32,
    /// The note.
    note: VerifiedCheckpoint,
    /// The anchor of the note's size, if the chain keeps one.
    anchored: Option<AnchoredRoot>,
    /// The latest anchor.
    latest: Option<Anchor>,
}

/// The verdict on a note.
#[derive(Serialize)]
struct NoteReport {
    /// True if the anchored log had the note's root at the note's size.
    confirmed: bool,
    #[serde(flatten)]
    verdict: NoteVerdict,
    /// The genesis hash of the chain.
    genesis: Hash,
    /// The log.
    log: LogId,
    /// The number of entries in the note.
    size: u64,
    /// The root in the note.
    root: Hash,
    /// The number of the final block at which the chain was asked.
    as_of_block: u32,
}

/// Runs the command.
pub async fn run(args: NoteArgs, context: &Context) -> CommandResult {
    let bytes = read(&args.file)?;
    let (note, origin) = match parse(&bytes) {
        Ok(parsed) => parsed,
        Err(problem) => return refuse(&problem, &args.file, context),
    };
    let config = args.config.as_deref().map(Config::load).transpose()?;
    let node = config.as_ref().map_or_else(|| args.node.or_local(), |config| args.node.or_configured(config));
    let chain = connect(node).await?;
    ensure!(
        origin.genesis == chain.genesis(),
        "the note is of a log on the chain with genesis {}, but {} is a node of the chain with genesis {}. What to do: \
         give a node of the note's chain with --node",
        origin.genesis,
        chain.node(),
        chain.genesis()
    );
    let view = chain.view().await.map_err(explain)?;
    let key = verifier_key(&view, origin).await?;
    let note = match note.verify(&key) {
        Ok(note) => note,
        Err(error) => {
            let problem = format!("{error} (this is by the log key in the chain's record of the gateway)");
            return refuse(&problem, &args.file, context);
        }
    };
    let state = anchored_log(&view, note).await.map_err(explain)?;
    let mut verdict = state.judge(None);
    if let (NoteVerdict::Unknown { .. } | NoteVerdict::NotAnchoredYet { .. }, Some(config)) =
        (verdict, config)
    {
        verdict = state.judge(log_root(config, &state).await?.as_ref());
    }
    let report = NoteReport::new(&state, verdict);
    context.print(&report, |report| report.text(&args.file))?;
    Ok(match report.verdict {
        NoteVerdict::Fork { .. } => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    })
}

/// Reads the file, but not more than the parser accepts.
fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_NOTE_BYTES as u64 + 1).read_to_end(&mut bytes))
        .with_context(|| format!("reading the note in {}", path.display()))?;
    Ok(bytes)
}

fn parse(bytes: &[u8]) -> Result<(SignedNote, Origin), String> {
    let note = SignedNote::parse(bytes).map_err(|error| error.to_string())?;
    let origin = note.claimed_origin().map_err(|error| format!("the first line of the note is {error}"))?;
    Ok((note, origin))
}

/// Reports a note that is malformed or that the log's key did not sign.
fn refuse(problem: &str, file: &Path, context: &Context) -> CommandResult {
    let result = json!({ "verdict": "invalid", "confirmed": false, "problem": problem });
    context
        .print(&result, |_| paint(Colour::Red, &format!("NOT VERIFIED: {}: {problem}", file.display())))?;
    Ok(ExitCode::FAILURE)
}

/// Returns the key that verifies the log's notes, from the chain's record of the gateway.
async fn verifier_key(view: &ChainView, origin: Origin) -> anyhow::Result<VerifierKey> {
    let gateway = origin.log.gateway;
    let record = view.gateway(gateway).await.map_err(explain)?.with_context(|| {
        format!(
            "gateway {} of the note is not registered on the chain, so its log key is not known. What to do: check the \
             first line of the note; the notes of a gateway that was removed cannot be verified any more",
            account::show(&gateway)
        )
    })?;
    VerifierKey::new(origin, &record.log_key).with_context(|| {
        format!(
            "the chain's record of gateway {} has a log key that verifies no signature. What to do: ask the gateway's \
             party to remove the gateway and register it again",
            account::show(&gateway)
        )
    })
}

/// Reads the anchors that a note is compared with, all at one final block.
async fn anchored_log(view: &ChainView, note: VerifiedCheckpoint) -> Result<AnchoredLog, ChainError> {
    let log = note.origin().log;
    Ok(AnchoredLog {
        block: view.block().number,
        anchored: view.anchored_root(log, note.size()).await?,
        latest: view.latest_anchor(log).await?,
        note,
    })
}

/// Reads the root at the note's size from the gateway's log. Returns `None` if the note is of another log, or larger.
///
/// `state` must have been read before, so that an honest log is not behind its anchor.
async fn log_root(config: Config, state: &AnchoredLog) -> anyhow::Result<Option<LogRoot>> {
    let gateway = account_of(&config.gateway.key_file).map_err(explain)?;
    let id = own_log(&config.gateway.data_dir, gateway);
    if state.note.origin().log != id {
        return Ok(None);
    }
    let (size, latest) = (state.note.size(), state.latest.clone());
    let path = config.gateway.data_dir;
    tokio::task::spawn_blocking(move || read_log_root(&path, id, size, latest.as_ref())).await?
}

/// Reads the root of the log at `size`, and proves that it agrees with the log's latest anchor. Returns `None` if the
/// log is smaller.
fn read_log_root(
    path: &Path,
    id: LogId,
    size: u64,
    latest: Option<&Anchor>,
) -> anyhow::Result<Option<LogRoot>> {
    let log = Log::open_read_only(path).and_then(|log| log.ensure_is(id)).map_err(explain)?;
    if let Some(latest) = latest {
        log.check_against(latest).map_err(explain)?;
    }
    if size > log.size() {
        return Ok(None);
    }
    let anchored = latest.map_or(0, |anchor| anchor.checkpoint.size);
    let root = log.root(size).map_err(explain)?;
    let proof = log.prove_consistency(size.min(anchored), size.max(anchored)).map_err(explain)?;
    let proven = LogRoot::verify(size, root, &proof, latest).with_context(|| {
        format!(
            "the log's tree at {size} entries does not agree with its anchor at {anchored} entries: its nodes are \
             damaged. What to do: `streembit audit device` names the damage"
        )
    })?;
    Ok(Some(proven))
}

impl AnchoredLog {
    fn judge(&self, log: Option<&LogRoot>) -> NoteVerdict {
        judge_note(&self.note, self.anchored.as_slice(), self.latest.as_ref(), log)
    }
}

impl NoteReport {
    fn new(AnchoredLog { block, note, .. }: &AnchoredLog, verdict: NoteVerdict) -> Self {
        Self {
            confirmed: matches!(verdict, NoteVerdict::Confirmed { .. }),
            verdict,
            genesis: note.origin().genesis,
            log: note.origin().log,
            size: note.size(),
            root: *note.root(),
            as_of_block: *block,
        }
    }

    fn text(&self, file: &Path) -> String {
        let (file, size) = (file.display(), self.size);
        let (colour, headline, remedy) = match &self.verdict {
            NoteVerdict::Confirmed { by } => {
                (Colour::Green, format!("CONFIRMED: {file}: the log had this root, {}", source(by)), None)
            }
            NoteVerdict::Fork { .. } => (
                Colour::Red,
                format!("FORK: {file}: the gateway signed a root that its log did not have at {size} entries"),
                Some(FORK_REMEDY),
            ),
            NoteVerdict::NotAnchoredYet { anchored_size, in_log } => (
                Colour::Yellow,
                format!(
                    "NOT ANCHORED YET: {file}: the gateway signed it, but the chain has anchored {anchored_size} \
                     entries of this log. Nothing contradicts the note{}",
                    if *in_log { ", and the log here has its root" } else { ", and nothing confirms it" }
                ),
                Some("check the note again after the log's next anchor"),
            ),
            NoteVerdict::Unknown { anchored_size } => (
                Colour::Yellow,
                format!(
                    "NOT CONFIRMED: {file}: the gateway signed it, but the chain keeps no root of this log at {size} \
                     entries; it has anchored {anchored_size}. Nothing contradicts the note, and nothing confirms it"
                ),
                Some("compare the note with the gateway's log, with --config on the gateway's machine"),
            ),
        };
        let mut lines = vec![paint(colour, &headline), String::new()];
        lines.extend([
            format!("log      {}, epoch {}", account::show(&self.log.gateway), self.log.epoch),
            format!("size     {size} entries"),
            format!("note     root {}", self.root),
        ]);
        if let NoteVerdict::Fork { known_root, by } = &self.verdict {
            lines.push(format!("log had  root {known_root}, {}", source(by)));
        }
        lines.push(format!("chain    {} at finalized block {}", self.genesis, self.as_of_block));
        if let Some(remedy) = remedy {
            lines.extend([String::new(), format!("What to do: {remedy}.")]);
        }
        lines.join("\n")
    }
}

/// Says how a root is known.
fn source(by: &RootSource) -> String {
    let block = |block: u32| match block {
        0 => "on the chain that this chain continues".to_owned(),
        block => format!("in block {block}"),
    };
    match by {
        RootSource::EmptyLog => "which every log without entries has".into(),
        RootSource::Anchor { block: number } => format!("as anchored {}", block(*number)),
        RootSource::LaterAnchor { anchored_size, block: number } => {
            format!("as proven by the anchor of {anchored_size} entries {}", block(*number))
        }
        RootSource::UnanchoredLog => {
            "as the log on this machine says, which extends the latest anchor".into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use streembit_primitives::AccountId;

    fn report(verdict: NoteVerdict) -> NoteReport {
        NoteReport {
            confirmed: matches!(verdict, NoteVerdict::Confirmed { .. }),
            verdict,
            genesis: Hash([1; 32]),
            log: LogId::first(AccountId([3; 32])),
            size: 57,
            root: Hash([4; 32]),
            as_of_block: 99,
        }
    }

    #[test]
    fn a_fork_names_the_log_the_size_both_roots_and_the_block() {
        let known_root = Hash([5; 32]);
        let text = report(NoteVerdict::Fork { known_root, by: RootSource::Anchor { block: 12 } })
            .text(Path::new("a.note"));
        let log = account::show(&AccountId([3; 32]));
        let (signed, anchored) = (Hash([4; 32]).to_string(), known_root.to_string());
        for words in ["FORK", "a.note", &log, "57 entries", &signed, &anchored, "block 12", "keep the note"] {
            assert!(text.contains(words), "{words}: {text}");
        }
    }

    #[test]
    fn the_json_says_the_verdict_and_whether_the_chain_confirms_it() {
        for (verdict, name, confirmed) in [
            (NoteVerdict::Confirmed { by: RootSource::Anchor { block: 12 } }, "confirmed", true),
            (NoteVerdict::Fork { known_root: Hash::ZERO, by: RootSource::UnanchoredLog }, "fork", false),
            (NoteVerdict::NotAnchoredYet { anchored_size: 50, in_log: true }, "not_anchored_yet", false),
            (NoteVerdict::Unknown { anchored_size: 60 }, "unknown", false),
        ] {
            let json = serde_json::to_value(report(verdict)).unwrap();
            assert_eq!((&json["verdict"], &json["confirmed"]), (&json!(name), &json!(confirmed)));
            assert_eq!((&json["size"], &json["root"]), (&json!(57), &json!(Hash([4; 32]))));
        }
    }

    #[test]
    fn roots_of_a_chain_before_refounding_have_no_block() {
        assert!(!source(&RootSource::Anchor { block: 0 }).contains("block"));
    }

    #[test]
    fn files_that_are_no_notes_of_a_log_are_refused() {
        assert!(parse(b"").unwrap_err().contains("no signatures"));
        let root = format!("{}=", "A".repeat(43));
        let foreign = format!("example.com/log\n1\n{root}\n\n\u{2014} example.com/log AAAAAAA=\n");
        assert!(parse(foreign.as_bytes())
            .unwrap_err()
            .contains("the first line of the note is not the origin"));
    }
}
