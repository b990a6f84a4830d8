//! The consortium as a whole, put together from the pallets that each know a part.

use crate::{Council, Grandpa, Parties, Runtime, Session, SessionKeys, System, Validators, VERSION};
use alloc::vec::Vec;
use frame_support::traits::Get;
use pallet_parties::PartyLookup as _;
use sp_runtime::traits::Convert;
use streembit_primitives::{
    consortium::{self as types, SessionKey, Validator, ValidatorState},
    AccountId,
};

sp_api::decl_runtime_apis! {
    /// The consortium as a whole. The APIs of the single pallets answer the rest.
    pub trait ConsortiumApi {
        /// Returns the parties, the council, the validators and the open motions.
        fn consortium() -> types::Consortium;
        /// Returns true if the next blocks have work of their own and should be made soon: a change of the validators
        /// that is not in force yet, or the migrations of a new runtime.
        fn has_pending_work() -> bool;
    }
}

/// Converts a validator's session keys to their public keys.
pub struct PublicKeys;

impl Convert<SessionKeys, types::SessionKeys> for PublicKeys {
    fn convert(keys: SessionKeys) -> types::SessionKeys {
        public_keys(&keys)
    }
}

/// The number of GRANDPA's voter set.
pub struct VoterSet;

impl Get<u64> for VoterSet {
    fn get() -> u64 {
        pallet_grandpa::CurrentSetId::<Runtime>::get()
    }
}

/// Returns the parties, the council, the validators and the open motions.
pub fn view() -> types::Consortium {
    types::Consortium {
        parties: Parties::party_ids(),
        council: Council::members(),
        validators: validators(),
        motions: Council::motions(),
        session: Session::current_index(),
        authority_set: VoterSet::get(),
    }
}

/// Returns true if the next blocks have work of their own, even if no transaction waits.
pub fn has_pending_work() -> bool {
    Validators::is_rotation_pending() || is_upgrading()
}

/// Returns true if the state is still that of an earlier runtime. The next block migrates it.
pub fn is_upgrading() -> bool {
    System::last_runtime_upgrade_spec_version() < VERSION.spec_version
}

/// Returns the validators in force, in the order of their authorities, and then the joining ones.
fn validators() -> Vec<Validator> {
    let decided = pallet_validators::Validators::<Runtime>::get();
    let set_by = |account: &crate::AccountId| Session::load_keys(account).as_ref().map(public_keys);
    let in_force: Vec<_> = Session::validators().into_iter().zip(keys_in_force()).collect();
    let now = in_force.iter().map(|(account, keys)| {
        let next = decided.contains(account).then(|| set_by(account)).flatten();
        let state = match next {
            None => ValidatorState::Leaving,
            Some(next) if next == *keys => ValidatorState::Active,
            Some(_) => ValidatorState::Rotating,
        };
        validator(account, state, *keys)
    });
    let joining = decided.iter().filter(|account| !in_force.iter().any(|(known, _)| known == *account));
    let joining =
        joining.filter_map(|account| Some(validator(account, ValidatorState::Joining, set_by(account)?)));
    now.chain(joining).collect()
}

fn keys_in_force() -> impl Iterator<Item = types::SessionKeys> {
    let makers = pallet_aura::Authorities::<Runtime>::get().into_inner();
    let voters = Grandpa::grandpa_authorities();
    makers.into_iter().zip(voters).map(|(aura, (grandpa, _))| public_keys(&SessionKeys { aura, grandpa }))
}

fn public_keys(keys: &SessionKeys) -> types::SessionKeys {
    let key = |bytes: &[u8]| SessionKey(bytes.try_into().unwrap_or_default());
    types::SessionKeys { aura: key(keys.aura.as_ref()), grandpa: key(keys.grandpa.as_ref()) }
}

fn validator(account: &crate::AccountId, state: ValidatorState, keys: types::SessionKeys) -> Validator {
    let account = AccountId(account.clone().into());
    Validator { account, party: Parties::role_of(&account).map(|found| found.party), state, keys }
}
