//! A chain that makes blocks, and accounts that submit to it.

use crate::{
    genesis, Address, Executive, Hash, Header, Runtime, RuntimeCall, Signature, SignedPayload, System,
    TxExtension, UncheckedExtrinsic, SLOT_DURATION,
};
use codec::Encode;
use sp_consensus_aura::{Slot, AURA_ENGINE_ID};
use sp_core::{ed25519, sr25519, storage::Storage, Pair};
use sp_runtime::{
    generic::Era,
    traits::{Header as _, IdentifyAccount, Verify},
    transaction_validity::{TransactionSource, TransactionValidity},
    ApplyExtrinsicResult, BuildStorage, Digest, DigestItem,
};
use streembit_primitives::{hash::Domain, AccountId, Hash as ContentHash, LogKey, Signature as Consent};

/// The hash of the genesis block, as the tests' chain has it.
pub const GENESIS: Hash = Hash::repeat_byte(0xab);

/// A chain at its first blocks.
pub struct Chain {
    pub state: sp_io::TestExternalities,
    /// The header of the last block.
    pub last: Option<Header>,
    head: Hash,
    number: u32,
    /// The slot of block 0, if it had one.
    first_slot: u64,
}

impl Chain {
    /// Founded by a preset, with its first block made.
    pub fn new(preset: &str) -> Self {
        let storage = genesis::preset(preset).unwrap().build_storage().unwrap();
        Self::of_genesis(storage, GENESIS, 1_000)
    }

    /// Founded by a genesis state, with its first block made in the slot after `first_slot`.
    pub fn of_genesis(storage: Storage, genesis: Hash, first_slot: u64) -> Self {
        let mut chain = Self { state: storage.into(), last: None, head: genesis, number: 0, first_slot };
        chain.block(Vec::new());
        chain
    }

    /// Makes a block of some extrinsics; returns what became of each.
    pub fn block(&mut self, extrinsics: Vec<UncheckedExtrinsic>) -> Vec<ApplyExtrinsicResult> {
        self.number += 1;
        let slot = Slot::from(self.first_slot + u64::from(self.number));
        let digest = Digest { logs: vec![DigestItem::PreRuntime(AURA_ENGINE_ID, slot.encode())] };
        let header = Header::new(self.number, Hash::zero(), Hash::zero(), self.head, digest);
        let (header, results) = self.state.execute_with(|| {
            Executive::initialize_block(&header);
            let now = *slot * SLOT_DURATION;
            let timestamp = RuntimeCall::Timestamp(pallet_timestamp::Call::set { now });
            Executive::apply_extrinsic(UncheckedExtrinsic::new_bare(timestamp)).unwrap().unwrap();
            let results = extrinsics.into_iter().map(Executive::apply_extrinsic).collect();
            (Executive::finalize_block(), results)
        });
        self.head = header.hash();
        self.last = Some(header);
        results
    }

    /// Validates an extrinsic that another node sent, as the transaction pool does. Does not change the state.
    pub fn validate(&mut self, extrinsic: UncheckedExtrinsic) -> TransactionValidity {
        self.validate_from(TransactionSource::External, extrinsic)
    }

    /// Validates an extrinsic like [`Self::validate`], from any source.
    pub fn validate_from(
        &mut self,
        source: TransactionSource,
        extrinsic: UncheckedExtrinsic,
    ) -> TransactionValidity {
        let head = self.head;
        self.state.execute_with(|| {
            frame_support::storage::with_transaction(|| {
                let validity = Executive::validate_transaction(source, extrinsic, head);
                sp_runtime::TransactionOutcome::Rollback(Ok::<_, sp_runtime::DispatchError>(validity))
            })
            .unwrap()
        })
    }

    /// An extrinsic that a key signs, with the account's next nonce.
    pub fn signed(&mut self, by: &sr25519::Pair, call: impl Into<RuntimeCall>) -> UncheckedExtrinsic {
        let account = <Signature as Verify>::Signer::from(by.public()).into_account();
        let call = call.into();
        self.state.execute_with(|| {
            let extension: TxExtension = (
                frame_system::CheckNonZeroSender::new(),
                frame_system::CheckSpecVersion::new(),
                frame_system::CheckTxVersion::new(),
                frame_system::CheckGenesis::new(),
                frame_system::CheckEra::from(Era::Immortal),
                pallet_quotas::SpendQuota::new(),
                frame_system::CheckNonce::<Runtime>::from(System::account_nonce(&account)),
                frame_system::CheckWeight::new(),
                frame_metadata_hash_extension::CheckMetadataHash::new(false),
            );
            let payload = SignedPayload::new(call.clone(), extension.clone()).unwrap();
            let signature = payload.using_encoded(|bytes| by.sign(bytes));
            UncheckedExtrinsic::new_signed(call, Address::Id(account), signature.into(), extension)
        })
    }
}

/// A gateway with its key.
pub struct Gateway([u8; 32]);

impl Gateway {
    pub fn new(seed: u8) -> Self {
        Self([seed; 32])
    }

    /// The key as extrinsics are signed with it.
    pub fn pair(&self) -> sr25519::Pair {
        sr25519::Pair::from_seed(&self.0)
    }

    pub fn account(&self) -> AccountId {
        AccountId(self.pair().public().0)
    }

    /// The key that it signs the notes of its log's checkpoints with.
    pub fn log_key(&self) -> LogKey {
        LogKey(ed25519::Pair::from_seed(&self.0).public().0)
    }

    /// Signs with the same key in a domain of the formats.
    pub fn sign(&self, domain: Domain, message: &ContentHash) -> Consent {
        let key = schnorrkel::MiniSecretKey::from_bytes(&self.0).unwrap();
        let pair = key.expand_to_keypair(schnorrkel::ExpansionMode::Ed25519);
        streembit_primitives::signature::sign_sr25519(&pair, domain, message)
    }
}
