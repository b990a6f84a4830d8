//! A chain with this pallet and the pallets that it reads, with parties, a registered car and van, and gateways whose
//! logs can be anchored.

use frame_support::{
    assert_ok, derive_impl, parameter_types,
    traits::{ConstU32, Contains, Hooks, Time},
};
use pallet_parties::PartyLookup;
use sp_runtime::{traits::IdentityLookup, AccountId32, BuildStorage};
use streembit_primitives::{
    contract::{
        AcceptedSigners, AccessClause, Clause, ContentHash, ContractContent, ContractId, ContractRole,
        Deadlines, Grantee, Interval, Meter, NumberedClause, OnChange, ReadingSelection, RoleHolder,
        ServiceClause, Terms, Verdict,
    },
    device::{ChangeTime, DeviceRecord, LabelHash},
    event::VERSION,
    hash::Domain,
    merkle::{
        path_of_leaf, root_of_leaves, ConsistencyProof, InclusionProof, MissingNodeError, NodeId, NodeStore,
        Tree, LOG_TREE,
    },
    party::{AccountRole, Role},
    reading::{Name, Unit},
    reading_proof::ReadingProof,
    signature::sign_sr25519,
    AccountId, Body, Checkpoint, Decimal, DeviceId, DeviceKey, EventHeader, EventKind, Hash, LogEntry, LogId,
    Part, PartyId, Reading, Scope, SignedEvent, Signer, Source, Value, Version,
};

frame_support::construct_runtime!(
    pub enum Test {
        System: frame_system,
        Devices: pallet_devices,
        Anchors: pallet_anchors,
        ServiceContracts: crate,
    }
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type AccountId = AccountId32;
    type Lookup = IdentityLookup<AccountId32>;
    type Block = frame_system::mocking::MockBlock<Test>;
}

parameter_types! {
    pub const Genesis: Hash = Hash([0xab; 32]);
    pub storage Now: u64 = 0;
    /// Parties in addition to the fixed ones below.
    pub storage Added: Vec<PartyId> = Vec::new();
    /// Parties that are not in the consortium now.
    pub storage Gone: Vec<PartyId> = Vec::new();
    /// Parties that left, once for each time.
    pub storage Left: Vec<PartyId> = Vec::new();
    /// The parties that left and when, oldest first.
    pub storage LeftAt: Vec<(PartyId, u64)> = Vec::new();
    // The limits are small, so that tests reach them. The simulated year sets others.
    pub static MaxLiveGap: u64 = MINUTE;
    pub static MaxContractsOfParty: u32 = 6;
    pub static MaxProposalsOfParty: u32 = 3;
    pub static MaxContractsOfDevice: u32 = 2;
    pub static MaxClaimsOfClause: u32 = 3;
}

pub struct Clock;

impl Time for Clock {
    type Moment = u64;

    fn now() -> u64 {
        Now::get()
    }
}

pub struct Parties;

/// The account that signs for a party.
pub fn account(party: PartyId) -> AccountId {
    AccountId(party.0)
}

impl PartyLookup for Parties {
    fn role_of(account: &AccountId) -> Option<AccountRole> {
        let role = |party, scope, until| {
            Self::is_party(&party).then_some(AccountRole { party, role: Role::Account { scope, until } })
        };
        match *account {
            CLERK => role(OWNER, Scope::Contracts, Some(CLERK_ENDS)),
            TECHNICIAN => role(OWNER, Scope::Devices, None),
            GATEWAY if Self::is_party(&OWNER) => Some(AccountRole { party: OWNER, role: Role::Gateway }),
            AccountId(bytes) if Self::is_party(&PartyId(bytes)) => role(PartyId(bytes), Scope::All, None),
            _ => None,
        }
    }

    fn is_party(party: &PartyId) -> bool {
        let known = PARTIES.contains(party) || Added::get().contains(party);
        known && !Gone::get().contains(party)
    }

    fn departures(party: &PartyId) -> u32 {
        Left::get().iter().filter(|left| *left == party).count() as u32
    }

    fn last_departure(party: &PartyId) -> Option<u64> {
        LeftAt::get().iter().rev().find(|(left, _)| left == party).map(|(_, time)| *time)
    }

    fn now() -> u64 {
        Now::get()
    }
}

pub struct Everyone;

impl Contains<AccountId> for Everyone {
    fn contains(_: &AccountId) -> bool {
        true
    }
}

#[cfg(feature = "runtime-benchmarks")]
impl pallet_devices::benchmarking::Helper for Everyone {
    fn add_party(party: PartyId) -> AccountId {
        Added::set(&[Added::get(), vec![party]].concat());
        account(party)
    }

    fn add_gateway(_: AccountId) {}

    fn open_log(log: LogId) {
        pallet_devices::benchmarking::open_log::<Test>(log);
    }

    fn anchor(checkpoint: Checkpoint) {
        pallet_devices::benchmarking::anchor::<Test>(checkpoint);
    }
}

#[cfg(feature = "runtime-benchmarks")]
impl pallet_anchors::benchmarking::Helper for Everyone {
    fn add_gateway(_: AccountId, party: PartyId) -> AccountId {
        <Self as pallet_devices::benchmarking::Helper>::add_party(party)
    }
}

impl pallet_devices::Config for Test {
    type Genesis = Genesis;
    type Parties = Parties;
    type Gateways = Everyone;
    type Logs = Anchors;
    type MaxDevicesPerOwner = ConstU32<100>;
    type MaxDevicesPerGateway = ConstU32<100>;
    type WeightInfo = ();
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = Everyone;
}

impl pallet_anchors::Config for Test {
    type Gateways = Everyone;
    type Parties = Parties;
    type Clock = Clock;
    type WeightInfo = ();
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = Everyone;
}

impl crate::Config for Test {
    type Clock = Clock;
    type MaxLiveGap = MaxLiveGap;
    type MaxContractsOfParty = MaxContractsOfParty;
    type MaxProposalsOfParty = MaxProposalsOfParty;
    type MaxContractsOfDevice = MaxContractsOfDevice;
    type MaxClaimsOfClause = MaxClaimsOfClause;
    type WeightInfo = ();
}

pub const OWNER: PartyId = PartyId([1; 32]);
pub const WORKSHOP: PartyId = PartyId([2; 32]);
pub const INSURER: PartyId = PartyId([3; 32]);
pub const ARBITER: PartyId = PartyId([8; 32]);
pub const PARTIES: [PartyId; 4] = [OWNER, WORKSHOP, INSURER, ARBITER];
/// A party that does not belong to the consortium.
pub const STRANGER: PartyId = PartyId([9; 32]);
/// An account of the owner that signs contracts until [`CLERK_ENDS`].
pub const CLERK: AccountId = AccountId([4; 32]);
pub const CLERK_ENDS: u64 = START + 500 * MINUTE;
/// An account of the owner that registers devices.
pub const TECHNICIAN: AccountId = AccountId([5; 32]);
/// A gateway of the owner.
pub const GATEWAY: AccountId = AccountId([6; 32]);
pub const ODOMETER: &str = "Vehicle.TraveledDistance";

/// The number of the service clause in [`terms`].
pub const SERVICE: u16 = 1;
/// The number of the access clause in [`terms`].
pub const ACCESS: u16 = 2;

pub const MINUTE: u64 = 60_000;
pub const DAY: u64 = 24 * 60 * MINUTE;
/// When the tests and the contracts start.
pub const START: u64 = 1_000 * DAY;
/// When the contracts end.
pub const END: u64 = START + 400 * DAY;
/// When the rights end.
pub const UNTIL: u64 = START + 300 * DAY;
pub const ACCEPT: u64 = 5 * MINUTE;
pub const NOTICE: u64 = 6 * MINUTE;
pub const CONTEST: u64 = 7 * MINUTE;
pub const RULE: u64 = 8 * MINUTE;
pub const AWAIT: u64 = 9 * MINUTE;

/// The origin of the account that signs for a party.
pub fn signed(party: PartyId) -> RuntimeOrigin {
    by(account(party))
}

pub fn by(account: AccountId) -> RuntimeOrigin {
    RuntimeOrigin::signed(AccountId32::new(account.0))
}

/// Returns a chain on which the owner's car and van are registered, both at the same gateway.
pub fn chain() -> sp_io::TestExternalities {
    let mut chain = sp_io::TestExternalities::new(RuntimeGenesisConfig::default().build_storage().unwrap());
    chain.execute_with(|| {
        System::set_block_number(1);
        Now::set(&START);
        ServiceContracts::on_initialize(1);
        crate::Lineage::<Test>::put(Genesis::get());
        ServiceContracts::on_finalize(1);
        let gateway = Gateway::new(100);
        own(OWNER, &gateway.hosted("car"), &gateway);
        own(OWNER, &gateway.hosted("van"), &gateway);
    });
    chain
}

/// Registers a device, or changes the owner of a registered one.
pub fn own(owner: PartyId, key: &DeviceKey, gateway: &Gateway) -> DeviceId {
    let (id, at) = (key.device_id(), ChangeTime { block: 1, time: Now::get() });
    let record = match pallet_devices::Devices::<Test>::get(id) {
        Some(mut record) => {
            // It may be the owner already.
            let _ = record.set_owner(owner, at);
            record
        }
        None => DeviceRecord::new(key.clone(), owner, gateway.log_id(), at),
    };
    for former in pallet_devices::OwnerCounts::<Test>::iter_keys().collect::<Vec<_>>() {
        if pallet_devices::DevicesOfOwner::<Test>::take(former, id).is_some() {
            pallet_devices::OwnerCounts::<Test>::mutate(former, |count| *count -= 1);
        }
    }
    pallet_devices::DevicesOfOwner::<Test>::insert(owner, id, ());
    pallet_devices::OwnerCounts::<Test>::mutate(owner, |count| *count += 1);
    pallet_devices::Devices::<Test>::insert(id, record);
    id
}

/// Changes the record of a device.
pub fn change(device: DeviceId, change: impl FnOnce(&mut DeviceRecord, ChangeTime)) {
    let at = ChangeTime { block: 1, time: Now::get() };
    pallet_devices::Devices::<Test>::mutate_extant(device, |record| change(record, at));
}

pub fn car() -> DeviceId {
    Gateway::new(100).hosted("car").device_id()
}

/// Returns the content of the terms.
pub fn content(terms: Terms) -> Box<ContractContent> {
    Box::new(ContractContent::V1(terms))
}

/// Returns the id of the contract with these first terms.
pub fn id_of(terms: &Terms) -> ContractId {
    ContractContent::V1(terms.clone()).id(&Genesis::get())
}

/// Returns the hash of the content with these terms.
pub fn hash_of(terms: &Terms) -> ContentHash {
    ContractContent::V1(terms.clone()).hash()
}

pub fn odometer() -> Meter {
    Meter {
        name: Name::try_from(ODOMETER).unwrap(),
        unit: Unit::try_from("km").unwrap(),
        max_per_day: km(3_000),
    }
}

/// Returns the terms of a service book: the car is serviced every 15,000 km, counted from 10,000 km, and the workshop may
/// read the car until [`UNTIL`]. The arbiter rules on disputes.
pub fn terms() -> Terms {
    let service = ServiceClause {
        subject: Hash([0xaa; 32]),
        device: car(),
        meter: Some(odometer()),
        by_meter: Some(Interval { from: km(10_000), every: km(15_000) }),
        by_time: None,
        provider: WORKSHOP,
        customer: OWNER,
    };
    let access = AccessClause {
        device: car(),
        grantor: OWNER,
        grantee: Grantee::Party(WORKSHOP),
        readings: ReadingSelection::All,
        purpose: None,
        until: UNTIL,
    };
    terms_with(vec![Clause::Service(service), Clause::Access(access)])
}

/// Returns terms between the owner and the workshop with these clauses, numbered from 1.
pub fn terms_with(clauses: Vec<Clause>) -> Terms {
    let holder = |role, party| RoleHolder { role, party };
    let numbered = |(number, clause)| NumberedClause { number, clause };
    Terms {
        nonce: Hash::ZERO,
        parties: vec![holder(ContractRole::Owner, OWNER), holder(ContractRole::Workshop, WORKSHOP)]
            .try_into()
            .unwrap(),
        arbiter: Some(ARBITER),
        devices: vec![car()].try_into().unwrap(),
        starts: START,
        ends: Some(END),
        deadlines: Deadlines { accept: ACCEPT, notice: Some(NOTICE), contest: CONTEST, rule: RULE },
        unruled: Verdict::Void,
        on_sale: OnChange::AwaitsSuccessor { within: AWAIT },
        on_leave: OnChange::AwaitsSuccessor { within: AWAIT },
        signers: AcceptedSigners::GatewayToo,
        documents: vec![Hash([0xdd; 32])].try_into().unwrap(),
        clauses: (1..).zip(clauses).map(numbered).collect::<Vec<_>>().try_into().unwrap(),
    }
}

pub fn service(terms: &mut Terms) -> &mut ServiceClause {
    match &mut terms.clauses[0].clause {
        Clause::Service(service) => service,
        _ => unreachable!(),
    }
}

/// Proposes terms and accepts them for everybody else.
pub fn agree(terms: Terms) -> ContractId {
    let (id, hash) = (id_of(&terms), hash_of(&terms));
    let others: Vec<_> = crate::types::named(&terms).skip(1).collect();
    let proposer = terms.parties[0].party;
    assert_ok!(ServiceContracts::propose(signed(proposer), content(terms)));
    for party in others {
        assert_ok!(ServiceContracts::accept(signed(party), id, hash));
    }
    id
}

/// Makes blocks until the clock has advanced by this much. Each block advances the live clock by a minute.
pub fn pass(milliseconds: u64) {
    let end = Now::get() + milliseconds;
    while Now::get() < end {
        let now = end.min(Now::get() + MINUTE);
        block_at(now);
    }
}

/// Ends the current block and begins one at this time, which may be long after it: the chain stood still meanwhile.
pub fn block_at(now: u64) {
    let number = System::block_number();
    ServiceContracts::on_finalize(number);
    System::set_block_number(number + 1);
    Now::set(&now);
    ServiceContracts::on_initialize(number + 1);
}

/// Removes a party from the consortium.
pub fn expel(party: PartyId) {
    Gone::set(&[Gone::get(), vec![party]].concat());
    Left::set(&[Left::get(), vec![party]].concat());
    LeftAt::set(&[LeftAt::get(), vec![(party, Now::get())]].concat());
}

/// Takes a party back into the consortium.
pub fn readmit(party: PartyId) {
    Gone::set(&Gone::get().into_iter().filter(|gone| *gone != party).collect::<Vec<_>>());
}

pub fn km(value: u32) -> Decimal {
    Decimal::from(value)
}

/// A gateway with its key and its log. The event in entry `n` has sequence `n`.
pub struct Gateway {
    key: schnorrkel::Keypair,
    entries: Vec<(LogEntry, Body)>,
    leaves: Vec<Hash>,
    anchored: u64,
}

impl Gateway {
    pub fn new(seed: u8) -> Self {
        let key = schnorrkel::MiniSecretKey::from_bytes(&[seed; 32]).unwrap();
        let key = key.expand_to_keypair(schnorrkel::ExpansionMode::Ed25519);
        Self { key, entries: Vec::new(), leaves: Vec::new(), anchored: 0 }
    }

    pub fn account(&self) -> AccountId {
        AccountId(self.key.public.to_bytes())
    }

    pub fn hosted(&self, label: &str) -> DeviceKey {
        DeviceKey::Hosted { gateway: self.account(), label: LabelHash::new(&[0; 32], label) }
    }

    /// Logs a reading of the car's odometer. Returns the index of the entry.
    pub fn drive(&mut self, km: u32) -> u64 {
        self.log(car(), vec![reading(ODOMETER, Value::Decimal(Decimal::from(km)))])
    }

    /// Logs an event with these parts. Returns the index of the entry.
    pub fn log(&mut self, device: DeviceId, parts: Vec<Part>) -> u64 {
        let kind = match parts[0] {
            Part::Reading(_) => EventKind::Readings,
            Part::Command(_) => EventKind::Command,
            Part::Result(_) => EventKind::Result,
            Part::Status(_) => EventKind::Status,
        };
        let body = Body { seed: [4; 32], parts: parts.try_into().unwrap() };
        let header = EventHeader {
            version: VERSION,
            device,
            sequence: self.entries.len() as u64,
            previous: Hash::ZERO,
            time: Now::get(),
            kind,
            body_hash: body.hash(),
        };
        let signature = sign_sr25519(&self.key, Domain::EventHeader, &header.hash());
        let event = SignedEvent { header, signer: Signer::Gateway(self.account()), signature };
        self.append(LogEntry { event, received: 0 }, body)
    }

    /// Logs an entry without any check. Returns its index.
    pub fn append(&mut self, entry: LogEntry, body: Body) -> u64 {
        self.leaves.push(entry.leaf());
        self.entries.push((entry, body));
        self.leaves.len() as u64 - 1
    }

    /// Returns the number of entries.
    pub fn entries(&self) -> u64 {
        self.entries.len() as u64
    }

    pub fn entry(&self, index: u64) -> (LogEntry, Body) {
        self.entries[index as usize].clone()
    }

    /// Anchors the whole log.
    pub fn anchor(&mut self) {
        let size = self.leaves.len() as u64;
        let tree = Tree::new(self, size);
        let proof: ConsistencyProof = tree.prove_consistency(self.anchored).unwrap();
        let checkpoint = Checkpoint {
            version: Version,
            log: self.log_id(),
            size,
            root: tree.root().unwrap(),
            heads_root: Hash([8; 32]),
            time: 0,
        };
        assert_ok!(Anchors::anchor(by(self.account()), checkpoint, proof));
        self.anchored = size;
    }

    pub fn log_id(&self) -> LogId {
        LogId::first(self.account())
    }

    /// Proves the first part of an entry against the latest anchor.
    pub fn prove(&self, index: u64) -> Box<ReadingProof> {
        self.prove_at(index, self.anchored)
    }

    /// Proves the first part of an entry at a size of the log.
    pub fn prove_at(&self, index: u64, size: u64) -> Box<ReadingProof> {
        let (entry, body) = self.entry(index);
        let path = path_of_leaf(LOG_TREE, &self.leaves[..size as usize], index).unwrap();
        Box::new(ReadingProof {
            version: Version,
            log: self.log_id(),
            size,
            index,
            entry,
            inclusion: InclusionProof::new(path),
            disclosure: body.disclose(0).unwrap(),
        })
    }

    /// Logs a reading of the car's odometer, anchors the log and proves the reading.
    pub fn proven(&mut self, km: u32) -> Box<ReadingProof> {
        let index = self.drive(km);
        self.anchor();
        self.prove(index)
    }
}

impl NodeStore for Gateway {
    type Error = MissingNodeError;

    fn node(&self, id: NodeId) -> Result<Hash, MissingNodeError> {
        let start = (id.index << id.level) as usize;
        let leaves = self.leaves.get(start..start + (1 << id.level)).ok_or(MissingNodeError(id))?;
        Ok(root_of_leaves(LOG_TREE, leaves))
    }
}

pub fn reading(name: &str, value: Value) -> Part {
    reading_in(name, value, "km")
}

pub fn reading_in(name: &str, value: Value, unit: &str) -> Part {
    Part::Reading(Reading {
        name: Name::try_from(name).unwrap(),
        unit: Unit::try_from(unit).unwrap(),
        value,
        time: 0,
        source: Source::try_from("obd:01A6").unwrap(),
    })
}
