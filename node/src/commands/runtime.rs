//! `streembit-node runtime`: shows the version and the hash of a Wasm runtime, and writes it or its metadata.
//!
//! All values are read from the Wasm code, because that is what chains run; the native code compiled beside it is not
//! used.

use super::output::{create_new, write_text};
use crate::spec_error::command_error;
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
    io::Write as _,
    path::{Path, PathBuf},
};

/// The version of the metadata format: the newest one that most clients can read.
const METADATA_VERSION: u32 = 15;

/// `streembit-node runtime`
#[derive(Debug, clap::Parser)]
pub struct RuntimeCmd {
    /// The Wasm runtime, compressed or not [default: the built-in runtime].
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,

    /// Write the runtime to this file, as `streembit consortium propose-upgrade` takes it; an existing file is never
    /// overwritten.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Write the metadata of the runtime (version 15), which describes it to client programs, to this file; an existing
    /// file is replaced.
    #[arg(long, value_name = "FILE")]
    metadata: Option<PathBuf>,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl RuntimeCmd {
    /// Runs the command.
    pub fn run(&self) -> Result<()> {
        let code = load_runtime(self.file.as_deref())?;
        let version = runtime_version(&code)?;
        if let Some(out) = &self.out {
            create_new(out)?.write_all(&code)?;
        }
        if let Some(file) = &self.metadata {
            fs::write(file, runtime_metadata(&code)?)
                .map_err(|error| Error::Input(format!("cannot write {}: {error}", file.display())))?;
        }
        let (name, number) = (&version.spec_name, version.spec_version);
        let hash = sp_core::bytes::to_hex(&sp_crypto_hashing::blake2_256(&code), false);
        let text = if self.json {
            json!({ "spec_name": name, "spec_version": number, "code": hash, "bytes": code.len() })
                .to_string()
        } else {
            format!("version {number} of {name}\ncode  {hash}\nbytes {}", code.len())
        };
        write_text(None, &text)
    }
}

/// Reads a Wasm runtime from a file, or returns the built-in one if no file is given.
pub fn load_runtime(file: Option<&Path>) -> Result<Cow<'static, [u8]>> {
    let Some(file) = file else {
        return streembit_chain_spec::built_in_runtime().map(Cow::Borrowed).map_err(command_error);
    };
    let code = fs::read(file)
        .map_err(|error| Error::Input(format!("cannot read the runtime {}: {error}", file.display())))?;
    Ok(Cow::Owned(code))
}

fn executor() -> WasmExecutor<sp_io::SubstrateHostFunctions> {
    // A runtime that needs newer host functions can still report its version. Chains check an upgrade in the same way.
    WasmExecutor::builder().with_allow_missing_host_functions(true).build()
}

fn runtime_version(code: &[u8]) -> Result<RuntimeVersion> {
    let failed = |problem: String| Error::Input(format!("cannot read the version of the runtime: {problem}"));
    let bytes = executor().read_runtime_version(code, &mut BasicExternalities::default()).map_err(failed)?;
    RuntimeVersion::decode(&mut bytes.as_slice()).map_err(|error| failed(error.to_string()))
}

fn runtime_metadata(code: &[u8]) -> Result<Vec<u8>> {
    let failed = |problem: String| {
        Error::Input(format!("cannot read the runtime's metadata of version {METADATA_VERSION}: {problem}"))
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
        &METADATA_VERSION.encode(),
        CallContext::Offchain,
    );
    let answer = answer.map_err(|error| failed(error.to_string()))?;
    let metadata = Option::<Vec<u8>>::decode_all(&mut answer.as_slice());
    let metadata = metadata.map_err(|error| failed(error.to_string()))?;
    metadata.ok_or_else(|| failed("the runtime does not have this version".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The committed metadata, which client code is generated from.
    const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../runtime/metadata.scale");

    #[test]
    fn the_committed_metadata_matches_the_runtime() {
        let Ok(code) = load_runtime(None) else { return };
        let committed = fs::read(COMMITTED).unwrap_or_default();
        assert!(
            runtime_metadata(&code).unwrap() == committed,
            "the runtime's interface differs from runtime/metadata.scale: review the change, then update the file with `cargo \
             run -p streembit-node -- runtime --metadata runtime/metadata.scale`"
        );
    }

    #[test]
    fn the_wasm_has_the_version_of_the_source_code() {
        let Ok(code) = load_runtime(None) else { return };
        assert_eq!(runtime_version(&code).unwrap().spec_version, streembit_runtime::VERSION.spec_version);
        assert!(runtime_metadata(&code).unwrap().starts_with(b"meta"));
    }

    #[test]
    fn code_that_is_not_a_runtime_is_refused() {
        for code in [&b""[..], b"#!/bin/sh", b"\0asm\x01\0\0\0"] {
            assert!(runtime_version(code).is_err() && runtime_metadata(code).is_err(), "{code:?}");
        }
    }
}
