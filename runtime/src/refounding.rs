//! How a chain is founded anew from the last final state of another one, whose validators will never be enough again.
//!
//! Consensus begins anew, with the validators that are named and as any genesis has it: block 0, session 0, the first set of
//! voters. What the parties decided and recorded is carried over. It is another chain, with another hash of its first block,
//! and nothing that is signed for one of the two is good on the other.

use crate::{genesis::Founding, AccountId, Consortium, Runtime, SessionKeys, System, VERSION};
use alloc::{string::String, vec::Vec};
use core::fmt;
use frame_support::{storage::storage_prefix, StorageHasher as _, Twox128};
use pallet_consortium::Collective;
use pallet_session::{KeyOwner, NextKeys};
use sp_core::storage::well_known_keys;
use sp_runtime::traits::OpaqueKeys as _;
use streembit_primitives::{
    checkpoint::Anchor, consortium::Membership, device::DeviceRecord, AccountId as Account,
};

/// The pallets whose state is carried over, and the items of each that a genesis has of its own.
const WHOLE: [(&str, &[&str]); 4] = [
    (
        "Consortium",
        &["Validators", "SessionBegan", "HalfTurned", "Authorities", "FormerAuthorities", "Equivocations"],
    ),
    ("Devices", &[]),
    // The hash of the first block is another one.
    ("Anchors", &["Genesis"]),
    ("ServiceContracts", &[]),
];

/// The pallets whose state begins anew, and the items of each that are carried over.
const ANEW: [(&str, &[&str]); 6] = [
    ("System", &["Account", "LastRuntimeUpgrade"]),
    ("Timestamp", &["Now"]),
    ("Aura", &[]),
    ("Grandpa", &[]),
    ("Session", &["NextKeys", "KeyOwner"]),
    // Motions end at a block's number, and numbers begin anew.
    ("Council", &["Members", "Prime"]),
];

/// Whose the old chain's session keys are from now on: an account that nobody can sign for.
const NOBODY: AccountId = AccountId::new([0xff; 32]);

/// Why a chain is not founded anew.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The state is of another runtime than this program has.
    Version {
        /// The state's; `None` where it is of no Streembit chain.
        state: Option<u32>,
    },
    /// The account is no party's and no gateway's.
    Stranger(AccountId),
    /// One of the account's keys is known to the chain already.
    KnownKey(AccountId),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version { state: Some(state) } => write!(
                f,
                "the state is of runtime version {state}, this program has {}: use the streembit-node that the chain ran \
                 last",
                VERSION.spec_version
            ),
            Self::Version { state: None } => f.write_str("this is the state of no Streembit chain"),
            Self::Stranger(account) => write!(
                f,
                "{account} belongs to the consortium in no way: a validator is a party or a party's gateway"
            ),
            Self::KnownKey(account) => write!(
                f,
                "a key of {account} is known to the chain already: make new ones with `streembit-node session-keys`, for \
                 every validator. What voters sign names no chain: old votes could be held against the new chain"
            ),
        }
    }
}

/// Readies the state of the old chain for being carried over, and gives the founding of the new one. Runs on the old state.
pub fn take_leave(validators: &[(AccountId, SessionKeys)]) -> Result<Founding, Refusal> {
    let state = frame_system::LastRuntimeUpgrade::<Runtime>::get().map(|last| last.spec_version.0);
    if state != Some(VERSION.spec_version) {
        return Err(Refusal::Version { state });
    }
    let known = |keys: &SessionKeys| {
        let ids = SessionKeys::key_ids().iter();
        ids.map(|id| (*id, keys.get_raw(*id).to_vec())).collect::<Vec<_>>()
    };
    for (account, keys) in validators {
        if !Consortium::belongs(&Account(account.clone().into())) {
            return Err(Refusal::Stranger(account.clone()));
        }
        if known(keys).iter().any(KeyOwner::<Runtime>::contains_key) {
            return Err(Refusal::KnownKey(account.clone()));
        }
    }
    // Everybody sets new keys, and no old one can be set again: the old chain's votes would prove its owner guilty here.
    let old: Vec<_> = NextKeys::<Runtime>::drain().map(|(account, _)| account).collect();
    KeyOwner::<Runtime>::translate_values(|_: AccountId| Some(NOBODY));
    // As the session pallet counts it: an account with keys cannot be forgotten.
    old.iter().for_each(System::dec_consumers);
    for (account, _) in validators {
        System::inc_consumers_without_limit(account).map_err(|_| Refusal::Stranger(account.clone()))?;
    }
    // Numbers of blocks begin anew, and an anchor from a later block than the newest proves nothing.
    pallet_anchors::Latest::<Runtime>::translate_values(|anchor: Anchor| Some(Anchor { block: 0, ..anchor }));
    pallet_devices::Devices::<Runtime>::translate_values(|device: DeviceRecord| {
        Some(DeviceRecord { registered: 0, ..device })
    });
    pallet_consortium::Parties::<Runtime>::translate_values(|_: Membership| Some(Membership { since: None }));
    let mut parties: Vec<AccountId> = Consortium::parties().into_iter().map(|party| party.0.into()).collect();
    // A genesis takes parties only for validators; the parties themselves are carried over, without the gateways.
    parties.extend(validators.iter().map(|(account, _)| account.clone()));
    parties.sort();
    parties.dedup();
    Ok(Founding {
        parties,
        council: Collective::<Runtime>::members().into_iter().map(|member| member.0.into()).collect(),
        validators: validators.to_vec(),
        quotas: Vec::new(),
    })
}

/// Whether the new chain has an entry of the state from the old one. Session keys it has from both; the new ones are first.
pub fn is_carried_over(key: &[u8]) -> bool {
    let is_of = |pallet: &str| key.starts_with(&Twox128::hash(pallet.as_bytes()));
    let is_one =
        |pallet: &str, items: &[&str]| items.iter().any(|item| key.starts_with(&prefix(pallet, item)));
    [well_known_keys::CODE, well_known_keys::HEAP_PAGES].contains(&key)
        || WHOLE.iter().any(|(pallet, but)| is_of(pallet) && !is_one(pallet, but))
        || ANEW.iter().any(|(pallet, items)| is_one(pallet, items))
}

/// Whether an entry of the state is of the session keys that accounts have set.
pub fn is_of_session_keys(key: &[u8]) -> bool {
    ["NextKeys", "KeyOwner"].iter().any(|item| key.starts_with(&prefix("Session", item)))
}

/// What the keys of an item of the state begin with.
pub fn prefix(pallet: &str, item: &str) -> [u8; 32] {
    storage_prefix(pallet.as_bytes(), item.as_bytes())
}

/// The pallets that are thought of here, sorted.
pub fn pallets() -> Vec<String> {
    let mut names: Vec<_> = WHOLE.iter().chain(&ANEW).map(|(pallet, _)| String::from(*pallet)).collect();
    names.sort();
    names
}
