//! A chain of the parties, the validators, the quotas and the council, with the session pallet and `pallet-collective`.

use crate::mock::MaxProposalWeight;
use codec::{Decode, Encode};
use frame_support::{
    derive_impl, parameter_types,
    traits::{ConstU32, ConstU64, Get, Hooks, Time},
};
use frame_system::EnsureRoot;
use pallet_collective::{EnsureProportionAtLeast, EnsureProportionMoreThan};
use sp_core::{ed25519, Pair};
use sp_runtime::{
    generic,
    testing::UintAuthorityId,
    traits::{BlakeTwo256, ConstU128, Convert, Hash as _, IdentityLookup},
    AccountId32, BuildStorage,
};
use streembit_primitives::{
    consortium::{Change, Quota, SessionKey, SessionKeys},
    gateway::GatewayConsent,
    hash::Domain,
    party::AccountConsent,
    AccountId, Hash, LogKey, PartyId, Scope, Signature,
};

frame_support::construct_runtime!(
    pub enum Test {
        System: frame_system,
        Parties: pallet_parties,
        Validators: pallet_validators,
        Quotas: pallet_quotas,
        Council: crate,
        Session: pallet_session,
        Collective: pallet_collective,
    }
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type AccountId = AccountId32;
    type Lookup = IdentityLookup<AccountId32>;
    type Block = frame_system::mocking::MockBlock<Test>;
}

parameter_types! {
    pub const DefaultQuota: Quota = Quota { microseconds: 100, bytes: 1_000 };
    /// The keys that make blocks, as consensus was last told.
    pub static KeysInForce: Vec<u64> = Vec::new();
    /// How often they have changed.
    pub static VoterSet: u64 = 0;
    /// The time in milliseconds.
    pub storage Now: u64 = 5_000;
}

/// A clock that a test sets.
pub struct Clock;

impl Time for Clock {
    type Moment = u64;

    fn now() -> u64 {
        Now::get()
    }
}

/// Consensus as the session pallet tells it.
pub struct InForce;

impl pallet_session::SessionHandler<AccountId32> for InForce {
    const KEY_TYPE_IDS: &'static [sp_runtime::KeyTypeId] = &[sp_runtime::key_types::DUMMY];

    fn on_genesis_session<Ks: sp_runtime::traits::OpaqueKeys>(validators: &[(AccountId32, Ks)]) {
        KeysInForce::set(keys(validators));
        VoterSet::set(0);
    }

    fn on_new_session<Ks: sp_runtime::traits::OpaqueKeys>(
        changed: bool,
        validators: &[(AccountId32, Ks)],
        _: &[(AccountId32, Ks)],
    ) {
        KeysInForce::set(keys(validators));
        VoterSet::set(VoterSet::get() + u64::from(changed));
    }

    fn on_disabled(_: u32) {}
}

fn keys<Ks: sp_runtime::traits::OpaqueKeys>(validators: &[(AccountId32, Ks)]) -> Vec<u64> {
    let key = |keys: &Ks| keys.get::<UintAuthorityId>(sp_runtime::key_types::DUMMY).unwrap().0;
    validators.iter().map(|(_, keys)| key(keys)).collect()
}

/// The public keys of a session key.
pub struct PublicKeys;

impl Convert<UintAuthorityId, SessionKeys> for PublicKeys {
    fn convert(UintAuthorityId(key): UintAuthorityId) -> SessionKeys {
        SessionKeys { aura: SessionKey([key as u8; 32]), grandpa: SessionKey(grandpa(key).public().0) }
    }
}

/// The key that signs votes for a session key.
fn grandpa(key: u64) -> ed25519::Pair {
    ed25519::Pair::from_seed(&[key as u8; 32])
}

impl pallet_parties::Config for Test {
    type Clock = Clock;
    type Departure = (Council, Validators, Quotas);
    type MaxGatewaysOfParty = ConstU32<64>;
    type MaxKeysOfParty = ConstU32<64>;
    type WeightInfo = ();
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = ();
}

impl pallet_validators::Config for Test {
    type MaxValidators = ConstU32<4>;
    type MinSession = ConstU64<5>;
    type PublicKeys = PublicKeys;
    type VoterSet = VoterSet;
    type Genesis = pallet_parties::GenesisHash<Test>;
    type Parties = Parties;
    type WeightInfo = ();
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = Unused;
}

impl pallet_quotas::Config for Test {
    type DefaultQuota = DefaultQuota;
    type QuotaPeriod = ConstU64<1_000>;
    type Clock = Clock;
    type Parties = Parties;
    type CallScopes = NoScopes;
    type Council = Council;
    type WeightInfo = ();
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = Unused;
}

impl crate::Config for Test {
    type Parties = Parties;
    type Validators = Validators;
    type Quotas = Quotas;
    type Devices = NoDevices;
    type CouncilOrigin = EnsureProportionMoreThan<AccountId32, (), 1, 2>;
    type MembersOrigin = EnsureProportionAtLeast<AccountId32, (), 2, 3>;
    type WeightInfo = ();
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = Unused;
}

/// There are no devices here.
pub struct NoDevices;

impl pallet_parties::DeviceRegistry for NoDevices {
    fn ensure_can_allow(_: &streembit_primitives::DeviceId, _: u64) -> sp_runtime::DispatchResult {
        Err(sp_runtime::DispatchError::Unavailable)
    }

    fn allow(
        device: streembit_primitives::DeviceId,
        _: streembit_primitives::device::DecidedChange,
        from: u64,
    ) -> sp_runtime::DispatchResult {
        Self::ensure_can_allow(&device, from)
    }
}

/// The pool rejects nothing here. The pallets refuse what an account's scope does not include.
pub struct NoScopes;

impl pallet_quotas::CallScopes<AccountId32, RuntimeCall> for NoScopes {
    fn needed(_: &AccountId32, _: &RuntimeCall) -> Option<Scope> {
        None
    }
}

/// No benchmark runs on this chain.
#[cfg(feature = "runtime-benchmarks")]
pub struct Unused;

#[cfg(feature = "runtime-benchmarks")]
impl pallet_validators::benchmarking::Helper for Unused {
    fn add_gateway(_: AccountId, _: PartyId) {}
}

#[cfg(feature = "runtime-benchmarks")]
impl pallet_quotas::benchmarking::Helper<RuntimeCall> for Unused {
    fn worst_call() -> Result<(AccountId, RuntimeCall), frame_benchmarking::BenchmarkError> {
        Err(frame_benchmarking::BenchmarkError::Weightless)
    }
}

#[cfg(feature = "runtime-benchmarks")]
impl crate::benchmarking::Helper for Unused {
    fn worst_removal() -> Result<PartyId, frame_benchmarking::BenchmarkError> {
        Err(frame_benchmarking::BenchmarkError::Weightless)
    }

    fn add_party(party: PartyId) -> AccountId {
        AccountId(party.0)
    }
}

impl pallet_session::Config for Test {
    type RuntimeEvent = RuntimeEvent;
    type ValidatorId = AccountId32;
    type ValidatorIdOf = pallet_validators::ValidatorOf<Test>;
    type ShouldEndSession = Validators;
    type NextSessionRotation = ();
    type SessionManager = Validators;
    type SessionHandler = InForce;
    type Keys = UintAuthorityId;
    type DisablingStrategy = ();
    type WeightInfo = ();
    type Currency = pallet_validators::no_currency::NoCurrency<RuntimeHoldReason>;
    type KeyDeposit = ConstU128<0>;
}

impl pallet_collective::Config for Test {
    type RuntimeOrigin = RuntimeOrigin;
    type Proposal = RuntimeCall;
    type RuntimeEvent = RuntimeEvent;
    type MotionDuration = ConstU64<20>;
    type MaxProposals = ConstU32<6>;
    type MaxMembers = ConstU32<4>;
    type DefaultVote = crate::AbstentionRejects;
    type WeightInfo = ();
    type SetMembersOrigin = EnsureRoot<AccountId32>;
    type MaxProposalWeight = MaxProposalWeight;
    type DisapproveOrigin = EnsureRoot<AccountId32>;
    type KillOrigin = EnsureRoot<AccountId32>;
    type Consideration = ();
}

pub const OWNER: AccountId = AccountId([1; 32]);
pub const WORKSHOP: AccountId = AccountId([2; 32]);
pub const INSURER: AccountId = AccountId([3; 32]);
pub const STRANGER: AccountId = AccountId([9; 32]);

/// The party that an account founded.
pub fn party(first: AccountId) -> PartyId {
    PartyId::of_first_account(&first)
}

pub fn account(id: AccountId) -> AccountId32 {
    AccountId32::new(id.0)
}

pub fn signed(id: AccountId) -> RuntimeOrigin {
    RuntimeOrigin::signed(account(id))
}

/// A chain at block 1. The session key of each validator is the first byte of its account.
pub fn founded(
    parties: &[AccountId],
    validators: &[AccountId],
    council: &[AccountId],
) -> sp_io::TestExternalities {
    let accounts = |ids: &[AccountId]| ids.iter().map(|id| account(*id)).collect();
    let key = |id: &AccountId| UintAuthorityId(u64::from(id.0[0]));
    let keys = validators.iter().map(|id| (account(*id), account(*id), key(id)));
    let members = council.iter().map(|first| AccountId32::new(party(*first).0));
    let config = RuntimeGenesisConfig {
        parties: pallet_parties::GenesisConfig { parties: accounts(parties), ..Default::default() },
        validators: pallet_validators::GenesisConfig { validators: accounts(validators) },
        session: pallet_session::GenesisConfig { keys: keys.collect(), non_authority_keys: Vec::new() },
        collective: pallet_collective::GenesisConfig { members: members.collect(), ..Default::default() },
        ..Default::default()
    };
    let mut chain = sp_io::TestExternalities::new(config.build_storage().unwrap());
    chain.execute_with(|| System::set_block_number(1));
    chain
}

/// Makes empty blocks.
pub fn blocks(count: u64) {
    for _ in 0..count {
        let next = System::block_number() + 1;
        frame_system::BlockHash::<Test>::insert(next - 1, hash(next - 1));
        System::set_block_number(next);
        Validators::on_initialize(next);
        Session::on_initialize(next);
    }
}

/// The hash of a block of the chain.
pub fn hash(number: u64) -> sp_core::H256 {
    sp_core::H256::from_low_u64_be(1_000 + number)
}

/// The first condition that does not hold in any of the pallets.
pub fn check_state() -> Result<(), &'static str> {
    Parties::check_state()?;
    Validators::check_state()?;
    Quotas::check_state()
}

/// Two votes in one round, by the holder of a session key.
pub fn two_votes(key: u64, set: u64, round: u64) -> Box<pallet_validators::VoteProof<Test>> {
    type Header = generic::Header<u64, BlakeTwo256>;
    let [first, second] = [1, 2].map(|number| {
        let vote =
            sp_consensus_grandpa::Prevote::<Header> { target_hash: hash(number), target_number: number };
        let message = sp_consensus_grandpa::Message::<Header>::Prevote(vote.clone());
        let signed = sp_consensus_grandpa::localized_payload(round, set, &message);
        (vote, grandpa(key).sign(&signed))
    });
    // The types of the parts are private. 0 stands for prevotes.
    let proof = (set, 0u8, round, grandpa(key).public(), first, second).encode();
    Box::new(Decode::decode(&mut proof.as_slice()).unwrap())
}

/// The id of the motion for a change.
pub fn motion(change: Change) -> sp_core::H256 {
    let call: RuntimeCall = crate::Call::enact { change }.into();
    BlakeTwo256::hash_of(&call)
}

/// The log key of the gateways: the base point of Ed25519, a valid key.
pub const LOG_KEY: LogKey = {
    let mut bytes = [0x66; 32];
    bytes[0] = 0x58;
    LogKey(bytes)
};

/// The key of a gateway or an account, which can consent.
pub struct Key(schnorrkel::Keypair);

impl Key {
    pub fn new(seed: u8) -> Self {
        let key = schnorrkel::MiniSecretKey::from_bytes(&[seed; 32]).unwrap();
        Self(key.expand_to_keypair(schnorrkel::ExpansionMode::Ed25519))
    }

    pub fn account(&self) -> AccountId {
        AccountId(self.0.public.to_bytes())
    }

    /// Returns the consent of a gateway, with its next nonce.
    pub fn consent(&self, party: PartyId) -> Signature {
        let (genesis, nonce) = (genesis_hash(), Parties::consent_nonce(&self.account()));
        let agreed = GatewayConsent { genesis, gateway: self.account(), party, log_key: LOG_KEY, nonce };
        streembit_primitives::signature::sign_sr25519(&self.0, Domain::GatewayConsent, &agreed.message())
    }

    /// Returns the consent of an account, with its next nonce.
    pub fn account_consent(&self, party: PartyId, scope: Scope, until: Option<u64>) -> Signature {
        let (genesis, nonce) = (genesis_hash(), Parties::consent_nonce(&self.account()));
        let agreed = AccountConsent { genesis, party, account: self.account(), scope, until, nonce };
        streembit_primitives::signature::sign_sr25519(&self.0, Domain::AccountConsent, &agreed.message())
    }
}

fn genesis_hash() -> Hash {
    pallet_parties::GenesisHash::<Test>::get()
}
