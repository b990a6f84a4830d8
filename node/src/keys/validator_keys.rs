//! Compares the session keys in the keystore with those that the chain expects of its validators.
//!
//! A node with `--validator` but without its keys follows the chain and does nothing else, which looks like a node that
//! is well. So does a node that has the keys but runs without `--validator`.

use super::held_keys::HELD_SUFFIX;
use crate::{consensus::voter_status::GrandpaState, notices::Notices, types::FullClient};
use sc_service::{config::KeystoreConfig, Configuration};
use sp_api::{ApiError, ProvideRuntimeApi as _};
use sp_blockchain::HeaderBackend as _;
use sp_consensus_aura::{sr25519::AuthorityId, AuraApi as _};
use sp_core::{
    crypto::{
        key_types::{AURA, GRANDPA},
        KeyTypeId,
    },
    ByteArray as _,
};
use sp_keystore::KeystorePtr;
use std::{collections::BTreeSet, fs, path::PathBuf, sync::Arc, time::Duration};

/// The time between two comparisons.
const INTERVAL: Duration = Duration::from_secs(10);

/// The topic of the notice.
const TOPIC: &str = "validator-keys";

/// The most keys that a message lists.
const MAX_LISTED: usize = 8;

/// The names (key type and public key) of the session keys that validators sign with.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct SessionKeyNames {
    aura: BTreeSet<Vec<u8>>,
    grandpa: BTreeSet<Vec<u8>>,
}

impl SessionKeyNames {
    /// Returns the keys that the chain expects now.
    pub fn of_chain(client: &FullClient, grandpa: &GrandpaState) -> Result<Self, ApiError> {
        let aura: Vec<AuthorityId> = client.runtime_api().authorities(client.info().best_hash)?;
        let voters = grandpa.authorities.current_authorities();
        Ok(Self {
            aura: aura.iter().map(|key| name(AURA, key.as_slice())).collect(),
            grandpa: voters.iter().map(|(key, _)| name(GRANDPA, key.as_slice())).collect(),
        })
    }

    fn in_keystore(keystore: &KeystorePtr) -> Self {
        let names = |key_type: KeyTypeId| {
            let keys = keystore.keys(key_type).unwrap_or_default();
            keys.iter().map(|key| name(key_type, key)).collect()
        };
        Self { aura: names(AURA), grandpa: names(GRANDPA) }
    }

    /// Returns the names of all keys.
    pub fn all(&self) -> BTreeSet<Vec<u8>> {
        self.aura.union(&self.grandpa).cloned().collect()
    }
}

fn name(key_type: KeyTypeId, public: &[u8]) -> Vec<u8> {
    [key_type.0.as_slice(), public].concat()
}

/// Compares the keys for as long as the node runs.
pub struct ValidatorKeyCheck {
    client: Arc<FullClient>,
    grandpa: GrandpaState,
    keystore: KeystorePtr,
    keystore_folder: Option<PathBuf>,
    is_validator: bool,
    notices: Notices,
}

impl ValidatorKeyCheck {
    /// Creates the check for a node with this configuration.
    pub fn new(
        config: &Configuration,
        client: Arc<FullClient>,
        grandpa: GrandpaState,
        keystore: KeystorePtr,
        notices: Notices,
    ) -> Self {
        let keystore_folder = match &config.keystore {
            KeystoreConfig::Path { path, .. } => Some(path.clone()),
            KeystoreConfig::InMemory => None,
        };
        let is_validator = config.role.is_authority();
        Self { client, grandpa, keystore, keystore_folder, is_validator, notices }
    }

    /// Runs for as long as the node runs.
    pub async fn run(self) {
        loop {
            let problem = match SessionKeyNames::of_chain(&self.client, &self.grandpa) {
                Ok(expected) => self.problem(&expected),
                Err(error) => {
                    tracing::debug!("the keys of the validators are unknown: {error}");
                    None
                }
            };
            if self.notices.set(TOPIC, problem.clone()) {
                match problem {
                    Some(problem) => tracing::warn!("{problem}"),
                    None => {
                        tracing::info!("the session keys of this validator are those that the chain expects")
                    }
                }
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    fn problem(&self, expected: &SessionKeyNames) -> Option<String> {
        let held = SessionKeyNames::in_keystore(&self.keystore);
        // The release of a restored key is announced by `held_keys`.
        let waits_to_vote = self.has_held_back_keys();
        let folder = self.keystore_folder.as_ref().map_or("memory".into(), |path| path.display().to_string());
        problem(self.is_validator, waits_to_vote, expected, &held, &folder)
    }

    fn has_held_back_keys(&self) -> bool {
        let entries = self.keystore_folder.as_ref().and_then(|folder| fs::read_dir(folder).ok());
        entries
            .into_iter()
            .flatten()
            .flatten()
            .any(|entry| entry.file_name().to_str().is_some_and(|name| name.ends_with(HELD_SUFFIX)))
    }
}

/// Returns what is wrong with a node's keys, or `None` if nothing is.
fn problem(
    is_validator: bool,
    waits_to_vote: bool,
    expected: &SessionKeyNames,
    held: &SessionKeyNames,
    folder: &str,
) -> Option<String> {
    let makes_blocks = !expected.aura.is_disjoint(&held.aura);
    let votes = !expected.grandpa.is_disjoint(&held.grandpa) || waits_to_vote;
    match (is_validator, makes_blocks, votes) {
        (true, true, true) | (false, false, false) => None,
        (true, false, false) => Some(format!(
            "this node runs with --validator but has none of the session keys that the chain expects. It looked in the \
             keystore {folder}, which has {}. The chain expects one of {}. If the keys are in another folder, start the node \
             with --keystore-path DIR. A new validator gets its keys with `streembit consortium join`",
            list(&held.all()),
            list(&expected.all())
        )),
        (true, true, false) => Some(half("makes blocks but does not vote", "grandpa", &expected.grandpa, folder)),
        (true, false, true) => Some(half("votes but makes no blocks", "aura", &expected.aura, folder)),
        (false, _, _) => Some(format!(
            "this node has session keys of a validator in the keystore {folder} but runs without --validator, so it neither \
             makes blocks nor votes. Start it with --validator, unless another node uses these keys"
        )),
    }
}

fn half(does: &str, missing: &str, expected: &BTreeSet<Vec<u8>>, folder: &str) -> String {
    format!(
        "this validator {does}: the keystore {folder} has no `{missing}` key that the chain expects. It expects one of {}. \
         Restore the key from its backup, or make new keys with `streembit consortium rotate-keys`",
        list(expected)
    )
}

/// Lists keys as they are named in a consortium file, with at most 8 of them.
fn list(names: &BTreeSet<Vec<u8>>) -> String {
    if names.is_empty() {
        return "no keys".into();
    }
    let text = |name: &Vec<u8>| {
        let (key_type, public) =
            name.split_at_checked(AURA.0.len()).unwrap_or((name.as_slice(), b"".as_slice()));
        let kind = if key_type == GRANDPA.0.as_slice() { "grandpa" } else { "aura" };
        format!("{kind} 0x{}", hex::encode(public))
    };
    let mut listed: Vec<_> = names.iter().take(MAX_LISTED).map(text).collect();
    if names.len() > MAX_LISTED {
        listed.push(format!("{} more", names.len().saturating_sub(MAX_LISTED)));
    }
    listed.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(aura: &[u8], grandpa: &[u8]) -> SessionKeyNames {
        let names = |key_type, keys: &[u8]| keys.iter().map(|key| name(key_type, &[*key])).collect();
        SessionKeyNames { aura: names(AURA, aura), grandpa: names(GRANDPA, grandpa) }
    }

    /// Compares the keys of a node with a chain that expects 1 and 2.
    fn compare(is_validator: bool, waits_to_vote: bool, held: SessionKeyNames) -> Option<String> {
        problem(is_validator, waits_to_vote, &keys(&[1, 2], &[1, 2]), &held, "/box/keystore")
    }

    #[test]
    fn a_sound_validator_and_a_full_node_have_no_problem() {
        assert_eq!(compare(true, false, keys(&[9, 1], &[1])), None);
        assert_eq!(compare(false, false, keys(&[], &[])), None);
        assert_eq!(compare(false, false, keys(&[9], &[9])), None, "keys that the chain does not know");
        assert_eq!(compare(true, true, keys(&[1], &[])), None, "a restored key that does not vote yet");
    }

    #[test]
    fn a_validator_without_its_keys_says_which_are_expected_and_where_it_looked() {
        for held in [keys(&[], &[]), keys(&[7], &[8])] {
            let text = compare(true, false, held).unwrap();
            for part in ["/box/keystore", "--keystore-path", "aura 0x01", "grandpa 0x02", "consortium join"] {
                assert!(text.contains(part), "{part}: {text}");
            }
        }
        let text = compare(true, false, keys(&[1], &[])).unwrap();
        assert!(text.contains("does not vote") && text.contains("`grandpa`"), "{text}");
        let text = compare(true, false, keys(&[], &[2])).unwrap();
        assert!(text.contains("makes no blocks") && text.contains("`aura`"), "{text}");
    }

    #[test]
    fn keys_without_the_validator_option_are_reported() {
        let text = compare(false, false, keys(&[1], &[1])).unwrap();
        assert!(text.contains("without --validator"), "{text}");
    }

    #[test]
    fn long_lists_are_shortened() {
        let many: Vec<u8> = (0..20).collect();
        assert!(list(&keys(&many, &[]).all()).ends_with("12 more"));
    }
}
