//! The node's RPC methods that are used, with our types, a time limit and our errors.

mod answers;

pub use answers::SeenVoters;
pub(super) use answers::{DoubleBlock, RoundState, RoundStates};

use super::{connect::causes, ChainError, Finalized};
use codec::{DecodeAll as _, Encode as _};
use futures::Stream;
use std::{future::Future, time::Duration};
use streembit_primitives::{AccountId, Hash};
use subxt::config::{
    substrate::{AccountId32, SubstrateHeader, H256},
    RpcConfigFor, SubstrateConfig,
};
use subxt_rpcs::{
    client::rpc_params,
    methods::legacy::{Bytes, TransactionStatus},
    Error, LegacyRpcMethods, RpcClient,
};

/// The longest wait for one answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// A node's RPC.
#[derive(Clone, Debug)]
pub(super) struct Rpc {
    client: RpcClient,
    methods: LegacyRpcMethods<RpcConfigFor<SubstrateConfig>>,
    label: String,
}

/// The header of a block.
pub(super) type Header = SubstrateHeader<H256>;

impl Rpc {
    /// Over a connection; `label` is what messages call the node.
    pub fn new(client: RpcClient, label: String) -> Self {
        Self { methods: LegacyRpcMethods::new(client.clone()), client, label }
    }

    /// What messages call the node.
    pub fn label(&self) -> &str {
        &self.label
    }

    async fn ask<T>(
        &self,
        question: &str,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, ChainError> {
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(answer) => answer.map_err(|error| self.error(question, error)),
            Err(_) => Err(self.away(format!("no answer to {question} within {} s", PATIENCE.as_secs()))),
        }
    }

    fn away(&self, problem: String) -> ChainError {
        ChainError::Away { node: self.label.clone(), problem }
    }

    fn error(&self, question: &str, error: Error) -> ChainError {
        let question = question.to_owned();
        match error {
            Error::User(error) => ChainError::Question {
                question,
                message: match error.data {
                    Some(data) => format!("{}: {}", error.message, data.get().trim_matches('"')),
                    None => error.message,
                },
            },
            Error::Deserialization(error) => ChainError::Answer { question, problem: error.to_string() },
            Error::Decode(error) => ChainError::Answer { question, problem: error.to_string() },
            Error::DisconnectedWillReconnect(_) => self.away("the connection was lost".into()),
            other => self.away(causes(&other)),
        }
    }

    /// The hash of block 0.
    pub async fn genesis(&self) -> Result<H256, ChainError> {
        self.ask("the genesis hash", self.methods.genesis_hash()).await
    }

    /// The hash of the last finalized block.
    pub async fn finalized_hash(&self) -> Result<H256, ChainError> {
        self.ask("the finalized head", self.methods.chain_get_finalized_head()).await
    }

    /// The last finalized block.
    pub async fn finalized(&self) -> Result<Finalized, ChainError> {
        let hash = self.finalized_hash().await?;
        self.finalized_of(&self.header(hash).await?, hash).await
    }

    async fn header(&self, hash: H256) -> Result<Header, ChainError> {
        let header = self.ask("a block's header", self.methods.chain_get_header(Some(hash))).await?;
        header.ok_or_else(|| ChainError::Answer {
            question: format!("the header of block {hash:?}"),
            problem: "the node has no such block".into(),
        })
    }

    /// A block's number, and the hash of the block before it.
    pub async fn place_of(&self, hash: H256) -> Result<(u32, H256), ChainError> {
        let header = self.header(hash).await?;
        Ok((number(&header)?, header.parent_hash))
    }

    /// The best block's hash.
    pub async fn best_hash(&self) -> Result<H256, ChainError> {
        let question = "the best block";
        let hash = self.ask(question, self.methods.chain_get_block_hash(None)).await?;
        hash.ok_or_else(|| ChainError::Answer {
            question: question.into(),
            problem: "the node has no block".into(),
        })
    }

    /// The best block's number.
    pub async fn best_number(&self) -> Result<u32, ChainError> {
        let header = self.ask("the best block", self.methods.chain_get_header(None)).await?;
        header.map_or(Ok(0), |header| number(&header))
    }

    /// Whether the node is connected to no other one, though it was told of some, or is known to have some.
    pub async fn is_alone(&self, has_others: bool) -> Result<bool, ChainError> {
        let health = self.ask("the node's health", self.methods.system_health()).await?;
        Ok(health.peers == 0 && (has_others || health.should_have_peers))
    }

    /// How the votes of the voters stand.
    pub async fn round_state(&self) -> Result<RoundStates, ChainError> {
        self.ask("the voters' votes", self.client.request("grandpa_roundState", rpc_params![])).await
    }

    /// The voters as the node sees them.
    pub async fn voters(&self) -> Result<Option<SeenVoters>, ChainError> {
        self.ask("the voters", self.client.request("streembit_voters", rpc_params![])).await
    }

    /// Of which authors the node has seen two blocks in one slot since it started; of none where it does not say.
    pub async fn double_blocks(&self) -> Result<Vec<DoubleBlock>, ChainError> {
        let answer = self.client.request("streembit_doubleBlocks", rpc_params![]);
        match self.ask("authors of two blocks in one slot", answer).await {
            Err(ChainError::Question { .. }) => Ok(Vec::new()),
            answer => answer,
        }
    }

    /// A finalized block with its time.
    pub async fn finalized_of(&self, header: &Header, hash: H256) -> Result<Finalized, ChainError> {
        let time = self.storage(&now_key(), hash).await?;
        let time = match time {
            Some(bytes) => decode::<u64>("the time of a block", &bytes)?,
            // Block 0 has no time.
            None => 0,
        };
        Ok(Finalized { number: number(header)?, hash: Hash(hash.0), time })
    }

    /// The hash of the block with this number.
    pub async fn hash_of(&self, number: u32) -> Result<Option<H256>, ChainError> {
        self.ask("a block's hash", self.methods.chain_get_block_hash(Some(number.into()))).await
    }

    /// A block's extrinsics.
    pub async fn extrinsics(&self, hash: H256) -> Result<Vec<Vec<u8>>, ChainError> {
        let block = self.ask("a block", self.methods.chain_get_block(Some(hash))).await?;
        let block = block.ok_or_else(|| ChainError::Answer {
            question: format!("the block {hash:?}"),
            problem: "the node does not keep it any more".into(),
        })?;
        Ok(block.block.extrinsics.into_iter().map(|extrinsic| extrinsic.0).collect())
    }

    /// The events of a block, encoded.
    pub async fn events(&self, hash: H256) -> Result<Vec<u8>, ChainError> {
        Ok(self.storage(&events_key(), hash).await?.unwrap_or_default())
    }

    /// The hash of the code of another runtime that the chain waits for, at a block.
    pub async fn authorized_code(&self, at: H256) -> Result<Option<Hash>, ChainError> {
        let found = self.storage(&authorized_code_key(), at).await?;
        // After the hash: whether the runtime's version is checked.
        let decoded = found.map(|bytes| decode::<(Hash, bool)>("the upgrade decided on", &bytes));
        Ok(decoded.transpose()?.map(|(hash, _)| hash))
    }

    async fn storage(&self, key: &[u8], at: H256) -> Result<Option<Vec<u8>>, ChainError> {
        self.ask("a value of the state", self.methods.state_get_storage(key, Some(at))).await
    }

    /// The nodes of the state's trie that prove what is under these keys, and what is not, at a block.
    pub async fn read_proof(&self, keys: &[Vec<u8>], at: H256) -> Result<Vec<Vec<u8>>, ChainError> {
        let keys = keys.iter().map(Vec::as_slice);
        let proof =
            self.ask("a proof of the state", self.methods.state_get_read_proof(keys, Some(at))).await?;
        Ok(proof.proof.into_iter().map(|node| node.0).collect())
    }

    /// The proof that the newest finalized block is one, over every change of the voters after the block `from`.
    pub async fn finality_proof(&self, from: H256) -> Result<Vec<u8>, ChainError> {
        let answer = self.client.request::<Bytes>("streembit_finalityProof", rpc_params![from]);
        Ok(self.ask("a proof of finality", answer).await?.0)
    }

    /// The voters of the chain's beginning, as the node's chain spec names them.
    pub async fn genesis_authorities(&self) -> Result<Vec<u8>, ChainError> {
        let answer = self.client.request::<Bytes>("streembit_genesisAuthorities", rpc_params![]);
        Ok(self.ask("the first voters", answer).await?.0)
    }

    /// Runtime and transaction version at a block.
    pub async fn version(&self, at: H256) -> Result<(u32, u32), ChainError> {
        let version =
            self.ask("the runtime's version", self.methods.state_get_runtime_version(Some(at))).await?;
        Ok((version.spec_version, version.transaction_version))
    }

    /// The runtime's metadata at a block, in the newest form that this program reads.
    pub async fn metadata(&self, at: H256) -> Result<Vec<u8>, ChainError> {
        for form in [16u32, 15] {
            let answer = self.call("Metadata_metadata_at_version", &form.encode(), at).await?;
            if let Some(metadata) = decode::<Option<Vec<u8>>>("the metadata", &answer)? {
                return Ok(metadata);
            }
        }
        Err(ChainError::Answer {
            question: "the metadata".into(),
            problem: "the runtime describes itself in neither form 15 nor 16".into(),
        })
    }

    /// Calls into the runtime at a block.
    pub async fn call(&self, method: &str, input: &[u8], at: H256) -> Result<Vec<u8>, ChainError> {
        self.ask(method, self.methods.state_call(method, Some(input), Some(at))).await
    }

    /// The account's next nonce, counting what waits in the node's pool.
    pub async fn next_nonce(&self, account: &AccountId) -> Result<u64, ChainError> {
        let account = AccountId32(account.0);
        self.ask("the account's nonce", self.methods.system_account_next_index(&account)).await
    }

    /// The account's nonce in a block's state.
    pub async fn nonce_at(&self, account: &AccountId, at: H256) -> Result<u64, ChainError> {
        let answer = self.call("AccountNonceApi_account_nonce", &account.encode(), at).await?;
        decode::<u32>("the account's nonce", &answer).map(u64::from)
    }

    /// The roles that the node runs in, such as `Authority` or `Full`.
    pub async fn roles(&self) -> Result<Vec<String>, ChainError> {
        let roles = self.client.request("system_nodeRoles", rpc_params![]);
        self.ask("the node's roles", roles).await
    }

    /// Makes session keys in the node's keystore; gives the public keys and their proof of possession by an account.
    pub async fn rotate_keys(&self, account: &AccountId) -> Result<(Vec<u8>, Vec<u8>), ChainError> {
        let question = "new session keys";
        let owner = format!("0x{}", hex::encode(account.encode()));
        let made: GeneratedKeys =
            self.ask(question, self.client.request("author_rotateKeysWithOwner", rpc_params![owner])).await?;
        let bytes = |text: &str| {
            hex::decode(text.trim_start_matches("0x"))
                .map_err(|error| ChainError::Answer { question: question.into(), problem: error.to_string() })
        };
        Ok((bytes(&made.keys)?, bytes(&made.proof)?))
    }

    /// Sends a transaction; what becomes of it comes as a stream. The refusal of the pool is the inner error.
    pub async fn send(
        &self,
        bytes: &[u8],
    ) -> Result<Result<impl Stream<Item = Result<TransactionStatus<H256>, ChainError>>, PoolError>, ChainError>
    {
        let send = self.methods.author_submit_and_watch_extrinsic(bytes);
        let answer = tokio::time::timeout(PATIENCE, send)
            .await
            .map_err(|_| self.away(format!("no answer to a transaction within {} s", PATIENCE.as_secs())))?;
        match answer {
            Ok(stream) => {
                let rpc = self.clone();
                Ok(Ok(futures::StreamExt::map(stream, move |status| {
                    status.map_err(|error| rpc.error("what becomes of a transaction", error))
                })))
            }
            Err(Error::User(error)) => Ok(Err(PoolError {
                code: error.code,
                message: error.message,
                data: error.data.map(|data| data.get().trim_matches('"').to_owned()).unwrap_or_default(),
            })),
            Err(error) => Err(self.error("a transaction", error)),
        }
    }

    /// The headers of finalized blocks as they come.
    pub async fn finalized_headers(
        &self,
    ) -> Result<impl Stream<Item = Result<Header, ChainError>>, ChainError> {
        let stream = self.ask("finalized blocks", self.methods.chain_subscribe_finalized_heads()).await?;
        let rpc = self.clone();
        Ok(futures::StreamExt::map(stream, move |header| {
            header.map_err(|error| rpc.error("finalized blocks", error))
        }))
    }
}

/// Session keys as the node answers them, in hexadecimal digits.
#[derive(serde::Deserialize)]
struct GeneratedKeys {
    keys: String,
    proof: String,
}

/// What the pool of a node says to a transaction that it does not take.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct PoolError {
    /// The JSON-RPC error code, 1010 to 1019.
    pub code: i32,
    /// Its class in words.
    pub message: String,
    /// The very reason.
    pub data: String,
}

/// Decodes an answer, to its last byte.
pub(super) fn decode<T: codec::Decode>(question: &str, bytes: &[u8]) -> Result<T, ChainError> {
    T::decode_all(&mut &*bytes)
        .map_err(|error| ChainError::Answer { question: question.into(), problem: error.to_string() })
}

/// A header's number as the runtime counts.
fn number(header: &Header) -> Result<u32, ChainError> {
    u32::try_from(header.number).map_err(|_| ChainError::Answer {
        question: "a block's header".into(),
        problem: format!("number {} is beyond what this chain counts to", header.number),
    })
}

fn storage_key(pallet: &str, item: &str) -> Vec<u8> {
    let hash = |text: &str| sp_crypto_hashing::twox_128(text.as_bytes());
    [hash(pallet), hash(item)].concat()
}

fn now_key() -> Vec<u8> {
    storage_key("Timestamp", "Now")
}

fn events_key() -> Vec<u8> {
    storage_key("System", "Events")
}

fn authorized_code_key() -> Vec<u8> {
    storage_key("System", "AuthorizedUpgrade")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_the_well_known_ones() {
        assert_eq!(
            hex::encode(events_key()),
            "26aa394eea5630e07c48ae0c9558cef780d41e5e16056765bc8461851072c9d7"
        );
        assert_eq!(
            hex::encode(now_key()),
            "f0c365c3cf59d671eb72da0e7a4113c49f1f0515f462cdcf84e0f1d6045dfcbb"
        );
    }

    #[test]
    fn answers_are_decoded_to_the_last_byte() {
        assert_eq!(decode::<u32>("x", &7u32.encode()).unwrap(), 7);
        assert!(decode::<u32>("x", &7u64.encode()).is_err());
        assert!(decode::<u64>("x", &7u32.encode()).unwrap_err().to_string().contains('x'));
    }
}
