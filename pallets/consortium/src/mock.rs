//! A chain of this pallet, the session pallet and a council.

use codec::{Decode, Encode};
use frame_support::{derive_impl, parameter_types, traits::ConstU32, weights::Weight};
use frame_system::EnsureRoot;
use pallet_collective::{EnsureProportionAtLeast, EnsureProportionMoreThan, PrimeDefaultVote};
use sp_consensus_aura::AURA_ENGINE_ID;
use sp_core::{ed25519, sr25519, Pair};
use sp_runtime::{
    generic,
    testing::UintAuthorityId,
    traits::{BlakeTwo256, ConstU128, ConstU64, Convert, Hash as _, Header as _, IdentityLookup},
    AccountId32, BuildStorage, Digest, DigestItem,
};
use streembit_primitives::{
    consortium::{Change, Quota, SessionKey, SessionKeys},
    device::GatewayConsent,
    hash::Domain,
    AccountId, Hash, Signature,
};

/// The header of a block.
pub type Header = generic::Header<u64, BlakeTwo256>;

frame_support::construct_runtime!(
    pub enum Test {
        System: frame_system,
        Consortium: crate,
        Session: pallet_session,
        Council: pallet_collective,
    }
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type AccountId = AccountId32;
    type Lookup = IdentityLookup<AccountId32>;
    type Block = frame_system::mocking::MockBlock<Test>;
}

impl pallet_session::Config for Test {
    type RuntimeEvent = RuntimeEvent;
    type ValidatorId = AccountId32;
    type ValidatorIdOf = crate::ValidatorOf<Test>;
    type ShouldEndSession = Consortium;
    type NextSessionRotation = ();
    type SessionManager = Consortium;
    type SessionHandler = InForce;
    type Keys = UintAuthorityId;
    type DisablingStrategy = ();
    type WeightInfo = ();
    type Currency = crate::no_currency::NoCurrency<RuntimeHoldReason>;
    type KeyDeposit = ConstU128<0>;
}

parameter_types! {
    pub const DefaultQuota: Quota = Quota { microseconds: 100, bytes: 1_000 };
    /// The time, in milliseconds.
    pub static Now: u64 = 5_000;
    pub const MaxProposalWeight: Weight = Weight::MAX;
    /// The keys that make blocks, as consensus was last told; `None` before the genesis.
    pub static KeysInForce: Vec<u64> = Vec::new();
    /// How often they have changed.
    pub static VoterSet: u64 = 0;
}

/// A clock that a test sets.
pub struct Clock;

impl frame_support::traits::Time for Clock {
    type Moment = u64;

    fn now() -> u64 {
        Now::get()
    }
}

/// What consensus does with the sessions: a set that changes without being said to have changed is an error.
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
        assert!(!validators.is_empty(), "a session without validators");
        assert_eq!(changed, KeysInForce::get() != keys(validators), "a change has to be said, and only that");
        KeysInForce::set(keys(validators));
        VoterSet::set(VoterSet::get() + u64::from(changed));
    }

    fn on_disabled(_: u32) {}
}

fn keys<Ks: sp_runtime::traits::OpaqueKeys>(validators: &[(AccountId32, Ks)]) -> Vec<u64> {
    let key = |keys: &Ks| keys.get::<UintAuthorityId>(sp_runtime::key_types::DUMMY).unwrap().0;
    validators.iter().map(|(_, keys)| key(keys)).collect()
}

/// The key that a session key stands for, of the scheme that blocks are sealed with.
pub fn aura(key: u64) -> sr25519::Pair {
    sr25519::Pair::from_seed(&[key as u8; 32])
}

/// The key that a session key stands for, of the scheme that votes are signed with.
pub fn grandpa(key: u64) -> ed25519::Pair {
    ed25519::Pair::from_seed(&[key as u8; 32])
}

/// The public keys that a session key stands for.
pub struct PublicKeys;

impl Convert<UintAuthorityId, SessionKeys> for PublicKeys {
    fn convert(UintAuthorityId(key): UintAuthorityId) -> SessionKeys {
        SessionKeys { aura: SessionKey(aura(key).public().0), grandpa: SessionKey(grandpa(key).public().0) }
    }
}

impl pallet_collective::Config for Test {
    type RuntimeOrigin = RuntimeOrigin;
    type Proposal = RuntimeCall;
    type RuntimeEvent = RuntimeEvent;
    type MotionDuration = ConstU64<20>;
    type MaxProposals = ConstU32<6>;
    type MaxMembers = ConstU32<4>;
    type DefaultVote = PrimeDefaultVote;
    type WeightInfo = ();
    type SetMembersOrigin = EnsureProportionAtLeast<AccountId32, (), 2, 3>;
    type MaxProposalWeight = MaxProposalWeight;
    type DisapproveOrigin = EnsureRoot<AccountId32>;
    type KillOrigin = EnsureRoot<AccountId32>;
    type Consideration = ();
}

impl crate::Config for Test {
    type MaxValidators = ConstU32<4>;
    type MinSession = ConstU64<5>;
    type PublicKeys = PublicKeys;
    type VoterSet = VoterSet;
    type DefaultQuota = DefaultQuota;
    type QuotaPeriod = ConstU64<1_000>;
    type Clock = Clock;
    type Council = crate::Collective<Test>;
    type CouncilOrigin = EnsureProportionMoreThan<AccountId32, (), 1, 2>;
    type WeightInfo = ();
}

pub const OWNER: AccountId = AccountId([1; 32]);
pub const WORKSHOP: AccountId = AccountId([2; 32]);
pub const INSURER: AccountId = AccountId([3; 32]);
pub const STRANGER: AccountId = AccountId([9; 32]);

pub fn account(id: AccountId) -> AccountId32 {
    AccountId32::new(id.0)
}

pub fn signed(id: AccountId) -> RuntimeOrigin {
    RuntimeOrigin::signed(account(id))
}

/// The session key that an account has from the genesis on.
pub fn first_key(id: AccountId) -> u64 {
    u64::from(id.0[0])
}

/// A chain at block 1. The validators' session keys are [`first_key`]; the council is empty.
pub fn genesis(parties: &[AccountId], validators: &[AccountId]) -> sp_io::TestExternalities {
    founded(parties, validators, &[])
}

/// A chain at block 1 with a council.
pub fn founded(
    parties: &[AccountId],
    validators: &[AccountId],
    council: &[AccountId],
) -> sp_io::TestExternalities {
    let accounts = |ids: &[AccountId]| ids.iter().map(|id| account(*id)).collect();
    let keys = validators.iter().map(|id| (account(*id), account(*id), UintAuthorityId(first_key(*id))));
    let config = RuntimeGenesisConfig {
        consortium: crate::GenesisConfig {
            parties: accounts(parties),
            validators: accounts(validators),
            quotas: Vec::new(),
        },
        session: pallet_session::GenesisConfig { keys: keys.collect(), non_authority_keys: Vec::new() },
        council: pallet_collective::GenesisConfig { members: accounts(council), ..Default::default() },
        ..Default::default()
    };
    let mut chain = sp_io::TestExternalities::new(config.build_storage().unwrap());
    chain.execute_with(|| System::set_block_number(1));
    chain
}

/// A chain of two parties.
pub fn chain() -> sp_io::TestExternalities {
    genesis(&[OWNER, WORKSHOP], &[OWNER])
}

/// Makes empty blocks.
pub fn blocks(count: u64) {
    use frame_support::traits::Hooks;
    for _ in 0..count {
        let next = System::block_number() + 1;
        frame_system::BlockHash::<Test>::insert(next - 1, hash(next - 1));
        System::set_block_number(next);
        Consortium::on_initialize(next);
        Session::on_initialize(next);
    }
}

/// The hash of a block of the tests' chain.
pub fn hash(number: u64) -> sp_core::H256 {
    sp_core::H256::from_low_u64_be(1_000 + number)
}

/// The proof that somebody voted for two blocks in one round, if the signatures were its own.
pub fn votes(
    offender: u64,
    signer: u64,
    (set, round): (u64, u64),
    blocks: [(sp_core::H256, u64); 2],
) -> Box<crate::VoteProof<Test>> {
    let [first, second] = blocks.map(|(target_hash, target_number)| {
        let vote = sp_consensus_grandpa::Prevote::<Header> { target_hash, target_number };
        let message = sp_consensus_grandpa::Message::<Header>::Prevote(vote.clone());
        let signed = sp_consensus_grandpa::localized_payload(round, set, &message);
        (vote, grandpa(signer).sign(&signed))
    });
    // What it is made of has no name here. 0: of prevotes.
    let proof = (set, 0u8, round, grandpa(offender).public(), first, second).encode();
    Box::new(Decode::decode(&mut proof.as_slice()).unwrap())
}

/// A block with the seal of a key.
pub fn block(signer: u64, slot: u64, number: u64, parent: sp_core::H256, content: u8) -> Box<Header> {
    let slot = DigestItem::PreRuntime(AURA_ENGINE_ID, slot.encode());
    let state = sp_core::H256::repeat_byte(content);
    let digest = Digest { logs: vec![slot] };
    let mut header = Header::new(number, Default::default(), state, parent, digest);
    let seal = aura(signer).sign(header.hash().as_bytes());
    header.digest_mut().push(DigestItem::Seal(AURA_ENGINE_ID, seal.encode()));
    Box::new(header)
}

/// The id of the motion for a change.
pub fn motion(change: Change) -> sp_core::H256 {
    let call: RuntimeCall = crate::Call::enact { change }.into();
    BlakeTwo256::hash_of(&call)
}

/// A gateway's key.
pub struct Gateway(schnorrkel::Keypair);

impl Gateway {
    pub fn new(seed: u8) -> Self {
        let key = schnorrkel::MiniSecretKey::from_bytes(&[seed; 32]).unwrap();
        Self(key.expand_to_keypair(schnorrkel::ExpansionMode::Ed25519))
    }

    pub fn account(&self) -> AccountId {
        AccountId(self.0.public.to_bytes())
    }

    pub fn consent(&self, genesis: Hash, party: AccountId) -> Signature {
        let message = GatewayConsent { genesis, gateway: self.account(), party }.message();
        streembit_primitives::signature::sign_sr25519(&self.0, Domain::GatewayConsent, &message)
    }
}
