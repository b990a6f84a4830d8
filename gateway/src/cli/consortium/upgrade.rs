//! Another runtime: the council is asked by the hash of its code; whoever belongs brings the code in once that is decided.

use super::{ask_council, connect, consortium, report};
use crate::{
    cli::{chain::submitted_json, Context, KeyArg, NodeArg},
    remedies::explain,
};
use anyhow::{bail, ensure, Context as _};
use serde_json::json;
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use streembit_chain::{Call, ChainClient};
use streembit_primitives::{
    consortium::{Change, MAX_RUNTIME_CODE_BYTES},
    Hash,
};

/// What a runtime's file begins with: as it is compiled, and as it is compressed.
const MAGIC: [&[u8]; 2] = [b"\0asm", &[0x52, 0xbc, 0x53, 0x76, 0x46, 0xdb, 0x8e, 0x05]];

/// How long a node may compile a new runtime before it answers again: a minute on a small machine.
const COMPILING: Duration = Duration::from_secs(90);

/// `consortium propose-upgrade` and `consortium apply-upgrade`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The runtime as compressed Wasm: `streembit-node runtime --out FILE` writes that of a release.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Who asks, or brings it in: a party, a party's gateway or a member of the council.
    #[command(flatten)]
    key: KeyArg,
    /// Where the chain is.
    #[command(flatten)]
    node: NodeArg,
}

/// Asks the council for the runtime in a file.
pub async fn propose(args: &Args, context: &Context) -> anyhow::Result<()> {
    let change = Change::Upgrade { code: Code::read(&args.file)?.hash };
    let keys = args.key.open(context)?;
    let chain = connect(args.node.or_local()).await?;
    let submitted = ask_council(&chain, &keys, change).await?;
    let now = consortium(&chain).await?;
    report(&submitted, change, &now, context)
}

/// Brings in the runtime in a file, on which the council has decided.
pub async fn apply(args: &Args, context: &Context) -> anyhow::Result<()> {
    let code = Code::read(&args.file)?;
    let keys = args.key.open(context)?;
    let chain = connect(args.node.or_local()).await?;
    let view = chain.view().await.map_err(explain)?;
    check_decided(&args.file, &code, view.authorized_code().await.map_err(explain)?)?;
    let before = view.runtime_version();
    let submitted = chain.submit(&keys, Call::ApplyUpgrade { code: code.bytes }).await.map_err(explain)?;
    let now = version(&chain).await?;
    ensure!(
        now != before,
        "the chain did not take {}: it is another chain's, or not newer than version {before}, which is in force. The decision is \
         used up: ask the council for the right one",
        args.file.display()
    );
    let mut json = submitted_json(&submitted);
    if let Some(json) = json.as_object_mut() {
        json.insert("code".into(), json!(code.hash));
        json.insert("spec_version_before".into(), before.into());
        json.insert("spec_version".into(), now.into());
    }
    context.print(&json, |_| {
        format!(
            "the chain goes on with version {now} of its runtime, before {before}; final in block {}\nNothing has to be restarted.",
            submitted.block
        )
    })
}

/// The version of the runtime that is in force, as soon as the node can say it.
async fn version(chain: &ChainClient) -> anyhow::Result<u32> {
    let deadline = Instant::now() + COMPILING;
    loop {
        match chain.view().await {
            Ok(view) => return Ok(view.runtime_version()),
            Err(error) if error.is_transient() && Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Err(error) => return Err(explain(error)),
        }
    }
}

/// The code of a runtime, as it is submitted.
struct Code {
    bytes: Vec<u8>,
    hash: Hash,
}

impl Code {
    fn read(file: &Path) -> anyhow::Result<Self> {
        let bytes = fs::read(file).with_context(|| format!("reading the runtime {}", file.display()))?;
        ensure!(
            MAGIC.iter().any(|magic| bytes.starts_with(magic)),
            "{} is no runtime, neither Wasm nor compressed Wasm: `streembit-node runtime --out FILE` writes one",
            file.display()
        );
        ensure!(
            bytes.len() <= MAX_RUNTIME_CODE_BYTES as usize,
            "{} has {} bytes, and a transaction takes {MAX_RUNTIME_CODE_BYTES} of a runtime: use the compressed one, which `streembit-node \
             runtime --out FILE` writes",
            file.display(),
            bytes.len()
        );
        let hash = Hash(sp_crypto_hashing::blake2_256(&bytes));
        Ok(Self { bytes, hash })
    }
}

/// Refuses code that the council has not decided on.
fn check_decided(file: &Path, code: &Code, decided: Option<Hash>) -> anyhow::Result<()> {
    let file = file.display();
    match decided {
        Some(hash) if hash == code.hash => Ok(()),
        Some(hash) => bail!(
            "the council decided on the code with the hash {hash}, and {file} has the hash {}: use the file that was voted on",
            code.hash
        ),
        None => bail!(
            "the council has decided on no other runtime: ask it with `streembit consortium propose-upgrade {file}`, or vote on \
             what it is asked, which `streembit consortium show` lists"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_runtime_or_too_long_is_refused_before_anybody_votes_on_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("runtime.wasm");
        let read = |bytes: &[u8]| {
            fs::write(&file, bytes).unwrap();
            Code::read(&file).map(|code| code.hash).map_err(|error| error.to_string())
        };
        assert!(read(b"#!/bin/sh").unwrap_err().contains("no runtime"));
        let long = [MAGIC[0], vec![0; MAX_RUNTIME_CODE_BYTES as usize].as_slice()].concat();
        assert!(read(&long).unwrap_err().contains("compressed"));
        for magic in MAGIC {
            assert_eq!(read(magic), Ok(Hash(sp_crypto_hashing::blake2_256(magic))));
        }
        assert!(Code::read(&folder.path().join("none")).is_err());
    }

    #[test]
    fn only_what_was_voted_on_is_brought_in() {
        let (file, code) = (Path::new("runtime.wasm"), Code { bytes: vec![], hash: Hash([1; 32]) });
        check_decided(file, &code, Some(Hash([1; 32]))).unwrap();
        let other = check_decided(file, &code, Some(Hash([2; 32]))).unwrap_err().to_string();
        for hash in [Hash([1; 32]), Hash([2; 32])] {
            assert!(other.contains(&hash.to_string()), "{other}");
        }
        let none = check_decided(file, &code, None).unwrap_err().to_string();
        assert!(none.contains("propose-upgrade"), "{none}");
    }
}
