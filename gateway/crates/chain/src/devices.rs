//! The records of devices: consents, and the calls that register a device and change its keys, owner, log and state.

use super::{Call, ChainClient, ChainError, Submitted, TransactionSigner};
use codec::Decode;
use scale_info::TypeInfo;
use streembit_keystore::KeyPair;
use streembit_primitives::{
    checkpoint::EpochState,
    device::{
        DecidedChange, DeviceChangeError, DeviceRecord, DeviceState, KeyConsent, LastAnchored, LogConsent,
        RegistrationConsent,
    },
    hash::Domain,
    AccountId, DeviceId, DeviceKey, Hash, LogId, PartyId, PublicKey, Signature,
};

/// Signs the consent to a device's registration, with the device's own key or the key of the gateway that signs for
/// it.
pub fn device_consent(registration: &RegistrationConsent, keys: &KeyPair) -> Signature {
    keys.sign(Domain::Registration, &registration.message())
}

/// Signs the consent of a gateway to keep the log of a device.
pub fn log_consent(consent: &LogConsent, gateway: &KeyPair) -> Signature {
    gateway.sign(Domain::LogConsent, &consent.message())
}

/// Signs the consent to a new key of a device, with the new key or the one before it.
pub fn key_consent(consent: &KeyConsent, keys: &KeyPair) -> Signature {
    keys.sign(Domain::KeyConsent, &consent.message())
}

/// The consents to a new key of a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyConsents {
    /// Both keys consent.
    Rotation {
        /// The signature of the key before.
        old: Signature,
        /// The signature of the new key.
        new: Signature,
    },
    /// The key before is lost, so the owner decides without it.
    Recovery {
        /// The signature of the new key.
        new: Signature,
    },
}

/// A reassignment of a device to another log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reassignment {
    /// The device.
    pub device: DeviceId,
    /// The gateway whose open log the device gets into.
    pub gateway: AccountId,
    /// The key that the gateway of the log signs with, if the device is hosted and its gateway changes.
    pub host_key: Option<DeviceKey>,
    /// The sequence of the first event in the log.
    pub from: u64,
    /// The proof of the device's last event in the log before.
    pub last: LastAnchored,
    /// The consent of the gateway of the log. `None` if that gateway submits the call.
    pub consent: Option<Signature>,
}

/// A change of a device that the council allows without a proof of the device's last anchored event. Nobody has made it yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Decode, TypeInfo, serde::Serialize)]
pub struct AllowedChange {
    /// The kind of the change.
    pub change: DecidedChange,
    /// The lowest sequence at which it may begin.
    pub from: u64,
}

/// Why a device's record cannot be changed as asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RecordChangeError {
    /// The record does not allow it.
    #[error(transparent)]
    Record(#[from] DeviceChangeError),
    /// The council has not allowed this change without a proof.
    #[error("the council has not allowed this change of the device without a proof")]
    NotAllowed {
        /// The change that it has allowed instead, if any.
        allowed: Option<AllowedChange>,
    },
}

/// Returns the lowest sequence at which a change may begin that the council has to allow.
fn allowed_sequence(
    record: &DeviceRecord,
    change: DecidedChange,
    allowed: Option<AllowedChange>,
) -> Result<u64, RecordChangeError> {
    record.ensure_active()?;
    match allowed {
        Some(allowed) if allowed.change == change => Ok(allowed.from.max(record.earliest())),
        _ => Err(RecordChangeError::NotAllowed { allowed }),
    }
}

impl ChainClient {
    /// Builds the consent that a device has to sign to be registered on this chain.
    pub async fn registration(
        &self,
        key: DeviceKey,
        owner: PartyId,
        log: LogId,
    ) -> Result<RegistrationConsent, ChainError> {
        let nonce = self.view().await?.registration_nonce(key.consent_key()).await?;
        Ok(RegistrationConsent { genesis: self.genesis(), key, owner, log, nonce })
    }

    /// Builds the consent that a gateway has to sign to keep the log of a device with this key.
    pub async fn log_agreement(
        &self,
        device: DeviceId,
        key: DeviceKey,
        owner: PartyId,
        log: LogId,
    ) -> Result<LogConsent, ChainError> {
        let gateway = PublicKey::Sr25519(log.gateway.0);
        let nonce = self.view().await?.registration_nonce(gateway).await?;
        Ok(LogConsent { genesis: self.genesis(), device, key, owner, log, nonce })
    }

    /// Registers a device with its consent. A device that signs its own events also needs the consent of the gateway that
    /// keeps its log.
    pub async fn register_device(
        &self,
        owner: &impl TransactionSigner,
        registration: RegistrationConsent,
        consent: Signature,
        log_consent: Option<Signature>,
    ) -> Result<Submitted, ChainError> {
        let RegistrationConsent { key, log, .. } = registration;
        self.submit(owner, Call::RegisterDevice { key, gateway: log.gateway, consent, log_consent }).await
    }

    /// Gives a device a new key, to which the key before it agrees. `owner` is an account of the device's owner.
    pub async fn rotate_key(
        &self,
        owner: &impl TransactionSigner,
        agreed: KeyConsent,
        last: LastAnchored,
        old_consent: Signature,
        new_consent: Signature,
    ) -> Result<Submitted, ChainError> {
        let KeyConsent { device, key, from, .. } = agreed;
        let call = Call::RotateKey { device, key, from, last: Box::new(last), old_consent, new_consent };
        self.submit(owner, call).await
    }

    /// Gives a device a new key, because the key before it is lost.
    pub async fn recover_key(
        &self,
        owner: &impl TransactionSigner,
        agreed: KeyConsent,
        last: LastAnchored,
        consent: Signature,
    ) -> Result<Submitted, ChainError> {
        let KeyConsent { device, key, from, .. } = agreed;
        self.submit(owner, Call::RecoverKey { device, key, from, last: Box::new(last), consent }).await
    }

    /// Rotates or recovers the key of a device, as the consents say.
    pub async fn change_key(
        &self,
        owner: &impl TransactionSigner,
        agreed: KeyConsent,
        last: LastAnchored,
        consents: KeyConsents,
    ) -> Result<Submitted, ChainError> {
        match consents {
            KeyConsents::Rotation { old, new } => self.rotate_key(owner, agreed, last, old, new).await,
            KeyConsents::Recovery { new } => self.recover_key(owner, agreed, last, new).await,
        }
    }

    /// Assigns a device to another log. `signer` is an account of the device's owner, or the gateway that keeps the device
    /// now if the log is its own open epoch.
    pub async fn reassign(
        &self,
        signer: &impl TransactionSigner,
        reassignment: Reassignment,
    ) -> Result<Submitted, ChainError> {
        self.submit(signer, Call::Reassign(Box::new(reassignment))).await
    }

    /// Declares that the events of a device up to and without `until` that are not anchored are lost.
    pub async fn declare_lost(
        &self,
        owner: &impl TransactionSigner,
        device: DeviceId,
        until: u64,
        last: LastAnchored,
    ) -> Result<Submitted, ChainError> {
        self.submit(owner, Call::DeclareLost { device, until, last: Box::new(last) }).await
    }

    /// Offers a device to another party, or withdraws the offer if `to` is `None`.
    pub async fn transfer(
        &self,
        owner: &impl TransactionSigner,
        device: DeviceId,
        to: Option<PartyId>,
    ) -> Result<Submitted, ChainError> {
        self.submit(owner, Call::Transfer { device, to }).await
    }

    /// Accepts a device that its owner offers to the party of `signer`. Fails if `owner` is not the owner, or if the device's
    /// record no longer has the hash `shown` ([`streembit_primitives::device::DeviceRecord::hash`]).
    pub async fn accept(
        &self,
        signer: &impl TransactionSigner,
        device: DeviceId,
        owner: PartyId,
        shown: Hash,
    ) -> Result<Submitted, ChainError> {
        self.submit(signer, Call::AcceptDevice { device, owner, shown }).await
    }

    /// Records what the owner says about a device.
    pub async fn set_device_state(
        &self,
        owner: &impl TransactionSigner,
        device: DeviceId,
        state: DeviceState,
    ) -> Result<Submitted, ChainError> {
        self.submit(owner, Call::SetDeviceState { device, state }).await
    }

    /// Closes the log of a gateway for good.
    pub async fn close_epoch(
        &self,
        signer: &impl TransactionSigner,
        gateway: AccountId,
    ) -> Result<Submitted, ChainError> {
        self.submit(signer, Call::CloseEpoch { gateway }).await
    }

    /// Opens the next log of a gateway, whose log is closed.
    pub async fn open_epoch(
        &self,
        signer: &impl TransactionSigner,
        gateway: AccountId,
    ) -> Result<Submitted, ChainError> {
        self.submit(signer, Call::OpenEpoch { gateway }).await
    }

    /// Fetches the number of a gateway's log, and whether it is open.
    pub async fn epoch(&self, gateway: AccountId) -> Result<EpochState, ChainError> {
        self.view().await?.epoch(gateway).await
    }

    /// Fetches the party that a device is offered to, or `None` if there is no offer.
    pub async fn offer(&self, device: DeviceId) -> Result<Option<PartyId>, ChainError> {
        self.view().await?.offer(device).await
    }

    /// Returns the lowest sequence at which a change of a device's record may begin: after the last anchored event that
    /// `last` proves, or where the council's decision allows the change to begin. `Ok(None)` if the device is not
    /// registered, and an inner error if the chain would refuse the change.
    pub async fn next_sequence(
        &self,
        device: DeviceId,
        last: &LastAnchored,
        change: DecidedChange,
    ) -> Result<Option<Result<u64, RecordChangeError>>, ChainError> {
        let view = self.view().await?;
        let Some(record) = view.device(device).await? else { return Ok(None) };
        if *last == LastAnchored::Decided {
            let allowed = view.allowed_change(device).await?;
            return Ok(Some(allowed_sequence(&record, change, allowed)));
        }
        let anchor = view.latest_anchor(record.log()).await?;
        let lowest = record.next_sequence(last, anchor.as_ref().map(|anchor| &anchor.checkpoint));
        Ok(Some(lowest.map_err(Into::into)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use streembit_primitives::device::ChangeTime;

    #[test]
    fn signed_consents_pass_the_chains_verification() {
        let (owner, gateway) = (KeyPair::from_dev_name("alice").unwrap(), KeyPair::from_seed([7; 32]));
        let genesis = Hash([1; 32]);
        let party = PartyId::of_first_account(&owner.account());
        let (key, log) = (gateway.hosted_key("car"), LogId::first(gateway.account()));
        let registration = RegistrationConsent { genesis, key: key.clone(), owner: party, log, nonce: 1 };
        assert!(registration.verify(&device_consent(&registration, &gateway)));
        assert!(!registration.verify(&device_consent(&registration, &owner)));

        let device = key.device_id();
        let agreed = LogConsent { genesis, device, key: key.clone(), owner: party, log, nonce: 2 };
        assert!(agreed.verify(&log_consent(&agreed, &gateway)));
        assert!(!agreed.verify(&log_consent(&agreed, &owner)));

        let new = DeviceKey::Own(PublicKey::Sr25519(owner.account().0));
        let agreed = KeyConsent { genesis, device, key: new.clone(), owner: party, from: 5, keys: 1 };
        assert!(agreed.verify(&new, &key_consent(&agreed, &owner)));
        assert!(agreed.verify(&key, &key_consent(&agreed, &gateway)));
        assert!(!agreed.verify(&key, &key_consent(&agreed, &owner)));
    }

    #[test]
    fn a_change_without_a_proof_begins_where_the_council_allows_it() {
        let key = DeviceKey::Own(PublicKey::Sr25519([1; 32]));
        let at = ChangeTime { block: 1, time: 1 };
        let log = LogId::first(AccountId([3; 32]));
        let mut record = DeviceRecord::new(key, PartyId([2; 32]), log, at);
        let allowed = |change, from| Some(AllowedChange { change, from });
        let lowest = |record: &DeviceRecord, allowed| allowed_sequence(record, DecidedChange::Log, allowed);
        assert_eq!(lowest(&record, allowed(DecidedChange::Log, 7)), Ok(7));
        for other in [None, allowed(DecidedChange::Key, 7)] {
            assert_eq!(lowest(&record, other), Err(RecordChangeError::NotAllowed { allowed: other }));
        }
        // Events that are lost since the decision are not lost again.
        record.declare_lost(0, 9, at).unwrap();
        assert_eq!(lowest(&record, allowed(DecidedChange::Log, 7)), Ok(9));
        record.set_state(DeviceState::Retired).unwrap();
        assert_eq!(lowest(&record, allowed(DecidedChange::Log, 7)), Err(DeviceChangeError::Retired.into()));
    }
}
