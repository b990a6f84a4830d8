//! The evidence vectors of the formats, verified as an auditor does it: from the command line, with a trust root.

use super::{evidence::exported_text, text, verdict::verdict_text};
use crate::{
    address_book::{AddressBook, AddressBookFile, IdKind, KnownId},
    audit::{AnchorState, AuditedEvent, ChainState, Report, Subject},
    cli::{
        self,
        common::Context,
        record::fixtures::{self, GATEWAYS, TIMES},
        Cli,
    },
    event_view::{self, EventView},
};
use clap::Parser as _;
use std::{path::Path, process::ExitCode};
use streembit_evidence::{export::TimeCounts, verify::verify, ExportSummary};
use streembit_primitives::{evidence::BodyCounts, Hash, LogId, PartyId, Signer};

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../primitives/vectors");

/// Parses a command line and runs it. Returns the exit code as text, because exit codes cannot be compared.
async fn streembit(arguments: &[&str]) -> anyhow::Result<String> {
    let (command, context) = Cli::try_parse_from([&["streembit"][..], arguments].concat())?.into_parts();
    // Do not read the address book of the user who runs the tests.
    let context = Context { address_book: AddressBookFile::none().into(), ..context };
    Ok(format!("{:?}", cli::run(command, &context).await?))
}

fn code(code: ExitCode) -> String {
    format!("{code:?}")
}

fn vectors() -> Vec<String> {
    let files = std::fs::read_dir(VECTORS).unwrap().map(|entry| entry.unwrap().path());
    let vectors = files.filter(|path| path.extension().is_some_and(|extension| extension == "evidence"));
    vectors.map(|path| path.display().to_string()).collect()
}

#[tokio::test]
async fn the_vectors_verify_with_the_committed_trust_root() {
    let file = format!("{VECTORS}/trust-root.txt");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(vectors().len() >= 4, "{:?}", vectors());
    for vector in vectors() {
        for (option, root) in
            [("--chain-spec", file.as_str()), ("--trust-root", file.as_str()), ("--trust-root", text.trim())]
        {
            let verified = streembit(&["--json", "audit", "verify", &vector, option, root]).await.unwrap();
            assert_eq!(verified, code(ExitCode::SUCCESS), "{vector} with {option} {root}");
        }
    }
}

#[tokio::test]
async fn another_trust_root_verifies_nothing() {
    let text = std::fs::read_to_string(format!("{VECTORS}/trust-root.txt")).unwrap();
    let mut root: streembit_primitives::evidence::TrustRoot = text.trim().parse().unwrap();
    root.authorities.voters.truncate(1);
    let other = root.to_text().unwrap();
    let vector = format!("{VECTORS}/one-event.evidence");
    let refused = streembit(&["--json", "audit", "verify", &vector, "--trust-root", &other]).await.unwrap();
    assert_eq!(refused, code(ExitCode::FAILURE));

    let mut damaged = text.trim().to_owned();
    damaged.pop();
    let error = streembit(&["audit", "verify", &vector, "--trust-root", &damaged]).await.unwrap_err();
    assert!(error.to_string().contains("copy the whole line"), "{error}");
}

#[tokio::test]
async fn a_trust_root_is_written_as_it_was_read() {
    let folder = tempfile::tempdir().unwrap();
    let (source, copy) = (format!("{VECTORS}/trust-root.txt"), folder.path().join("root.txt"));
    let copy_name = copy.display().to_string();
    let text = std::fs::read_to_string(&source).unwrap();
    let write = ["audit", "root", "--chain-spec", &source, "--trust-root", text.trim(), "-o", &copy_name];
    assert_eq!(streembit(&write).await.unwrap(), code(ExitCode::SUCCESS));
    assert_eq!(std::fs::read_to_string(Path::new(&copy)).unwrap(), text);
    assert!(streembit(&write).await.unwrap_err().to_string().contains("exists already"));
    assert_eq!(streembit(&[&write[..], &["--force"]].concat()).await.unwrap(), code(ExitCode::SUCCESS));
    // Without a source there is nothing to write.
    assert!(streembit(&["audit", "root", "-o", &copy_name]).await.is_err());
}

/// An audited event of the device of the fixtures, by the number of its key.
fn audited(sequence: u64, received: u64, key: u32) -> AuditedEvent {
    let signer = if key == 2 { Signer::Device } else { Signer::Gateway(GATEWAYS[1]) };
    let event = EventView {
        sequence,
        index: sequence,
        time: received,
        received,
        signer: signer.into(),
        ..event_view::example()
    };
    AuditedEvent { event, anchor: AnchorState::Pending, key: Some(key), lost: false, ok: true }
}

#[test]
fn an_audit_says_who_acted_for_which_events_and_for_whom() {
    let record = fixtures::record();
    let subject = Subject { device: record.device_id(), name: Some("golf".into()) };
    let chain = ChainState {
        genesis: Hash([9; 32]),
        block: 40,
        hash: Hash([8; 32]),
        time: TIMES[1],
        device: Some(record),
        anchor: None,
        roots: Vec::new(),
    };
    let log = LogId::first(GATEWAYS[1]);
    let mut report = Report::for_unreadable_log(subject, &chain, log, "damaged".into());
    let [before, after] = TIMES;
    let events = [(5, before, 1), (6, before, 1), (7, after, 1), (8, after, 1), (9, after, 2)];
    report.history = events.map(|(sequence, received, key)| audited(sequence, received, key)).into();
    // Nobody stands behind an event that is not valid.
    report.history.push(AuditedEvent { ok: false, ..audited(10, after, 2) });
    let names = fixtures::names();
    let shown = names.label(&text(&report, 20, &names));
    let record = fixtures::LINES.join("\n");
    let acted = "Who acted for which events, and for whom:
  5 to 6 (2 events): key 1, gateway shop (0xd4d4d4d4…), log 0, owner anna (0xa1a1a1a1…)
  7 to 8 (2 events): key 1, gateway shop (0xd4d4d4d4…), log 0, owner bob (0xb2b2b2b2…)
  9 to 9 (1 event): key 2, gateway shop (0xd4d4d4d4…), log 0, owner bob (0xb2b2b2b2…)";
    for part in [record.as_str(), acted, "log      shop (0xd4d4d4d4…), log 0", "…) (golf)"] {
        assert!(shown.contains(part), "{part}\n\n{shown}");
    }
    let table = shown.rsplit("\n\n").next().unwrap();
    assert_eq!(table.matches("gateway shop (0xd4d4d4d4…)").count(), 4, "{shown}");
}

#[test]
fn a_verdict_says_who_acted_for_which_events_and_which_block_proves_each_log() {
    let text = std::fs::read_to_string(format!("{VECTORS}/trust-root.txt")).unwrap();
    let file = format!("{VECTORS}/whole-life.evidence");
    let verdict = verify(Path::new(&file), &text.trim().parse().unwrap(), |_, _, _| {}).unwrap();
    let mut names = AddressBook::new();
    let gateway = |n| KnownId { kind: IdKind::Gateway, bytes: [n; 32] };
    for (name, id) in [
        ("seller", PartyId([7; 32]).into()),
        ("buyer", PartyId([8; 32]).into()),
        ("old", gateway(1)),
        ("new", gateway(2)),
    ] {
        names.add(name.parse().unwrap(), id).unwrap();
    }
    let shown = names.label(&verdict_text(&verdict));
    let old = "old (0x01010101…)";
    let new = "new (0x02020202…)";
    let (seller, buyer) = ("seller (0x07070707…)", "buyer (0x08080808…)");
    for part in [
        format!("anchored 14 entries in block 7, with events 0 to 6, as of final block 8 (voter set 0): {old}, log 0"),
        format!("anchored 6 entries in block 14, with events 10 to 14, as of final block 15 (voter set 1): {new}, log 0"),
        format!("anchored 4 entries in block 27, with events 15 to 16: {new}, log 1"),
        format!("owner    {buyer}, since 1970-01-01 00:00:11Z (block 4)"),
        format!("gateway  {new}, log 1, from event 15 on, since block 6"),
        format!(
            "Who acted for which events, and for whom:
  0 to 3 (4 events): key 0, gateway {old}, log 0, owner {seller}
  4 to 6 (3 events): key 1, gateway {old}, log 0, owner {seller}
  10 to 10 (1 event): key 1, gateway {new}, log 0, owner {seller}
  11 to 14 (2 events): key 1, gateway {new}, log 0, owner {buyer}
  15 to 15 (1 event): key 1, gateway {new}, log 1, owner {buyer}
  16 to 16 (1 event): key 2, gateway {new}, log 1, owner {buyer}"
        ),
    ] {
        assert!(shown.contains(&part), "{part}\n\n{shown}");
    }
}

#[test]
fn an_export_names_the_device() {
    let bodies = BodyCounts { whole: 3, ..BodyCounts::default() };
    let exported = ExportSummary {
        device: fixtures::record().device_id(),
        segments: 2,
        events: 3,
        first: 4,
        last: 6,
        head: 7,
        not_anchored: 1,
        log_size: 20,
        chain: Hash::ZERO,
        block: 9,
        bodies,
        times: TimeCounts::default(),
        bytes: 5_520,
    };
    let shown = fixtures::names().label(&exported_text(&exported, None));
    assert!(shown.starts_with("standard output: 3 events of the device"), "{shown}");
    assert!(shown.contains("\ndevice   car (0x") && shown.contains("\nlogs     2\n"), "{shown}");
}

#[tokio::test]
async fn a_report_is_written_only_about_verified_evidence() {
    let folder = tempfile::tempdir().unwrap();
    let root = format!("{VECTORS}/trust-root.txt");
    for vector in vectors() {
        let output = folder.path().join("report.html").display().to_string();
        let report = ["audit", "report", &vector, "--trust-root", &root, "-o", &output, "--force"];
        assert_eq!(streembit(&report).await.unwrap(), code(ExitCode::SUCCESS), "{vector}");
        let page = std::fs::read_to_string(&output).unwrap();
        assert!(page.starts_with("<!DOCTYPE html>") && page.contains("Verified."), "{vector}");
    }
    // One byte is changed in a copy.
    let changed = folder.path().join("changed.evidence");
    let mut bytes = std::fs::read(format!("{VECTORS}/many-events.evidence")).unwrap();
    let last = bytes.len() - 40;
    bytes[last] ^= 1;
    std::fs::write(&changed, bytes).unwrap();
    let (changed, output) = (changed.display().to_string(), folder.path().join("no.html"));
    let report =
        ["--json", "audit", "report", &changed, "--trust-root", &root, "-o", &output.display().to_string()];
    assert_eq!(streembit(&report).await.unwrap(), code(ExitCode::FAILURE));
    assert!(!output.exists());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "a temporary file is left");
    // A report is a file.
    let error =
        streembit(&["audit", "report", &changed, "--trust-root", &root, "-o", "-"]).await.unwrap_err();
    assert!(error.to_string().contains("-o report.html"), "{error}");
}
