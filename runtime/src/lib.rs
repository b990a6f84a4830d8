//! The Streembit chain: the pallets put together.
//!
//! A permissioned chain without a token. Aura makes blocks, GRANDPA finalizes them, and only the accounts and the gateways
//! of parties may submit. Extrinsics are those of any Substrate chain without fees: version,
//! genesis, mortality, nonce and weight are checked. Standard clients need not know anything about this chain.
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]
// `construct_runtime!` recurses deeply.
#![recursion_limit = "256"]
// Its expansion is public and has no documentation.
#![allow(missing_docs)]

extern crate alloc;

pub mod apis;
pub mod configs;
pub mod consortium;
pub mod fees;
mod free_calls;
pub mod genesis;
#[cfg(feature = "std")]
pub mod refounding;
mod scopes;
pub mod weights;

#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
#[cfg(test)]
mod tests;
#[cfg(feature = "try-runtime")]
mod try_runtime;

use alloc::{borrow::Cow, vec::Vec};
use sp_runtime::{
    generic, impl_opaque_keys,
    traits::{BlakeTwo256, IdentifyAccount, Verify},
    MultiAddress, MultiSignature,
};
use sp_version::RuntimeVersion;

#[cfg(feature = "std")]
pub use wasm::WASM_BINARY;

/// The runtime compiled to Wasm by the build script.
#[cfg(feature = "std")]
#[allow(missing_docs)]
pub mod wasm {
    include!(concat!(env!("OUT_DIR"), "/wasm_binary.rs"));
}

/// The time between two blocks in milliseconds. See there for what depends on it.
pub const SLOT_DURATION: u64 = streembit_primitives::evidence::SLOT_MILLISECONDS;

/// The signature of an extrinsic.
pub type Signature = MultiSignature;
/// An account: the public key that signs, or its hash.
pub type AccountId = <<Signature as Verify>::Signer as IdentifyAccount>::AccountId;
/// The sender of an extrinsic.
pub type Address = MultiAddress<AccountId, ()>;
/// The number of a block.
pub type BlockNumber = u32;
/// The number of extrinsics that an account has submitted.
pub type Nonce = u32;
/// A hash of the chain.
pub type Hash = sp_core::H256;
/// A block's header.
pub type Header = generic::Header<BlockNumber, BlakeTwo256>;
/// A block.
pub type Block = generic::Block<Header, UncheckedExtrinsic>;
/// The checks of every extrinsic, as on any Substrate chain but without fees.
///
/// `SpendQuota` rejects strangers, calls outside of an account's scope, and accounts whose party's quota is spent. It adds
/// nothing to what is signed or sent. `CheckMetadataHash` lets a wallet that shows what it signs prove that it was shown by
/// the right metadata.
pub type TxExtension = (
    frame_system::CheckNonZeroSender<Runtime>,
    frame_system::CheckSpecVersion<Runtime>,
    frame_system::CheckTxVersion<Runtime>,
    frame_system::CheckGenesis<Runtime>,
    frame_system::CheckEra<Runtime>,
    pallet_quotas::SpendQuota<Runtime>,
    frame_system::CheckNonce<Runtime>,
    frame_system::CheckWeight<Runtime>,
    frame_metadata_hash_extension::CheckMetadataHash<Runtime>,
);
/// An extrinsic, not yet checked.
pub type UncheckedExtrinsic = generic::UncheckedExtrinsic<Address, RuntimeCall, Signature, TxExtension>;
/// The payload that the signature of an extrinsic covers.
pub type SignedPayload = generic::SignedPayload<RuntimeCall, TxExtension>;

/// Lets the runtime submit extrinsics to the pool of the node that runs it.
impl<Call> frame_system::offchain::CreateTransactionBase<Call> for Runtime
where
    RuntimeCall: From<Call>,
{
    type Extrinsic = UncheckedExtrinsic;
    type RuntimeCall = RuntimeCall;
}

/// The executor of blocks.
pub type Executive = frame_executive::Executive<
    Runtime,
    Block,
    frame_system::ChainContext<Runtime>,
    Runtime,
    AllPalletsWithSystem,
>;

impl_opaque_keys! {
    /// The keys of a validator's node.
    pub struct SessionKeys {
        /// Signs blocks.
        pub aura: Aura,
        /// Signs votes for the finality of blocks.
        pub grandpa: Grandpa,
    }
}

/// The version of this runtime. `spec_version` rises with every change of its behaviour, `transaction_version` with
/// every change of the encoding of extrinsics.
#[sp_version::runtime_version]
pub const VERSION: RuntimeVersion = RuntimeVersion {
    spec_name: Cow::Borrowed("streembit"),
    impl_name: Cow::Borrowed("streembit"),
    authoring_version: 1,
    spec_version: 11,
    impl_version: 1,
    apis: apis::RUNTIME_API_VERSIONS,
    transaction_version: 6,
    system_version: 1,
};

// The numbers are part of the format. The order is that of the genesis: parties come before the pallets that look them
// up, and the session pallet asks the validators and gives Aura and GRANDPA their authorities. It is also that of
// `on_finalize`: the validators pallet finds GRANDPA's change of voters in the digest. GRANDPA takes no calls, because
// equivocations are reported to the validators pallet. The system pallet takes no unsigned calls: like everything else,
// the code of a new runtime comes from an account that may submit.
frame_support::construct_runtime!(
    pub enum Runtime {
        System: frame_system exclude_parts { ValidateUnsigned } = 0,
        Timestamp: pallet_timestamp = 1,
        Aura: pallet_aura = 2,
        Grandpa: pallet_grandpa exclude_parts { Call, ValidateUnsigned } = 3,
        Parties: pallet_parties = 10,
        Validators: pallet_validators = 15,
        Quotas: pallet_quotas = 16,
        Council: pallet_council = 14,
        Session: pallet_session = 4,
        Collective: pallet_collective = 5,
        Devices: pallet_devices = 11,
        Anchors: pallet_anchors = 12,
        ServiceContracts: pallet_service_contracts = 13,
    }
);
