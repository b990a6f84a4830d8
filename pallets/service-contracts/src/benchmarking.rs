//! Benchmarks of the worst case of each call: the largest contract and the longest proof of a reading.

use crate::{Call, Config, Contracts, ContractsOfDevice, Pallet, Statuses};
use alloc::{boxed::Box, format, vec::Vec};
use frame_benchmarking::v2::*;
use frame_support::{traits::Get, BoundedVec};
use frame_system::RawOrigin;
use pallet_devices::benchmarking::Helper;
use streembit_primitives::{
    checkpoint::AnchoredRoot,
    contract::{
        AccessClause, Clause, Contract, ContractId, ServiceClause, MAX_CLAUSES, MAX_DEVICES, MAX_NAMES,
        MAX_PARTIES,
    },
    contract_state::ContractState,
    device::{ChangeTime, DeviceRecord, KeyChange, MAX_LATER},
    event::VERSION,
    hash::Domain,
    merkle::{root_from_path, InclusionProof, LOG_TREE, MAX_LOG_SIZE},
    reading::Name,
    reading_proof::ReadingProof,
    signature::sign_p256,
    AccountId, Body, Decimal, DeviceId, DeviceKey, EventHeader, EventKind, Hash, LogEntry, LogId, Part,
    PartyId, PublicKey, Reading, SignedEvent, Signer, Source, Text, Value, Version,
};

const OWNER: PartyId = PartyId([0; 32]);
const WORKSHOP: PartyId = PartyId([1; 32]);
const GATEWAY: AccountId = AccountId([100; 32]);
/// The index of the service clause in the contract.
const SERVICE: u32 = 0;

/// Returns a P-256 key, because P-256 is the slowest kind of key to verify, and it signs without randomness.
#[allow(clippy::expect_used, reason = "the benchmark has no other key to go on with")]
fn signer() -> p256::ecdsa::SigningKey {
    p256::ecdsa::SigningKey::from_slice(&[7; 32]).expect("less than the group order")
}

/// Returns a name of the maximum length.
#[allow(clippy::expect_used, reason = "the benchmark has no other name to go on with")]
fn name(n: u32) -> Name {
    Name::try_from(format!("{n:096}")).expect("96 digits are a name")
}

/// Returns a text of the maximum length.
#[allow(clippy::expect_used, reason = "a shorter text would not be the worst case")]
fn text(n: u32) -> Text<96> {
    Text::try_from(format!("{n:096}")).expect("96 bytes fit")
}

fn party(n: u32) -> PartyId {
    PartyId([n as u8; 32])
}

/// Returns the origin of the last account of a party, which it adds.
fn signed<T: Config>(party: PartyId) -> RawOrigin<T::AccountId> {
    let account = <T as pallet_devices::Config>::BenchmarkHelper::add_party(party);
    RawOrigin::Signed(account.0.into())
}

/// Registers the `n`th device. The first one has the meter.
fn device<T: Config>(n: u32) -> DeviceId {
    let key = match n {
        0 => DeviceKey::Own(signer().verifying_key().into()),
        _ => DeviceKey::Own(PublicKey::Sr25519([n as u8; 32])),
    };
    let id = key.device_id();
    pallet_devices::Devices::<T>::insert(id, full_record(key));
    id
}

/// Returns the record of a device whose first event is in the first log, and that has had as many keys, owners and logs as
/// a record holds.
#[allow(clippy::expect_used, reason = "the benchmark has no other record to go on with")]
fn full_record(key: DeviceKey) -> DeviceRecord {
    let at = ChangeTime { block: 0, time: 0 };
    let mut record = DeviceRecord::new(key, OWNER, LogId::first(GATEWAY), at);
    for n in 1..=MAX_LATER {
        let from = u64::from(n).saturating_mul(2);
        let key = DeviceKey::Own(PublicKey::P256([n as u8; 33]));
        record.set_key(key, from, KeyChange::Rotated, from, at).expect("there is room");
        record
            .assign(LogId { gateway: GATEWAY, epoch: n }, None, from, from, u64::MAX, at)
            .expect("there is room");
        record.declare_lost(from, from.saturating_add(1), at).expect("there is room");
        if n < MAX_LATER {
            let owner = if n % 2 == 0 { OWNER } else { WORKSHOP };
            record.set_owner(owner, at).expect("there is room");
        }
    }
    record
}

/// Returns a contract with these numbers of parties (at least two), devices and clauses, each of the maximum size. The
/// first clause is a service clause, and all others are access clauses.
fn contract<T: Config>(parties: u32, devices: u32, clauses: u32) -> Contract {
    for n in 0..parties {
        <T as pallet_devices::Config>::BenchmarkHelper::add_party(party(n));
    }
    let devices: Vec<_> = (0..devices).map(device::<T>).collect();
    let meter = devices.first().copied().unwrap_or(DeviceId([0; 32]));
    let service = Clause::Service(ServiceClause {
        what: text(1),
        device: meter,
        meter: name(0),
        from: Decimal::ZERO,
        every: Decimal::from(1),
        provider: WORKSHOP,
        customer: OWNER,
    });
    let access = Clause::Access(AccessClause {
        device: meter,
        grantee: WORKSHOP,
        names: BoundedVec::truncate_from((0..MAX_NAMES).map(name).collect()),
        until: u64::MAX,
    });
    let mut terms = alloc::vec![access; clauses.saturating_sub(1) as usize];
    terms.insert(SERVICE as usize, service);
    Contract {
        title: text(2),
        nonce: Hash::ZERO,
        parties: BoundedVec::truncate_from((0..parties).map(party).collect()),
        devices: BoundedVec::truncate_from(devices),
        clauses: BoundedVec::truncate_from(terms),
    }
}

/// Proposes the largest contract, which all parties except the last `waiting` ones accept. Each of its devices already
/// has one active contract less than the limit.
fn agreed<T: Config>(waiting: u32) -> Result<ContractId, BenchmarkError> {
    let contract = contract::<T>(MAX_PARTIES, MAX_DEVICES, MAX_CLAUSES);
    let id = contract.id(&T::Genesis::get());
    let others = alloc::vec![ContractId([9; 32]); T::MaxContractsOfDevice::get().saturating_sub(1) as usize];
    for device in &contract.devices {
        ContractsOfDevice::<T>::insert(device, BoundedVec::truncate_from(others.clone()));
    }
    Pallet::<T>::propose(signed::<T>(OWNER).into(), contract)?;
    for n in 1..MAX_PARTIES.saturating_sub(waiting) {
        Pallet::<T>::accept(signed::<T>(party(n)).into(), id)?;
    }
    Ok(id)
}

/// Returns a proof of an anchored meter reading with the longest paths, in the largest body and in the largest log.
fn proof<T: Config>(device: DeviceId) -> Result<Box<ReadingProof>, BenchmarkError> {
    let reading = Part::Reading(Reading {
        name: name(0),
        unit: Default::default(),
        value: Value::Decimal(Decimal::from(1)),
        time: 0,
        source: Source::sensor(),
    });
    let parts = alloc::vec![reading; streembit_primitives::body::MAX_PARTS as usize];
    let body = Body { seed: [1; 32], parts: BoundedVec::truncate_from(parts) };
    let header = EventHeader {
        version: VERSION,
        device,
        sequence: 0,
        previous: Hash::ZERO,
        time: 0,
        kind: EventKind::Readings,
        body_hash: body.hash(),
    };
    let signature = sign_p256(&signer(), Domain::EventHeader, &header.hash());
    let entry =
        LogEntry { event: SignedEvent { header, signer: Signer::Device, signature }, received: u64::MAX };

    let path: Vec<_> = (0u8..62).map(|n| Hash([n; 32])).collect();
    let root = root_from_path(LOG_TREE, entry.leaf(), 0, MAX_LOG_SIZE, &path).ok_or("62 levels")?;
    let log = LogId::first(GATEWAY);
    let anchored = |size, root| AnchoredRoot { size, root, time: 0, block: 0 };
    let mut roots = alloc::vec![anchored(0, Hash::ZERO); pallet_anchors::KEPT_ROOTS as usize - 1];
    roots.push(anchored(MAX_LOG_SIZE, root));
    pallet_anchors::Roots::<T>::insert(log, BoundedVec::truncate_from(roots));
    let disclosure = body.disclose(0).ok_or("64 parts")?;
    let inclusion = InclusionProof::new(path);
    Ok(Box::new(ReadingProof {
        version: Version,
        log,
        size: MAX_LOG_SIZE,
        index: 0,
        entry,
        inclusion,
        disclosure,
    }))
}

fn is_confirmed<T: Config>(id: ContractId) -> bool {
    crate::Records::<T>::get(id, 0).is_some_and(|record| record.confirmed.is_some())
}

#[benchmarks]
mod benchmarks {
    use super::*;

    /// The content has `p` parties, `d` devices and `c` clauses.
    #[benchmark]
    fn propose(p: Linear<2, { MAX_PARTIES }>, d: Linear<1, { MAX_DEVICES }>, c: Linear<1, { MAX_CLAUSES }>) {
        let contract = contract::<T>(p, d, c);
        let id = contract.id(&T::Genesis::get());

        #[extrinsic_call]
        _(signed::<T>(OWNER), contract);

        assert!(Contracts::<T>::contains_key(id));
    }

    #[benchmark]
    fn accept() -> Result<(), BenchmarkError> {
        let id = agreed::<T>(1)?;
        let last = party(MAX_PARTIES.saturating_sub(1));

        #[extrinsic_call]
        _(signed::<T>(last), id);

        assert_eq!(Statuses::<T>::get(id).map(|status| status.state), Some(ContractState::Active));
        Ok(())
    }

    #[benchmark]
    fn report() -> Result<(), BenchmarkError> {
        let (id, proof) = (agreed::<T>(0)?, proof::<T>(device::<T>(0))?);

        #[extrinsic_call]
        _(signed::<T>(OWNER), id, SERVICE, proof);

        assert!(crate::ClauseProgress::<T>::get(id, SERVICE).proven.is_some());
        Ok(())
    }

    #[benchmark]
    fn record() -> Result<(), BenchmarkError> {
        let (id, proof) = (agreed::<T>(0)?, proof::<T>(device::<T>(0))?);

        #[extrinsic_call]
        _(signed::<T>(WORKSHOP), id, SERVICE, proof, Hash::ZERO);

        assert_eq!(Statuses::<T>::get(id).map(|status| status.records), Some(1));
        Ok(())
    }

    #[benchmark]
    fn confirm() -> Result<(), BenchmarkError> {
        let (id, proof) = (agreed::<T>(0)?, proof::<T>(device::<T>(0))?);
        let workshop = signed::<T>(WORKSHOP).into();
        Pallet::<T>::record(workshop, id, SERVICE, proof, Hash::ZERO)?;

        #[extrinsic_call]
        _(signed::<T>(OWNER), id, 0);

        assert!(is_confirmed::<T>(id));
        Ok(())
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::chain(), crate::mock::Test);
}
