//! Statements about log entries in COSE, with a receipt of their inclusion.
//!
//! A [`Statement`] is a hash envelope (RFC 9995): a `COSE_Sign1` whose payload is the digest of the log entry. Its
//! unprotected header holds one receipt (RFC 9942) for the tree of RFC 9162 with SHA-256: another `COSE_Sign1`, whose
//! detached payload is the root of the log, with the inclusion proof beside it. The log's Ed25519 key signs both. The
//! protected headers of both name the log as the issuer (RFC 9597), because one key signs all logs of a gateway.
//!
//! There is one encoding of each statement, and the decoder refuses every other.

use super::entry_proof::LIMITS;
use coset::{
    cbor::{de, ser, Value},
    iana::{self, EnumI64 as _},
    CoseSign1, CoseSign1Builder, Header, HeaderBuilder, Label, TaggedCborSerializable as _,
};
use ed25519_dalek::{Signer as _, SigningKey};
use streembit_primitives::{
    merkle::{leaf_hash, root_from_path, InclusionProof, LOG_TREE, MAX_PROOF_HASHES},
    note::{Origin, VerifierKey},
    Hash, LogKey,
};

/// The media type of the bytes that are hashed.
pub const ENTRY_MEDIA_TYPE: &str = "application/vnd.streembit.log-entry";

/// The maximum length of a statement, in bytes. A path has at most 64 hashes.
pub const MAX_STATEMENT_BYTES: usize = 8192;

/// CWT claims (RFC 9597), and in them the issuer (RFC 8392).
const CLAIMS: i64 = 15;
const ISSUER: i64 = 1;
/// The parameters of a hash envelope (RFC 9995).
const PAYLOAD_HASH_ALG: i64 = 258;
const PREIMAGE_CONTENT_TYPE: i64 = 259;
/// The parameters of receipts (RFC 9942).
const RECEIPTS: i64 = 394;
const STRUCTURE: i64 = 395;
const PROOFS: i64 = 396;
/// The tree of RFC 9162 with SHA-256, and its inclusion proofs.
const RFC9162_SHA256: i64 = 1;
const INCLUSION: i64 = -1;
/// Our parameter with [`LIMITS`].
const LIMITS_PARAMETER: &str = "limits";

/// An entry's digest and where it is in the log.
#[derive(Clone, Copy, Debug)]
pub struct IncludedDigest<'a> {
    /// The digest of the entry.
    pub digest: Hash,
    /// The index of the entry.
    pub index: u64,
    /// The path from its leaf to the root.
    pub path: &'a InclusionProof,
    /// The number of entries of the log.
    pub size: u64,
    /// The root of the log at this size.
    pub root: Hash,
}

/// A parsed statement with its receipt. Neither is verified.
#[derive(Clone, PartialEq, Debug)]
pub struct Statement {
    message: CoseSign1,
    receipt: Receipt,
}

#[derive(Clone, PartialEq, Debug)]
struct Receipt {
    message: CoseSign1,
    size: u64,
    index: u64,
    path: Vec<Hash>,
}

/// A statement whose signature and receipt are valid. Only [`Statement::verify`] constructs this type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VerifiedStatement {
    digest: Hash,
    index: u64,
    size: u64,
    root: Hash,
}

impl VerifiedStatement {
    /// Returns the digest of the entry.
    pub fn digest(&self) -> &Hash {
        &self.digest
    }

    /// Returns the index of the entry in the log.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Returns the number of entries of the log.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Returns the root of the log at this size.
    pub fn root(&self) -> &Hash {
        &self.root
    }
}

/// Why a statement cannot be made or is refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CoseError {
    /// A receipt cannot prove the only entry of a log.
    #[error("a COSE receipt needs at least one hash in its path, and a log of one entry has none: export it again after the next anchor")]
    SingleEntry,
    /// The index is beyond the end of the log.
    #[error("entry {index} is beyond the end of a log of {size} entries")]
    OutOfRange {
        /// The index.
        index: u64,
        /// The size of the log.
        size: u64,
    },
    /// The statement is longer than [`MAX_STATEMENT_BYTES`].
    #[error("the statement has {0} bytes, but at most {MAX_STATEMENT_BYTES} are read")]
    TooLong(usize),
    /// The bytes are not CBOR, or not the CBOR of this structure.
    #[error("the {what} is not valid CBOR of its kind: {problem}")]
    Cbor {
        /// The structure.
        what: &'static str,
        /// The decoder's description.
        problem: String,
    },
    /// The bytes are not the ones that this crate writes for the same content.
    #[error("the statement is not encoded in its only form: get the file again, and nothing after it")]
    NotCanonical,
    /// The headers are not those of a statement or of a receipt.
    #[error(
        "the headers of the {0} are not those of this kind of statement, or they name another log or key"
    )]
    Headers(&'static str),
    /// The payload is not a 32-byte digest, or the receipt has a payload.
    #[error("the payload of the {0} is not the expected one")]
    Payload(&'static str),
    /// The inclusion proof is malformed.
    #[error("the receipt does not hold one inclusion proof")]
    Proof,
    /// The statement is of another entry.
    #[error("the statement is of the entry with the digest {found}, not of {expected}")]
    OtherEntry {
        /// The digest of the entry to verify.
        expected: Hash,
        /// The digest in the statement.
        found: Hash,
    },
    /// A signature is not valid.
    #[error("the signature of the {0} is not valid: the file was changed after it was signed")]
    Signature(&'static str),
}

/// The names of the two messages in errors.
const STATEMENT: &str = "statement";
const RECEIPT: &str = "receipt";

impl CoseError {
    fn cbor(what: &'static str, problem: impl ToString) -> Self {
        Self::Cbor { what, problem: problem.to_string() }
    }
}

impl Statement {
    /// Signs a statement about an entry, with a receipt of its inclusion.
    pub fn sign(origin: &Origin, included: &IncludedDigest<'_>, key: &SigningKey) -> Result<Self, CoseError> {
        let IncludedDigest { digest, index, path, size, root } = *included;
        if path.path().is_empty() {
            return Err(CoseError::SingleEntry);
        }
        let verifier = VerifierKey::new(*origin, &LogKey(key.verifying_key().to_bytes()))
            .ok_or(CoseError::Signature(STATEMENT))?;
        let sign = |message: &[u8]| key.sign(message).to_bytes().to_vec();
        let proof = encode_proof(size, index, path.path())?;
        let receipt = CoseSign1Builder::new()
            .protected(receipt_header(&verifier))
            .unprotected(one_parameter(
                PROOFS,
                Value::Map(vec![(Value::from(INCLUSION), Value::Array(vec![Value::Bytes(proof)]))]),
            ))
            .create_detached_signature(&root.0, b"", sign)
            .build();
        let receipt = Receipt { message: receipt, size, index, path: path.path().to_vec() };
        let bytes = encode_message(&receipt.message, RECEIPT)?;
        let message = CoseSign1Builder::new()
            .protected(statement_header(&verifier))
            .unprotected(one_parameter(RECEIPTS, Value::Array(vec![Value::Bytes(bytes)])))
            .payload(digest.0.to_vec())
            .create_signature(b"", sign)
            .build();
        Ok(Self { message, receipt })
    }

    /// Returns the bytes of the statement.
    pub fn encode(&self) -> Result<Vec<u8>, CoseError> {
        encode_message(&self.message, STATEMENT)
    }

    /// Parses a statement with its receipt. Every accepted statement is encoded as the same bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, CoseError> {
        if bytes.len() > MAX_STATEMENT_BYTES {
            return Err(CoseError::TooLong(bytes.len()));
        }
        let message = decode_message(bytes, STATEMENT)?;
        let receipts = only_parameter(&message.unprotected, RECEIPTS).ok_or(CoseError::Headers(STATEMENT))?;
        let receipt = only_bytes(receipts).ok_or(CoseError::Headers(STATEMENT))?;
        Ok(Self { receipt: Receipt::decode(receipt)?, message })
    }

    /// Verifies that the log of `key` states and includes the entry with this digest.
    pub fn verify(&self, digest: &Hash, key: &VerifierKey) -> Result<VerifiedStatement, CoseError> {
        if self.message.protected.header != statement_header(key) {
            return Err(CoseError::Headers(STATEMENT));
        }
        let payload = self.message.payload.as_deref().and_then(|payload| payload.try_into().ok());
        let found = Hash(payload.ok_or(CoseError::Payload(STATEMENT))?);
        if found != *digest {
            return Err(CoseError::OtherEntry { expected: *digest, found });
        }
        let verify = |signature: &[u8], message: &[u8]| {
            let signature: &[u8; 64] = signature.try_into().map_err(|_| ())?;
            key.key().verify(message, signature).then_some(()).ok_or(())
        };
        self.message.verify_signature(b"", verify).map_err(|()| CoseError::Signature(STATEMENT))?;

        let Receipt { message, size, index, path } = &self.receipt;
        if message.protected.header != receipt_header(key) {
            return Err(CoseError::Headers(RECEIPT));
        }
        if message.payload.is_some() {
            return Err(CoseError::Payload(RECEIPT));
        }
        let root =
            root_from_path(LOG_TREE, leaf_hash(digest), *index, *size, path).ok_or(CoseError::Proof)?;
        // The root is not in the receipt. The signature is valid only for the root that the path leads to.
        message
            .verify_detached_signature(&root.0, b"", verify)
            .map_err(|()| CoseError::Signature(RECEIPT))?;
        Ok(VerifiedStatement { digest: *digest, index: *index, size: *size, root })
    }
}

impl Receipt {
    fn decode(bytes: &[u8]) -> Result<Self, CoseError> {
        let message = decode_message(bytes, RECEIPT)?;
        let proofs = only_parameter(&message.unprotected, PROOFS).ok_or(CoseError::Headers(RECEIPT))?;
        let proof = match proofs.as_map().map(Vec::as_slice) {
            Some([(kind, proofs)]) if *kind == Value::from(INCLUSION) => only_bytes(proofs),
            _ => None,
        };
        let (size, index, path) = decode_proof(proof.ok_or(CoseError::Proof)?)?;
        Ok(Self { message, size, index, path })
    }
}

/// Returns the protected header of a statement.
fn statement_header(key: &VerifierKey) -> Header {
    signed_by(key)
        .value(PAYLOAD_HASH_ALG, Value::from(iana::Algorithm::SHA_256.to_i64()))
        .value(PREIMAGE_CONTENT_TYPE, Value::from(ENTRY_MEDIA_TYPE))
        .text_value(LIMITS_PARAMETER.into(), Value::from(LIMITS))
        .build()
}

/// Returns the protected header of a receipt.
fn receipt_header(key: &VerifierKey) -> Header {
    signed_by(key).value(STRUCTURE, Value::from(RFC9162_SHA256)).build()
}

/// Starts a protected header with the algorithm, the id of the key, and the log as issuer.
fn signed_by(key: &VerifierKey) -> HeaderBuilder {
    let issuer = Value::Map(vec![(Value::from(ISSUER), Value::from(key.origin().to_string()))]);
    HeaderBuilder::new().algorithm(iana::Algorithm::EdDSA).key_id(key.id().to_vec()).value(CLAIMS, issuer)
}

/// Returns an unprotected header with one parameter.
fn one_parameter(label: i64, value: Value) -> Header {
    HeaderBuilder::new().value(label, value).build()
}

/// Returns the value of a parameter, or `None` unless it is the only one of the header.
fn only_parameter(header: &Header, label: i64) -> Option<&Value> {
    let [(Label::Int(found), value)] = header.rest.as_slice() else { return None };
    (*found == label && *header == one_parameter(label, value.clone())).then_some(value)
}

/// Returns the bytes in an array of one byte string.
fn only_bytes(value: &Value) -> Option<&[u8]> {
    match value.as_array()?.as_slice() {
        [Value::Bytes(bytes)] => Some(bytes),
        _ => None,
    }
}

fn encode_message(message: &CoseSign1, what: &'static str) -> Result<Vec<u8>, CoseError> {
    message.clone().to_tagged_vec().map_err(|error| CoseError::cbor(what, error))
}

/// Decodes a tagged message, which must be encoded in its only form.
fn decode_message(bytes: &[u8], what: &'static str) -> Result<CoseSign1, CoseError> {
    let mut message = CoseSign1::from_tagged_slice(bytes).map_err(|error| CoseError::cbor(what, error))?;
    // Otherwise the received bytes of the protected header would be written back, whatever their form.
    message.protected.original_data = None;
    if encode_message(&message, what)? != bytes {
        return Err(CoseError::NotCanonical);
    }
    Ok(message)
}

fn encode_proof(size: u64, index: u64, path: &[Hash]) -> Result<Vec<u8>, CoseError> {
    if index >= size {
        return Err(CoseError::OutOfRange { index, size });
    }
    let path = path.iter().map(|hash| Value::Bytes(hash.0.to_vec())).collect();
    let proof = Value::Array(vec![Value::from(size), Value::from(index), Value::Array(path)]);
    let mut bytes = Vec::new();
    ser::into_writer(&proof, &mut bytes).map_err(|error| CoseError::cbor("inclusion proof", error))?;
    Ok(bytes)
}

/// Decodes the size of the log, the index of the entry, and its path.
fn decode_proof(bytes: &[u8]) -> Result<(u64, u64, Vec<Hash>), CoseError> {
    let proof: Value = de::from_reader(bytes).map_err(|error| CoseError::cbor("inclusion proof", error))?;
    let [Value::Integer(size), Value::Integer(index), Value::Array(path)] =
        proof.as_array().ok_or(CoseError::Proof)?.as_slice()
    else {
        return Err(CoseError::Proof);
    };
    let number =
        |integer: &coset::cbor::value::Integer| u64::try_from(*integer).map_err(|_| CoseError::Proof);
    let (size, index) = (number(size)?, number(index)?);
    let path: Option<Vec<Hash>> =
        path.iter().map(|hash| hash.as_bytes()?.as_slice().try_into().ok().map(Hash)).collect();
    let path = path.filter(|path| (1..=MAX_PROOF_HASHES as usize).contains(&path.len()));
    let path = path.ok_or(CoseError::Proof)?;
    // This also refuses bytes after the proof and other encodings of it.
    if encode_proof(size, index, &path)? != bytes {
        return Err(CoseError::NotCanonical);
    }
    Ok((size, index, path))
}

#[cfg(test)]
mod tests;
