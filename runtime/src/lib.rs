//! The Streembit chain: the pallets put together.
//!
//! A permissioned chain without a token. Aura makes blocks, GRANDPA finalizes them, the consortium says who may submit.
//! Extrinsics are those of any Substrate chain (version, genesis, mortality, nonce and weight are checked, nothing is
//! paid), so that standard clients need to know nothing about this one.
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]
// `construct_runtime!` recurses deeply.
#![recursion_limit = "256"]
// What it makes is public and has no documentation.
#![allow(missing_docs)]

extern crate alloc;

pub mod apis;
pub mod configs;
pub mod genesis;
#[cfg(feature = "std")]
pub mod refounding;
pub mod weights;

#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
mod consortium;
#[cfg(test)]
mod tests;
#[cfg(feature = "try-runtime")]
mod trying;

use alloc::{borrow::Cow, vec::Vec};
use sp_runtime::{
    generic, impl_opaque_keys,
    traits::{BlakeTwo256, IdentifyAccount, Verify},
    MultiAddress, MultiSignature,
};
use sp_version::RuntimeVersion;

#[cfg(feature = "std")]
pub use wasm::WASM_BINARY;

/// The runtime compiled to Wasm, as the build left it.
#[cfg(feature = "std")]
#[allow(missing_docs)]
pub mod wasm {
    include!(concat!(env!("OUT_DIR"), "/wasm_binary.rs"));
}

/// The time between two blocks, in milliseconds: short, so that an anchor is soon final.
pub const SLOT_DURATION: u64 = 2_000;

/// How an extrinsic is signed.
pub type Signature = MultiSignature;
/// An account: the public key that signs, or its hash.
pub type AccountId = <<Signature as Verify>::Signer as IdentifyAccount>::AccountId;
/// How an extrinsic names its sender.
pub type Address = MultiAddress<AccountId, ()>;
/// The number of a block.
pub type BlockNumber = u32;
/// How many extrinsics an account has submitted.
pub type Nonce = u32;
/// A hash of the chain's.
pub type Hash = sp_core::H256;
/// A block's header.
pub type Header = generic::Header<BlockNumber, BlakeTwo256>;
/// A block.
pub type Block = generic::Block<Header, UncheckedExtrinsic>;
/// What is checked of every extrinsic beside its call: as on any Substrate chain, without payment.
///
/// `SpendQuota` keeps strangers out, and those who have spent their quota. It adds nothing to what is signed or sent.
pub type TxExtension = (
    frame_system::CheckNonZeroSender<Runtime>,
    frame_system::CheckSpecVersion<Runtime>,
    frame_system::CheckTxVersion<Runtime>,
    frame_system::CheckGenesis<Runtime>,
    frame_system::CheckEra<Runtime>,
    pallet_consortium::SpendQuota<Runtime>,
    frame_system::CheckNonce<Runtime>,
    frame_system::CheckWeight<Runtime>,
);
/// An extrinsic, not yet checked.
pub type UncheckedExtrinsic = generic::UncheckedExtrinsic<Address, RuntimeCall, Signature, TxExtension>;
/// What an extrinsic's signature is over.
pub type SignedPayload = generic::SignedPayload<RuntimeCall, TxExtension>;
/// What the runtime puts into the pool of the node that runs it.
impl<Call> frame_system::offchain::CreateTransactionBase<Call> for Runtime
where
    RuntimeCall: From<Call>,
{
    type Extrinsic = UncheckedExtrinsic;
    type RuntimeCall = RuntimeCall;
}

/// What executes blocks.
pub type Executive = frame_executive::Executive<
    Runtime,
    Block,
    frame_system::ChainContext<Runtime>,
    Runtime,
    AllPalletsWithSystem,
>;

impl_opaque_keys! {
    /// The keys that a validator's node holds.
    pub struct SessionKeys {
        /// Makes blocks.
        pub aura: Aura,
        /// Votes for their finality.
        pub grandpa: Grandpa,
    }
}

/// Which runtime this is. `spec_version` rises with every change of what it does, `transaction_version` with every change
/// of how an extrinsic is encoded.
#[sp_version::runtime_version]
pub const VERSION: RuntimeVersion = RuntimeVersion {
    spec_name: Cow::Borrowed("streembit"),
    impl_name: Cow::Borrowed("streembit"),
    authoring_version: 1,
    spec_version: 4,
    impl_version: 1,
    apis: apis::RUNTIME_API_VERSIONS,
    transaction_version: 2,
    system_version: 1,
};

// Numbers are part of the format. The order is that of the genesis: sessions ask the consortium for their validators and give
// Aura and GRANDPA their authorities. GRANDPA takes no calls: equivocations are reported to the consortium. The system takes
// nothing that nobody signed: the code of a new runtime comes from who belongs, as everything does.
frame_support::construct_runtime!(
    pub enum Runtime {
        System: frame_system exclude_parts { ValidateUnsigned } = 0,
        Timestamp: pallet_timestamp = 1,
        Aura: pallet_aura = 2,
        Grandpa: pallet_grandpa exclude_parts { Call, ValidateUnsigned } = 3,
        Consortium: pallet_consortium = 10,
        Session: pallet_session = 4,
        Council: pallet_collective = 5,
        Devices: pallet_devices = 11,
        Anchors: pallet_anchors = 12,
        ServiceContracts: pallet_service_contracts = 13,
    }
);
