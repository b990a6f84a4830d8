//! Readings that are proven: in an anchored log, signed as the contract accepts, in time, and in the clause's unit.

use crate::{types::StoredContract, Config, Error, Pallet, CLOCK_TOLERANCE};
use frame_support::ensure;
use sp_runtime::{DispatchError, DispatchResult};
use streembit_primitives::{
    contract::{state::ProvenPoint, AcceptedSigners, Meter},
    device::DeviceRecord,
    reading::{Name, Unit},
    reading_proof::{ProvenReading, ReadingProof},
    units, Decimal, DeviceId, LogId, PartyId, Signer, Value,
};

/// The reading that a proof has to be of.
pub(crate) struct Wanted<'a> {
    pub device: DeviceId,
    pub name: &'a Name,
    /// The unit that the value is converted to. `None` if only the time counts.
    pub unit: Option<&'a Unit>,
}

impl<'a> Wanted<'a> {
    pub(crate) fn of_meter(device: DeviceId, meter: &'a Meter) -> Self {
        Self { device, name: &meter.name, unit: Some(&meter.unit) }
    }
}

impl<T: Config> Pallet<T> {
    /// Verifies the proof of a reading, and returns its value in the unit of the clause.
    pub(crate) fn prove(
        contract: &StoredContract,
        wanted: &Wanted,
        proof: ReadingProof,
    ) -> Result<ProvenPoint, DispatchError> {
        let record = pallet_devices::Pallet::<T>::device(&wanted.device).ok_or(Error::<T>::UnknownDevice)?;
        let is_its = record.logs().iter().any(|period| period.log == proof.log);
        ensure!(is_its, Error::<T>::OtherLog);
        let log = proof.log;
        let roots = pallet_anchors::Roots::<T>::get(log);
        let anchored = roots.iter().find(|anchored| anchored.size == proof.size);
        let root = anchored.ok_or(Error::<T>::NotAnchored)?.root;
        // The record tells which key and which log belong to the sequence of the event.
        let proven =
            proof.verify_with::<pallet_anchors::HostSha256>(&record, &root).map_err(Error::<T>::from)?;
        let owner = Self::owner_at(contract, &wanted.device, &record, proven.time());
        ensure!(owner.is_none_or(|owner| contract.terms.names(&owner)), Error::<T>::DeviceSold);
        Self::ensure_signer_and_time(contract, &proven, &log)?;
        ensure!(proven.reading().name == *wanted.name, Error::<T>::OtherReading);
        let value = match wanted.unit {
            None => Decimal::ZERO,
            Some(unit) => Self::value_in(&proven, unit)?,
        };
        Ok(ProvenPoint { sequence: proven.sequence(), time: proven.time(), value })
    }

    /// Returns the owner that a device had at a time, or `None` if that was before it changed hands under the content in
    /// force. Earlier owners need not be parties: a successor takes over what happened before.
    fn owner_at(
        contract: &StoredContract,
        device: &DeviceId,
        record: &DeviceRecord,
        time: u64,
    ) -> Option<PartyId> {
        let owners = || record.owners().iter().enumerate();
        // How many owners a device had had is noted as long as the contract is in force. After that, the last owner that
        // was a party before the end is the one under whom it ended.
        let known = contract.owners_of(device).map(|count| count as usize).or_else(|| {
            let end = Self::end_time(contract);
            let bound = owners().filter(|(_, owner)| owner.since < end && contract.terms.names(&owner.party));
            bound.last().map(|(place, _)| place.saturating_add(1))
        });
        let later = owners().skip(known.unwrap_or_default());
        later.filter(|(_, owner)| owner.since <= time).last().map(|(_, owner)| owner.party)
    }

    fn value_in(proven: &ProvenReading, unit: &Unit) -> Result<Decimal, DispatchError> {
        let Value::Decimal(value) = proven.reading().value else {
            return Err(Error::<T>::NotANumber.into());
        };
        units::convert(value, &proven.reading().unit, unit).map_err(|error| Error::<T>::from(error).into())
    }

    /// Ensures that the contract accepts the signer of an event, and that the event happened while the contract was in
    /// force and at a time that the anchors allow.
    ///
    /// An event comes before the anchor that first has it. An event that its gateway signs also comes after the anchor
    /// before it; a device that signs may deliver its events late. The times of older anchors are sparse.
    fn ensure_signer_and_time(
        contract: &StoredContract,
        proven: &ProvenReading,
        log: &LogId,
    ) -> DispatchResult {
        let is_by_device = proven.signer() == Signer::Device;
        let accepted = is_by_device || contract.terms.signers == AcceptedSigners::GatewayToo;
        ensure!(accepted, Error::<T>::GatewaySigned);
        let time = proven.time();
        let is_within = contract.terms.starts <= time && time < Self::end_time(contract);
        ensure!(is_within, Error::<T>::OutsideContract);
        let (before, after) = pallet_anchors::Pallet::<T>::times_around(log, proven.index());
        let is_early = after.is_none_or(|after| time <= after.saturating_add(CLOCK_TOLERANCE));
        let is_late = before.is_none_or(|before| time.saturating_add(CLOCK_TOLERANCE) >= before);
        ensure!(is_early && (is_by_device || is_late), Error::<T>::ImplausibleTime);
        Ok(())
    }
}
