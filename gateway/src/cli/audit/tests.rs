//! The evidence vectors of the formats, verified as an auditor does it: from the command line, with a trust root.

use crate::{
    address_book::AddressBookFile,
    cli::{self, common::Context, Cli},
};
use clap::Parser as _;
use std::{path::Path, process::ExitCode};

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
