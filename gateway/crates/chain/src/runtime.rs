//! The chain's runtime: checked for compatibility, then used to sign extrinsics and to read their results.
//!
//! The council can upgrade the runtime at any time, so it may be older or newer than this program. Each call, runtime API
//! method and map in the storage is checked separately, and an incompatible one fails only when it is used. A gateway keeps
//! anchoring even if the calls of the council have changed.

use super::{
    call::{self, Call, CallShape, MapShape, MethodShape},
    connect::causes,
    shape::{Described, ExpectedType},
    ChainError,
};
use codec::Decode as _;
use scale_info::MetaType;
use std::{collections::BTreeMap, fmt, sync::Arc};
use streembit_keystore::KeyPair;
use streembit_primitives::AccountId;
use subxt::{
    config::{
        substrate::{AccountId32, MultiSignature, SpecVersionForRange, H256},
        DefaultExtrinsicParamsBuilder, SubstrateConfig,
    },
    error::DispatchError,
    events::{Events, Phase},
    ext::{
        frame_decode::storage::StorageHasher,
        scale_encode::{self, EncodeAsFields, FieldIter, TypeResolver},
    },
    metadata::Metadata,
    tx::{Payload, Signer},
    OfflineClient, OfflineClientAtBlock,
};

/// The number of blocks in which a transaction can be included, counted from the finalized block it was signed at.
const MORTALITY: u32 = 64;

/// A runtime whose compatibility has been checked.
#[derive(Clone)]
pub(super) struct Runtime {
    version: u32,
    client: Arc<OfflineClientAtBlock<SubstrateConfig>>,
    /// The incompatible calls, methods and maps by name, with the difference.
    incompatible: Arc<BTreeMap<String, String>>,
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Runtime(version {})", self.version)
    }
}

/// A signed transaction.
#[derive(Clone)]
pub(super) struct Signed {
    /// The encoded extrinsic.
    pub bytes: Vec<u8>,
    /// The number of a finalized block. The blocks up to it do not include the transaction.
    pub birth: u32,
    /// The number of the last block that can include it.
    pub last_block: u32,
    /// The call's name in messages.
    pub label: String,
    /// The signer's account.
    pub account: AccountId,
}

/// The nonce and the finalized block that a transaction is signed with.
#[derive(Clone, Copy, Debug)]
pub(super) struct SigningPoint {
    /// The account's next nonce.
    pub nonce: u64,
    /// The number of the finalized block.
    pub number: u32,
    /// The hash of the finalized block.
    pub hash: H256,
}

impl Runtime {
    /// Compares the calls, methods and maps of a runtime with the ones this program uses.
    ///
    /// Returns an error if no method is compatible: the chain then is not a Streembit chain.
    pub fn check(
        version: u32,
        transaction_version: u32,
        genesis: H256,
        metadata: &[u8],
    ) -> Result<Self, ChainError> {
        let metadata = Metadata::decode(&mut &*metadata).map_err(|error| ChainError::InvalidResponse {
            request: "the metadata".into(),
            problem: error.to_string(),
        })?;
        let incompatible = differences(&metadata);
        if call::methods().iter().all(|method| incompatible.contains_key(&method.name())) {
            let difference = incompatible.into_values().next().unwrap_or_default();
            return Err(ChainError::Runtime { version, difference });
        }
        let whole_chain =
            SpecVersionForRange { block_range: 0..u64::MAX, spec_version: version, transaction_version };
        let config = SubstrateConfig::builder()
            .set_genesis_hash(genesis)
            .set_metadata_for_spec_versions([(version, Arc::new(metadata))])
            .set_spec_version_for_block_ranges([whole_chain])
            .build();
        let client = OfflineClient::new_with_config(config)
            .at_block(0u64)
            .map_err(|error| ChainError::Runtime { version, difference: error.to_string() })?;
        Ok(Self { version, client: Arc::new(client), incompatible: Arc::new(incompatible) })
    }

    /// Returns an error if the call (such as `Anchors.anchor`), the method (such as `AnchorsApi_latest`) or the map (such
    /// as `Devices.AllowedChanges`) is incompatible.
    pub fn ensure_compatible(&self, name: &str) -> Result<(), ChainError> {
        self.incompatible.get(name).map_or(Ok(()), |difference| {
            Err(ChainError::Runtime { version: self.version, difference: difference.clone() })
        })
    }

    /// The runtime's spec version.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Signs a call.
    pub fn sign(&self, keys: &KeyPair, call: &Call, point: SigningPoint) -> Result<Signed, ChainError> {
        let label = label(call);
        self.ensure_compatible(&label)?;
        let failed = |error: &dyn std::error::Error| ChainError::Runtime {
            version: self.version,
            difference: format!("cannot sign {label}: {}", causes(error)),
        };
        let params = DefaultExtrinsicParamsBuilder::new()
            .nonce(point.nonce)
            .mortal_from_unchecked(MORTALITY.into(), u64::from(point.number), point.hash)
            .build();
        let transactions = self.client.tx();
        let payload = EncodedCall { call, arguments: EncodedArguments(call.arguments()) };
        let mut signable =
            transactions.create_signable_offline(&payload, params).map_err(|error| failed(&error))?;
        let signed = signable.sign(&ExtrinsicSigner(keys)).map_err(|error| failed(&error))?;
        Ok(Signed {
            bytes: signed.into_encoded(),
            birth: point.number,
            last_block: point.number.saturating_add(MORTALITY),
            label,
            account: keys.account(),
        })
    }

    /// Encodes a call with the numbers that the runtime gives to its pallet and to the call.
    pub fn encode(&self, call: &Call) -> Result<Vec<u8>, ChainError> {
        let label = label(call);
        self.ensure_compatible(&label)?;
        let payload = EncodedCall { call, arguments: EncodedArguments(call.arguments()) };
        self.client.tx().call_data(&payload).map_err(|error| ChainError::Runtime {
            version: self.version,
            difference: format!("cannot encode {label}: {}", causes(&error)),
        })
    }

    /// Prepares the encoded events of a block for decoding.
    pub fn decode_events(&self, events: Vec<u8>) -> Events<SubstrateConfig> {
        self.client.events().from_bytes(events)
    }

    /// The metadata.
    pub fn metadata(&self) -> Arc<Metadata> {
        self.client.metadata()
    }

    /// Reads the result of the extrinsic at `index` from the block's encoded events.
    pub fn outcome(&self, events: Vec<u8>, index: u32, label: &str) -> Result<(), ChainError> {
        let invalid = |problem: String| ChainError::InvalidResponse {
            request: "the events of a block".into(),
            problem,
        };
        for event in self.decode_events(events).iter() {
            let event = event.map_err(|error| invalid(causes(&error)))?;
            if event.phase() != Phase::ApplyExtrinsic(index) || event.pallet_name() != "System" {
                continue;
            }
            match event.event_name() {
                "ExtrinsicSuccess" => return Ok(()),
                "ExtrinsicFailed" => {
                    let error = DispatchError::decode_from(event.field_bytes(), self.client.metadata())
                        .map_err(|error| invalid(causes(&error)))?;
                    let (error, docs) = name_and_docs(&error);
                    return Err(ChainError::Dispatch { call: label.into(), error, docs });
                }
                _ => {}
            }
        }
        Err(invalid(format!("no event reports the result of extrinsic {index}")))
    }
}

/// The call's name in messages, such as `Anchors.anchor`.
pub(super) fn label(call: &Call) -> String {
    format!("{}.{}", call.pallet(), call.name())
}

/// Returns an error's name and its documentation in the metadata.
fn name_and_docs(error: &DispatchError) -> (String, String) {
    let DispatchError::Module(module) = error else {
        return (error.to_string(), "the runtime gives no description".into());
    };
    let docs = module.details().map(|details| details.variant.docs.join(" ")).unwrap_or_default();
    let text = docs.trim().trim_end_matches('.');
    (
        module.details_string(),
        if text.is_empty() { "the pallet gives no description".into() } else { text.into() },
    )
}

/// The differences between the runtime and this program, by the name of the call, method or map.
fn differences(metadata: &Metadata) -> BTreeMap<String, String> {
    let calls = call::calls().into_iter().filter_map(|expected| {
        call_difference(&expected, metadata).map(|difference| (expected.name(), difference))
    });
    let methods = call::methods().into_iter().filter_map(|expected| {
        method_difference(&expected, metadata).map(|difference| (expected.name(), difference))
    });
    let maps = [call::allowed_changes()].into_iter().filter_map(|expected| {
        map_difference(&expected, metadata).map(|difference| (expected.name(), difference))
    });
    calls.chain(methods).chain(maps).collect()
}

fn call_difference(expected: &CallShape, metadata: &Metadata) -> Option<String> {
    let name = expected.name();
    let pallet = metadata.pallet_by_name(expected.pallet);
    let Some(found) = pallet.and_then(|pallet| pallet.call_variant_by_name(expected.call)) else {
        return Some(format!("the runtime has no call {name}"));
    };
    let theirs: Vec<u32> = found.fields.iter().map(|field| field.ty.id).collect();
    list_difference(&expected.arguments, &theirs, metadata)
        .map(|difference| format!("{name} takes {difference}"))
}

fn method_difference(expected: &MethodShape, metadata: &Metadata) -> Option<String> {
    let name = expected.name();
    let api = metadata.runtime_api_trait_by_name(expected.api);
    let Some(found) = api.and_then(|api| api.method_by_name(expected.method)) else {
        return Some(format!("the runtime has no method {name}"));
    };
    let theirs: Vec<u32> = found.inputs().map(|input| input.id).collect();
    list_difference(&expected.inputs, &theirs, metadata)
        .map(|difference| format!("{name} takes {difference}"))
        .or_else(|| {
            list_difference(&[expected.answer], &[found.output_ty()], metadata)
                .map(|difference| format!("{name} returns {difference}"))
        })
}

fn map_difference(expected: &MapShape, metadata: &Metadata) -> Option<String> {
    let name = expected.name();
    let storage = metadata.pallet_by_name(expected.pallet).and_then(|pallet| pallet.storage());
    let Some(found) = storage.and_then(|storage| storage.entry_by_name(expected.map)) else {
        return Some(format!("the runtime has no map {name}"));
    };
    let mut hashers = found.keys().map(|key| key.hasher);
    if (hashers.next(), hashers.next()) != (Some(StorageHasher::Blake2_128Concat), None) {
        return Some(format!("the keys of {name} are hashed in another way"));
    }
    list_difference(&[expected.value], &[found.value_ty()], metadata)
        .map(|difference| format!("{name} holds {difference}"))
}

fn list_difference(ours: &[MetaType], theirs: &[u32], metadata: &Metadata) -> Option<String> {
    if ours.len() != theirs.len() {
        return Some(format!("{} values, expected {}", theirs.len(), ours.len()));
    }
    let types = metadata.types();
    ours.iter().zip(theirs).enumerate().find_map(|(number, (ours, id))| {
        ExpectedType::new(ours)
            .difference(Described { types, id: *id })
            .map(|difference| format!("value {number}: {difference}"))
    })
}

/// A call with encoded arguments. [`Runtime::check`] has verified that the runtime expects these types.
struct EncodedCall<'a> {
    call: &'a Call,
    arguments: EncodedArguments,
}

struct EncodedArguments(Vec<u8>);

impl EncodeAsFields for EncodedArguments {
    fn encode_as_fields_to<R: TypeResolver>(
        &self,
        _fields: &mut dyn FieldIter<'_, R::TypeId>,
        _types: &R,
        out: &mut Vec<u8>,
    ) -> Result<(), scale_encode::Error> {
        out.extend_from_slice(&self.0);
        Ok(())
    }
}

impl Payload for EncodedCall<'_> {
    type CallData = EncodedArguments;

    fn pallet_name(&self) -> &str {
        self.call.pallet()
    }

    fn call_name(&self) -> &str {
        self.call.name()
    }

    fn call_data(&self) -> &EncodedArguments {
        &self.arguments
    }
}

struct ExtrinsicSigner<'a>(&'a KeyPair);

impl Signer<SubstrateConfig> for ExtrinsicSigner<'_> {
    fn account_id(&self) -> AccountId32 {
        AccountId32(self.0.account().0)
    }

    fn sign(&self, payload: &[u8]) -> MultiSignature {
        MultiSignature::Sr25519(self.0.sign_extrinsic(payload))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const METADATA: &[u8] = include_bytes!("../../../../runtime/metadata.scale");

    #[test]
    fn the_runtime_of_this_release_has_everything_that_this_program_uses() {
        let runtime = Runtime::check(1, 1, H256::zero(), METADATA).unwrap();
        assert_eq!(*runtime.incompatible, BTreeMap::new());
    }

    #[test]
    fn a_map_with_other_values_or_none_is_incompatible() {
        let metadata = Metadata::decode(&mut &*METADATA).unwrap();
        let allowed = call::allowed_changes;
        assert_eq!(map_difference(&allowed(), &metadata), None);
        let other = MapShape { value: MetaType::new::<(u64, u64)>(), ..allowed() };
        assert!(map_difference(&other, &metadata).unwrap().starts_with("Devices.AllowedChanges holds"));
        let absent = MapShape { map: "Allowed", ..allowed() };
        assert!(map_difference(&absent, &metadata).unwrap().contains("no map Devices.Allowed"));
        // This map has two keys.
        let hashed = MapShape { map: "DevicesOfOwner", ..allowed() };
        assert!(map_difference(&hashed, &metadata).unwrap().contains("hashed"));
    }

    #[test]
    fn malformed_metadata_is_an_invalid_response() {
        for bytes in [&b""[..], b"meta", &[0xff; 64]] {
            let checked = Runtime::check(1, 1, H256::zero(), bytes);
            assert!(matches!(checked, Err(ChainError::InvalidResponse { .. })), "{bytes:?}");
        }
    }
}
