//! Finds the keys of the development accounts in a consortium file. Everyone knows their secrets.

use super::Consortium;
use sp_core::{ed25519, sr25519, ByteArray as _, Pair as _};
use std::collections::BTreeMap;

/// The names of the development accounts of Substrate, as in `//Alice`.
const NAMES: [&str; 8] = ["Alice", "Bob", "Charlie", "Dave", "Eve", "Ferdie", "One", "Two"];

impl Consortium {
    /// Describes the accounts and session keys in the file whose secrets are publicly known.
    pub fn development_keys(&self) -> Vec<String> {
        let known = known_keys();
        let mut found = Vec::new();
        let mut add = |kind: &str, public: &[u8]| {
            let phrase = known.get(public).map(|phrase| format!("the {kind} of {phrase}"));
            found.extend(phrase.filter(|text| !found.contains(text)));
        };
        for party in &self.founding.parties {
            add("account", party.account.as_ref());
            for (account, _, _) in &party.accounts {
                add("account", account.as_ref());
            }
        }
        for (_, keys) in &self.founding.validators {
            add("`aura` key", keys.aura.as_slice());
            add("`grandpa` key", keys.grandpa.as_slice());
        }
        found
    }
}

/// Returns the phrases of the development keys by their public keys.
fn known_keys() -> BTreeMap<Vec<u8>, String> {
    let mut known = BTreeMap::new();
    for name in NAMES {
        for phrase in [format!("//{name}"), format!("//{name}//stash")] {
            if let Ok(pair) = sr25519::Pair::from_string(&phrase, None) {
                known.insert(pair.public().to_raw_vec(), phrase.clone());
            }
            if let Ok(pair) = ed25519::Pair::from_string(&phrase, None) {
                known.insert(pair.public().to_raw_vec(), phrase);
            }
        }
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consortium::TEMPLATE;

    #[test]
    fn every_key_of_the_template_is_found() {
        let found = Consortium::parse(TEMPLATE).unwrap().development_keys();
        for expected in ["the account of //Alice", "the `aura` key of //Bob", "the `grandpa` key of //Dave"] {
            assert!(found.iter().any(|text| text == expected), "{expected}: {found:?}");
        }
        assert_eq!(found.len(), 12, "{found:?}");
    }

    #[test]
    fn keys_that_nobody_knows_are_not_reported() {
        let account = format!("0x{}", "ab".repeat(32));
        let own = TEMPLATE.replace("5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY", &account);
        let found = Consortium::parse(&own).unwrap().development_keys();
        assert!(!found.contains(&"the account of //Alice".to_owned()), "{found:?}");
    }
}
