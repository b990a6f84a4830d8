//! Writes the raw spec of a chain of four validators whose first state already has many gateways, devices and contracts,
//! for `make bench-scale`. Making this state with transactions would take days.
//!
//! `scale_spec FILE GATEWAYS DEVICES CONTRACTS` prints one line of JSON: an id of each kind, to query the chain with.

use sc_service::ChainSpec as _;
use serde_json::json;
use sp_core::{
    storage::{well_known_keys::CODE, Storage},
    Blake2Hasher, Hasher as _,
};
use sp_runtime::BuildStorage as _;
use sp_state_machine::BasicExternalities;
use std::{error::Error, io::Write as _};
use streembit_chain_spec::{built_in_runtime, load};
use streembit_primitives::{
    checkpoint::{Anchor, AnchoredRoot},
    contract::{
        AcceptedSigners, AccessClause, Clause, ContractContent, ContractId, ContractRole, Deadlines, Grantee,
        Interval, Meter, NumberedClause, OnChange, ReadingSelection, RoleHolder, ServiceClause, Terms,
        Verdict,
    },
    device::{ChangeTime, DeviceRecord, LabelHash},
    AccountId, Checkpoint, Decimal, DeviceId, DeviceKey, GatewayRecord, Hash, LogId, LogKey, PartyId,
    PublicKey, Version,
};
use streembit_runtime::{
    genesis::{party_id, preset, FOUR_PRESET},
    Runtime, RuntimeOrigin, ServiceContracts, System,
};

/// The number of parties that share everything, beside those of the preset.
const PARTIES: u32 = 64;
/// The size of each log at its latest anchor.
const LOG_SIZE: u64 = 100_000;
/// The anchored sizes that the chain keeps for each log.
const KEPT: u64 = 8;
const DAY: u64 = 24 * 3_600 * 1_000;
/// The lineage of the contracts: their ids must not depend on the hash of a state that has them.
const LINEAGE: Hash = Hash([0x5c; 32]);
const AT: ChangeTime = ChangeTime { block: 0, time: 0 };

type Failure = Box<dyn Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, gateways, devices, contracts] = arguments.as_slice() else {
        return Err("usage: scale_spec FILE GATEWAYS DEVICES CONTRACTS".into());
    };
    let (gateways, devices, contracts): (u32, u32, u32) =
        (gateways.parse()?, devices.parse()?, contracts.parse()?);
    if gateways == 0 || devices == 0 || contracts == 0 {
        return Err("there must be at least one gateway, one device and one contract".into());
    }
    let mut storage = founding()?;
    let samples = BasicExternalities::execute_with_storage(&mut storage, || {
        (0..gateways).for_each(add_gateway);
        (0..devices).for_each(|number| add_device(number, gateways));
        pallet_service_contracts::Lineage::<Runtime>::put(LINEAGE);
        let mut last = None;
        for number in 0..contracts {
            last = Some(add_contract(number, device_key(number % devices, gateways).device_id())?);
        }
        let contract = last.ok_or("no contract")?;
        Ok::<_, Failure>(samples(gateways, contract))
    })?;
    let entries = storage.top.len();
    let mut spec = load("four")?;
    spec.set_storage(storage);
    std::fs::write(file, spec.as_json(true)?)?;
    let mut samples = samples;
    if let Some(samples) = samples.as_object_mut() {
        samples.insert("entries".into(), entries.into());
    }
    Ok(writeln!(std::io::stdout(), "{samples}")?)
}

/// Returns the first state of the preset of four validators, with further parties.
fn founding() -> Result<Storage, Failure> {
    let mut config = preset(FOUR_PRESET).ok_or("the runtime has no preset of four validators")?;
    config.parties.parties.extend((0..PARTIES).map(|number| party_account(number).0.into()));
    let mut storage = config.build_storage()?;
    storage.top.insert(CODE.to_vec(), built_in_runtime()?.to_vec());
    Ok(storage)
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Blake2Hasher::hash(bytes).0
}

fn account(kind: &str, number: u32) -> AccountId {
    AccountId(digest(format!("{kind} {number}").as_bytes()))
}

fn party_account(number: u32) -> AccountId {
    account("party", number)
}

fn party(number: u32) -> PartyId {
    party_id(&party_account(number % PARTIES).0.into())
}

/// Returns the account of a gateway, which belongs to the party with the same number modulo the number of parties.
fn gateway(number: u32) -> AccountId {
    account("gateway", number)
}

fn device_key(number: u32, gateways: u32) -> DeviceKey {
    let label = LabelHash::new(&[0; 32], &format!("device {number}"));
    DeviceKey::Hosted { gateway: gateway(number % gateways), label }
}

/// Adds a gateway whose log is anchored, with as many anchors as the chain keeps.
fn add_gateway(number: u32) {
    let (id, party) = (gateway(number), party(number));
    let record = GatewayRecord { party, log_key: LogKey([7; 32]) };
    pallet_parties::Gateways::<Runtime>::insert(id, pallet_parties::StoredGateway { record, departures: 0 });
    pallet_parties::GatewaysOf::<Runtime>::insert(party, id, ());
    pallet_parties::GatewayCounts::<Runtime>::mutate(party, |count| *count = count.saturating_add(1));
    pallet_parties::ConsentNonces::<Runtime>::insert(id, 1);
    System::inc_providers(&id.0.into());

    let log = LogId::first(id);
    let root = |size: u64| Hash(digest(&[&id.0[..], &size.to_le_bytes()].concat()));
    let checkpoint = Checkpoint {
        version: Version,
        log,
        size: LOG_SIZE,
        root: root(LOG_SIZE),
        heads_root: root(0),
        time: 0,
    };
    pallet_anchors::Latest::<Runtime>::insert(log, Anchor { checkpoint, block: 0 });
    for number in 1..=KEPT {
        let size = LOG_SIZE / KEPT * number;
        let root = AnchoredRoot { size, root: root(size), time: 0, block: 0 };
        pallet_anchors::Roots::<Runtime>::mutate(log, |roots| roots.try_push(root).is_ok());
    }
}

/// Adds a device that its gateway hosts. It belongs to the party of the gateway.
fn add_device(number: u32, gateways: u32) {
    let keeper = number % gateways;
    let (key, owner, host) = (device_key(number, gateways), party(keeper), gateway(keeper));
    let id = key.device_id();
    let record = DeviceRecord::new(key, owner, LogId::first(host), AT);
    pallet_devices::Devices::<Runtime>::insert(id, record);
    pallet_devices::DevicesOfGateway::<Runtime>::insert(host, id, ());
    pallet_devices::DevicesOfOwner::<Runtime>::insert(owner, id, ());
    pallet_devices::GatewayCounts::<Runtime>::mutate(host, |count| *count = count.saturating_add(1));
    pallet_devices::OwnerCounts::<Runtime>::mutate(owner, |count| *count = count.saturating_add(1));
    pallet_devices::DeviceOfKey::<Runtime>::insert(id, id);
    let consents = PublicKey::Sr25519(host.0);
    pallet_devices::ConsentNonces::<Runtime>::mutate(consents, |nonce| *nonce = nonce.saturating_add(1));
}

/// Has the owner of a device propose a service book, and the next party accept it. Returns its id.
fn add_contract(number: u32, device: DeviceId) -> Result<ContractId, Failure> {
    let record = pallet_devices::Devices::<Runtime>::get(device).ok_or("no such device")?;
    let owner = (0..PARTIES).find(|number| party(*number) == record.owner()).ok_or("no such owner")?;
    let workshop = owner.wrapping_add(1) % PARTIES;
    let content = ContractContent::V1(service_book(number, device, party(owner), party(workshop))?);
    let (id, hash) = (content.id(&LINEAGE), content.hash());
    let origin = |party: u32| RuntimeOrigin::signed(party_account(party).0.into());
    let failed = |error| format!("contract {number} was refused: {error:?}");
    ServiceContracts::propose(origin(owner), Box::new(content)).map_err(failed)?;
    ServiceContracts::accept(origin(workshop), id, hash).map_err(failed)?;
    Ok(id)
}

fn service_book(number: u32, device: DeviceId, owner: PartyId, workshop: PartyId) -> Result<Terms, Failure> {
    let meter = Meter {
        name: "Vehicle.TraveledDistance".parse().map_err(|error| format!("{error}"))?,
        unit: "km".parse().map_err(|error| format!("{error}"))?,
        max_per_day: Decimal::from(2_000),
    };
    let service = ServiceClause {
        subject: Hash([0xaa; 32]),
        device,
        meter: Some(meter),
        by_meter: Some(Interval { from: Decimal::ZERO, every: Decimal::from(15_000) }),
        by_time: Some(Interval { from: 0, every: 365 * DAY }),
        provider: workshop,
        customer: owner,
    };
    let access = AccessClause {
        device,
        grantor: owner,
        grantee: Grantee::Party(workshop),
        readings: ReadingSelection::All,
        purpose: None,
        until: 40_000 * DAY,
    };
    let parties = vec![
        RoleHolder { role: ContractRole::Owner, party: owner },
        RoleHolder { role: ContractRole::Workshop, party: workshop },
    ];
    let clauses = vec![
        NumberedClause { number: 1, clause: Clause::Service(service) },
        NumberedClause { number: 2, clause: Clause::Access(access) },
    ];
    let unbounded = || "the terms do not fit";
    Ok(Terms {
        nonce: Hash(digest(&number.to_le_bytes())),
        parties: parties.try_into().map_err(|_| unbounded())?,
        arbiter: None,
        devices: vec![device].try_into().map_err(|_| unbounded())?,
        starts: 0,
        ends: None,
        deadlines: Deadlines { accept: 7 * DAY, notice: Some(30 * DAY), contest: 14 * DAY, rule: 30 * DAY },
        unruled: Verdict::Void,
        on_sale: OnChange::Ends,
        on_leave: OnChange::Ends,
        signers: AcceptedSigners::GatewayToo,
        documents: Default::default(),
        clauses: clauses.try_into().map_err(|_| unbounded())?,
    })
}

/// Returns an id of each kind. The device is the first one, which has a contract.
fn samples(gateways: u32, contract: ContractId) -> serde_json::Value {
    let key = device_key(0, gateways);
    json!({
        "account": party_account(0).to_string(),
        "party": party(0).to_string(),
        "gateway": gateway(0).to_string(),
        "device": key.device_id().to_string(),
        "contract": contract.to_string(),
        "log_size": LOG_SIZE,
    })
}
