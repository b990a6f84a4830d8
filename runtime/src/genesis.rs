//! The founding of a chain, and the presets of chains for development.

use crate::{
    AccountId, CollectiveConfig, PartiesConfig, QuotasConfig, RuntimeGenesisConfig, SessionConfig,
    SessionKeys, ValidatorsConfig,
};
use alloc::{vec, vec::Vec};
use sp_genesis_builder::{PresetId, DEV_RUNTIME_PRESET, LOCAL_TESTNET_RUNTIME_PRESET};
use sp_keyring::{Ed25519Keyring, Sr25519Keyring};
use streembit_primitives::{AccountId as Account, EncryptionKey, PartyId, Scope};

/// The founding of a chain: who belongs to it from the first block on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Founding {
    /// The parties.
    pub parties: Vec<FoundingParty>,
    /// The parties that are the council.
    pub council: Vec<PartyId>,
    /// The accounts that make blocks, with the keys of their nodes.
    pub validators: Vec<(AccountId, SessionKeys)>,
    /// The quotas that differ from the default: the first account of the party, microseconds and bytes.
    pub quotas: Vec<(AccountId, u64, u64)>,
}

/// A party that belongs to the chain from the first block on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FoundingParty {
    /// The first account, from which the id of the party is derived.
    pub account: AccountId,
    /// Further accounts, each with its scope and its end.
    pub accounts: Vec<(AccountId, Scope, Option<u64>)>,
    /// The key that keys for the party are encrypted to.
    pub encryption_key: Option<EncryptionKey>,
}

impl FoundingParty {
    /// Returns a party with one account.
    pub fn new(account: AccountId) -> Self {
        Self { account, accounts: Vec::new(), encryption_key: None }
    }
}

/// Returns the id of the party whose first account this is.
pub fn party_id(first: &AccountId) -> PartyId {
    PartyId::of_first_account(&Account(first.clone().into()))
}

impl From<Founding> for RuntimeGenesisConfig {
    fn from(founding: Founding) -> Self {
        let Founding { parties, council, validators, quotas } = founding;
        let parties = parties_config(parties);
        let members = council.into_iter().map(|party| party.0.into()).collect();
        let accounts = validators.iter().map(|(account, _)| account.clone()).collect();
        let keys = validators.into_iter().map(|(account, keys)| (account.clone(), account, keys)).collect();
        Self {
            parties,
            validators: ValidatorsConfig { validators: accounts },
            quotas: QuotasConfig { quotas },
            collective: CollectiveConfig { members, ..Default::default() },
            session: SessionConfig { keys, non_authority_keys: Vec::new() },
            ..Default::default()
        }
    }
}

fn parties_config(founders: Vec<FoundingParty>) -> PartiesConfig {
    let mut config = PartiesConfig::default();
    for FoundingParty { account, accounts, encryption_key } in founders {
        let further = accounts
            .into_iter()
            .map(|(further, scope, until)| (account.clone(), further, scope.name().into(), until));
        config.accounts.extend(further);
        config.encryption_keys.extend(encryption_key.map(|key| (account.clone(), *key.as_bytes())));
        config.parties.push(account);
    }
    config
}

/// A validator of a preset and its keys, by the well-known names of development keys.
type Validator = (Sr25519Keyring, Ed25519Keyring);

const ALICE: Validator = (Sr25519Keyring::Alice, Ed25519Keyring::Alice);
const BOB: Validator = (Sr25519Keyring::Bob, Ed25519Keyring::Bob);
const CHARLIE: Validator = (Sr25519Keyring::Charlie, Ed25519Keyring::Charlie);
const DAVE: Validator = (Sr25519Keyring::Dave, Ed25519Keyring::Dave);

/// The preset of four validators, the lowest number of which one may fail.
pub const FOUR_PRESET: &str = "four";

/// The parties of the presets.
const PARTIES: [Sr25519Keyring; 6] = [
    Sr25519Keyring::Alice,
    Sr25519Keyring::Bob,
    Sr25519Keyring::Charlie,
    Sr25519Keyring::Dave,
    Sr25519Keyring::Eve,
    Sr25519Keyring::Ferdie,
];

/// The names of the presets.
pub fn presets() -> Vec<PresetId> {
    vec![DEV_RUNTIME_PRESET.into(), LOCAL_TESTNET_RUNTIME_PRESET.into(), FOUR_PRESET.into()]
}

/// Returns a preset by its name. `development` has one validator, Alice; `local_testnet` has Alice and Bob. Alice is
/// the council of both. `four` has the validators Alice to Dave and the council Alice, Bob and Charlie.
///
/// All presets have six parties, Alice to Ferdie, whose keys everybody knows.
pub fn preset(id: &str) -> Option<RuntimeGenesisConfig> {
    match id {
        DEV_RUNTIME_PRESET => Some(founded_by(&PARTIES, &[ALICE], &[ALICE])),
        LOCAL_TESTNET_RUNTIME_PRESET => Some(founded_by(&PARTIES, &[ALICE], &[ALICE, BOB])),
        FOUR_PRESET => Some(founded_by(&PARTIES, &[ALICE, BOB, CHARLIE], &[ALICE, BOB, CHARLIE, DAVE])),
        _ => None,
    }
}

fn founded_by(
    parties: &[Sr25519Keyring],
    council: &[Validator],
    validators: &[Validator],
) -> RuntimeGenesisConfig {
    let validator = |(sr25519, ed25519): &Validator| {
        let keys = SessionKeys { aura: sr25519.public().into(), grandpa: ed25519.public().into() };
        (sr25519.to_account_id(), keys)
    };
    let founding = Founding {
        parties: parties.iter().map(|party| FoundingParty::new(party.to_account_id())).collect(),
        council: council.iter().map(|(account, _)| party_id(&account.to_account_id())).collect(),
        validators: validators.iter().map(validator).collect(),
        quotas: Vec::new(),
    };
    founding.into()
}
