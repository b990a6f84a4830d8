//! The chain that a validator's keys belong to.

use super::{error::KeysError, identity::ValidatorIdentity};
use crate::genesis::genesis_hash;
use std::{fmt, fs, path::Path};

/// The identity of a chain, as far as it is known without the chain's database.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChainIdentity {
    /// The id, which is also the name of the chain's folder in the base path.
    pub id: String,
    /// The hash of the genesis block, if it is known.
    pub genesis: Option<String>,
}

impl ChainIdentity {
    /// Returns the identity of a preset or of the chain with a spec at a path.
    pub fn from_spec(spec: &str) -> Result<Self, KeysError> {
        let spec = streembit_chain_spec::load(spec)?;
        let id = spec.id().to_owned();
        let genesis =
            genesis_hash(&spec).map_err(|problem| KeysError::Genesis { chain: id.clone(), problem })?;
        Ok(Self { id, genesis: Some(format!("{genesis:?}")) })
    }

    /// Returns the identity of the only chain that has a folder in the base path.
    pub fn only_chain_in(base: &Path) -> Result<Self, KeysError> {
        let entries = fs::read_dir(base.join("chains")).map_err(|_| KeysError::NoChain(base.to_owned()))?;
        let mut found: Vec<_> = entries
            .flatten()
            .filter(|entry| entry.path().is_dir())
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        found.sort();
        match found.as_slice() {
            [] => Err(KeysError::NoChain(base.to_owned())),
            [id] => Ok(Self { id: id.clone(), genesis: None }),
            _ => Err(KeysError::AmbiguousChain { base: base.to_owned(), found }),
        }
    }

    /// Returns the chain of a validator.
    pub fn of(validator: &ValidatorIdentity) -> Self {
        Self { id: validator.chain.clone(), genesis: validator.genesis.clone() }
    }

    /// Returns true if both can be the same chain. An unknown genesis matches any other.
    pub fn matches(&self, other: &Self) -> bool {
        let both_known = self.genesis.as_ref().zip(other.genesis.as_ref());
        self.id == other.id && both_known.is_none_or(|(one, other)| one == other)
    }
}

impl fmt::Display for ChainIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.genesis {
            Some(genesis) => write!(f, "{} (genesis {genesis})", self.id),
            None => f.write_str(&self.id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(id: &str, genesis: Option<&str>) -> ChainIdentity {
        ChainIdentity { id: id.into(), genesis: genesis.map(Into::into) }
    }

    #[test]
    fn chains_match_if_the_ids_and_the_known_genesis_hashes_are_equal() {
        assert!(chain("four", Some("0x01")).matches(&chain("four", Some("0x01"))));
        assert!(chain("four", Some("0x01")).matches(&chain("four", None)));
        assert!(chain("four", None).matches(&chain("four", Some("0x01"))));
        assert!(!chain("four", Some("0x01")).matches(&chain("four", Some("0x02"))));
        assert!(!chain("five", Some("0x01")).matches(&chain("four", Some("0x01"))));
    }

    #[test]
    fn the_only_chain_in_a_base_path_is_found() {
        let base = tempfile::tempdir().unwrap();
        assert!(matches!(ChainIdentity::only_chain_in(base.path()), Err(KeysError::NoChain(_))));
        fs::create_dir_all(base.path().join("chains/four")).unwrap();
        fs::write(base.path().join("chains/notes.txt"), "").unwrap();
        assert_eq!(ChainIdentity::only_chain_in(base.path()).unwrap(), chain("four", None));
        fs::create_dir(base.path().join("chains/five")).unwrap();
        let error = ChainIdentity::only_chain_in(base.path()).unwrap_err().to_string();
        assert!(error.contains("five, four") && error.contains("--chain"), "{error}");
    }

    // A build with SKIP_WASM_BUILD has no Wasm runtime and therefore no presets.
    #[test]
    fn presets_have_different_genesis_blocks() {
        let from_spec = ChainIdentity::from_spec;
        let (Ok(local), Ok(four)) = (from_spec("local"), from_spec("four")) else {
            assert!(streembit_runtime::WASM_BINARY.is_none());
            return;
        };
        assert_eq!((local.id.as_str(), four.id.as_str()), ("streembit_local", "streembit_four"));
        assert_ne!(local.genesis, four.genesis);
        assert_eq!(from_spec("four").unwrap(), four);
        assert_eq!(four.genesis.map(|genesis| genesis.len()), Some(2 + 64));
    }
}
