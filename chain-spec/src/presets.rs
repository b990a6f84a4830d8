//! The preset chains for development, and loading a chain spec by name or path.

use crate::{
    error::SpecError,
    spec::{properties, ChainSpec, PRESET_ID_PREFIX, PROTOCOL_ID},
};
use sc_chain_spec::{DEV_RUNTIME_PRESET, LOCAL_TESTNET_RUNTIME_PRESET};
use sc_service::ChainType;
use std::path::PathBuf;
use streembit_runtime::genesis::FOUR_PRESET;

/// Loads the chain spec with the given preset name or path.
pub fn load(chain: &str) -> Result<ChainSpec, SpecError> {
    match chain {
        "" => Err(SpecError::NoChainGiven),
        "dev" | "local" | "four" => preset(chain, built_in_runtime()?),
        path => load_file(PathBuf::from(path)),
    }
}

/// Returns the Wasm runtime that was compiled into this program.
pub fn built_in_runtime() -> Result<&'static [u8], SpecError> {
    streembit_runtime::WASM_BINARY.ok_or(SpecError::NoRuntime)
}

/// Returns the spec of a development chain with the given Wasm runtime.
///
/// The validators are Alice (`dev`), Alice and Bob (`local`), or Alice, Bob, Charlie and Dave (`four`, which survives
/// the failure of one of them). Their keys are well known. The genesis comes from the preset of the same kind in the
/// runtime.
pub fn preset(name: &str, runtime: &[u8]) -> Result<ChainSpec, SpecError> {
    let (chain_type, genesis_preset) = match name {
        "dev" => (ChainType::Development, DEV_RUNTIME_PRESET),
        "local" => (ChainType::Local, LOCAL_TESTNET_RUNTIME_PRESET),
        "four" => (ChainType::Local, FOUR_PRESET),
        _ => return Err(SpecError::UnknownChain(name.into())),
    };
    let title = if name == "dev" { "development" } else { name };
    Ok(ChainSpec::builder(runtime, None)
        .with_name(&format!("Streembit {title}"))
        .with_id(&format!("{PRESET_ID_PREFIX}{name}"))
        .with_chain_type(chain_type)
        .with_protocol_id(PROTOCOL_ID)
        .with_properties(properties())
        .with_genesis_config_preset_name(genesis_preset)
        .build())
}

fn load_file(path: PathBuf) -> Result<ChainSpec, SpecError> {
    if !path.is_file() {
        return Err(SpecError::UnknownChain(path));
    }
    ChainSpec::from_json_file(path.clone()).map_err(|reason| SpecError::MalformedSpec { path, reason })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sc_service::ChainSpec as _;

    #[test]
    fn an_empty_chain_name_is_an_error() {
        assert!(matches!(load(""), Err(SpecError::NoChainGiven)));
    }

    #[test]
    fn the_error_for_a_missing_file_lists_the_presets() {
        let error = load("no/such/chain.json").err().unwrap().to_string();
        assert!(error.contains("no/such/chain.json") && error.contains("`local`"), "{error}");
    }

    #[test]
    fn the_error_for_a_malformed_file_has_its_name_and_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chain.json");
        std::fs::write(&path, "{\n  \"name\": 5\n}").unwrap();
        let error = load(path.to_str().unwrap()).err().unwrap().to_string();
        assert!(error.contains("chain.json") && error.contains("line 2"), "{error}");
    }

    #[test]
    fn the_error_for_an_unknown_preset_lists_the_presets() {
        let error = preset("five", &[]).err().unwrap().to_string();
        assert!(error.contains("`five`") && error.contains("`four`"), "{error}");
    }

    #[test]
    fn the_error_for_a_spec_without_a_genesis_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chain.json");
        std::fs::write(&path, r#"{ "name": "x", "id": "x", "bootNodes": [] }"#).unwrap();
        let error = load(path.to_str().unwrap()).err().unwrap().to_string();
        assert!(error.contains("chain.json") && error.contains("genesis"), "{error}");
    }

    // A build with SKIP_WASM_BUILD has no Wasm runtime and therefore no presets.
    #[test]
    fn a_preset_written_to_a_file_loads_as_the_same_spec() {
        for (preset, chain_type) in
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
            assert_eq!(spec.chain_type(), chain_type);
            assert_eq!(spec.protocol_id(), Some(PROTOCOL_ID));
            assert!(spec.telemetry_endpoints().is_none() && spec.boot_nodes().is_empty());

            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("raw.json");
            std::fs::write(&path, spec.as_json(true).unwrap()).unwrap();
            let read = load(path.to_str().unwrap()).unwrap();
            assert_eq!(read.as_json(true).unwrap(), spec.as_json(true).unwrap());
        }
    }
}
