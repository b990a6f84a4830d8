//! The chain's runtime as this program needs it: checked against what the program was built for, then used to sign
//! extrinsics and to read what became of them.
//!
//! A runtime may be older or newer than this program, since the council upgrades it whenever it likes. What differs is refused
//! by itself, when it is needed: a gateway goes on anchoring where only motions of the council have changed.

use super::{
    call::{self, Call, CallShape, QuestionShape},
    connect::causes,
    shape::{Described, Ours},
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
    events::Phase,
    ext::scale_encode::{self, EncodeAsFields, FieldIter, TypeResolver},
    metadata::Metadata,
    tx::{Payload, Signer},
    OfflineClient, OfflineClientAtBlock,
};

/// For how many blocks a transaction may be included, counted from the finalized block that it was signed at.
pub(super) const MORTALITY: u64 = 64;

/// A checked runtime.
#[derive(Clone)]
pub(super) struct Runtime {
    version: u32,
    client: Arc<OfflineClientAtBlock<SubstrateConfig>>,
    /// How the calls and questions differ that do not fit, by their names.
    unfit: Arc<BTreeMap<String, String>>,
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Runtime(version {})", self.version)
    }
}

/// A signed transaction.
#[derive(Clone)]
pub(super) struct Signed {
    /// The bytes that travel.
    pub bytes: Vec<u8>,
    /// The number of the finalized block that it was signed at.
    pub birth: u32,
    /// What it does, for messages.
    pub label: String,
    /// Who signed.
    pub account: AccountId,
}

/// Where in a chain's life a transaction is signed.
#[derive(Clone, Copy, Debug)]
pub(super) struct SigningPoint {
    /// The account's next nonce.
    pub nonce: u64,
    /// A finalized block's number.
    pub number: u32,
    /// Its hash.
    pub hash: H256,
}

impl Runtime {
    /// Checks which calls a runtime takes and which questions it answers as this program knows them. One that answers none is
    /// of a chain of another kind, and refused.
    pub fn check(
        version: u32,
        transaction_version: u32,
        genesis: H256,
        metadata: &[u8],
    ) -> Result<Self, ChainError> {
        let metadata = Metadata::decode(&mut &*metadata).map_err(|error| ChainError::Answer {
            question: "its metadata".into(),
            problem: error.to_string(),
        })?;
        let unfit = differences(&metadata);
        if call::questions().iter().all(|question| unfit.contains_key(&question.name())) {
            let difference = unfit.into_values().next().unwrap_or_default();
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
        Ok(Self { version, client: Arc::new(client), unfit: Arc::new(unfit) })
    }

    /// Refuses a call, such as `Anchors.anchor`, or a question, such as `AnchorsApi_latest`, that this program knows otherwise.
    pub fn check_fit(&self, name: &str) -> Result<(), ChainError> {
        self.unfit.get(name).map_or(Ok(()), |difference| {
            Err(ChainError::Runtime { version: self.version, difference: difference.clone() })
        })
    }

    /// The version that the chain gives its runtime.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Signs a call.
    pub fn sign(&self, keys: &KeyPair, call: &Call, moment: SigningPoint) -> Result<Signed, ChainError> {
        let label = label(call);
        self.check_fit(&label)?;
        let failed = |error: &dyn std::error::Error| ChainError::Runtime {
            version: self.version,
            difference: format!("signing {label}: {}", causes(error)),
        };
        let params = DefaultExtrinsicParamsBuilder::new()
            .nonce(moment.nonce)
            .mortal_from_unchecked(MORTALITY, u64::from(moment.number), moment.hash)
            .build();
        let transactions = self.client.tx();
        let payload = EncodedCall { call, arguments: EncodedArguments(call.arguments()) };
        let mut signable =
            transactions.create_signable_offline(&payload, params).map_err(|error| failed(&error))?;
        let signed = signable.sign(&ExtrinsicSigner(keys)).map_err(|error| failed(&error))?;
        Ok(Signed { bytes: signed.into_encoded(), birth: moment.number, label, account: keys.account() })
    }

    /// What became of the extrinsic with this index in a block, by the block's events.
    pub fn outcome(&self, events: Vec<u8>, index: u32, label: &str) -> Result<(), ChainError> {
        let unclear = |problem: String| ChainError::Answer { question: "the block's events".into(), problem };
        let events = self.client.events().from_bytes(events);
        for event in events.iter() {
            let event = event.map_err(|error| unclear(causes(&error)))?;
            if event.phase() != Phase::ApplyExtrinsic(index) || event.pallet_name() != "System" {
                continue;
            }
            match event.event_name() {
                "ExtrinsicSuccess" => return Ok(()),
                "ExtrinsicFailed" => {
                    let error = DispatchError::decode_from(event.field_bytes(), self.client.metadata())
                        .map_err(|error| unclear(causes(&error)))?;
                    let (error, words) = name_and_words(&error);
                    return Err(ChainError::Dispatch { call: label.into(), error, words });
                }
                _ => {}
            }
        }
        Err(unclear(format!("it does not say what became of extrinsic {index}")))
    }
}

/// `anchor`, `register`: the call as messages name it.
pub(super) fn label(call: &Call) -> String {
    format!("{}.{}", call.pallet(), call.name())
}

/// An error's name, and what its documentation in the metadata says.
fn name_and_words(error: &DispatchError) -> (String, String) {
    let DispatchError::Module(module) = error else {
        return (error.to_string(), "the runtime says no".into());
    };
    let docs = module.details().map(|details| details.variant.docs.join(" ")).unwrap_or_default();
    let words = docs.trim().trim_end_matches('.');
    (module.details_string(), if words.is_empty() { "its pallet says no".into() } else { words.into() })
}

/// How the runtime differs from what this program was built for, by the name of the call or the question.
fn differences(metadata: &Metadata) -> BTreeMap<String, String> {
    let calls = call::calls().into_iter().filter_map(|expected| {
        call_difference(&expected, metadata).map(|difference| (expected.name(), difference))
    });
    let questions = call::questions().into_iter().filter_map(|expected| {
        question_difference(&expected, metadata).map(|difference| (expected.name(), difference))
    });
    calls.chain(questions).collect()
}

fn call_difference(expected: &CallShape, metadata: &Metadata) -> Option<String> {
    let name = expected.name();
    let pallet = metadata.pallet_by_name(expected.pallet);
    let Some(found) = pallet.and_then(|pallet| pallet.call_variant_by_name(expected.call)) else {
        return Some(format!("it has no call {name}"));
    };
    let theirs: Vec<u32> = found.fields.iter().map(|field| field.ty.id).collect();
    list_difference(&expected.arguments, &theirs, metadata)
        .map(|difference| format!("{name} takes {difference}"))
}

fn question_difference(expected: &QuestionShape, metadata: &Metadata) -> Option<String> {
    let name = expected.name();
    let api = metadata.runtime_api_trait_by_name(expected.api);
    let Some(found) = api.and_then(|api| api.method_by_name(expected.method)) else {
        return Some(format!("it does not answer {name}"));
    };
    let theirs: Vec<u32> = found.inputs().map(|input| input.id).collect();
    list_difference(&expected.inputs, &theirs, metadata)
        .map(|difference| format!("{name} takes {difference}"))
        .or_else(|| {
            list_difference(&[expected.answer], &[found.output_ty()], metadata)
                .map(|difference| format!("{name} answers with {difference}"))
        })
}

fn list_difference(ours: &[MetaType], theirs: &[u32], metadata: &Metadata) -> Option<String> {
    if ours.len() != theirs.len() {
        return Some(format!("{} values, not {}", theirs.len(), ours.len()));
    }
    let types = metadata.types();
    ours.iter().zip(theirs).enumerate().find_map(|(number, (ours, id))| {
        Ours::new(ours)
            .difference(Described { types, id: *id })
            .map(|difference| format!("value {number}: {difference}"))
    })
}

/// A call whose arguments are encoded already; [`Runtime::check`] has seen that they fit.
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

    #[test]
    fn what_is_no_metadata_is_an_answer_that_makes_no_sense() {
        for bytes in [&b""[..], b"meta", &[0xff; 64]] {
            let checked = Runtime::check(1, 1, H256::zero(), bytes);
            assert!(matches!(checked, Err(ChainError::Answer { .. })), "{bytes:?}");
        }
    }
}
