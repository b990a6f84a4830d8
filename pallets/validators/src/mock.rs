//! A chain of this pallet and the session pallet. Tests decide who is a party and who is a gateway.

use codec::{Decode, Encode};
use frame_support::{derive_impl, parameter_types, traits::Hooks};
use pallet_parties::{Departure as _, PartyLookup};
use sp_consensus_aura::AURA_ENGINE_ID;
use sp_consensus_grandpa::{ConsensusLog, ScheduledChange, GRANDPA_ENGINE_ID};
use sp_core::{ed25519, sr25519, Pair};
use sp_runtime::{
    generic,
    testing::UintAuthorityId,
    traits::{BlakeTwo256, ConstU128, ConstU32, ConstU64, Convert, Header as _, IdentityLookup},
    AccountId32, BuildStorage, Digest, DigestItem, DispatchResult,
};
use streembit_primitives::{
    consortium::{SessionKey, SessionKeys},
    evidence::CHAIN_ENGINE_ID,
    party::{AccountRole, Role},
    AccountId, Hash, PartyId, Scope,
};

/// The header of a block.
pub type Header = generic::Header<u64, BlakeTwo256>;

frame_support::construct_runtime!(
    pub enum Test {
        System: frame_system,
        Validators: crate,
        Session: pallet_session,
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
    type ShouldEndSession = Validators;
    type NextSessionRotation = ();
    type SessionManager = Validators;
    type SessionHandler = InForce;
    type Keys = UintAuthorityId;
    type DisablingStrategy = ();
    type WeightInfo = ();
    type Currency = crate::no_currency::NoCurrency<RuntimeHoldReason>;
    type KeyDeposit = ConstU128<0>;
}

parameter_types! {
    /// The accounts that act for a party, and their roles.
    pub static Accounts: Vec<(AccountId, AccountRole)> = Vec::new();
    /// The keys that make blocks, as consensus was last told; empty before the genesis.
    pub static KeysInForce: Vec<u64> = Vec::new();
    /// How often they have changed.
    pub static VoterSet: u64 = 0;
    /// True if they changed in this block, which GRANDPA writes to the digest when it finalizes the block.
    pub static IsChangeScheduled: bool = false;
    /// The genesis hash of the chain.
    pub const Genesis: Hash = Hash([0x9e; 32]);
}

/// The parties and gateways that the test sets.
pub struct Parties;

impl PartyLookup for Parties {
    fn role_of(account: &AccountId) -> Option<AccountRole> {
        Accounts::get().into_iter().find(|(known, _)| known == account).map(|(_, role)| role)
    }

    fn is_party(party: &PartyId) -> bool {
        Accounts::get().iter().any(|(_, found)| found.party == *party)
    }

    fn departures(_: &PartyId) -> u32 {
        0
    }

    fn now() -> u64 {
        1_000
    }
}

impl Parties {
    /// Takes in an account of the party that `first` founded: `first` itself, or a gateway.
    pub fn take_in(account: AccountId, first: AccountId) {
        let founder = Role::Account { scope: Scope::All, until: None };
        Self::take_in_as(account, first, if account == first { founder } else { Role::Gateway });
    }

    /// Takes in an account of the party that `first` founded.
    pub fn take_in_as(account: AccountId, first: AccountId, role: Role) {
        let role = AccountRole { party: party(first), role };
        Accounts::mutate(|accounts| accounts.push((account, role)));
        // The session pallet takes keys only from accounts with a provider, which `pallet-parties` gives.
        System::inc_providers(&self::account(account));
    }

    /// Lets the party that `first` founded leave with its accounts and gateways, if the validators allow it.
    pub fn leave(first: AccountId) -> DispatchResult {
        let leaving = party(first);
        Validators::ensure_party_can_leave(&leaving)?;
        Validators::party_leaves(&leaving)?;
        Accounts::mutate(|accounts| accounts.retain(|(_, found)| found.party != leaving));
        Ok(())
    }

    /// Lets an account or a gateway leave its party, if the validators allow it.
    pub fn remove_account(leaving: AccountId) -> DispatchResult {
        Validators::ensure_account_can_leave(&leaving)?;
        Validators::account_leaves(&leaving);
        Accounts::mutate(|accounts| accounts.retain(|(account, _)| *account != leaving));
        Ok(())
    }
}

/// Consensus as the session pallet tells it. It panics if a set changes without a notice.
pub struct InForce;

impl pallet_session::SessionHandler<AccountId32> for InForce {
    const KEY_TYPE_IDS: &'static [sp_runtime::KeyTypeId] = &[sp_runtime::key_types::DUMMY];

    fn on_genesis_session<Ks: sp_runtime::traits::OpaqueKeys>(validators: &[(AccountId32, Ks)]) {
        KeysInForce::set(keys(validators));
        VoterSet::set(0);
        IsChangeScheduled::set(false);
    }

    fn on_new_session<Ks: sp_runtime::traits::OpaqueKeys>(
        changed: bool,
        validators: &[(AccountId32, Ks)],
        _: &[(AccountId32, Ks)],
    ) {
        assert!(!validators.is_empty(), "a session without validators");
        assert_eq!(
            changed,
            KeysInForce::get() != keys(validators),
            "a change has to be announced, and nothing else"
        );
        KeysInForce::set(keys(validators));
        VoterSet::set(VoterSet::get() + u64::from(changed));
        IsChangeScheduled::set(changed);
    }

    fn on_disabled(_: u32) {}
}

fn keys<Ks: sp_runtime::traits::OpaqueKeys>(validators: &[(AccountId32, Ks)]) -> Vec<u64> {
    let key = |keys: &Ks| keys.get::<UintAuthorityId>(sp_runtime::key_types::DUMMY).unwrap().0;
    validators.iter().map(|(_, keys)| key(keys)).collect()
}

/// The key that seals blocks for a session key.
pub fn aura(key: u64) -> sr25519::Pair {
    sr25519::Pair::from_seed(&[key as u8; 32])
}

/// The key that signs votes for a session key.
pub fn grandpa(key: u64) -> ed25519::Pair {
    ed25519::Pair::from_seed(&[key as u8; 32])
}

/// The public keys of a session key.
pub struct PublicKeys;

impl Convert<UintAuthorityId, SessionKeys> for PublicKeys {
    fn convert(UintAuthorityId(key): UintAuthorityId) -> SessionKeys {
        SessionKeys { aura: SessionKey(aura(key).public().0), grandpa: SessionKey(grandpa(key).public().0) }
    }
}

impl crate::Config for Test {
    type MaxValidators = ConstU32<4>;
    type MinSession = ConstU64<5>;
    type PublicKeys = PublicKeys;
    type VoterSet = VoterSet;
    type Genesis = Genesis;
    type Parties = Parties;
    type WeightInfo = ();
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = Parties;
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

/// The session key of an account at the genesis.
pub fn first_key(id: AccountId) -> u64 {
    u64::from(id.0[0])
}

/// A chain at block 1. The validators' session keys are [`first_key`].
pub fn founded(parties: &[AccountId], validators: &[AccountId]) -> sp_io::TestExternalities {
    let founder = Role::Account { scope: Scope::All, until: None };
    let role = |first: &AccountId| AccountRole { party: party(*first), role: founder };
    Accounts::set(parties.iter().map(|first| (*first, role(first))).collect());
    let keys = validators.iter().map(|id| (account(*id), account(*id), UintAuthorityId(first_key(*id))));
    let config = RuntimeGenesisConfig {
        validators: crate::GenesisConfig { validators: validators.iter().map(|id| account(*id)).collect() },
        session: pallet_session::GenesisConfig { keys: keys.collect(), non_authority_keys: Vec::new() },
        ..Default::default()
    };
    let mut chain = sp_io::TestExternalities::new(config.build_storage().unwrap());
    chain.execute_with(|| {
        System::set_block_number(1);
        for party in parties {
            System::inc_providers(&account(*party));
        }
    });
    chain
}

/// A chain of two parties, of which one validates.
pub fn chain() -> sp_io::TestExternalities {
    founded(&[OWNER, WORKSHOP], &[OWNER])
}

/// A chain of three parties, of which two validate, at block 6: the first session is old enough to end.
pub fn two_validators() -> sp_io::TestExternalities {
    let mut chain = founded(&[OWNER, WORKSHOP, INSURER], &[OWNER, WORKSHOP]);
    chain.execute_with(|| blocks(5));
    chain
}

/// Makes empty blocks. Each names the chain in its digest if it changes the validators in force, and only then.
pub fn blocks(count: u64) {
    for _ in 0..count {
        let next = System::block_number() + 1;
        System::initialize(&next, &hash(next - 1), &Digest::default());
        Validators::on_initialize(next);
        Session::on_initialize(next);
        let is_changed = IsChangeScheduled::get();
        IsChangeScheduled::set(false);
        if is_changed {
            System::deposit_log(scheduled_change());
        }
        Validators::on_finalize(next);
        let expected = if is_changed { vec![Genesis::get().0.to_vec()] } else { Vec::new() };
        assert_eq!(chain_items(), expected, "block {next}");
    }
}

/// What GRANDPA writes to the digest of a block that changes the voters.
pub fn scheduled_change() -> DigestItem {
    let next_authorities =
        KeysInForce::get().into_iter().map(|key| (grandpa(key).public().into(), 1)).collect();
    grandpa_item(ConsensusLog::ScheduledChange(ScheduledChange { next_authorities, delay: 0 }))
}

/// An item of GRANDPA in the digest.
pub fn grandpa_item(log: ConsensusLog<u64>) -> DigestItem {
    DigestItem::Consensus(GRANDPA_ENGINE_ID, log.encode())
}

/// The items in the digest of the current block that name the chain.
pub fn chain_items() -> Vec<Vec<u8>> {
    let digest = System::digest();
    let items = digest.logs().iter().filter_map(|item| item.as_consensus());
    items.filter(|(engine, _)| *engine == CHAIN_ENGINE_ID).map(|(_, bytes)| bytes.to_vec()).collect()
}

/// The hash of a block of the chain.
pub fn hash(number: u64) -> sp_core::H256 {
    sp_core::H256::from_low_u64_be(1_000 + number)
}

/// Two votes in one round. They prove an offence if `signer` is the offender.
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
    // The types of the parts are private. 0 stands for prevotes.
    let proof = (set, 0u8, round, grandpa(offender).public(), first, second).encode();
    Box::new(Decode::decode(&mut proof.as_slice()).unwrap())
}

/// A block sealed with a key.
pub fn block(signer: u64, slot: u64, number: u64, parent: sp_core::H256, content: u8) -> Box<Header> {
    let slot = DigestItem::PreRuntime(AURA_ENGINE_ID, slot.encode());
    let state = sp_core::H256::repeat_byte(content);
    let digest = Digest { logs: vec![slot] };
    let mut header = Header::new(number, Default::default(), state, parent, digest);
    let seal = aura(signer).sign(header.hash().as_bytes());
    header.digest_mut().push(DigestItem::Seal(AURA_ENGINE_ID, seal.encode()));
    Box::new(header)
}

#[cfg(feature = "runtime-benchmarks")]
impl crate::benchmarking::Helper for Parties {
    fn add_gateway(gateway: AccountId, party: PartyId) {
        Accounts::mutate(|accounts| accounts.push((gateway, AccountRole { party, role: Role::Gateway })));
        System::inc_providers(&account(gateway));
    }
}
