//! Transactions that one machine prepares, another one signs and a third one submits.
//!
//! The machine that signs may have no network, and it does not trust the machine that prepared the transaction. It
//! decodes the call with the metadata in the file, and its signature covers the hash of that metadata
//! (`CheckMetadataHash`). A chain whose runtime has other metadata rejects the transaction, so nobody can make a call
//! look like another one.

use super::{
    connect::causes,
    dynamic,
    rpc::{decode, Rpc},
    runtime::label,
    Call, ChainClient, ChainError,
};
use codec::{Compact, Decode as _, Encode as _};
use frame_metadata::RuntimeMetadataPrefixed;
use merkleized_metadata::{generate_metadata_digest, ExtraInfo};
use serde::{Deserialize, Serialize};
use sp_crypto_hashing::blake2_256;
use std::sync::Arc;
use streembit_keystore::{account, KeyPair};
use streembit_primitives::{AccountId, Hash};
use subxt::{
    config::{
        substrate::{SpecVersionForRange, H256},
        SubstrateConfig,
    },
    metadata::Metadata,
    utils::Era,
    OfflineClient,
};

/// The number of blocks in which a prepared transaction can be included, counted from the finalized block that it
/// names. It is less than the number of block hashes that the runtime keeps.
const LIFETIME: u32 = 2_048;
/// The metadata version that the metadata hash is defined for.
const METADATA_VERSION: u32 = 15;
/// The token in the metadata hash, as in `runtime/build.rs`. This chain has no token.
const TOKEN_SYMBOL: &str = "NONE";
/// The decimals of the token in the metadata hash.
const TOKEN_DECIMALS: u8 = 0;
/// The length from which on the signature covers the hash of the payload.
const MAX_PLAIN_PAYLOAD: usize = 256;

/// An error in preparing, reading or signing a transaction offline.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OfflineError {
    /// The metadata in the file is invalid.
    #[error("the metadata of the transaction is invalid: {0}; prepare the transaction again")]
    Metadata(String),
    /// The call in the file is invalid.
    #[error("the call of the transaction cannot be decoded: {0}; prepare the transaction again")]
    Call(String),
    /// The runtime has an extension that this program does not know.
    #[error(
        "the runtime has the transaction extension {0}, which this program does not know; use a newer release"
    )]
    Extension(String),
    /// The key is not that of the account.
    #[error("the transaction is of the account {}, but the key is of {}: sign with the right key", account::show(.expected), account::show(.found))]
    OtherAccount {
        /// The account of the transaction.
        expected: AccountId,
        /// The account of the key.
        found: AccountId,
    },
}

/// The finalized block that a transaction names. It can be included in the blocks after it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BirthBlock {
    /// The number of the block.
    pub number: u32,
    /// The hash of the block.
    pub hash: Hash,
}

/// A transaction without its signature.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnsignedTransaction {
    /// The hash of block 0.
    pub genesis: Hash,
    /// The account that has to sign.
    #[serde(with = "account::ss58")]
    pub account: AccountId,
    /// The account's nonce. Only one transaction with this nonce can be included.
    pub nonce: u64,
    /// The block from which on it can be included.
    pub birth: BirthBlock,
    /// The encoded call.
    #[serde(with = "hex_bytes")]
    pub call: Vec<u8>,
    /// The metadata of the runtime, version 15.
    #[serde(with = "hex_bytes")]
    pub metadata: Vec<u8>,
}

/// A signed transaction.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedTransaction {
    /// The hash of block 0.
    pub genesis: Hash,
    /// The account that has signed.
    #[serde(with = "account::ss58")]
    pub account: AccountId,
    /// The name of the call, such as `ServiceContracts.accept`.
    pub call: String,
    /// The block from which on it can be included.
    pub birth: BirthBlock,
    /// The encoded transaction.
    #[serde(with = "hex_bytes")]
    pub transaction: Vec<u8>,
}

/// The content of a transaction, as the machine that signs decodes it.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Review {
    /// The name of the call, such as `ServiceContracts.accept`.
    pub call: String,
    /// The arguments of the call, by name.
    pub arguments: serde_json::Value,
    /// The version of the runtime that the transaction is for.
    pub spec_version: u32,
    /// The hash of the runtime's metadata, which the signature covers.
    pub metadata_hash: Hash,
    /// The number of the last block that can include the transaction.
    pub last_block: u32,
}

impl UnsignedTransaction {
    /// Decodes the call with the metadata in the file.
    pub fn review(&self) -> Result<Review, OfflineError> {
        let runtime = OfflineRuntime::read(&self.metadata)?;
        let (call, arguments) = runtime.decode(&self.call)?;
        Ok(Review {
            call,
            arguments,
            spec_version: runtime.spec_version,
            metadata_hash: runtime.metadata_hash,
            last_block: self.birth.number.saturating_add(LIFETIME),
        })
    }

    /// Signs the transaction.
    pub fn sign(&self, keys: &KeyPair) -> Result<SignedTransaction, OfflineError> {
        if keys.account() != self.account {
            return Err(OfflineError::OtherAccount { expected: self.account, found: keys.account() });
        }
        let runtime = OfflineRuntime::read(&self.metadata)?;
        let (call, _) = runtime.decode(&self.call)?;
        let (extra, implicit) = self.extensions(&runtime)?;
        let mut payload = [&self.call[..], &extra, &implicit].concat();
        if payload.len() > MAX_PLAIN_PAYLOAD {
            payload = blake2_256(&payload).to_vec();
        }
        let signature = keys.sign_extrinsic(&payload);
        // A signed extrinsic of version 4: account id, sr25519 signature, extensions, call.
        let body = [&[0x84, 0x00][..], &self.account.0, &[0x01], &signature, &extra, &self.call].concat();
        Ok(SignedTransaction {
            genesis: self.genesis,
            account: self.account,
            call,
            birth: self.birth,
            transaction: body.encode(),
        })
    }

    /// Encodes the data of the transaction extensions: the part that is sent, and the part that is only signed.
    fn extensions(&self, runtime: &OfflineRuntime) -> Result<(Vec<u8>, Vec<u8>), OfflineError> {
        let (mut extra, mut implicit) = (Vec::new(), Vec::new());
        for name in &runtime.extensions {
            match name.as_str() {
                "CheckNonZeroSender" | "CheckWeight" | "SpendQuota" => {}
                "CheckSpecVersion" => runtime.spec_version.encode_to(&mut implicit),
                "CheckTxVersion" => runtime.transaction_version.encode_to(&mut implicit),
                "CheckGenesis" => self.genesis.encode_to(&mut implicit),
                "CheckMortality" | "CheckEra" => {
                    Era::mortal(LIFETIME.into(), self.birth.number.into()).encode_to(&mut extra);
                    self.birth.hash.encode_to(&mut implicit);
                }
                "CheckNonce" => Compact(self.nonce).encode_to(&mut extra),
                "CheckMetadataHash" => {
                    1u8.encode_to(&mut extra);
                    Some(runtime.metadata_hash).encode_to(&mut implicit);
                }
                unknown => return Err(OfflineError::Extension(unknown.to_owned())),
            }
        }
        Ok((extra, implicit))
    }
}

impl SignedTransaction {
    /// The number of the last block that can include the transaction.
    pub fn last_block(&self) -> u32 {
        self.birth.number.saturating_add(LIFETIME)
    }
}

/// What a signature needs to know of a runtime, read from its metadata alone.
struct OfflineRuntime {
    metadata: Arc<Metadata>,
    metadata_hash: Hash,
    extensions: Vec<String>,
    spec_version: u32,
    transaction_version: u32,
}

/// The beginning of `sp_version::RuntimeVersion`.
#[derive(codec::Decode)]
struct RuntimeVersion {
    spec_name: String,
    _impl_name: String,
    _authoring_version: u32,
    spec_version: u32,
    _impl_version: u32,
    _apis: Vec<([u8; 8], u32)>,
    transaction_version: u32,
}

impl OfflineRuntime {
    fn read(bytes: &[u8]) -> Result<Self, OfflineError> {
        let invalid = |problem: String| OfflineError::Metadata(problem);
        let metadata =
            Metadata::decode(&mut &*bytes).map(Arc::new).map_err(|error| invalid(error.to_string()))?;
        let constant = |name: &str| {
            let system = metadata.pallet_by_name("System");
            let found = system.and_then(|pallet| pallet.constant_by_name(name));
            found
                .map(|constant| constant.value().to_vec())
                .ok_or_else(|| invalid(format!("no constant System.{name}")))
        };
        let version = RuntimeVersion::decode(&mut &constant("Version")?[..])
            .map_err(|error| invalid(format!("System.Version: {error}")))?;
        let base58_prefix = u16::decode(&mut &constant("SS58Prefix")?[..])
            .map_err(|error| invalid(format!("System.SS58Prefix: {error}")))?;
        let extra = ExtraInfo {
            spec_version: version.spec_version,
            spec_name: version.spec_name,
            base58_prefix,
            decimals: TOKEN_DECIMALS,
            token_symbol: TOKEN_SYMBOL.into(),
        };
        let RuntimeMetadataPrefixed(_, plain) =
            RuntimeMetadataPrefixed::decode(&mut &*bytes).map_err(|error| invalid(error.to_string()))?;
        let digest = generate_metadata_digest(&plain, extra).map_err(invalid)?;
        let extensions = metadata
            .extrinsic()
            .transaction_extensions_to_use_for_encoding()
            .map(|extension| extension.identifier().to_owned())
            .collect();
        Ok(Self {
            metadata_hash: Hash(digest.hash()),
            extensions,
            spec_version: version.spec_version,
            transaction_version: version.transaction_version,
            metadata,
        })
    }

    /// Returns the name and the arguments of a call.
    fn decode(&self, call: &[u8]) -> Result<(String, serde_json::Value), OfflineError> {
        let invalid = |error: &dyn std::error::Error| OfflineError::Call(causes(error));
        let versions = SpecVersionForRange {
            block_range: 0..u64::MAX,
            spec_version: self.spec_version,
            transaction_version: self.transaction_version,
        };
        let config = SubstrateConfig::builder()
            .set_metadata_for_spec_versions([(self.spec_version, self.metadata.clone())])
            .set_spec_version_for_block_ranges([versions])
            .build();
        let client =
            OfflineClient::new_with_config(config).at_block(0u64).map_err(|error| invalid(&error))?;
        let decoded = client.tx().from_call_data_bytes(call).map_err(|error| invalid(&error))?;
        let name = format!("{}.{}", decoded.pallet_name(), decoded.call_name());
        Ok((name, dynamic::fields_to_json(decoded.call_data())))
    }
}

impl ChainClient {
    /// Prepares a call for an account whose key is on another machine.
    pub async fn prepare(&self, account: AccountId, call: &Call) -> Result<UnsignedTransaction, ChainError> {
        let head = self.finalized().await?;
        let best = self.inner.rpc.best_hash().await?;
        let runtime = self.runtime_at(best).await?;
        Ok(UnsignedTransaction {
            genesis: self.genesis(),
            account,
            nonce: self.inner.rpc.next_nonce(&account).await?,
            birth: BirthBlock { number: head.number, hash: head.hash },
            call: runtime.encode(call)?,
            metadata: metadata(&self.inner.rpc, best, &label(call)).await?,
        })
    }
}

async fn metadata(rpc: &Rpc, at: H256, call: &str) -> Result<Vec<u8>, ChainError> {
    let answer = rpc.call("Metadata_metadata_at_version", &METADATA_VERSION.encode(), at).await?;
    let found = decode::<Option<Vec<u8>>>("the metadata", &answer)?;
    found.ok_or_else(|| ChainError::InvalidResponse {
        request: format!("the metadata to prepare {call}"),
        problem: format!("the runtime does not offer version {METADATA_VERSION}"),
    })
}

/// Bytes as hexadecimal digits after `0x`.
mod hex_bytes {
    use serde::{de::Error as _, Deserialize as _, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("0x{}", hex::encode(bytes)))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        hex::decode(text.trim_start_matches("0x")).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const METADATA: &[u8] = include_bytes!("../../../../runtime/metadata.scale");

    fn unsigned(call: Vec<u8>) -> UnsignedTransaction {
        UnsignedTransaction {
            genesis: Hash([1; 32]),
            account: KeyPair::from_seed([7; 32]).account(),
            nonce: 3,
            birth: BirthBlock { number: 5, hash: Hash([2; 32]) },
            call,
            metadata: METADATA.to_vec(),
        }
    }

    /// `System.remark`.
    fn remark() -> Vec<u8> {
        (0u8, 0u8, b"hello".to_vec()).encode()
    }

    #[test]
    fn the_signing_machine_decodes_the_call_itself() {
        let review = unsigned(remark()).review().unwrap();
        assert_eq!(review.call, "System.remark");
        assert_eq!(review.arguments, serde_json::json!({ "remark": "hello" }));
        assert_eq!(review.last_block, 5 + LIFETIME);
    }

    #[test]
    fn a_changed_call_or_changed_metadata_is_refused() {
        let call = [remark(), vec![0]].concat();
        assert!(matches!(unsigned(call).review(), Err(OfflineError::Call(_))));
        assert!(matches!(unsigned(vec![250, 0]).review(), Err(OfflineError::Call(_))));
        let mut other = unsigned(remark());
        other.metadata.truncate(100);
        assert!(matches!(other.review(), Err(OfflineError::Metadata(_))));
    }

    #[test]
    fn only_the_key_of_the_account_signs_and_the_signature_covers_everything() {
        let keys = KeyPair::from_seed([7; 32]);
        let stranger = KeyPair::from_seed([8; 32]);
        assert!(matches!(unsigned(remark()).sign(&stranger), Err(OfflineError::OtherAccount { .. })));
        let signed = unsigned(remark()).sign(&keys).unwrap();
        assert_eq!(signed.call, "System.remark");
        let body = Vec::<u8>::decode(&mut &signed.transaction[..]).unwrap();
        assert!(body.starts_with(&[0x84, 0x00]) && body.ends_with(&remark()));
    }

    #[test]
    fn files_round_trip_and_unknown_fields_are_errors() {
        let transaction = unsigned(remark());
        let text = serde_json::to_string(&transaction).unwrap();
        assert_eq!(serde_json::from_str::<UnsignedTransaction>(&text).unwrap(), transaction);
        let extended = text.replacen('{', "{\"tip\":1,", 1);
        assert!(serde_json::from_str::<UnsignedTransaction>(&extended).is_err());
    }
}
