//! Chain specs: what a node must know before it can join a chain.
//!
//! Three presets are built in, all with well-known keys and so for development only: `dev`, one validator, `local`, two,
//! and `four`. Any other chain comes from a file, as `streembit-node chain-spec` makes it of a consortium's TOML, or
//! `streembit-node refound` of another chain's last state ([`founding`]).

#![forbid(unsafe_code)]

pub mod founding;

use founding::Mistakes;
use sc_service::{ChainType, GenericChainSpec, NoExtension, Properties};
use std::{error::Error as StdError, fmt, path::PathBuf};

/// The spec of a Streembit chain.
pub type ChainSpec = GenericChainSpec<NoExtension>;

/// What the names of the nodes' network protocols begin with; keeps strangers' chains apart.
pub const PROTOCOL_ID: &str = "streembit";

/// The type of addresses (SS58) that accounts are shown with: the generic one.
pub const SS58_PREFIX: u16 = 42;

/// Why there is no spec.
#[derive(Debug)]
pub enum SpecError {
    /// No chain was named.
    Unnamed,
    /// This build has no Wasm runtime, so it has no presets.
    NoRuntime,
    /// The file is neither a preset's name nor a file that exists.
    Missing(PathBuf),
    /// The file is there but is no chain spec.
    Malformed {
        /// The file.
        path: PathBuf,
        /// What the parser says, with line and column.
        reason: String,
    },
    /// The file of a consortium cannot be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// The file of a consortium has mistakes.
    Mistaken {
        /// The file.
        path: PathBuf,
        /// What they are.
        mistakes: Mistakes,
    },
    /// The genesis cannot be written down.
    Genesis(String),
    /// A chain cannot be founded anew.
    Successor(String),
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unnamed => f.write_str(
                "no chain given: use --dev for a chain of one validator on this machine, or --chain with \
                 `dev`, `local`, `four` or the path of a chain spec",
            ),
            Self::NoRuntime => f.write_str(
                "this node was built without its Wasm runtime and so without presets: build it with \
                 SKIP_WASM_BUILD unset, or give the path of a chain spec with --chain",
            ),
            Self::Missing(path) => write!(
                f,
                "no chain called `{}` and no such file: the presets are `dev`, `local` and `four`, everything else is \
                 the path of a chain spec",
                path.display()
            ),
            Self::Malformed { path, reason } => write!(
                f,
                "`{}` is not a chain spec: {reason}; `streembit-node export-chain-spec --chain local` shows one",
                path.display()
            ),
            Self::Unreadable { path, reason } => write!(
                f,
                "cannot read `{}`: {reason}; `streembit-node chain-spec --template` prints a file to begin with",
                path.display()
            ),
            Self::Mistaken { path, mistakes } => write!(
                f,
                "`{}` founds no consortium:\n{mistakes}\n`streembit-node chain-spec --template` prints a file that does",
                path.display()
            ),
            Self::Genesis(reason) => write!(f, "the genesis cannot be written down: {reason}"),
            Self::Successor(reason) => write!(f, "the chain is not founded anew: {reason}"),
        }
    }
}

impl StdError for SpecError {}

/// The spec that `--chain` names: a preset or a file.
pub fn load(chain: &str) -> Result<ChainSpec, SpecError> {
    match chain {
        "" => Err(SpecError::Unnamed),
        "dev" | "local" | "four" => preset(chain, own_runtime()?),
        path => from_file(PathBuf::from(path)),
    }
}

/// The runtime that this build comes with, as chains take it.
pub fn own_runtime() -> Result<&'static [u8], SpecError> {
    streembit_runtime::WASM_BINARY.ok_or(SpecError::NoRuntime)
}

/// A chain for development, on a runtime of this build or of another, whose own preset makes the genesis: `dev` is one
/// validator, Alice; `local` two, Alice and Bob; `four` is Alice to Dave, of which one may fail.
pub fn preset(name: &str, runtime: &[u8]) -> Result<ChainSpec, SpecError> {
    let (title, id, kind, genesis) = match name {
        "dev" => ("Streembit development", "streembit_dev", ChainType::Development, "development"),
        "local" => ("Streembit local", "streembit_local", ChainType::Local, "local_testnet"),
        "four" => {
            ("Streembit four", "streembit_four", ChainType::Local, streembit_runtime::genesis::FOUR_PRESET)
        }
        _ => return Err(SpecError::Missing(name.into())),
    };
    Ok(ChainSpec::builder(runtime, None)
        .with_name(title)
        .with_id(id)
        .with_chain_type(kind)
        .with_protocol_id(PROTOCOL_ID)
        .with_properties(properties())
        .with_genesis_config_preset_name(genesis)
        .build())
}

fn from_file(path: PathBuf) -> Result<ChainSpec, SpecError> {
    if !path.is_file() {
        return Err(SpecError::Missing(path));
    }
    ChainSpec::from_json_file(path.clone()).map_err(|reason| SpecError::Malformed { path, reason })
}

fn properties() -> Properties {
    // No token: the chain has no balances and no fees.
    Properties::from_iter([("ss58Format".into(), SS58_PREFIX.into())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use sc_service::ChainSpec as _;

    #[test]
    fn a_chain_must_be_named() {
        assert!(load("").err().unwrap().to_string().contains("--dev"));
    }

    #[test]
    fn a_missing_file_names_the_presets() {
        let error = load("no/such/chain.json").err().unwrap().to_string();
        assert!(error.contains("no/such/chain.json") && error.contains("`local`"), "{error}");
    }

    #[test]
    fn a_malformed_file_says_where() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("chain.json");
        std::fs::write(&path, "{\n  \"name\": 5\n}").unwrap();
        let error = load(path.to_str().unwrap()).err().unwrap().to_string();
        assert!(error.contains("chain.json") && error.contains("line 2"), "{error}");
    }

    #[test]
    fn what_is_no_preset_is_said_to_be_none() {
        let error = preset("five", &[]).err().unwrap().to_string();
        assert!(error.contains("`five`") && error.contains("`four`"), "{error}");
    }

    #[test]
    fn a_file_without_a_genesis_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("chain.json");
        std::fs::write(&path, r#"{ "name": "x", "id": "x", "bootNodes": [] }"#).unwrap();
        let error = load(path.to_str().unwrap()).err().unwrap().to_string();
        assert!(error.contains("chain.json") && error.contains("genesis"), "{error}");
    }

    // The presets need the Wasm runtime; a build with SKIP_WASM_BUILD has none and must say so.
    #[test]
    fn presets_build_their_genesis_and_survive_a_file() {
        for (preset, kind) in
            [("dev", ChainType::Development), ("local", ChainType::Local), ("four", ChainType::Local)]
        {
            let spec = match load(preset) {
                Ok(spec) => spec,
                Err(error) => {
                    assert!(streembit_runtime::WASM_BINARY.is_none(), "{error}");
                    assert!(matches!(error, SpecError::NoRuntime));
                    continue;
                }
            };
            assert_eq!(spec.chain_type(), kind);
            assert_eq!(spec.protocol_id(), Some(PROTOCOL_ID));
            assert!(spec.telemetry_endpoints().is_none() && spec.boot_nodes().is_empty());

            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("raw.json");
            std::fs::write(&path, spec.as_json(true).unwrap()).unwrap();
            let read = load(path.to_str().unwrap()).unwrap();
            assert_eq!(read.as_json(true).unwrap(), spec.as_json(true).unwrap());
        }
    }
}
