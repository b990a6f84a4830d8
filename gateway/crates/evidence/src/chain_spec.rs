//! Reads the trust root of evidence from a chain's raw specification.
//!
//! The trust root has the hash of the genesis block, which is derived from the complete genesis state in the
//! specification, and the GRANDPA voters in that state.

use codec::{DecodeAll as _, Encode as _};
use serde::Deserialize;
use sp_core::Blake2Hasher;
use sp_crypto_hashing::{blake2_256, twox_128};
use sp_trie::{LayoutV1, TrieConfiguration as _};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};
use streembit_primitives::{
    evidence::{AuthoritySet, TrustRoot, Voter},
    Hash,
};

/// The maximum size of a chain specification, in bytes. A usual one has a few megabytes, because it includes the
/// runtime in hexadecimal digits.
const MAX_BYTES: u64 = 64 << 20;

/// The trust root cannot be read from a file.
#[derive(Debug, thiserror::Error)]
pub enum ChainSpecError {
    /// The file cannot be read.
    #[error("reading the chain spec {}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file is not a chain specification.
    #[error("{} is not a chain spec: {problem}", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The problem.
        problem: String,
    },
    /// The specification does not list the genesis state, but only how to build it.
    #[error("{} is a plain chain spec, but a raw one is needed, which lists the chain's genesis state", .0.display())]
    Plain(PathBuf),
}

/// The parts of a chain specification that are read.
#[derive(Debug, Deserialize)]
struct Spec {
    genesis: Genesis,
}

#[derive(Debug, Deserialize)]
struct Genesis {
    raw: Option<Raw>,
    #[serde(rename = "stateRootHash")]
    state_root: Option<serde::de::IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct Raw {
    top: BTreeMap<String, String>,
    #[serde(default, rename = "childrenDefault")]
    children: BTreeMap<String, serde::de::IgnoredAny>,
}

/// Reads the trust root from a file.
pub fn read(path: &Path) -> Result<TrustRoot, ChainSpecError> {
    parse(path, read_bytes(path)?)
}

/// Reads the bytes of a file that may be a chain specification.
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>, ChainSpecError> {
    let failed = |source| ChainSpecError::Read { path: path.into(), source };
    if fs::metadata(path).map_err(failed)?.len() > MAX_BYTES {
        let problem = format!("it has more than {} MiB", MAX_BYTES >> 20);
        return Err(ChainSpecError::Malformed { path: path.into(), problem });
    }
    fs::read(path).map_err(failed)
}

/// Derives the trust root from the bytes of a chain specification. Errors name the file.
pub(crate) fn parse(path: &Path, bytes: Vec<u8>) -> Result<TrustRoot, ChainSpecError> {
    let malformed = |problem: String| ChainSpecError::Malformed { path: path.into(), problem };
    let spec: Spec = serde_json::from_slice(&bytes).map_err(|error| malformed(error.to_string()))?;
    drop(bytes);
    let Some(raw) = spec.genesis.raw else {
        return Err(match spec.genesis.state_root {
            Some(_) => malformed("it has only the hash of the genesis state, not the state".into()),
            None => ChainSpecError::Plain(path.into()),
        });
    };
    trust_root(raw).map_err(malformed)
}

fn trust_root(raw: Raw) -> Result<TrustRoot, String> {
    if !raw.children.is_empty() {
        return Err("it has child tries, which no Streembit chain has".into());
    }
    let state = raw
        .top
        .into_iter()
        .map(|(key, value)| Ok((bytes(&key)?, bytes(&value)?)))
        .collect::<Result<BTreeMap<_, _>, String>>()?;
    let key = [twox_128(b"Grandpa"), twox_128(b"Authorities")].concat();
    let voters = state.get(&key).ok_or("its genesis state has no GRANDPA voters")?;
    let voters = Vec::<Voter>::decode_all(&mut voters.as_slice())
        .map_err(|error| format!("its GRANDPA voters cannot be read: {error}"))?;
    let state_root = LayoutV1::<Blake2Hasher>::trie_root(state).0;
    Ok(TrustRoot { genesis: genesis_hash(state_root), authorities: AuthoritySet { id: 0, voters } })
}

/// Returns the hash of the genesis block, which has no parent, number 0, no extrinsics and no digest. It is built like
/// in `sc_chain_spec::construct_genesis_block`.
fn genesis_hash(state_root: [u8; 32]) -> Hash {
    let no_extrinsics = LayoutV1::<Blake2Hasher>::trie_root(std::iter::empty::<([u8; 0], [u8; 0])>()).0;
    let (number, digest) = (codec::Compact(0u32), codec::Compact(0u32));
    let header = ([0u8; 32], number, state_root, no_extrinsics, digest);
    Hash(blake2_256(&header.encode()))
}

fn bytes(text: &str) -> Result<Vec<u8>, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    hex::decode(digits).map_err(|error| {
        let shown: String = text.chars().take(40).collect();
        format!("{shown:?} in its genesis state: {error}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn read_text(text: &str) -> Result<TrustRoot, ChainSpecError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        read(file.path())
    }

    fn raw(top: &str) -> String {
        format!("{{\"name\":\"x\",\"id\":\"x\",\"genesis\":{{\"raw\":{{\"top\":{{{top}}},\"childrenDefault\":{{}}}}}}}}")
    }

    fn voters() -> String {
        let key = [twox_128(b"Grandpa"), twox_128(b"Authorities")].concat();
        let voters = vec![([7u8; 32], 1u64)].encode();
        format!("\"0x{}\":\"0x{}\"", hex::encode(key), hex::encode(voters))
    }

    #[test]
    fn the_voters_are_read_and_the_genesis_hash_depends_on_every_entry() {
        let one = read_text(&raw(&voters())).unwrap();
        assert_eq!(one.authorities.id, 0);
        assert_eq!(one.authorities.voters.len(), 1);
        let other = read_text(&raw(&format!("{},\"0x01\":\"0x02\"", voters()))).unwrap();
        assert_eq!(one.authorities, other.authorities);
        assert_ne!(one.genesis, other.genesis);
    }

    #[test]
    fn files_without_a_trust_root_are_rejected_with_the_reason() {
        let plain = "{\"genesis\":{\"runtimeGenesis\":{\"code\":\"0x\",\"patch\":{}}}}";
        for (text, words) in [
            (plain, "a raw one"),
            ("{\"genesis\":{\"stateRootHash\":\"0x00\"}}", "only the hash"),
            ("{}", "genesis"),
            ("no json", "not a chain spec"),
            (&raw("\"0x01\":\"0x02\""), "no GRANDPA voters"),
            (&raw("\"0x0\":\"0x02\""), "0x0"),
        ] {
            let error = read_text(text).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
        let error = read(Path::new("/no/such/spec.json")).unwrap_err().to_string();
        assert!(error.contains("/no/such/spec.json"), "{error}");
    }

    #[test]
    fn the_root_of_an_empty_trie_is_the_well_known_one() {
        let root = LayoutV1::<Blake2Hasher>::trie_root(std::iter::empty::<([u8; 0], [u8; 0])>());
        assert_eq!(hex::encode(root), "03170a2e7597b7b7e3d84c05391d139a62b157e78786d8c082f29dcf4c111314");
    }
}
