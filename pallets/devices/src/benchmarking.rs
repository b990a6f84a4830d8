//! Benchmarks of the worst case of each call: a record with room for one change more, the longest proof, and the slowest
//! signatures.

use crate::{Call, Config, DeviceOfKey, Devices, Offers, Pallet, StoredOffer};
use alloc::{boxed::Box, vec::Vec};
use frame_benchmarking::v2::*;
use frame_support::traits::Get;
use frame_system::RawOrigin;
use pallet_anchors::{Epochs, Latest};
use streembit_primitives::{
    checkpoint::{Anchor, EpochState},
    device::{
        ChangeTime, DecidedChange, DeviceRecord, DeviceState, KeyChange, KeyConsent, LabelHash, LastAnchored,
        LogConsent, RegistrationConsent, MAX_DECISIONS, MAX_LATER,
    },
    hash::Domain,
    heads::{AbsenceProof, HeadEntry, HeadProof},
    merkle::{root_from_path, NodeHash as _, MAX_LOG_SIZE},
    signature::sign_p256,
    AccountId, BoundedVec, Checkpoint, DeviceId, DeviceKey, Hash, LogId, PartyId, Signature, Version,
};

/// Prepares the other pallets for a benchmark.
pub trait Helper {
    /// Adds a party with as many accounts as possible, and returns the account that is found last.
    fn add_party(party: PartyId) -> AccountId;
    /// Makes an account a gateway.
    fn add_gateway(account: AccountId);
    /// Makes a log the open one of its gateway.
    fn open_log(log: LogId);
    /// Makes a checkpoint the latest anchor of its log.
    fn anchor(checkpoint: Checkpoint);
}

/// Implements [`Helper::open_log`] with `pallet-anchors`.
pub fn open_log<T: pallet_anchors::Config>(log: LogId) {
    Epochs::<T>::insert(log.gateway, EpochState { number: log.epoch, open: true });
}

/// Implements [`Helper::anchor`] with `pallet-anchors`.
pub fn anchor<T: pallet_anchors::Config>(checkpoint: Checkpoint) {
    Latest::<T>::insert(checkpoint.log, Anchor { checkpoint, block: 0 });
}

const OWNER: PartyId = PartyId([0x51; 32]);
const BUYER: PartyId = PartyId([0x52; 32]);
const AT: ChangeTime = ChangeTime { block: 0, time: 0 };
/// The sequence from which the next change of [`insert_device`] begins.
const FROM: u64 = 1_000;

/// An invalid value in a benchmark.
const INVALID: BenchmarkError = BenchmarkError::Stop("the benchmark is wrong");

fn p256_key(seed: u8) -> Result<p256::ecdsa::SigningKey, BenchmarkError> {
    p256::ecdsa::SigningKey::from_slice(&[seed; 32]).map_err(|_| INVALID)
}

fn own(key: &p256::ecdsa::SigningKey) -> DeviceKey {
    DeviceKey::Own(key.verifying_key().into())
}

/// Returns the key of a gateway.
fn gateway_key(seed: u8) -> Result<schnorrkel::Keypair, BenchmarkError> {
    let secret = schnorrkel::MiniSecretKey::from_bytes(&[seed; 32]).map_err(|_| INVALID)?;
    Ok(secret.expand_to_keypair(schnorrkel::ExpansionMode::Ed25519))
}

fn account(key: &schnorrkel::Keypair) -> AccountId {
    AccountId(key.public.to_bytes())
}

/// Stands for the randomness of an sr25519 signature, which the runtime's Wasm does not have. The keys are known anyway.
struct NoRandomness;

impl rand_core::RngCore for NoRandomness {
    fn next_u32(&mut self) -> u32 {
        0
    }

    fn next_u64(&mut self) -> u64 {
        0
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        bytes.fill(0);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> {
        bytes.fill(0);
        Ok(())
    }
}

impl rand_core::CryptoRng for NoRandomness {}

fn sign_log(key: &schnorrkel::Keypair, consent: &LogConsent) -> Signature {
    let context = schnorrkel::signing_context(Domain::LogConsent.context().as_bytes());
    let transcript = context.bytes(consent.message().as_bytes());
    let signature = key.sign(schnorrkel::context::attach_rng(transcript, NoRandomness));
    Signature::Sr25519(signature.to_bytes())
}

/// Returns the consent of a gateway, with nonce 0, to keep the events of a device.
fn log_consent<T: Config>(
    gateway: &schnorrkel::Keypair,
    device: DeviceId,
    key: &DeviceKey,
    log: LogId,
) -> Signature {
    let genesis = T::Genesis::get();
    sign_log(gateway, &LogConsent { genesis, device, key: key.clone(), owner: OWNER, log, nonce: 0 })
}

/// Returns the longest proof that a log has no event of any device, and the root of its heads map. It takes more work than
/// the proof of an event.
fn longest_proof() -> Result<(Box<LastAnchored>, Hash), BenchmarkError> {
    let half = MAX_LOG_SIZE >> 1;
    let entry = |byte| HeadEntry { device: DeviceId([byte; 32]), sequence: u64::MAX, hash: Hash::ZERO };
    let (low, high) = (entry(0), entry(0xff));
    let path: Vec<_> = (0u8..61).map(|n| Hash([n; 32])).collect();
    let node = Domain::HeadsNode;
    let left = root_from_path(node, low.leaf(), half.saturating_sub(1), half, &path).ok_or(INVALID)?;
    let right = root_from_path(node, high.leaf(), 0, half, &path).ok_or(INVALID)?;
    let root = Domain::Heads.hash_of(&(MAX_LOG_SIZE, node.node(&left, &right)));
    let proof = |index, entry, sibling| {
        let path = path.iter().copied().chain([sibling]).collect();
        HeadProof { index, count: MAX_LOG_SIZE, entry, path: BoundedVec::truncate_from(path) }
    };
    let before = Some(proof(half.saturating_sub(1), low, right));
    let after = Some(proof(half, high, left));
    Ok((Box::new(LastAnchored::NoEvent(AbsenceProof { before, after })), root))
}

/// A device with the present key `key` and a record that has room for one change of each kind. Its log is anchored. Returns
/// the account of the owner, the device and the proof of its last event.
fn insert_device<T: Config>(
    key: DeviceKey,
) -> Result<(RawOrigin<T::AccountId>, DeviceId, Box<LastAnchored>), BenchmarkError> {
    let sender = T::BenchmarkHelper::add_party(OWNER);
    let host = account(&gateway_key(9)?);
    T::BenchmarkHelper::add_gateway(host);
    let hosted = |n: u32| DeviceKey::Hosted { gateway: host, label: LabelHash([n as u8; 32]) };
    let mut record = DeviceRecord::new(hosted(0), OWNER, LogId::first(host), AT);
    for n in 1..MAX_LATER {
        let from = u64::from(n).saturating_mul(2);
        let next = if n.saturating_add(1) == MAX_LATER { key.clone() } else { hosted(n) };
        record.set_key(next, from, KeyChange::Rotated, from, AT).map_err(|_| INVALID)?;
        record
            .assign(LogId { gateway: host, epoch: n }, None, from, from, u64::MAX, AT)
            .map_err(|_| INVALID)?;
        record.declare_lost(from, from.saturating_add(1), AT).map_err(|_| INVALID)?;
        let owner = if n % 2 == 0 { OWNER } else { BUYER };
        record.set_owner(owner, AT).map_err(|_| INVALID)?;
    }
    for n in 1..MAX_DECISIONS {
        record.record_decision(DecidedChange::Key, n.into(), AT).map_err(|_| INVALID)?;
    }
    let (device, log) = (record.device_id(), record.log());
    let (last, heads_root) = longest_proof()?;
    T::BenchmarkHelper::open_log(log);
    let root = Hash::ZERO;
    T::BenchmarkHelper::anchor(Checkpoint {
        version: Version,
        log,
        size: MAX_LOG_SIZE,
        root,
        heads_root,
        time: 0,
    });
    for period in record.keys().iter() {
        DeviceOfKey::<T>::insert(period.key.device_id(), device);
    }
    Pallet::<T>::add_to_owner(OWNER, device)?;
    Pallet::<T>::add_to_gateway(host, device)?;
    Devices::<T>::insert(device, record);
    Ok((RawOrigin::Signed(sender.0.into()), device, last))
}

/// Returns what a new key of [`insert_device`] agrees to.
fn key_consent<T: Config>(device: DeviceId, key: DeviceKey) -> KeyConsent {
    KeyConsent { genesis: T::Genesis::get(), device, key, owner: OWNER, from: FROM, keys: MAX_LATER }
}

fn record<T: Config>(device: DeviceId) -> Result<DeviceRecord, BenchmarkError> {
    Pallet::<T>::device(&device).ok_or(INVALID)
}

#[benchmarks]
mod benchmarks {
    use super::*;

    /// Uses a P-256 consent, because P-256 is the slowest kind of key to verify, and the consent of the gateway.
    #[benchmark]
    fn register() -> Result<(), BenchmarkError> {
        let sender = T::BenchmarkHelper::add_party(OWNER);
        let (gateway, signer) = (gateway_key(9)?, p256_key(3)?);
        let (host, key) = (account(&gateway), own(&signer));
        T::BenchmarkHelper::add_gateway(host);
        let (device, log) = (key.device_id(), LogId { gateway: host, epoch: 1 });
        T::BenchmarkHelper::open_log(log);
        let genesis = T::Genesis::get();
        let agreed = RegistrationConsent { genesis, key: key.clone(), owner: OWNER, log, nonce: 0 };
        let consent = sign_p256(&signer, Domain::Registration, &agreed.message());
        let kept = Some(log_consent::<T>(&gateway, device, &key, log));

        #[extrinsic_call]
        _(RawOrigin::Signed(sender.0.into()), key, host, consent, kept);

        assert_eq!(record::<T>(device)?.owner(), OWNER);
        Ok(())
    }

    /// Both keys are P-256 keys.
    #[benchmark]
    fn rotate_key() -> Result<(), BenchmarkError> {
        let (old, new) = (p256_key(3)?, p256_key(4)?);
        let (sender, device, last) = insert_device::<T>(own(&old))?;
        let message = key_consent::<T>(device, own(&new)).message();
        let sign = |key| sign_p256(key, Domain::KeyConsent, &message);

        #[extrinsic_call]
        _(sender, device, own(&new), FROM, last, sign(&old), sign(&new));

        assert_eq!(record::<T>(device)?.key(), &own(&new));
        Ok(())
    }

    /// The new key is a P-256 key.
    #[benchmark]
    fn recover_key() -> Result<(), BenchmarkError> {
        let (old, new) = (p256_key(3)?, p256_key(4)?);
        let (sender, device, last) = insert_device::<T>(own(&old))?;
        let message = key_consent::<T>(device, own(&new)).message();
        let consent = sign_p256(&new, Domain::KeyConsent, &message);

        #[extrinsic_call]
        _(sender, device, own(&new), FROM, last, consent);

        assert_eq!(record::<T>(device)?.key(), &own(&new));
        Ok(())
    }

    /// The owner gives a hosted device to another gateway, with a lost range.
    #[benchmark]
    fn reassign() -> Result<(), BenchmarkError> {
        let gateway = gateway_key(10)?;
        let before = account(&gateway_key(9)?);
        let hosted = |gateway| DeviceKey::Hosted { gateway, label: LabelHash([0xff; 32]) };
        let (sender, device, last) = insert_device::<T>(hosted(before))?;
        let (host, key) = (account(&gateway), hosted(account(&gateway)));
        T::BenchmarkHelper::add_gateway(host);
        let log = LogId { gateway: host, epoch: 1 };
        T::BenchmarkHelper::open_log(log);
        let consent = Some(log_consent::<T>(&gateway, device, &key, log));

        #[extrinsic_call]
        _(sender, device, host, Some(key), FROM, last, consent);

        assert_eq!(record::<T>(device)?.log(), log);
        Ok(())
    }

    #[benchmark]
    fn declare_lost() -> Result<(), BenchmarkError> {
        let (sender, device, last) = insert_device::<T>(own(&p256_key(3)?))?;

        #[extrinsic_call]
        _(sender, device, FROM, last);

        assert!(record::<T>(device)?.is_lost(FROM.saturating_sub(1)));
        Ok(())
    }

    #[benchmark]
    fn transfer() -> Result<(), BenchmarkError> {
        let (sender, device, _) = insert_device::<T>(own(&p256_key(3)?))?;
        T::BenchmarkHelper::add_party(BUYER);

        #[extrinsic_call]
        _(sender, device, Some(BUYER));

        assert_eq!(Pallet::<T>::offer(&device), Some(BUYER));
        Ok(())
    }

    #[benchmark]
    fn accept() -> Result<(), BenchmarkError> {
        let (_, device, _) = insert_device::<T>(own(&p256_key(3)?))?;
        let buyer = T::BenchmarkHelper::add_party(BUYER);
        let shown = record::<T>(device)?.hash();
        Offers::<T>::insert(device, StoredOffer { to: BUYER, departures: 0, owner_departures: 0 });

        #[extrinsic_call]
        _(RawOrigin::Signed(buyer.0.into()), device, OWNER, shown);

        assert_eq!(record::<T>(device)?.owner(), BUYER);
        Ok(())
    }

    /// The device is offered to a party, and retired.
    #[benchmark]
    fn set_state() -> Result<(), BenchmarkError> {
        let (sender, device, _) = insert_device::<T>(own(&p256_key(3)?))?;
        Offers::<T>::insert(device, StoredOffer { to: BUYER, departures: 0, owner_departures: 0 });

        #[extrinsic_call]
        _(sender, device, DeviceState::Retired);

        assert_eq!(record::<T>(device)?.state(), DeviceState::Retired);
        Ok(())
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::chain(), crate::mock::Test);
}
