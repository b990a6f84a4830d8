//! A chain founded anew: the last final state of one whose validators are gone for good, and a file that names new ones.

use super::{
    file::{bootnode, enough, id, key, required, session_key, Names},
    mistakes::{read_toml, Mistakes, Notes},
};
use crate::{properties, ChainSpec, SpecError, PROTOCOL_ID};
use sc_service::{config::MultiaddrWithPeerId, ChainSpec as _, ChainType};
use serde::Deserialize;
use sp_core::storage::{well_known_keys::CODE, Storage};
use sp_runtime::BuildStorage as _;
use sp_state_machine::BasicExternalities;
use std::{collections::BTreeMap, path::Path};
use streembit_runtime::{
    refounding::{is_carried_over, is_of_session_keys, prepare_successor_state},
    AccountId, RuntimeGenesisConfig, SessionKeys,
};
use toml::Spanned;

/// A commented file, complete but for its accounts and keys.
pub const TEMPLATE: &str = include_str!("successor.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: Option<Spanned<String>>,
    id: Option<Spanned<String>>,
    #[serde(default)]
    allow_unsafe: bool,
    #[serde(default)]
    bootnodes: Vec<Spanned<String>>,
    #[serde(default)]
    validators: Names<Keys>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    account: Option<Spanned<String>>,
    aura: Option<Spanned<String>>,
    grandpa: Option<Spanned<String>>,
}

/// Who goes on with a chain.
#[derive(Clone, Debug)]
pub struct Successor {
    name: String,
    id: String,
    bootnodes: Vec<MultiaddrWithPeerId>,
    validators: Vec<(AccountId, SessionKeys)>,
}

impl Successor {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, SpecError> {
        let wrong = |problem: String| {
            let path = path.display();
            SpecError::Successor(format!(
                "`{path}`:\n{problem}\n`streembit-node refound --template` prints a file to begin with"
            ))
        };
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        Self::parse(&text).map_err(|mistakes| wrong(mistakes.to_string()))
    }

    /// Reads a file's text.
    pub fn parse(text: &str) -> Result<Self, Mistakes> {
        read_toml(text, read)
    }

    /// The spec of the new chain; `old` is the chain whose last final state it goes on from.
    ///
    /// The same state and the same file give the same spec, to the byte: whoever has both can check it.
    pub fn spec(&self, old: &dyn sc_service::ChainSpec, state: Storage) -> Result<ChainSpec, SpecError> {
        if old.id() == self.id {
            return Err(SpecError::Successor(format!(
                "`id` is {:?}, as the old chain's: the new one needs another, for its folder and its protocols",
                self.id
            )));
        }
        let code = state.top.get(CODE).cloned();
        let code = code.ok_or_else(|| SpecError::Successor("the state has no runtime in it".into()))?;
        let storage = self.storage(state)?;
        let mut spec = ChainSpec::builder(&code, None)
            .with_name(&self.name)
            .with_id(&self.id)
            .with_chain_type(ChainType::Live)
            .with_protocol_id(&format!("{PROTOCOL_ID}-{}", self.id))
            .with_boot_nodes(self.bootnodes.clone())
            .with_properties(properties())
            .build();
        spec.set_storage(storage);
        Ok(spec)
    }

    /// The first state of the new chain: a genesis with the new validators, and what is carried over.
    fn storage(&self, mut old: Storage) -> Result<Storage, SpecError> {
        if !old.children_default.is_empty() {
            return Err(SpecError::Successor(
                "the state has child tries, which no Streembit chain has".into(),
            ));
        }
        let founding =
            BasicExternalities::execute_with_storage(&mut old, || prepare_successor_state(&self.validators));
        let founding = founding.map_err(|refusal| SpecError::Successor(refusal.to_string()))?;
        let genesis = RuntimeGenesisConfig::from(founding).build_storage().map_err(SpecError::Successor)?;
        let mut new = Storage::default();
        new.top.extend(old.top.into_iter().filter(|(key, _)| is_carried_over(key)));
        // Of what is carried over, the genesis has a say in the session keys alone.
        let fresh = |key: &Vec<u8>| !is_carried_over(key) || is_of_session_keys(key);
        new.top.extend(genesis.top.into_iter().filter(|(key, _)| fresh(key)));
        Ok(new)
    }
}

/// Reads what can be read; whatever cannot is noted.
fn read(file: File, notes: &mut Notes<'_>) -> Successor {
    let validators = validators(&file, notes);
    Successor {
        validators,
        bootnodes: file.bootnodes.iter().filter_map(|address| bootnode(address, notes)).collect(),
        name: required(file.name, "name", "what people call the chain", notes),
        id: id(file.id, notes),
    }
}

fn validators(file: &File, notes: &mut Notes<'_>) -> Vec<(AccountId, SessionKeys)> {
    let mut in_order: Vec<_> = file.validators.iter().collect();
    in_order.sort_by_key(|(name, _)| name.span().start);
    let (mut seen, mut accounts) = (BTreeMap::new(), BTreeMap::<AccountId, &str>::new());
    let mut validators = Vec::new();
    for (name, keys) in in_order {
        let account = account(name, keys.account.as_ref(), notes);
        if let (Some(account), Some(place)) = (&account, &keys.account) {
            if let Some(other) = accounts.insert(account.clone(), name.get_ref()) {
                notes.at(place.span(), format!("{} and {other} have the same account", name.get_ref()));
            }
        }
        let aura = session_key(name, "aura", keys.aura.as_ref(), &mut seen, notes);
        let grandpa = session_key(name, "grandpa", keys.grandpa.as_ref(), &mut seen, notes);
        if let (Some(account), Some(aura), Some(grandpa)) = (account, aura, grandpa) {
            let aura = sp_core::sr25519::Public::from_raw(aura).into();
            let grandpa = sp_core::ed25519::Public::from_raw(grandpa).into();
            validators.push((account, SessionKeys { aura, grandpa }));
        }
    }
    let last = file.validators.keys().map(Spanned::span).max_by_key(|span| span.start);
    enough(file.validators.len(), last, file.allow_unsafe, notes);
    validators
}

fn account(
    name: &Spanned<String>,
    account: Option<&Spanned<String>>,
    notes: &mut Notes<'_>,
) -> Option<AccountId> {
    if account.is_none() {
        notes.at(name.span(), format!("{} has no `account`: its party's, or its gateway's", name.get_ref()));
    }
    key(account?, "an account", notes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use streembit_runtime::{genesis, refounding::prefix};

    /// The state of the preset `four` at its genesis, with a runtime in it.
    fn state() -> Storage {
        let mut state = genesis::preset(genesis::FOUR_PRESET).unwrap().build_storage().unwrap();
        state.top.insert(CODE.to_vec(), b"code".to_vec());
        state
    }

    fn old() -> ChainSpec {
        ChainSpec::builder(b"code", None).with_name("Old").with_id("old").build()
    }

    fn wrong(from: &str, to: &str) -> String {
        assert!(TEMPLATE.contains(from), "the template has no {from:?}");
        Successor::parse(&TEMPLATE.replacen(from, to, 1)).unwrap_err().to_string()
    }

    #[test]
    fn the_template_goes_on_from_a_state_with_new_validators_alone() {
        let successor = Successor::parse(TEMPLATE).unwrap();
        let before = state();
        let after = successor.storage(state()).unwrap();
        let entries = |state: &Storage, prefix: &[u8]| {
            let of = state.top.iter().filter(|(key, _)| key.starts_with(prefix));
            of.map(|(key, value)| (key.clone(), value.clone())).collect::<Vec<_>>()
        };
        for (pallet, item, same) in [
            // The same parties; since which block they belong was counted on the old chain.
            ("Parties", "Parties", false),
            ("Collective", "Members", true),
            ("Validators", "Validators", true),
            ("Aura", "Authorities", false),
            ("Grandpa", "Authorities", false),
            ("Session", "QueuedKeys", false),
        ] {
            let prefix = prefix(pallet, item);
            let (before, after) = (entries(&before, &prefix), entries(&after, &prefix));
            assert!(!after.is_empty(), "{pallet}::{item} is gone");
            assert_eq!(before == after, same, "{pallet}::{item}");
        }
        assert_eq!(entries(&after, &prefix("Parties", "Parties")).len(), 6);
        // All four have new keys.
        assert_eq!(entries(&after, &prefix("Session", "NextKeys")).len(), 4);
        // The old ones are known still, so that nobody sets them again.
        assert_eq!(entries(&after, &prefix("Session", "KeyOwner")).len(), 16);
        assert_eq!(after.top.get(CODE).unwrap(), b"code");
    }

    #[test]
    fn the_same_state_and_file_are_the_same_chain_and_never_the_old_one() {
        let successor = Successor::parse(TEMPLATE).unwrap();
        let spec = || successor.spec(&old(), state()).unwrap().as_json(true).unwrap();
        assert_eq!(spec(), spec());
        let named_the_same = Successor { id: "old".into(), ..successor.clone() };
        let error = named_the_same.spec(&old(), state()).err().unwrap().to_string();
        assert!(error.contains("needs another"), "{error}");
        let known = Successor::parse(&TEMPLATE.replacen(
            "0x4a3ffde0d9c5c4d8c05dcf7b4a4b40f92782f1752291ff1ca64407321aba1916",
            "0xd43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d",
            1,
        ));
        let error = known.unwrap().spec(&old(), state()).err().unwrap().to_string();
        assert!(error.contains("session-keys"), "{error}");
    }

    #[test]
    fn mistakes_are_named_with_their_lines() {
        assert!(wrong("account = ", "# account = ").contains("has no `account`"));
        assert!(
            wrong("5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty", "5Grwva").contains("not an account")
        );
        assert!(wrong("[validators.garage]", "[nobody.garage]").contains("nobody"));
        assert!(wrong("id = \"workshops_north_2\"", "id = \"North 2\"").contains("lower-case"));
    }
}
