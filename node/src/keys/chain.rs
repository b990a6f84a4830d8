//! Which chain a validator's keys are for.

use super::{error::KeysError, identity::Validator};
use crate::service::Block;
use sp_runtime::{
    traits::{BlakeTwo256, Hash as _},
    BuildStorage as _, StateVersion,
};
use std::{fs, path::Path};

/// A chain, as far as it is known without its database.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chain {
    /// Its id, which names its folder in the base path.
    pub id: String,
    /// The hash of its first block.
    pub genesis: Option<String>,
}

impl Chain {
    /// The chain of a preset or of a file, with the hash of the block that a node with it begins with.
    pub fn named(spec: &str) -> Result<Self, KeysError> {
        let spec = streembit_chain_spec::load(spec)?;
        let id = spec.id().to_owned();
        let storage =
            spec.build_storage().map_err(|problem| KeysError::Genesis { chain: id.clone(), problem })?;
        let state = BlakeTwo256::trie_root(storage.top.into_iter().collect(), StateVersion::V1);
        let first: Block = sc_chain_spec::construct_genesis_block(state, StateVersion::V1);
        Ok(Self { id, genesis: Some(format!("{:?}", first.header.hash())) })
    }

    /// The only chain with a folder in the base path.
    pub fn only_one_in(base: &Path) -> Result<Self, KeysError> {
        let folder = base.join("chains");
        let entries = fs::read_dir(&folder).map_err(|_| KeysError::NoChain(base.to_owned()))?;
        let mut found: Vec<_> = entries
            .flatten()
            .filter(|entry| entry.path().is_dir())
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        found.sort();
        match found.as_slice() {
            [] => Err(KeysError::NoChain(base.to_owned())),
            [id] => Ok(Self { id: id.clone(), genesis: None }),
            _ => Err(KeysError::WhichChain { base: base.to_owned(), found }),
        }
    }

    /// Whether the validator is one of this chain, as far as is known of both.
    pub fn is_of(&self, validator: &Validator) -> bool {
        let known = self.genesis.as_ref().zip(validator.genesis.as_ref());
        self.id == validator.chain && known.is_none_or(|(ours, theirs)| ours == theirs)
    }

    /// The chain as an error names it.
    pub fn shown(id: &str, genesis: Option<&String>) -> String {
        match genesis {
            Some(genesis) => format!("{id} (genesis {genesis})"),
            None => id.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::identity::tests::dave;

    fn chain(id: &str, genesis: Option<&str>) -> Chain {
        Chain { id: id.into(), genesis: genesis.map(Into::into) }
    }

    #[test]
    fn another_id_or_another_genesis_is_another_chain() {
        let of = |genesis: Option<&str>| Validator::of("four".into(), genesis.map(Into::into), &dave());
        assert!(chain("four", Some("0x01")).is_of(&of(Some("0x01"))));
        assert!(chain("four", Some("0x01")).is_of(&of(None)));
        assert!(chain("four", None).is_of(&of(Some("0x01"))));
        assert!(!chain("four", Some("0x01")).is_of(&of(Some("0x02"))));
        assert!(!chain("five", Some("0x01")).is_of(&of(Some("0x01"))));
    }

    #[test]
    fn the_only_chain_of_a_folder_needs_no_name() {
        let base = tempfile::tempdir().unwrap();
        assert!(matches!(Chain::only_one_in(base.path()), Err(KeysError::NoChain(_))));
        fs::create_dir_all(base.path().join("chains/four")).unwrap();
        fs::write(base.path().join("chains/notes.txt"), "").unwrap();
        assert_eq!(Chain::only_one_in(base.path()).unwrap(), chain("four", None));
        fs::create_dir(base.path().join("chains/five")).unwrap();
        let error = Chain::only_one_in(base.path()).unwrap_err().to_string();
        assert!(error.contains("five, four") && error.contains("--chain"), "{error}");
    }

    // The presets need the Wasm runtime; a build with SKIP_WASM_BUILD has none.
    #[test]
    fn each_chain_has_a_first_block_of_its_own() {
        let (Ok(local), Ok(four)) = (Chain::named("local"), Chain::named("four")) else {
            assert!(streembit_runtime::WASM_BINARY.is_none());
            return;
        };
        assert_eq!((local.id.as_str(), four.id.as_str()), ("streembit_local", "streembit_four"));
        assert_ne!(local.genesis, four.genesis);
        assert_eq!(Chain::named("four").unwrap(), four);
        assert_eq!(four.genesis.map(|genesis| genesis.len()), Some(2 + 64));
    }
}
