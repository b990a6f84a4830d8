//! The checks and steps of the calls.

use crate::{
    AllowedChange, AllowedChanges, Config, ConsentNonces, DeviceOfKey, Devices, DevicesOfGateway,
    DevicesOfOwner, Error, Event, GatewayCounts, Offers, OwnerCounts, Pallet, StoredOffer,
};
use frame_support::{
    ensure,
    traits::{Contains, Get},
};
use frame_system::{ensure_signed, pallet_prelude::OriginFor};
use pallet_anchors::LogLookup;
use pallet_parties::{DeviceRegistry, PartyLookup};
use sp_runtime::{DispatchError, DispatchResult, SaturatedConversion};
use streembit_primitives::{
    device::{
        ChangeTime, DecidedChange, DeviceChangeError, DeviceRecord, KeyChange, KeyConsent, LastAnchored,
        LogConsent, MAX_LATER, MAX_LOST,
    },
    AccountId, DeviceId, DeviceKey, LogId, PartyId, PublicKey, Scope, Signature,
};

/// The maximum number of events that a gateway may declare lost when it takes a device into its next log without the owner.
pub const KEEPER_LEAP: u64 = 1 << 20;

/// The number of places for logs, and for lost ranges, in a record that a gateway does not use up without the owner.
pub const RESERVED_FOR_OWNER: u32 = 8;

impl<T> From<DeviceChangeError> for Error<T> {
    fn from(error: DeviceChangeError) -> Self {
        match error {
            DeviceChangeError::Retired => Self::Retired,
            DeviceChangeError::AnchoredHistory { .. } => Self::AnchoredHistory,
            DeviceChangeError::TooFar { .. } => Self::TooFar,
            DeviceChangeError::HeadProof => Self::HeadProof,
            DeviceChangeError::Full => Self::RecordFull,
            DeviceChangeError::HostedElsewhere => Self::HostedElsewhere,
            DeviceChangeError::SameLog => Self::SameLog,
            DeviceChangeError::SameOwner => Self::SameOwner,
            DeviceChangeError::NothingLost => Self::NothingLost,
        }
    }
}

impl<T: Config> Pallet<T> {
    /// Returns the block and the time of a change in this call.
    pub(crate) fn change_time() -> ChangeTime {
        let block = frame_system::Pallet::<T>::block_number().saturated_into();
        ChangeTime { block, time: T::Parties::now() }
    }

    /// Returns the party whose devices the sender of a call manages.
    pub(crate) fn ensure_party(origin: OriginFor<T>) -> Result<PartyId, DispatchError> {
        T::Parties::ensure_scope(&AccountId(ensure_signed(origin)?.into()), Scope::Devices)
    }

    /// Returns the record of a device whose owner's devices the sender of a call manages.
    pub(crate) fn ensure_owned(
        origin: OriginFor<T>,
        device: &DeviceId,
    ) -> Result<DeviceRecord, DispatchError> {
        let sender = AccountId(ensure_signed(origin)?.into());
        let record = Devices::<T>::get(device).ok_or(Error::<T>::UnknownDevice)?;
        Self::ensure_owner(&sender, &record)?;
        Ok(record)
    }

    /// Ensures that an account manages the devices of the device's owner.
    pub(crate) fn ensure_owner(sender: &AccountId, record: &DeviceRecord) -> DispatchResult {
        let party = T::Parties::ensure_scope(sender, Scope::Devices)?;
        ensure!(record.owner() == party, Error::<T>::NotYourDevice);
        Ok(())
    }

    /// Returns the open log of a gateway.
    pub(crate) fn open_log(gateway: &AccountId) -> Result<LogId, DispatchError> {
        ensure!(T::Gateways::contains(gateway), Error::<T>::NotAGateway);
        T::Logs::open_log(gateway).ok_or_else(|| Error::<T>::EpochNotOpen.into())
    }

    /// Returns the lowest sequence at which a change of a device may begin.
    pub(crate) fn next_sequence(record: &DeviceRecord, last: &LastAnchored) -> Result<u64, DispatchError> {
        let anchored = T::Logs::latest_checkpoint(&record.log());
        record.next_sequence(last, anchored.as_ref()).map_err(|error| Error::<T>::from(error).into())
    }

    /// Returns the lowest sequence at which a change of a device by its owner may begin. If the council allowed the change
    /// without a proof, this is noted in the record; call [`Self::use_decision`] when the change is made.
    pub(crate) fn lowest(
        record: &mut DeviceRecord,
        change: DecidedChange,
        last: &LastAnchored,
    ) -> Result<u64, DispatchError> {
        record.ensure_active().map_err(Error::<T>::from)?;
        if *last != LastAnchored::Decided {
            return Self::next_sequence(record, last);
        }
        let allowed = AllowedChanges::<T>::get(record.device_id()).filter(|allowed| allowed.change == change);
        let AllowedChange { from, .. } = allowed.ok_or(Error::<T>::NotAllowed)?;
        record.record_decision(change, from, Self::change_time()).map_err(Error::<T>::from)?;
        Ok(from.max(record.earliest()))
    }

    /// Uses up the decision of the council on a device, if a change was based on it.
    pub(crate) fn use_decision(device: &DeviceId, last: &LastAnchored) {
        if *last == LastAnchored::Decided {
            AllowedChanges::<T>::remove(device);
        }
    }

    /// Ensures that a gateway that takes a device into its next log without the owner does little harm: it skips few events,
    /// and leaves places of the record to the owner.
    pub(crate) fn ensure_keeper_may_reassign(
        record: &DeviceRecord,
        from: u64,
        last: &LastAnchored,
    ) -> DispatchResult {
        let lowest = Self::next_sequence(record, last)?;
        ensure!(from <= lowest.saturating_add(KEEPER_LEAP), Error::<T>::TooFar);
        let (logs, lost) = (record.logs().count(), record.lost().len() as u32);
        let has_room = logs.saturating_add(RESERVED_FOR_OWNER) <= MAX_LATER
            && (from <= lowest || lost.saturating_add(RESERVED_FOR_OWNER) < MAX_LOST);
        ensure!(has_room, Error::<T>::ReservedForOwner);
        Ok(())
    }

    /// Uses up the consent of a gateway to keep a device's events, or returns an error if it is not valid.
    pub(crate) fn use_log_consent(
        device: DeviceId,
        key: &DeviceKey,
        owner: PartyId,
        log: LogId,
        consent: Option<Signature>,
    ) -> DispatchResult {
        let consent = consent.ok_or(Error::<T>::NoLogConsent)?;
        let signer = PublicKey::Sr25519(log.gateway.0);
        let (genesis, nonce) = (T::Genesis::get(), Self::consent_nonce(&signer));
        let agreed = LogConsent { genesis, device, key: key.clone(), owner, log, nonce };
        ensure!(agreed.verify(&consent), Error::<T>::BadLogConsent);
        ConsentNonces::<T>::insert(signer, nonce.saturating_add(1));
        Ok(())
    }

    /// Gives a device another key. Without `old_consent` its owner decides alone.
    pub(crate) fn change_key(
        mut record: DeviceRecord,
        key: DeviceKey,
        from: u64,
        last: &LastAnchored,
        old_consent: Option<&Signature>,
        new_consent: &Signature,
    ) -> DispatchResult {
        let change = if old_consent.is_some() { KeyChange::Rotated } else { KeyChange::Recovered };
        let (device, owner, keys) = (record.device_id(), record.owner(), record.keys().count());
        let lowest = Self::lowest(&mut record, DecidedChange::Key, last)?;
        ensure!(!DeviceOfKey::<T>::contains_key(key.device_id()), Error::<T>::KeyInUse);
        let agreed = KeyConsent { genesis: T::Genesis::get(), device, key, owner, from, keys };
        let old_agrees = old_consent.is_none_or(|consent| agreed.verify(record.key(), consent));
        record
            .set_key(agreed.key.clone(), from, change, lowest, Self::change_time())
            .map_err(Error::<T>::from)?;
        ensure!(old_agrees && agreed.verify(&agreed.key, new_consent), Error::<T>::BadConsent);

        let KeyConsent { key, .. } = agreed;
        DeviceOfKey::<T>::insert(key.device_id(), device);
        Devices::<T>::insert(device, record);
        Self::use_decision(&device, last);
        Self::deposit_event(Event::KeyChanged { device, key, from, change });
        Ok(())
    }

    /// Assigns a device to another log. The caller has checked who decides and consents.
    pub(crate) fn change_log(
        mut record: DeviceRecord,
        log: LogId,
        host_key: Option<DeviceKey>,
        from: u64,
        last: &LastAnchored,
    ) -> DispatchResult {
        let (device, before) = (record.device_id(), record.gateway());
        if let Some(key) = &host_key {
            Self::ensure_host_key(&record, key)?;
        }
        let size = T::Logs::latest_checkpoint(&record.log()).map_or(0, |checkpoint| checkpoint.size);
        let lowest = Self::lowest(&mut record, DecidedChange::Log, last)?;
        record
            .assign(log, host_key.clone(), from, lowest, size, Self::change_time())
            .map_err(Error::<T>::from)?;
        if before != log.gateway {
            Self::add_to_gateway(log.gateway, device)?;
            Self::remove_from_gateway(before, device);
        }
        Devices::<T>::insert(device, record);
        Self::use_decision(&device, last);
        Self::deposit_event(Event::Reassigned { device, log, from, lost: from.saturating_sub(lowest) });
        if let Some(key) = host_key {
            DeviceOfKey::<T>::insert(key.device_id(), device);
            Self::deposit_event(Event::KeyChanged { device, key, from, change: KeyChange::Rehosted });
        }
        Ok(())
    }

    /// Ensures that a hosted device may get this key. A device that returns to a former gateway may get the key that it had
    /// there: only that gateway can sign with it.
    fn ensure_host_key(record: &DeviceRecord, key: &DeviceKey) -> DispatchResult {
        let is_hosted = |key: &DeviceKey| matches!(key, DeviceKey::Hosted { .. });
        ensure!(is_hosted(record.key()) && is_hosted(key), Error::<T>::NotHosted);
        let user = DeviceOfKey::<T>::get(key.device_id());
        ensure!(user.is_none_or(|user| user == record.device_id()), Error::<T>::KeyInUse);
        Ok(())
    }

    /// Offers a device to another party.
    pub(crate) fn offer_to(device: DeviceId, owner: &PartyId, to: PartyId) -> DispatchResult {
        ensure!(to != *owner, Error::<T>::SameOwner);
        ensure!(T::Parties::is_party(&to), Error::<T>::UnknownParty);
        let (departures, owner_departures) = (T::Parties::departures(&to), T::Parties::departures(owner));
        Offers::<T>::insert(device, StoredOffer { to, departures, owner_departures });
        Ok(())
    }

    /// Makes another party the owner of a device, which ends an offer. The caller has checked that both sides agree. Fails
    /// unless `owner` owns the device now.
    pub fn pass(device: DeviceId, owner: PartyId, to: PartyId) -> DispatchResult {
        let mut record = Devices::<T>::get(device).ok_or(Error::<T>::UnknownDevice)?;
        ensure!(record.owner() == owner, Error::<T>::OtherOwner);
        record.set_owner(to, Self::change_time()).map_err(Error::<T>::from)?;
        Self::add_to_owner(to, device)?;
        Self::remove_from_owner(owner, device);
        Offers::<T>::remove(device);
        AllowedChanges::<T>::remove(device);
        Devices::<T>::insert(device, record);
        Self::deposit_event(Event::Transferred { device, from: owner, to });
        Ok(())
    }

    pub(crate) fn add_to_owner(owner: PartyId, device: DeviceId) -> DispatchResult {
        let count = OwnerCounts::<T>::get(owner);
        ensure!(count < T::MaxDevicesPerOwner::get(), Error::<T>::TooManyOfOwner);
        OwnerCounts::<T>::insert(owner, count.saturating_add(1));
        DevicesOfOwner::<T>::insert(owner, device, ());
        Ok(())
    }

    pub(crate) fn remove_from_owner(owner: PartyId, device: DeviceId) {
        OwnerCounts::<T>::mutate_exists(owner, decrease);
        DevicesOfOwner::<T>::remove(owner, device);
    }

    pub(crate) fn add_to_gateway(gateway: AccountId, device: DeviceId) -> DispatchResult {
        let count = GatewayCounts::<T>::get(gateway);
        ensure!(count < T::MaxDevicesPerGateway::get(), Error::<T>::TooManyOfGateway);
        GatewayCounts::<T>::insert(gateway, count.saturating_add(1));
        DevicesOfGateway::<T>::insert(gateway, device, ());
        Ok(())
    }

    fn remove_from_gateway(gateway: AccountId, device: DeviceId) {
        GatewayCounts::<T>::mutate_exists(gateway, decrease);
        DevicesOfGateway::<T>::remove(gateway, device);
    }
}

impl<T: Config> DeviceRegistry for Pallet<T> {
    fn ensure_can_allow(device: &DeviceId, from: u64) -> DispatchResult {
        let record = Devices::<T>::get(device).ok_or(Error::<T>::UnknownDevice)?;
        record.ensure_can_decide(from).map_err(|error| Error::<T>::from(error).into())
    }

    fn allow(device: DeviceId, change: DecidedChange, from: u64) -> DispatchResult {
        Self::ensure_can_allow(&device, from)?;
        AllowedChanges::<T>::insert(device, AllowedChange { change, from });
        Self::deposit_event(Event::ChangeAllowed { device, change, from });
        Ok(())
    }
}

/// Counts one device less. A count of zero is not stored.
fn decrease(count: &mut Option<u32>) {
    *count = count.and_then(|count| count.checked_sub(1)).filter(|count| *count > 0);
}
