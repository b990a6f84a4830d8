//! The owners of devices, and what they say about them.

use crate::{mock::*, Error, Event};
use frame_support::{assert_noop, assert_ok, dispatch::DispatchResult};
use pallet_parties::AccountRefusal;
use streembit_primitives::{
    device::{DeviceState, OwnerPeriod, MAX_LATER},
    AccountId, DeviceId, Hash,
};

fn offer(by: AccountId, device: DeviceId, to: AccountId) -> DispatchResult {
    Devices::transfer(signed(by), device, Some(party(to)))
}

fn accept(by: AccountId, device: DeviceId, owner: AccountId) -> DispatchResult {
    let shown = Devices::device(&device).map_or(Hash::ZERO, |record| record.hash());
    Devices::accept(signed(by), device, party(owner), shown)
}

#[test]
fn a_device_is_sold_in_two_steps() {
    chain().execute_with(|| {
        let device = register_hosted(1);
        assert_ok!(offer(TECHNICIAN, device, OTHER));
        System::assert_last_event(Event::Offered { device, to: Some(party(OTHER)) }.into());
        assert_eq!(Devices::offer(&device), Some(party(OTHER)));
        assert_eq!(Devices::device(&device).unwrap().owner(), party(OWNER));
        System::set_block_number(8);
        Now::set(&5_000);
        assert_ok!(accept(OTHER, device, OWNER));
        System::assert_last_event(Event::Transferred { device, from: party(OWNER), to: party(OTHER) }.into());

        let record = Devices::device(&device).unwrap();
        let owners: Vec<_> = record.owners().iter().copied().collect();
        let period = |first, since, block| OwnerPeriod { party: party(first), since, block };
        assert_eq!(owners, [period(OWNER, 1_000, 5), period(OTHER, 5_000, 8)]);
        assert_eq!(Devices::offer(&device), None);
        assert!(Devices::devices_of_owner(&party(OWNER)).is_empty());
        assert_eq!(Devices::devices_of_owner(&party(OTHER)), [device]);
        // The gateway and the log stay.
        assert_eq!(record.log(), first_log());
        let sold = Devices::set_state(signed(OWNER), device, DeviceState::Lost);
        assert_eq!(sold, Err(Error::<Test>::NotYourDevice.into()));
        assert_noop!(accept(OTHER, device, OTHER), Error::<Test>::NotOffered);
        // It can come back.
        assert_ok!(offer(OTHER, device, OWNER));
        assert_ok!(accept(OWNER, device, OTHER));
        assert_ok!(Devices::check_state());
    });
}

#[test]
fn an_offer_is_for_one_party_and_from_one_owner() {
    chain().execute_with(|| {
        let device = register_hosted(1);
        assert_noop!(accept(OTHER, device, OWNER), Error::<Test>::NotOffered);
        assert_noop!(offer(OWNER, device, STRANGER), Error::<Test>::UnknownParty);
        assert_noop!(offer(OWNER, device, OWNER), Error::<Test>::SameOwner);
        assert_noop!(offer(OTHER, device, THIRD), Error::<Test>::NotYourDevice);
        assert_noop!(offer(CLERK, device, OTHER), refused(AccountRefusal::OutOfScope));
        assert_noop!(offer(OWNER, DeviceId([7; 32]), OTHER), Error::<Test>::UnknownDevice);
        assert_ok!(offer(OWNER, device, OTHER));
        assert_noop!(accept(THIRD, device, OWNER), Error::<Test>::NotOffered);
        assert_noop!(accept(OTHER, device, THIRD), Error::<Test>::OtherOwner);
        assert_noop!(accept(OTHER, DeviceId([7; 32]), OWNER), Error::<Test>::UnknownDevice);
        // Another offer replaces it.
        assert_ok!(offer(OWNER, device, THIRD));
        assert_noop!(accept(OTHER, device, OWNER), Error::<Test>::NotOffered);
        let withdraw = || Devices::transfer(signed(OWNER), device, None);
        assert_ok!(withdraw());
        System::assert_last_event(Event::Offered { device, to: None }.into());
        assert_noop!(withdraw(), Error::<Test>::NotOffered);
        assert_noop!(accept(THIRD, device, OWNER), Error::<Test>::NotOffered);
        assert_ok!(Devices::check_state());
    });
}

#[test]
fn the_accepted_record_is_the_one_that_was_shown() {
    chain().execute_with(|| {
        let device = register_hosted(1);
        assert_ok!(offer(OWNER, device, OTHER));
        let shown = Devices::device(&device).unwrap().hash();
        let accept = |shown| Devices::accept(signed(OTHER), device, party(OWNER), shown);
        // The owner changes the record before the sale.
        assert_ok!(Devices::declare_lost(signed(OWNER), device, 5, no_anchor()));
        assert_noop!(accept(shown), Error::<Test>::RecordChanged);
        assert_ok!(accept(Devices::device(&device).unwrap().hash()));
    });
}

#[test]
fn an_offer_ends_when_one_of_the_parties_leaves() {
    for leaving in [OWNER, OTHER] {
        chain().execute_with(|| {
            let device = register_hosted(1);
            assert_ok!(offer(OWNER, device, OTHER));
            expel(leaving);
            assert_eq!(Devices::offer(&device), None);
            if leaving == OWNER {
                assert_noop!(accept(OTHER, device, OWNER), Error::<Test>::NotOffered);
            } else {
                assert_noop!(accept(OTHER, device, OWNER), refused(AccountRefusal::NoParty));
            }
            // A party that comes back is not bound by what it agreed to before.
            readmit(leaving);
            assert_eq!(Devices::offer(&device), None);
            assert_noop!(accept(OTHER, device, OWNER), Error::<Test>::NotOffered);
            assert_ok!(Devices::check_state());
            assert_ok!(offer(OWNER, device, OTHER));
            assert_ok!(accept(OTHER, device, OWNER));
        });
    }
}

#[test]
fn the_devices_of_an_expelled_party_wait_for_it() {
    chain().execute_with(|| {
        let device = register_hosted(1);
        expel(OWNER);
        for by in [OWNER, TECHNICIAN] {
            let state = Devices::set_state(signed(by), device, DeviceState::Lost);
            assert_eq!(state, Err(refused(AccountRefusal::NoParty)));
            assert_noop!(offer(by, device, OTHER), refused(AccountRefusal::NoParty));
        }
        assert_ok!(Devices::check_state());
        readmit(OWNER);
        assert_ok!(Devices::set_state(signed(OWNER), device, DeviceState::Lost));
    });
}

#[test]
fn a_retired_device_stays_retired() {
    chain().execute_with(|| {
        let device = register_hosted(1);
        let set = |by, state| Devices::set_state(signed(by), device, state);
        for state in [DeviceState::Lost, DeviceState::Stolen, DeviceState::Active] {
            assert_ok!(set(TECHNICIAN, state));
            System::assert_last_event(Event::StateSet { device, state }.into());
            assert_eq!(Devices::device(&device).unwrap().state(), state);
        }
        assert_noop!(set(CLERK, DeviceState::Retired), refused(AccountRefusal::OutOfScope));
        assert_noop!(set(OTHER, DeviceState::Retired), Error::<Test>::NotYourDevice);
        assert_ok!(offer(OWNER, device, OTHER));
        assert_ok!(set(OWNER, DeviceState::Retired));
        assert_eq!(Devices::offer(&device), None);
        for state in [DeviceState::Active, DeviceState::Retired] {
            assert_noop!(set(OWNER, state), Error::<Test>::Retired);
        }
        assert_noop!(offer(OWNER, device, OTHER), Error::<Test>::Retired);
        assert_noop!(accept(OTHER, device, OWNER), Error::<Test>::NotOffered);
        assert_ok!(Devices::check_state());
    });
}

#[test]
fn an_account_accepts_for_its_party_within_its_scope_and_time() {
    chain().execute_with(|| {
        let device = register_hosted(1);
        assert_ok!(offer(OWNER, device, OTHER));
        assert_ok!(accept(OTHER, device, OWNER));
        assert_ok!(offer(OTHER, device, OWNER));
        for by in [CLERK, gateway().account()] {
            assert_noop!(accept(by, device, OTHER), refused(AccountRefusal::OutOfScope));
        }
        Now::set(&2_000);
        assert_noop!(accept(TECHNICIAN, device, OTHER), refused(AccountRefusal::Ended));
        Now::set(&1_999);
        assert_ok!(accept(TECHNICIAN, device, OTHER));
    });
}

#[test]
fn the_devices_of_an_owner_are_limited() {
    chain().execute_with(|| {
        let register_at_second = |label| {
            let key = second_gateway().hosted(label);
            let agreed =
                streembit_primitives::device::RegistrationConsent { log: second_log(), ..registration(&key) };
            let consent = second_gateway().sign_registration(&agreed);
            let host = second_gateway().account();
            Devices::register(signed(OWNER), key.clone(), host, consent, None).map(|()| key.device_id())
        };
        let devices: Vec<_> = (0..MAX_OF_GATEWAY as u8).map(register_hosted).collect();
        for label in 0..(MAX_OF_OWNER - MAX_OF_GATEWAY) as u8 {
            assert_ok!(register_at_second(label));
        }
        assert_eq!(register_at_second(50), Err(Error::<Test>::TooManyOfOwner.into()));
        // A sale makes room here, and needs room there.
        assert_ok!(offer(OWNER, devices[0], OTHER));
        assert_ok!(accept(OTHER, devices[0], OWNER));
        assert_ok!(register_at_second(50));
        assert_ok!(offer(OTHER, devices[0], OWNER));
        assert_noop!(accept(OWNER, devices[0], OTHER), Error::<Test>::TooManyOfOwner);
        assert_ok!(Devices::check_state());
    });
}

#[test]
fn a_full_record_takes_no_further_owner() {
    chain().execute_with(|| {
        let device = register_hosted(1);
        for n in 0..MAX_LATER {
            let (from, to) = if n % 2 == 0 { (OWNER, OTHER) } else { (OTHER, OWNER) };
            assert_ok!(offer(from, device, to));
            assert_ok!(accept(to, device, from));
        }
        assert_ok!(offer(OTHER, device, OWNER));
        assert_noop!(accept(OWNER, device, OTHER), Error::<Test>::RecordFull);
        assert_ok!(Devices::check_state());
    });
}
