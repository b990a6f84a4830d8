//! `streembit-node runtime`: what a runtime is, for those who vote on it, bring it in or write programs for it.
//!
//! All of it is read from the Wasm, which is what chains run, and not from what was compiled into this program beside it.

use crate::founding::create;
use codec::{Decode as _, DecodeAll as _, Encode as _};
use sc_cli::{Error, Result};
use sc_executor::{RuntimeVersion, WasmExecutor};
use serde_json::json;
use sp_core::traits::{
    CallContext, CodeExecutor as _, ReadRuntimeVersion as _, RuntimeCode, WrappedRuntimeCode,
};
use sp_state_machine::BasicExternalities;
use std::{
    borrow::Cow,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// The form of the metadata that is written: the newest that most clients read.
const METADATA: u32 = 15;

/// `streembit-node runtime`
#[derive(Debug, clap::Parser)]
pub struct RuntimeCmd {
    /// The runtime as Wasm, compressed or not; that of this node unless given.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,

    /// Write the runtime there, as `streembit consortium propose-upgrade` takes it; a file that exists is never overwritten.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Write there what describes the runtime to programs: its metadata, of form 15. A file that exists is replaced.
    #[arg(long, value_name = "FILE")]
    metadata: Option<PathBuf>,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl RuntimeCmd {
    /// Says which runtime it is, and writes what is asked for.
    pub fn run(&self) -> Result<()> {
        let code = match &self.file {
            Some(file) => Cow::Owned(read(file)?),
            None => Cow::Borrowed(own()?),
        };
        let version = version(&code)?;
        if let Some(out) = &self.out {
            create(out)?.write_all(&code)?;
        }
        if let Some(file) = &self.metadata {
            fs::write(file, metadata(&code)?)
                .map_err(|error| Error::Input(format!("writing {}: {error}", file.display())))?;
        }
        let hash = sp_core::bytes::to_hex(&sp_crypto_hashing::blake2_256(&code), false);
        let text = if self.json {
            let (name, number) = (&version.spec_name, version.spec_version);
            json!({ "spec_name": name, "spec_version": number, "code": hash, "bytes": code.len() })
                .to_string()
        } else {
            format!(
                "version {} of {}\ncode  {hash}\nbytes {}",
                version.spec_version,
                version.spec_name,
                code.len()
            )
        };
        writeln!(io::stdout().lock(), "{text}")?;
        Ok(())
    }
}

/// The runtime that this node comes with.
pub fn own() -> Result<&'static [u8]> {
    streembit_chain_spec::own_runtime().map_err(|error| Error::Application(Box::new(error)))
}

/// Reads the code of a runtime.
pub fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).map_err(|error| Error::Input(format!("reading the runtime {}: {error}", file.display())))
}

fn executor() -> WasmExecutor<sp_io::SubstrateHostFunctions> {
    // As where a chain checks another runtime: one that wants more of its node can still say what it is.
    WasmExecutor::builder().with_allow_missing_host_functions(true).build()
}

/// The version that some code says it is.
fn version(code: &[u8]) -> Result<RuntimeVersion> {
    let unknown = |problem: String| {
        Error::Input(format!("the code does not say which version of what it is: {problem}"))
    };
    let bytes = executor().read_runtime_version(code, &mut BasicExternalities::default()).map_err(unknown)?;
    RuntimeVersion::decode(&mut bytes.as_slice()).map_err(|error| unknown(error.to_string()))
}

/// What some code describes itself as.
fn metadata(code: &[u8]) -> Result<Vec<u8>> {
    let silent = |problem: String| {
        Error::Input(format!("the runtime does not describe itself in form {METADATA}: {problem}"))
    };
    let runtime = RuntimeCode {
        code_fetcher: &WrappedRuntimeCode(code.into()),
        heap_pages: None,
        hash: sp_crypto_hashing::blake2_256(code).to_vec(),
    };
    let (answer, _) = executor().call(
        &mut BasicExternalities::default(),
        &runtime,
        "Metadata_metadata_at_version",
        &METADATA.encode(),
        CallContext::Offchain,
    );
    let answer = answer.map_err(|error| silent(error.to_string()))?;
    let metadata = Option::<Vec<u8>>::decode_all(&mut answer.as_slice());
    metadata.map_err(|error| silent(error.to_string()))?.ok_or_else(|| silent("it knows other forms".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What programs for the chain are made from, as it is committed.
    const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../runtime/metadata.scale");

    #[test]
    fn the_committed_metadata_is_that_of_the_runtime() {
        let Ok(code) = own() else { return };
        let committed = fs::read(COMMITTED).unwrap_or_default();
        assert!(
            metadata(code).unwrap() == committed,
            "the runtime's interface is another than runtime/metadata.scale says; look at what changed, and write it anew with \
             `cargo run -p streembit-node -- runtime --metadata runtime/metadata.scale`"
        );
    }

    #[test]
    fn the_wasm_is_of_the_version_that_it_was_compiled_from() {
        let Ok(code) = own() else { return };
        assert_eq!(version(code).unwrap().spec_version, streembit_runtime::VERSION.spec_version);
        assert!(metadata(code).unwrap().starts_with(b"meta"));
    }

    #[test]
    fn what_is_no_runtime_says_so() {
        for code in [&b""[..], b"#!/bin/sh", b"\0asm\x01\0\0\0"] {
            assert!(version(code).is_err() && metadata(code).is_err(), "{code:?}");
        }
    }
}
