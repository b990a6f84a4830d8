//! Runtime upgrades: the council decides on the hash of the code, and then any party may apply the code.

use super::council::{self, consortium, print_outcome};
use crate::{
    cli::common::{connect, submitted_json, Context, KeyArg, NodeArg},
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

/// The first bytes of a runtime's file: of plain Wasm, and of compressed Wasm.
const MAGIC: [&[u8]; 2] = [b"\0asm", &[0x52, 0xbc, 0x53, 0x76, 0x46, 0xdb, 0x8e, 0x05]];

/// The longest time to wait while a node compiles a new runtime, which takes about a minute on a small machine.
const COMPILE_TIMEOUT: Duration = Duration::from_secs(90);

/// The arguments of `consortium propose-upgrade` and `consortium apply-upgrade`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The runtime as compressed Wasm. `streembit-node runtime --out FILE` writes the runtime of a release.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    key: KeyArg,
    #[command(flatten)]
    node: NodeArg,
}

/// Proposes the runtime in a file to the council.
pub async fn propose(args: &Args, context: &Context) -> anyhow::Result<()> {
    let change = Change::Upgrade { code: Code::read(&args.file)?.hash };
    let keys = args.key.signer(context).await?;
    let chain = connect(args.node.or_local()).await?;
    let submitted = council::propose(&chain, &keys, change).await?;
    let now = consortium(&chain).await?;
    print_outcome(&submitted, change, &now, context)
}

/// Applies the runtime in a file, after checking that the council has decided on it.
pub async fn apply(args: &Args, context: &Context) -> anyhow::Result<()> {
    let code = Code::read(&args.file)?;
    let keys = args.key.signer(context).await?;
    let chain = connect(args.node.or_local()).await?;
    let view = chain.view().await.map_err(explain)?;
    ensure_decided(&args.file, &code, view.authorized_code().await.map_err(explain)?)?;
    let before = view.runtime_version();
    let submitted = chain.submit(&keys, Call::ApplyUpgrade { code: code.bytes }).await.map_err(explain)?;
    let now = runtime_version(&chain).await?;
    ensure!(
        now != before,
        "the chain did not accept {}: it is the runtime of another chain, or not newer than the current version \
         {before}. The council's authorization is used up: propose the right runtime",
        args.file.display()
    );
    let json = submitted_json(
        &submitted,
        [("code", json!(code.hash)), ("spec_version_before", json!(before)), ("spec_version", json!(now))],
    );
    context.print(&json, |_| {
        format!(
            "the runtime is upgraded from version {before} to {now}, finalized in block {}\nNo node has to be \
             restarted.",
            submitted.block
        )
    })
}

/// Returns the current version of the runtime. Waits while the node compiles it.
async fn runtime_version(chain: &ChainClient) -> anyhow::Result<u32> {
    let deadline = Instant::now() + COMPILE_TIMEOUT;
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

/// The code of a runtime.
struct Code {
    bytes: Vec<u8>,
    /// The BLAKE2-256 hash of the code, on which the council votes.
    hash: Hash,
}

impl Code {
    /// Reads and checks a runtime's file.
    fn read(file: &Path) -> anyhow::Result<Self> {
        let bytes = fs::read(file).with_context(|| format!("reading the runtime {}", file.display()))?;
        ensure!(
            MAGIC.iter().any(|magic| bytes.starts_with(magic)),
            "{} is not a runtime, because it is neither Wasm nor compressed Wasm: `streembit-node runtime --out FILE` \
             writes one",
            file.display()
        );
        ensure!(
            bytes.len() <= MAX_RUNTIME_CODE_BYTES as usize,
            "{} has {} bytes, but a runtime may have at most {MAX_RUNTIME_CODE_BYTES}: use the compressed runtime \
             that `streembit-node runtime --out FILE` writes",
            file.display(),
            bytes.len()
        );
        let hash = Hash(sp_crypto_hashing::blake2_256(&bytes));
        Ok(Self { bytes, hash })
    }
}

/// Returns an error if the council has not decided on this code.
fn ensure_decided(file: &Path, code: &Code, decided: Option<Hash>) -> anyhow::Result<()> {
    let file = file.display();
    match decided {
        Some(hash) if hash == code.hash => Ok(()),
        Some(hash) => bail!(
            "the council decided on the code with the hash {hash}, but {file} has the hash {}: use the file that was \
             voted on",
            code.hash
        ),
        None => bail!(
            "the council has decided on no other runtime: propose one with `streembit consortium propose-upgrade \
             {file}`, or vote on an open motion, which `streembit consortium show` lists"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_a_runtime_or_too_large_cannot_be_proposed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("runtime.wasm");
        let read = |bytes: &[u8]| {
            fs::write(&file, bytes).unwrap();
            Code::read(&file).map(|code| code.hash).map_err(|error| error.to_string())
        };
        assert!(read(b"#!/bin/sh").unwrap_err().contains("not a runtime"));
        let long = [MAGIC[0], vec![0; MAX_RUNTIME_CODE_BYTES as usize].as_slice()].concat();
        assert!(read(&long).unwrap_err().contains("compressed"));
        for magic in MAGIC {
            assert_eq!(read(magic), Ok(Hash(sp_crypto_hashing::blake2_256(magic))));
        }
        assert!(Code::read(&folder.path().join("none")).is_err());
    }

    #[test]
    fn only_the_code_that_was_voted_on_is_applied() {
        let (file, code) = (Path::new("runtime.wasm"), Code { bytes: vec![], hash: Hash([1; 32]) });
        ensure_decided(file, &code, Some(Hash([1; 32]))).unwrap();
        let other = ensure_decided(file, &code, Some(Hash([2; 32]))).unwrap_err().to_string();
        for hash in [Hash([1; 32]), Hash([2; 32])] {
            assert!(other.contains(&hash.to_string()), "{other}");
        }
        let none = ensure_decided(file, &code, None).unwrap_err().to_string();
        assert!(none.contains("propose-upgrade"), "{none}");
    }
}
