//! Founds a new chain from the last finalized state of a chain that lost too many validators.
//!
//! Consensus begins anew like in any genesis, with the validators that are named: block 0, session 0, the first voter
//! set. The decisions and records of the parties are carried over. The new chain has another genesis hash, so nothing
//! that is signed for one of the two chains is valid on the other.

use crate::{
    genesis::{Founding, FoundingParty},
    AccountId, Council, Parties, Runtime, SessionKeys, System, VERSION,
};
use alloc::{string::String, vec::Vec};
use core::fmt;
use frame_support::{storage::storage_prefix, StorageHasher as _, Twox128};
use pallet_parties::PartyLookup as _;
use pallet_service_contracts::types::StoredContract;
use pallet_session::{KeyOwner, NextKeys};
use sp_core::storage::well_known_keys;
use sp_runtime::traits::OpaqueKeys as _;
use streembit_primitives::{
    checkpoint::Anchor,
    contract::state::{Claim, ClauseProgress, Dispute},
    device::DeviceRecord,
    party::PartyRecord,
    AccountId as Account,
};

/// The pallets whose state is carried over, and the items of each that come from the new genesis.
const CARRIED_OVER: [(&str, &[&str]); 5] = [
    ("Parties", &[]),
    ("Quotas", &[]),
    ("Devices", &[]),
    // The genesis hash of the new chain differs.
    ("Anchors", &["Genesis"]),
    ("ServiceContracts", &[]),
];

/// The pallets whose state comes from the new genesis, and the items of each that are carried over.
const FROM_GENESIS: [(&str, &[&str]); 8] = [
    ("System", &["Account", "LastRuntimeUpgrade"]),
    ("Timestamp", &["Now"]),
    ("Aura", &[]),
    ("Grandpa", &[]),
    ("Validators", &[]),
    ("Council", &[]),
    ("Session", &["NextKeys", "KeyOwner"]),
    // Motions end at a block number, and the numbers begin anew.
    ("Collective", &["Members", "Prime"]),
];

/// The owner of the old chain's session keys on the new chain: an account that nobody can sign for.
const NOBODY: AccountId = AccountId::new([0xff; 32]);

/// The reasons why a chain is not founded anew.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RefoundError {
    /// The state is of another runtime version than this program has.
    Version {
        /// The version of the state, or `None` if it is not the state of a Streembit chain.
        state: Option<u32>,
    },
    /// The account is neither a party's gateway nor a party's account that may do everything and does not end.
    Stranger(AccountId),
    /// The old chain already knows one of the account's keys.
    KnownKey(AccountId),
}

impl fmt::Display for RefoundError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version { state: Some(state) } => write!(
                f,
                "the state is of runtime version {state}, and this program has version {}: use the streembit-node that the \
                 chain ran last",
                VERSION.spec_version
            ),
            Self::Version { state: None } => f.write_str("this is not the state of a Streembit chain"),
            Self::Stranger(account) => write!(
                f,
                "{account} may not validate: a validator has to be a party's gateway, or a party's account that may do \
                 everything and does not end"
            ),
            Self::KnownKey(account) => write!(
                f,
                "the old chain already knows a key of {account}: make new keys with `streembit-node session-keys` for every \
                 validator. Votes do not name their chain, so old votes could be used against a validator of the new chain"
            ),
        }
    }
}

/// Prepares the state of the old chain for the new one, and returns the founding of the new chain. Runs on the old
/// state.
pub fn prepare_successor_state(validators: &[(AccountId, SessionKeys)]) -> Result<Founding, RefoundError> {
    let state = frame_system::LastRuntimeUpgrade::<Runtime>::get().map(|last| last.spec_version.0);
    if state != Some(VERSION.spec_version) {
        return Err(RefoundError::Version { state });
    }
    let known = |keys: &SessionKeys| {
        let ids = SessionKeys::key_ids().iter();
        ids.map(|id| (*id, keys.get_raw(*id).to_vec())).collect::<Vec<_>>()
    };
    for (account, keys) in validators {
        if !Parties::may_validate(&Account(account.clone().into())) {
            return Err(RefoundError::Stranger(account.clone()));
        }
        if known(keys).iter().any(KeyOwner::<Runtime>::contains_key) {
            return Err(RefoundError::KnownKey(account.clone()));
        }
    }
    // Every validator sets new keys, and nobody can set an old one: votes of the old chain would prove its owner guilty
    // here.
    let old: Vec<_> = NextKeys::<Runtime>::drain().map(|(account, _)| account).collect();
    KeyOwner::<Runtime>::translate_values(|_: AccountId| Some(NOBODY));
    // The session pallet counts a consumer for each account with keys.
    old.iter().for_each(System::dec_consumers);
    for (account, _) in validators {
        System::inc_consumers_without_limit(account).map_err(|_| RefoundError::Stranger(account.clone()))?;
    }
    // Block numbers begin anew, and an anchor of a block that does not exist yet would prove nothing.
    pallet_anchors::Latest::<Runtime>::translate_values(|anchor: Anchor| Some(Anchor { block: 0, ..anchor }));
    for log in pallet_anchors::Roots::<Runtime>::iter_keys().collect::<Vec<_>>() {
        pallet_anchors::Roots::<Runtime>::mutate(log, |roots| {
            roots.iter_mut().for_each(|root| root.block = 0)
        });
    }
    pallet_devices::Devices::<Runtime>::translate_values(|mut device: DeviceRecord| {
        device.forget_blocks();
        Some(device)
    });
    forget_blocks_of_contracts();
    pallet_parties::Parties::<Runtime>::translate_values(|party: PartyRecord| {
        let mut accounts = party.accounts;
        accounts.iter_mut().for_each(|entry| entry.since = 0);
        Some(PartyRecord { since: None, accounts, ..party })
    });
    // The genesis accepts only accounts of parties as validators. The stored parties replace these.
    let parties = validators.iter().map(|(account, _)| FoundingParty::new(account.clone())).collect();
    Ok(Founding { parties, council: Council::members(), validators: validators.to_vec(), quotas: Vec::new() })
}

/// Forgets the numbers of blocks in what is recorded about contracts. Their lineage stays, and so do their ids.
fn forget_blocks_of_contracts() {
    // A chain that has made no block yet has no lineage of its own.
    let lineage = pallet_service_contracts::Pallet::<Runtime>::lineage();
    pallet_service_contracts::Lineage::<Runtime>::put(lineage);
    pallet_service_contracts::Contracts::<Runtime>::translate_values(|mut contract: StoredContract| {
        contract.forget_blocks();
        Some(contract)
    });
    pallet_service_contracts::Claims::<Runtime>::translate_values(|mut claim: Claim| {
        claim.made.block = 0;
        Some(claim)
    });
    pallet_service_contracts::Disputes::<Runtime>::translate_values(|mut dispute: Dispute| {
        dispute.raised.block = 0;
        Some(dispute)
    });
    pallet_service_contracts::Progress::<Runtime>::translate_values(|mut progress: ClauseProgress| {
        progress.forget_blocks();
        Some(progress)
    });
}

/// Returns true if a state entry is carried over. Session keys come from both states, and those of the genesis win.
pub fn is_carried_over(key: &[u8]) -> bool {
    let is_of = |pallet: &str| key.starts_with(&Twox128::hash(pallet.as_bytes()));
    let is_one =
        |pallet: &str, items: &[&str]| items.iter().any(|item| key.starts_with(&prefix(pallet, item)));
    [well_known_keys::CODE, well_known_keys::HEAP_PAGES].contains(&key)
        || CARRIED_OVER.iter().any(|(pallet, but)| is_of(pallet) && !is_one(pallet, but))
        || FROM_GENESIS.iter().any(|(pallet, items)| is_one(pallet, items))
}

/// Returns true if a state entry belongs to the session keys that accounts have set.
pub fn is_of_session_keys(key: &[u8]) -> bool {
    ["NextKeys", "KeyOwner"].iter().any(|item| key.starts_with(&prefix("Session", item)))
}

/// Returns the prefix of the keys of a storage item.
pub fn prefix(pallet: &str, item: &str) -> [u8; 32] {
    storage_prefix(pallet.as_bytes(), item.as_bytes())
}

/// Returns the names of the pallets that are listed here, sorted.
pub fn pallets() -> Vec<String> {
    let mut names: Vec<_> =
        CARRIED_OVER.iter().chain(&FROM_GENESIS).map(|(pallet, _)| String::from(*pallet)).collect();
    names.sort();
    names
}
