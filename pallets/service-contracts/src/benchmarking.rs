//! Benchmarks of the worst case of each call: the largest contract and the longest proof of a reading.

use crate::{
    types::Phase, AcceptedCounts, Amendments, Call, Claims, Config, Contracts, ContractsOfDevice, Disputes,
    Pallet, Progress, PRUNED_CLAIMS,
};
use alloc::{boxed::Box, format, vec::Vec};
use frame_benchmarking::v2::*;
use frame_support::{traits::Get, BoundedVec};
use frame_system::RawOrigin;
use pallet_devices::benchmarking::Helper;
use streembit_primitives::{
    checkpoint::AnchoredRoot,
    contract::{
        state::{
            Claim, ClaimEvidence, ClaimState, ClaimSubject, Dispute, Moment, Outcome, Payment, ProvenPoint,
            Track,
        },
        AcceptedSigners, BoundClause, Clause, ClauseNumber, CommandRule, ContentHash, ContractContent,
        ContractId, ContractRole, ControlClause, Deadlines, Documents, Grantee, HandoverClause, Interval,
        Meter, NumberedClause, OnChange, ParameterLimit, RoleHolder, ServiceClause, Terms, Verdict,
        MAX_CLAUSES, MAX_COMMANDS, MAX_DEVICES, MAX_DOCUMENTS, MAX_PARAMETER_LIMITS, MAX_PARTIES,
    },
    device::{ChangeTime, DeviceRecord, KeyChange, MAX_LATER},
    event::VERSION,
    hash::Domain,
    merkle::{root_from_path, InclusionProof, LOG_TREE, MAX_LOG_SIZE},
    reading::{Name, Unit},
    reading_proof::ReadingProof,
    signature::sign_p256,
    AccountId, Body, Decimal, DeviceId, DeviceKey, EventHeader, EventKind, Hash, LogEntry, LogId, Part,
    PartyId, PublicKey, Reading, SignedEvent, Signer, Source, Text, Value, Version,
};

const OWNER: PartyId = PartyId([0; 32]);
const WORKSHOP: PartyId = PartyId([1; 32]);
const GATEWAY: AccountId = AccountId([100; 32]);
/// The number of the service clause in the contract.
const SERVICE: ClauseNumber = 1;

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

/// The arbiter of the contract.
const ARBITER: PartyId = PartyId([200; 32]);
/// The numbers of the first three clauses.
const BOUND: ClauseNumber = 2;
const HANDOVER: ClauseNumber = 3;
/// The number of the first access or control clause.
const RIGHT: ClauseNumber = 4;

fn meter() -> Option<Meter> {
    Some(Meter { name: name(0), unit: unit(), max_per_day: Decimal::from(u32::MAX) })
}

/// Returns the last unit of the table, which takes longest to find.
#[allow(clippy::expect_used, reason = "the benchmark has no other unit to go on with")]
fn unit() -> Unit {
    Unit::try_from("ppb").expect("a unit")
}

fn documents(n: u8) -> Documents {
    BoundedVec::truncate_from((0..MAX_DOCUMENTS as u8).map(|m| Hash([n.wrapping_add(m); 32])).collect())
}

/// Returns a clause that names as much as possible. `n` distinguishes it from others.
fn control(device: DeviceId, n: u32) -> Clause {
    let limit = |n| ParameterLimit { name: name(n), min: Some(Decimal::ZERO), max: Some(Decimal::from(1)) };
    let limits: Vec<_> = (0..MAX_PARAMETER_LIMITS).map(limit).collect();
    let limits = BoundedVec::truncate_from(limits);
    let rule = |n| CommandRule { name: name(n), per_hour: Some(1), limits: limits.clone() };
    Clause::Control(ControlClause {
        device,
        grantor: OWNER,
        grantee: Grantee::Party(WORKSHOP),
        commands: BoundedVec::truncate_from((0..MAX_COMMANDS).map(rule).collect()),
        until: u64::MAX.saturating_sub(n.into()),
    })
}

/// Returns terms with these numbers of parties (at least two), devices and clauses, each of the maximum size, and registers
/// the parties and the devices.
fn terms<T: Config>(parties: u32, devices: u32, clauses: u32) -> Terms {
    for party in (0..parties).map(party).chain([ARBITER]) {
        <T as pallet_devices::Config>::BenchmarkHelper::add_party(party);
    }
    let devices: Vec<_> = (0..devices).map(device::<T>).collect();
    let metered = devices.first().copied().unwrap_or(DeviceId([0; 32]));
    let service = Clause::Service(ServiceClause {
        subject: Hash::ZERO,
        device: metered,
        meter: meter(),
        by_meter: Some(Interval { from: Decimal::ZERO, every: Decimal::from(1) }),
        by_time: Some(Interval { from: 0, every: 1 }),
        provider: WORKSHOP,
        customer: OWNER,
    });
    let bound = Clause::Bound(BoundClause {
        device: metered,
        reading: name(0),
        unit: unit(),
        min: Some(Decimal::from(5)),
        max: None,
        tolerated: 0,
        obliged: WORKSHOP,
        claimant: OWNER,
    });
    let handover =
        Clause::Handover(HandoverClause { device: metered, from: OWNER, to: WORKSHOP, meter: meter() });
    let rights = (0..clauses).map(|n| control(metered, n));
    let all = [service, bound, handover].into_iter().chain(rights).take(clauses as usize);
    let numbered = (SERVICE..).zip(all).map(|(number, clause)| NumberedClause { number, clause });
    let holder = |n| RoleHolder { role: ContractRole::Other, party: party(n) };
    Terms {
        nonce: Hash::ZERO,
        parties: BoundedVec::truncate_from((0..parties).map(holder).collect()),
        arbiter: Some(ARBITER),
        devices: BoundedVec::truncate_from(devices),
        starts: 0,
        ends: None,
        deadlines: Deadlines { accept: 1_000, notice: Some(1_000), contest: 1_000, rule: 1_000 },
        unruled: Verdict::Stands,
        on_sale: OnChange::AwaitsSuccessor { within: 1 },
        on_leave: OnChange::AwaitsSuccessor { within: 1 },
        signers: AcceptedSigners::GatewayToo,
        documents: documents(0),
        clauses: BoundedVec::truncate_from(numbered.collect()),
    }
}

fn largest<T: Config>() -> Terms {
    terms::<T>(MAX_PARTIES, MAX_DEVICES, MAX_CLAUSES)
}

/// Returns another content with the same clauses, and other documents.
fn amended(terms: &Terms) -> Terms {
    Terms { documents: documents(100), ..terms.clone() }
}

fn content(terms: Terms) -> Box<ContractContent> {
    Box::new(ContractContent::V1(terms))
}

fn hash(terms: &Terms) -> ContentHash {
    ContractContent::V1(terms.clone()).hash()
}

fn id<T: Config>(terms: &Terms) -> ContractId {
    ContractId::new(&Pallet::<T>::lineage(), &hash(terms))
}

/// Proposes terms, which all others accept except the last `waiting` ones. Each of the devices already has one contract in
/// force less than the limit.
fn agreed<T: Config>(terms: &Terms, waiting: usize) -> Result<ContractId, BenchmarkError> {
    let id = id::<T>(terms);
    let others = alloc::vec![ContractId([9; 32]); T::MaxContractsOfDevice::get().saturating_sub(1) as usize];
    for device in &terms.devices {
        ContractsOfDevice::<T>::insert(device, BoundedVec::truncate_from(others.clone()));
    }
    Pallet::<T>::propose(signed::<T>(OWNER).into(), content(terms.clone()))?;
    accept_for_others::<T>(terms, id, waiting)?;
    Ok(id)
}

fn accept_for_others<T: Config>(terms: &Terms, id: ContractId, waiting: usize) -> Result<(), BenchmarkError> {
    let others: Vec<_> = crate::types::named(terms).skip(1).collect();
    let accepting = others.len().saturating_sub(waiting);
    for other in others.into_iter().take(accepting) {
        Pallet::<T>::accept(signed::<T>(other).into(), id, hash(terms))?;
    }
    Ok(())
}

/// Stores a claim with a dispute, whose numbers are the highest of its contract's.
fn store_claim<T: Config>(id: ContractId, state: ClaimState, subject: ClaimSubject) -> u32 {
    let number = Contracts::<T>::get(id).map_or(0, |contract| contract.next_claim);
    let claim = Claim {
        number,
        clause: SERVICE,
        content: ContentHash([0; 32]),
        claimant: WORKSHOP,
        respondent: OWNER,
        subject,
        documents: documents(0),
        made: Moment { block: 0, time: 0 },
        contest_until: u64::MAX,
        state,
        payment: Payment::Open,
    };
    let offer = Some(Outcome::Void);
    let dispute = Dispute {
        raised_by: OWNER,
        raised: Moment { block: 0, time: 0 },
        documents: documents(0),
        answer: Some(documents(0)),
        rule_until: u64::MAX,
        candidate: None,
        claimant_offer: offer,
        respondent_offer: None,
        ruling: Some(documents(0)),
    };
    Claims::<T>::insert(id, number, claim);
    if state == ClaimState::Disputed {
        Disputes::<T>::insert(id, number, dispute);
    }
    Contracts::<T>::mutate_extant(id, |contract| contract.next_claim = number.saturating_add(1));
    Progress::<T>::mutate(id, SERVICE, |progress| {
        progress.claims = progress.claims.saturating_add(1);
        progress.track = Track::Service { served: None, open: Some(number) };
    });
    number
}

/// Returns the id of the device that has the meter.
fn device_id() -> DeviceId {
    DeviceKey::Own(signer().verifying_key().into()).device_id()
}

fn point(sequence: u64, value: u32) -> ProvenPoint {
    ProvenPoint { sequence, time: 0, value: value.into() }
}

fn service_done() -> ClaimSubject {
    ClaimSubject::Service { at: Some(point(0, 1)), time: 0 }
}

/// Returns a proof of an anchored meter reading with the longest paths, in the largest body and in the largest log.
fn proof<T: Config>(device: DeviceId) -> Result<Box<ReadingProof>, BenchmarkError> {
    let reading = Part::Reading(Reading {
        name: name(0),
        unit: unit(),
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

#[benchmarks]
mod benchmarks {
    use super::*;

    /// The content has `p` parties, `d` devices and `c` clauses.
    #[benchmark]
    fn propose(p: Linear<2, { MAX_PARTIES }>, d: Linear<1, { MAX_DEVICES }>, c: Linear<1, { MAX_CLAUSES }>) {
        let terms = terms::<T>(p, d, c);
        let id = id::<T>(&terms);

        #[extrinsic_call]
        _(signed::<T>(OWNER), content(terms));

        assert!(Contracts::<T>::contains_key(id));
    }

    #[benchmark]
    fn accept() -> Result<(), BenchmarkError> {
        let terms = largest::<T>();
        let next = amended(&terms);
        let id = agreed::<T>(&terms, 0)?;
        Pallet::<T>::amend(signed::<T>(OWNER).into(), id, hash(&terms), content(next.clone()))?;
        accept_for_others::<T>(&next, id, 1)?;

        #[extrinsic_call]
        _(signed::<T>(ARBITER), id, hash(&next));

        assert_eq!(Contracts::<T>::get(id).map(|contract| contract.version), Some(1));
        Ok(())
    }

    #[benchmark]
    fn reject() -> Result<(), BenchmarkError> {
        let terms = largest::<T>();
        let id = agreed::<T>(&terms, 1)?;

        #[extrinsic_call]
        _(signed::<T>(ARBITER), id, hash(&terms));

        assert!(!Contracts::<T>::contains_key(id));
        Ok(())
    }

    #[benchmark]
    fn amend() -> Result<(), BenchmarkError> {
        let terms = largest::<T>();
        let id = agreed::<T>(&terms, 0)?;

        #[extrinsic_call]
        _(signed::<T>(OWNER), id, hash(&terms), content(amended(&terms)));

        assert!(Amendments::<T>::contains_key(id));
        Ok(())
    }

    #[benchmark]
    fn terminate() -> Result<(), BenchmarkError> {
        let terms = largest::<T>();
        let id = agreed::<T>(&terms, 0)?;
        Pallet::<T>::amend(signed::<T>(OWNER).into(), id, hash(&terms), content(amended(&terms)))?;
        for n in 1..MAX_PARTIES {
            Pallet::<T>::terminate(signed::<T>(party(n)).into(), id)?;
        }

        #[extrinsic_call]
        _(signed::<T>(OWNER), id);

        assert!(!Amendments::<T>::contains_key(id));
        Ok(())
    }

    #[benchmark]
    fn prune() -> Result<(), BenchmarkError> {
        let id = agreed::<T>(&largest::<T>(), 0)?;
        for n in 0..MAX_PARTIES {
            Pallet::<T>::terminate(signed::<T>(party(n)).into(), id)?;
        }
        for _ in 0..PRUNED_CLAIMS {
            store_claim::<T>(id, ClaimState::Disputed, service_done());
        }
        Contracts::<T>::mutate_extant(id, |contract| {
            if let Phase::Ended { prunable_from, .. } = &mut contract.phase {
                *prunable_from = 0;
            }
        });

        #[extrinsic_call]
        _(signed::<T>(OWNER), id);

        assert!(!Contracts::<T>::contains_key(id) && AcceptedCounts::<T>::get(OWNER) == 0);
        Ok(())
    }

    #[benchmark]
    fn report() -> Result<(), BenchmarkError> {
        let id = agreed::<T>(&largest::<T>(), 0)?;
        let proof = proof::<T>(device::<T>(0))?;

        #[extrinsic_call]
        _(signed::<T>(OWNER), id, SERVICE, proof);

        assert!(Progress::<T>::get(id, SERVICE).meter.is_some());
        Ok(())
    }

    #[benchmark]
    fn record() -> Result<(), BenchmarkError> {
        let id = agreed::<T>(&largest::<T>(), 0)?;
        let proof = proof::<T>(device::<T>(0))?;
        let open = store_claim::<T>(id, ClaimState::Claimed, service_done());
        Claims::<T>::mutate_exists(id, open, |claim| {
            if let Some(claim) = claim {
                claim.contest_until = 0;
            }
        });

        #[extrinsic_call]
        _(signed::<T>(WORKSHOP), id, SERVICE, Some(proof), documents(0));

        assert!(Claims::<T>::contains_key(id, open.saturating_add(1)));
        Ok(())
    }

    /// The evidence has `p` proofs.
    #[benchmark]
    fn claim(p: Linear<1, 2>) -> Result<(), BenchmarkError> {
        let id = agreed::<T>(&largest::<T>(), 0)?;
        let proof = *proof::<T>(device::<T>(0))?;
        let evidence = Box::new(match p {
            1 => ClaimEvidence::Breach { first: proof, last: None },
            _ => ClaimEvidence::Breach { first: proof.clone(), last: Some(proof) },
        });

        // Two proofs of one reading are verified, and are then too close to each other to be a breach.
        #[block]
        {
            let origin = signed::<T>(OWNER).into();
            let made = Pallet::<T>::claim(origin, id, BOUND, evidence, documents(0));
            assert_eq!(made.is_ok(), p == 1);
        }

        Ok(())
    }

    #[benchmark]
    fn confirm() -> Result<(), BenchmarkError> {
        let id = agreed::<T>(&largest::<T>(), 0)?;
        let number = store_claim::<T>(id, ClaimState::Claimed, service_done());

        #[extrinsic_call]
        _(signed::<T>(OWNER), id, number);

        assert!(matches!(Claims::<T>::get(id, number), Some(Claim { state: ClaimState::Stands(_), .. })));
        Ok(())
    }

    #[benchmark]
    fn contest() -> Result<(), BenchmarkError> {
        let id = agreed::<T>(&largest::<T>(), 0)?;
        let number = store_claim::<T>(id, ClaimState::Claimed, service_done());

        #[extrinsic_call]
        _(signed::<T>(OWNER), id, number, documents(0));

        assert!(Disputes::<T>::contains_key(id, number));
        Ok(())
    }

    #[benchmark]
    fn retract() -> Result<(), BenchmarkError> {
        let id = agreed::<T>(&largest::<T>(), 0)?;
        let number = store_claim::<T>(id, ClaimState::Disputed, service_done());

        #[extrinsic_call]
        _(signed::<T>(WORKSHOP), id, number);

        assert!(!Claims::<T>::contains_key(id, number));
        Ok(())
    }

    #[benchmark]
    fn refute() -> Result<(), BenchmarkError> {
        let id = agreed::<T>(&largest::<T>(), 0)?;
        let proof = proof::<T>(device::<T>(0))?;
        let kind = streembit_primitives::contract::state::IrregularityKind::Fell;
        // The proven reading, of the sequence 0, is not newer than the irregular one: that is found at the very end.
        let subject = ClaimSubject::Irregularity { last: point(0, 2), found: point(0, 1), kind };
        let number = store_claim::<T>(id, ClaimState::Disputed, subject);

        #[block]
        {
            let origin = signed::<T>(OWNER).into();
            let offered = Pallet::<T>::offer_reading(origin, id, number, proof);
            assert!(offered.is_err());
        }

        Ok(())
    }

    #[benchmark]
    fn settle() -> Result<(), BenchmarkError> {
        let id = agreed::<T>(&largest::<T>(), 0)?;
        let number = store_claim::<T>(id, ClaimState::Disputed, service_done());

        #[extrinsic_call]
        _(signed::<T>(OWNER), id, number, Outcome::Void);

        assert!(matches!(Claims::<T>::get(id, number), Some(Claim { state: ClaimState::Void(_), .. })));
        Ok(())
    }

    #[benchmark]
    fn hand_over() -> Result<(), BenchmarkError> {
        let terms = largest::<T>();
        let id = agreed::<T>(&terms, 0)?;
        let proof = proof::<T>(device::<T>(0))?;
        let owner = signed::<T>(OWNER).into();
        Pallet::<T>::hand_over(owner, id, HANDOVER, hash(&terms), None)?;

        #[extrinsic_call]
        _(signed::<T>(WORKSHOP), id, HANDOVER, hash(&terms), Some(proof));

        let handed = pallet_devices::Pallet::<T>::device(&device_id());
        assert_eq!(handed.map(|device| device.owner()), Some(WORKSHOP));
        Ok(())
    }

    #[benchmark]
    fn revoke() -> Result<(), BenchmarkError> {
        let id = agreed::<T>(&largest::<T>(), 0)?;

        #[extrinsic_call]
        _(signed::<T>(WORKSHOP), id, RIGHT);

        assert!(matches!(Progress::<T>::get(id, RIGHT).track, Track::Revoked { .. }));
        Ok(())
    }

    #[benchmark]
    fn prune_claim() -> Result<(), BenchmarkError> {
        let id = agreed::<T>(&largest::<T>(), 0)?;
        let number = store_claim::<T>(id, ClaimState::Disputed, service_done());
        Disputes::<T>::mutate_exists(id, number, |dispute| {
            if let Some(dispute) = dispute {
                dispute.rule_until = 0;
            }
        });

        #[extrinsic_call]
        _(signed::<T>(WORKSHOP), id, number);

        assert!(!Claims::<T>::contains_key(id, number));
        Ok(())
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::chain(), crate::mock::Test);
}
