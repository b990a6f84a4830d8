//! A chain with this pallet and the logs, parties that leave and come back, and two gateways.

use frame_support::{
    assert_ok, derive_impl, parameter_types,
    traits::{ConstU32, Contains, Time},
};
use pallet_parties::{AccountRefusal, PartyLookup};
use sp_runtime::{traits::IdentityLookup, AccountId32, BuildStorage, DispatchError};
use std::sync::LazyLock;
use streembit_primitives::{
    checkpoint::Anchor,
    device::{KeyConsent, LabelHash, LastAnchored, LogConsent, RegistrationConsent},
    hash::Domain,
    heads::{HeadEntry, HeadsMap},
    party::{AccountRole, Role},
    signature, AccountId, Checkpoint, DeviceId, DeviceKey, Hash, LogId, PartyId, PublicKey, Scope, Signature,
    Version,
};

frame_support::construct_runtime!(
    pub enum Test {
        System: frame_system,
        Anchors: pallet_anchors,
        Devices: crate,
    }
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type AccountId = AccountId32;
    type Lookup = IdentityLookup<AccountId32>;
    type Block = frame_system::mocking::MockBlock<Test>;
}

parameter_types! {
    pub const Genesis: Hash = GENESIS;
    /// Parties and gateways in addition to the fixed ones below.
    pub storage Added: Vec<[u8; 32]> = Vec::new();
    /// The chain's time in milliseconds.
    pub storage Now: u64 = 1_000;
    /// The parties that have left and not come back.
    pub storage Gone: Vec<[u8; 32]> = Vec::new();
    /// The party of each departure.
    pub storage Departed: Vec<[u8; 32]> = Vec::new();
}

pub const MAX_OF_OWNER: u32 = 6;
pub const MAX_OF_GATEWAY: u32 = 5;

impl crate::Config for Test {
    type Genesis = Genesis;
    type Parties = Parties;
    type Gateways = Gateways;
    type Logs = Anchors;
    type MaxDevicesPerOwner = ConstU32<MAX_OF_OWNER>;
    type MaxDevicesPerGateway = ConstU32<MAX_OF_GATEWAY>;
    type WeightInfo = ();
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = Added;
}

pub struct Clock;

impl Time for Clock {
    type Moment = u64;

    fn now() -> u64 {
        Now::get()
    }
}

impl pallet_anchors::Config for Test {
    type Gateways = Gateways;
    type Parties = Parties;
    type Clock = Clock;
    type WeightInfo = ();
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = Added;
}

#[cfg(feature = "runtime-benchmarks")]
impl pallet_anchors::benchmarking::Helper for Added {
    fn add_gateway(account: AccountId, party: PartyId) -> AccountId {
        <Self as crate::benchmarking::Helper>::add_gateway(account);
        <Self as crate::benchmarking::Helper>::add_party(party)
    }
}

#[cfg(feature = "runtime-benchmarks")]
impl crate::benchmarking::Helper for Added {
    fn add_party(party: PartyId) -> AccountId {
        Self::set(&[Self::get(), vec![party.0]].concat());
        AccountId(party.0)
    }

    fn add_gateway(account: AccountId) {
        Self::set(&[Self::get(), vec![account.0]].concat());
    }

    fn open_log(log: LogId) {
        crate::benchmarking::open_log::<Test>(log);
    }

    fn anchor(checkpoint: Checkpoint) {
        crate::benchmarking::anchor::<Test>(checkpoint);
    }
}

/// The size of each anchored log.
pub const ANCHORED_SIZE: u64 = 1_000;
pub const GENESIS: Hash = Hash([0xab; 32]);
/// The first accounts of parties.
pub const OWNER: AccountId = AccountId([1; 32]);
pub const OTHER: AccountId = AccountId([2; 32]);
pub const THIRD: AccountId = AccountId([5; 32]);
/// An account of the owner that manages devices until time 2,000.
pub const TECHNICIAN: AccountId = AccountId([3; 32]);
/// An account of the owner that signs contracts.
pub const CLERK: AccountId = AccountId([4; 32]);
pub const STRANGER: AccountId = AccountId([9; 32]);

/// The gateway of the owner and that of the other party.
static GATEWAYS: LazyLock<[AccountId; 2]> =
    LazyLock::new(|| [gateway().account(), second_gateway().account()]);

pub struct Parties;

impl PartyLookup for Parties {
    fn role_of(account: &AccountId) -> Option<AccountRole> {
        let all = Role::Account { scope: Scope::All, until: None };
        let (first, role) = match *account {
            OWNER | OTHER | THIRD => (*account, all),
            TECHNICIAN => (OWNER, Role::Account { scope: Scope::Devices, until: Some(2_000) }),
            CLERK => (OWNER, Role::Account { scope: Scope::Contracts, until: None }),
            added if Added::get().contains(&added.0) => {
                return Some(AccountRole { party: PartyId(added.0), role: all })
            }
            _ if *account == GATEWAYS[0] => (OWNER, Role::Gateway),
            _ if *account == GATEWAYS[1] => (OTHER, Role::Gateway),
            _ => return None,
        };
        let party = party(first);
        Self::is_party(&party).then_some(AccountRole { party, role })
    }

    fn is_party(known: &PartyId) -> bool {
        let is_gone = Gone::get().contains(&known.0);
        ([OWNER, OTHER, THIRD].map(party).contains(known) && !is_gone) || Added::get().contains(&known.0)
    }

    fn departures(party: &PartyId) -> u32 {
        Departed::get().into_iter().filter(|left| *left == party.0).count() as u32
    }

    fn now() -> u64 {
        Now::get()
    }
}

pub struct Gateways;

impl Contains<AccountId> for Gateways {
    fn contains(account: &AccountId) -> bool {
        Parties::is_gateway(account) || Added::get().contains(&account.0)
    }
}

/// The party that an account founded.
pub fn party(first: AccountId) -> PartyId {
    PartyId::of_first_account(&first)
}

/// Expels a party, with its accounts and gateways.
pub fn expel(first: AccountId) {
    if Parties::is_party(&party(first)) {
        Gone::set(&[Gone::get(), vec![party(first).0]].concat());
        Departed::set(&[Departed::get(), vec![party(first).0]].concat());
    }
}

/// Takes an expelled party in again, with its gateways.
pub fn readmit(first: AccountId) {
    Gone::set(&Gone::get().into_iter().filter(|gone| *gone != party(first).0).collect());
}

/// The error of a call that is refused to an account.
pub fn refused(refusal: AccountRefusal) -> DispatchError {
    DispatchError::Other(refusal.into())
}

pub fn gateway() -> TestKey {
    TestKey::sr25519(100)
}

pub fn second_gateway() -> TestKey {
    TestKey::sr25519(101)
}

/// The first log of the first gateway.
pub fn first_log() -> LogId {
    LogId::first(gateway().account())
}

/// The first log of the second gateway.
pub fn second_log() -> LogId {
    LogId::first(second_gateway().account())
}

pub fn signed(id: AccountId) -> RuntimeOrigin {
    RuntimeOrigin::signed(AccountId32::new(id.0))
}

pub fn chain() -> sp_io::TestExternalities {
    let mut chain = sp_io::TestExternalities::new(RuntimeGenesisConfig::default().build_storage().unwrap());
    chain.execute_with(|| System::set_block_number(5));
    chain
}

/// Returns what a device or its host agrees to: the owner, the first log of the first gateway, and the next nonce.
pub fn registration(key: &DeviceKey) -> RegistrationConsent {
    RegistrationConsent {
        genesis: GENESIS,
        key: key.clone(),
        owner: party(OWNER),
        log: first_log(),
        nonce: Devices::consent_nonce(&key.consent_key()),
    }
}

/// Returns what a gateway agrees to: to keep the events of a device in its log.
pub fn log_consent(device: DeviceId, key: &DeviceKey, owner: PartyId, log: LogId) -> LogConsent {
    let nonce = Devices::consent_nonce(&PublicKey::Sr25519(log.gateway.0));
    LogConsent { genesis: GENESIS, device, key: key.clone(), owner, log, nonce }
}

/// Returns the consent of the gateway of a log to keep the events of a device, which has this key and owner.
pub fn keep(device: DeviceId, key: &DeviceKey, owner: PartyId, log: LogId) -> Signature {
    let keeper = [gateway(), second_gateway()].into_iter().find(|key| key.account() == log.gateway);
    keeper.unwrap().sign_log(&log_consent(device, key, owner, log))
}

/// Returns what a new key of a device agrees to.
pub fn key_consent(device: DeviceId, key: &DeviceKey, from: u64) -> KeyConsent {
    let record = Devices::device(&device).unwrap();
    KeyConsent {
        genesis: GENESIS,
        device,
        key: key.clone(),
        owner: record.owner(),
        from,
        keys: record.keys().count(),
    }
}

/// Registers a device of the owner that signs its own events, at the first gateway.
pub fn register(key: &TestKey) -> DeviceId {
    let (own, device) = (key.own(), key.own().device_id());
    let consent = key.sign_registration(&registration(&own));
    let kept = keep(device, &own, party(OWNER), first_log());
    assert_ok!(Devices::register(signed(OWNER), own, gateway().account(), consent, Some(kept)));
    device
}

/// Registers a device of the owner that the first gateway hosts.
pub fn register_hosted(label: u8) -> DeviceId {
    let key = gateway().hosted(label);
    let consent = gateway().sign_registration(&registration(&key));
    assert_ok!(Devices::register(signed(OWNER), key.clone(), gateway().account(), consent, None));
    key.device_id()
}

/// Anchors a log with these last events of devices.
pub fn anchor(log: LogId, last: &[(DeviceId, u64)]) -> HeadsMap {
    let entry = |(device, sequence): &(DeviceId, u64)| HeadEntry {
        device: *device,
        sequence: *sequence,
        hash: Hash([7; 32]),
    };
    let heads: HeadsMap = last.iter().map(entry).collect();
    let heads_root = heads.root();
    let checkpoint =
        Checkpoint { version: Version, log, size: ANCHORED_SIZE, root: Hash::ZERO, heads_root, time: 0 };
    pallet_anchors::Latest::<Test>::insert(log, Anchor { checkpoint, block: 5 });
    heads
}

/// Proves the last event of a device, or that it has none.
pub fn last(heads: &HeadsMap, device: DeviceId) -> Box<LastAnchored> {
    let event = heads.prove(&device).map(LastAnchored::Event);
    let proof = event.or_else(|| heads.prove_absence(&device).map(LastAnchored::NoEvent));
    Box::new(proof.unwrap())
}

/// The proof that a log has no anchor.
pub fn no_anchor() -> Box<LastAnchored> {
    Box::new(LastAnchored::NoAnchor)
}

/// The key of a device or a gateway.
pub enum TestKey {
    Sr25519(Box<schnorrkel::Keypair>),
    Ed25519(Box<ed25519_dalek::SigningKey>),
    P256(Box<p256::ecdsa::SigningKey>),
}

impl TestKey {
    pub fn sr25519(seed: u8) -> Self {
        let key = schnorrkel::MiniSecretKey::from_bytes(&[seed; 32]).unwrap();
        Self::Sr25519(Box::new(key.expand_to_keypair(schnorrkel::ExpansionMode::Ed25519)))
    }

    pub fn ed25519(seed: u8) -> Self {
        Self::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(&[seed; 32])))
    }

    pub fn p256(seed: u8) -> Self {
        Self::P256(Box::new(p256::ecdsa::SigningKey::from_slice(&[seed; 32]).unwrap()))
    }

    pub fn public(&self) -> PublicKey {
        match self {
            Self::Sr25519(key) => PublicKey::Sr25519(key.public.to_bytes()),
            Self::Ed25519(key) => PublicKey::Ed25519(key.verifying_key().to_bytes()),
            Self::P256(key) => key.verifying_key().into(),
        }
    }

    /// The key of a device that signs its own events.
    pub fn own(&self) -> DeviceKey {
        DeviceKey::Own(self.public())
    }

    /// The account of a gateway.
    pub fn account(&self) -> AccountId {
        let PublicKey::Sr25519(bytes) = self.public() else { unreachable!() };
        AccountId(bytes)
    }

    /// The key of a device that this gateway hosts.
    pub fn hosted(&self, label: u8) -> DeviceKey {
        DeviceKey::Hosted { gateway: self.account(), label: LabelHash([label; 32]) }
    }

    pub fn sign(&self, domain: Domain, message: &Hash) -> Signature {
        match self {
            Self::Sr25519(key) => signature::sign_sr25519(key, domain, message),
            Self::Ed25519(key) => signature::sign_ed25519(key, domain, message),
            Self::P256(key) => signature::sign_p256(key, domain, message),
        }
    }

    pub fn sign_registration(&self, consent: &RegistrationConsent) -> Signature {
        self.sign(Domain::Registration, &consent.message())
    }

    pub fn sign_log(&self, consent: &LogConsent) -> Signature {
        self.sign(Domain::LogConsent, &consent.message())
    }

    pub fn sign_key(&self, consent: &KeyConsent) -> Signature {
        self.sign(Domain::KeyConsent, &consent.message())
    }
}

/// Replaces the s of a P-256 signature by the high one, which secure elements return in half of the cases.
pub fn raise_s(signature: Signature) -> Signature {
    let Signature::P256(low) = signature else { unreachable!() };
    let (r, s) = p256::ecdsa::Signature::from_slice(&low).unwrap().split_scalars();
    let high = p256::ecdsa::Signature::from_scalars(r, -*s).unwrap().to_bytes();
    Signature::P256(<[u8; 64]>::try_from(high.as_slice()).unwrap())
}
