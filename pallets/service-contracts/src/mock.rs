//! A chain of this pallet and those that it asks, with parties, a registered car, and gateways whose logs can be anchored.

use frame_support::{
    assert_ok, derive_impl, parameter_types,
    traits::{ConstU32, Contains, Time},
};
use sp_runtime::{traits::IdentityLookup, AccountId32, BuildStorage};
use streembit_primitives::{
    checkpoint::HashAlgorithm,
    contract::{AccessClause, Clause, Contract, ContractId, ServiceClause},
    device::DeviceRecord,
    event::VERSION,
    hash::Domain,
    merkle::{
        path_of_leaf, root_of_leaves, ConsistencyProof, InclusionProof, MissingNodeError, NodeId, NodeStore,
        Tree,
    },
    reading_proof::ReadingProof,
    signature::sign_sr25519,
    AccountId, Body, Checkpoint, Decimal, DeviceId, DeviceKey, EventHeader, EventKind, Hash, LogEntry, LogId,
    Part, Reading, SignedEvent, Signer, Source, Text, Value,
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
    /// Parties beside those below.
    pub storage Added: Vec<AccountId> = Vec::new();
}

pub struct Clock;

impl Time for Clock {
    type Moment = u64;

    fn now() -> u64 {
        Now::get()
    }
}

pub struct Parties;

impl Contains<AccountId> for Parties {
    fn contains(account: &AccountId) -> bool {
        [OWNER, WORKSHOP, INSURER].contains(account) || Added::get().contains(account)
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
    fn add_party(account: AccountId) {
        Added::set(&[Added::get(), vec![account]].concat());
    }

    fn add_gateway(_: AccountId) {}
}

#[cfg(feature = "runtime-benchmarks")]
impl pallet_anchors::benchmarking::Helper for Everyone {
    fn add_gateway(_: AccountId) {}
}

impl pallet_devices::Config for Test {
    type Genesis = Genesis;
    type Parties = Parties;
    type Gateways = Everyone;
    type WeightInfo = ();
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = Everyone;
}

impl pallet_anchors::Config for Test {
    type Gateways = Everyone;
    type Clock = Clock;
    type WeightInfo = ();
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = Everyone;
}

impl crate::Config for Test {
    type Clock = Clock;
    type MaxContractsOfParty = ConstU32<4>;
    type MaxContractsOfDevice = ConstU32<2>;
    type MaxRecords = ConstU32<3>;
    type WeightInfo = ();
}

pub const OWNER: AccountId = AccountId([1; 32]);
pub const WORKSHOP: AccountId = AccountId([2; 32]);
pub const INSURER: AccountId = AccountId([3; 32]);
pub const STRANGER: AccountId = AccountId([9; 32]);
pub const ODOMETER: &str = "Vehicle.TraveledDistance";

/// Where the service clause is in [`contract`].
pub const SERVICE: u32 = 0;
/// Where the access clause is in [`contract`].
pub const ACCESS: u32 = 1;

pub fn signed(id: AccountId) -> RuntimeOrigin {
    RuntimeOrigin::signed(AccountId32::new(id.0))
}

/// A chain that knows the owner's car and van, both at the same gateway.
pub fn chain() -> sp_io::TestExternalities {
    let mut chain = sp_io::TestExternalities::new(RuntimeGenesisConfig::default().build_storage().unwrap());
    chain.execute_with(|| {
        System::set_block_number(1);
        let gateway = Gateway::new(100);
        own(OWNER, &gateway.hosted("car"), &gateway);
        own(OWNER, &gateway.hosted("van"), &gateway);
    });
    chain
}

/// Makes somebody own a device, whoever owned it before.
pub fn own(owner: AccountId, key: &DeviceKey, gateway: &Gateway) -> DeviceId {
    let record = DeviceRecord { key: key.clone(), owner, gateway: gateway.account(), registered: 1 };
    pallet_devices::Devices::<Test>::insert(key.device_id(), record);
    key.device_id()
}

pub fn car() -> DeviceId {
    Gateway::new(100).hosted("car").device_id()
}

/// The car is serviced every 15,000 km from 10,000 km on, and the workshop may read it until the moment 1,000.
pub fn contract() -> Contract {
    Contract {
        title: Text::try_from("service book").unwrap(),
        nonce: Hash::ZERO,
        parties: vec![OWNER, WORKSHOP].try_into().unwrap(),
        devices: vec![car()].try_into().unwrap(),
        clauses: vec![
            Clause::Service(ServiceClause {
                what: Text::try_from("oil change").unwrap(),
                device: car(),
                meter: Text::try_from(ODOMETER).unwrap(),
                from: km(10_000),
                every: km(15_000),
                provider: WORKSHOP,
                customer: OWNER,
            }),
            Clause::Access(AccessClause {
                device: car(),
                grantee: WORKSHOP,
                names: Default::default(),
                until: 1_000,
            }),
        ]
        .try_into()
        .unwrap(),
    }
}

pub fn service(contract: &mut Contract) -> &mut ServiceClause {
    match &mut contract.clauses[SERVICE as usize] {
        Clause::Service(service) => service,
        Clause::Access(_) => unreachable!(),
    }
}

/// Puts a contract in force.
pub fn agree(contract: Contract) -> ContractId {
    let id = contract.id(&Genesis::get());
    let parties = contract.parties.clone();
    assert_ok!(ServiceContracts::propose(signed(parties[0]), contract));
    for party in parties.iter().skip(1) {
        assert_ok!(ServiceContracts::accept(signed(*party), id));
    }
    id
}

pub fn km(value: u32) -> Decimal {
    Decimal::from(value)
}

/// A gateway with its key and its log, whose entry number `n` has sequence `n`.
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
        DeviceKey::Hosted { gateway: self.account(), label: Text::try_from(label).unwrap() }
    }

    /// Logs the car's odometer; returns the entry's place.
    pub fn drive(&mut self, km: u32) -> u64 {
        self.log(car(), vec![reading(ODOMETER, Value::Decimal(Decimal::from(km)))])
    }

    /// Logs an event of some parts.
    pub fn log(&mut self, device: DeviceId, parts: Vec<Part>) -> u64 {
        let kind = match parts[0] {
            Part::Reading(_) => EventKind::Readings,
            Part::Status(_) => EventKind::Status,
        };
        let body = Body { seed: [4; 32], parts: parts.try_into().unwrap() };
        let header = EventHeader {
            version: VERSION,
            device,
            sequence: self.entries.len() as u64,
            previous: Hash::ZERO,
            time: 0,
            kind,
            body_hash: body.hash(),
        };
        let signature = sign_sr25519(&self.key, Domain::EventHeader, &header.hash());
        let event = SignedEvent { header, signer: Signer::Gateway(self.account()), signature };
        self.append(LogEntry { event, received: 0 }, body)
    }

    /// Logs an entry as it is, sound or not.
    pub fn append(&mut self, entry: LogEntry, body: Body) -> u64 {
        self.leaves.push(entry.leaf());
        self.entries.push((entry, body));
        self.leaves.len() as u64 - 1
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
            log: self.log_id(),
            size,
            root: tree.root().unwrap(),
            heads_root: Some(Hash([8; 32])),
            time: 0,
            hash: HashAlgorithm::Blake3,
        };
        assert_ok!(Anchors::anchor(signed(self.account()), checkpoint, proof));
        self.anchored = size;
    }

    pub fn log_id(&self) -> LogId {
        LogId::first(self.account())
    }

    /// Proves the first part of an entry at the size last anchored.
    pub fn prove(&self, index: u64) -> Box<ReadingProof> {
        self.prove_at(index, self.anchored)
    }

    /// Proves the first part of an entry at some size.
    pub fn prove_at(&self, index: u64, size: u64) -> Box<ReadingProof> {
        let (entry, body) = self.entry(index);
        let path = path_of_leaf(Domain::LogNode, &self.leaves[..size as usize], index).unwrap();
        Box::new(ReadingProof {
            log: self.log_id(),
            size,
            index,
            entry,
            inclusion: InclusionProof::new(path),
            disclosure: body.disclose(0).unwrap(),
        })
    }

    /// Logs the car's odometer, anchors the log and proves the reading.
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
        Ok(root_of_leaves(Domain::LogNode, leaves))
    }
}

pub fn reading(name: &str, value: Value) -> Part {
    Part::Reading(Reading {
        name: Text::try_from(name).unwrap(),
        unit: Text::try_from("km").unwrap(),
        value,
        time: 0,
        source: Source::Obd { service: 1, pid: 0xa6 },
    })
}
