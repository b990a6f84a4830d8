//! The whole of the consortium as its runtime API answers it, from the pallets that each know a part.

use crate::{Consortium, Grandpa, Runtime, RuntimeCall, Session, SessionKeys, System, VERSION};
use alloc::vec::Vec;
use frame_support::traits::Get;
use pallet_consortium::Collective;
use sp_runtime::traits::Convert;
use streembit_primitives::{
    consortium::{self as answers, SessionKey, Validator, ValidatorState},
    AccountId,
};

/// The public keys that a validator's session keys are.
pub struct PublicKeys;

impl Convert<SessionKeys, answers::SessionKeys> for PublicKeys {
    fn convert(keys: SessionKeys) -> answers::SessionKeys {
        answered(&keys)
    }
}

/// The number of GRANDPA's set of voters.
pub struct VoterSet;

impl Get<u64> for VoterSet {
    fn get() -> u64 {
        pallet_grandpa::CurrentSetId::<Runtime>::get()
    }
}

/// Parties, council, validators, motions, and who contradicted itself.
pub fn view() -> answers::Consortium {
    answers::Consortium {
        parties: Consortium::parties(),
        council: Collective::<Runtime>::members(),
        validators: validators(),
        motions: Collective::<Runtime>::motions(|call| match call {
            RuntimeCall::Consortium(call) => Consortium::change_of(call),
            _ => None,
        }),
        session: Session::current_index(),
        authority_set: VoterSet::get(),
    }
}

/// Whether this runtime is new: the state is still as the one before left it, and the next block migrates it.
pub fn is_upgrading() -> bool {
    System::last_runtime_upgrade_spec_version() < VERSION.spec_version
}

/// Those in force in the order of their authorities, then those who join.
fn validators() -> Vec<Validator> {
    let decided = pallet_consortium::Validators::<Runtime>::get();
    let set_by = |account: &crate::AccountId| Session::load_keys(account).as_ref().map(answered);
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

fn keys_in_force() -> impl Iterator<Item = answers::SessionKeys> {
    let makers = pallet_aura::Authorities::<Runtime>::get().into_inner();
    let voters = Grandpa::grandpa_authorities();
    makers.into_iter().zip(voters).map(|(aura, (grandpa, _))| answered(&SessionKeys { aura, grandpa }))
}

fn answered(keys: &SessionKeys) -> answers::SessionKeys {
    let key = |bytes: &[u8]| SessionKey(bytes.try_into().unwrap_or_default());
    answers::SessionKeys { aura: key(keys.aura.as_ref()), grandpa: key(keys.grandpa.as_ref()) }
}

fn validator(account: &crate::AccountId, state: ValidatorState, keys: answers::SessionKeys) -> Validator {
    let account = AccountId(account.clone().into());
    let party = if Consortium::is_party(&account) { Some(account) } else { Consortium::party_of(&account) };
    Validator { account, party, state, keys }
}
