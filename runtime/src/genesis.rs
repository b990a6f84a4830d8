//! The founding of a chain, and the presets of chains for development.

use crate::{
    AccountId, CollectiveConfig, PartiesConfig, QuotasConfig, RuntimeGenesisConfig, SessionConfig,
    SessionKeys, ValidatorsConfig,
};
use alloc::{vec, vec::Vec};
use sp_genesis_builder::{PresetId, DEV_RUNTIME_PRESET, LOCAL_TESTNET_RUNTIME_PRESET};
use sp_keyring::{Ed25519Keyring, Sr25519Keyring};

/// The founding of a chain: who belongs to it from the first block on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Founding {
    /// The parties.
    pub parties: Vec<AccountId>,
    /// The parties that are the council.
    pub council: Vec<AccountId>,
    /// The parties that make blocks, with the keys of their nodes.
    pub validators: Vec<(AccountId, SessionKeys)>,
    /// The quotas that differ from the default: party, microseconds and bytes.
    pub quotas: Vec<(AccountId, u64, u64)>,
}

impl From<Founding> for RuntimeGenesisConfig {
    fn from(founding: Founding) -> Self {
        let Founding { parties, council, validators, quotas } = founding;
        let accounts = validators.iter().map(|(account, _)| account.clone()).collect();
        let keys = validators.into_iter().map(|(account, keys)| (account.clone(), account, keys)).collect();
        Self {
            parties: PartiesConfig { parties },
            validators: ValidatorsConfig { validators: accounts },
            quotas: QuotasConfig { quotas },
            collective: CollectiveConfig { members: council, ..Default::default() },
            session: SessionConfig { keys, non_authority_keys: Vec::new() },
            ..Default::default()
        }
    }
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
        parties: parties.iter().map(|party| party.to_account_id()).collect(),
        council: council.iter().map(|(account, _)| account.to_account_id()).collect(),
        validators: validators.iter().map(validator).collect(),
        quotas: Vec::new(),
    };
    founding.into()
}
