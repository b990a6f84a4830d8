//! The RPC methods of the node that this crate uses, with its own types and errors and a time limit.

mod answers;

pub use answers::VoterStatus;
pub(super) use answers::{BlockEquivocation, RoundState, RoundStates};

use super::{connect::causes, AllowedChange, ChainError, Finalized};
use codec::{DecodeAll as _, Encode as _};
use futures::Stream;
use std::{future::Future, time::Duration};
use streembit_primitives::{AccountId, DeviceId, Hash};
use subxt::config::{
    substrate::{AccountId32, SubstrateHeader, H256},
    RpcConfigFor, SubstrateConfig,
};
use subxt_rpcs::{
    client::rpc_params,
    methods::legacy::{Bytes, TransactionStatus},
    Error, LegacyRpcMethods, RpcClient,
};

/// The time limit for a response.
const TIMEOUT: Duration = Duration::from_secs(15);

/// The RPC of a node.
#[derive(Clone, Debug)]
pub(super) struct Rpc {
    client: RpcClient,
    methods: LegacyRpcMethods<RpcConfigFor<SubstrateConfig>>,
    label: String,
}

/// A block header.
pub(super) type Header = SubstrateHeader<H256>;

impl Rpc {
    /// Uses an open connection; `label` is the node's name in messages.
    pub fn new(client: RpcClient, label: String) -> Self {
        Self { methods: LegacyRpcMethods::new(client.clone()), client, label }
    }

    /// The node's name in messages.
    pub fn label(&self) -> &str {
        &self.label
    }

    async fn request<T>(
        &self,
        request: &str,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, ChainError> {
        match tokio::time::timeout(TIMEOUT, answer).await {
            Ok(answer) => answer.map_err(|error| self.map_error(request, error)),
            Err(_) => Err(self.unreachable(format!(
                "no response to the request for {request} within {} s",
                TIMEOUT.as_secs()
            ))),
        }
    }

    fn unreachable(&self, problem: String) -> ChainError {
        ChainError::Unreachable { node: self.label.clone(), problem }
    }

    fn map_error(&self, request: &str, error: Error) -> ChainError {
        let request = request.to_owned();
        match error {
            Error::User(error) => ChainError::RequestFailed {
                request,
                message: match error.data {
                    Some(data) => format!("{}: {}", error.message, data.get().trim_matches('"')),
                    None => error.message,
                },
            },
            Error::Deserialization(error) => {
                ChainError::InvalidResponse { request, problem: error.to_string() }
            }
            Error::Decode(error) => ChainError::InvalidResponse { request, problem: error.to_string() },
            Error::DisconnectedWillReconnect(_) => self.unreachable("the connection was lost".into()),
            other => self.unreachable(causes(&other)),
        }
    }

    /// The hash of block 0.
    pub async fn genesis(&self) -> Result<H256, ChainError> {
        self.request("the genesis hash", self.methods.genesis_hash()).await
    }

    /// The hash of the last finalized block.
    pub async fn finalized_hash(&self) -> Result<H256, ChainError> {
        self.request("the finalized head", self.methods.chain_get_finalized_head()).await
    }

    /// The last finalized block.
    pub async fn finalized(&self) -> Result<Finalized, ChainError> {
        let hash = self.finalized_hash().await?;
        self.finalized_of(&self.header(hash).await?, hash).await
    }

    /// The header of a block.
    pub async fn header(&self, hash: H256) -> Result<Header, ChainError> {
        let header = self.request("a block's header", self.methods.chain_get_header(Some(hash))).await?;
        header.ok_or_else(|| ChainError::InvalidResponse {
            request: format!("the header of block {hash:?}"),
            problem: "the node does not have this block".into(),
        })
    }

    /// A block's number and its parent hash.
    pub async fn number_and_parent(&self, hash: H256) -> Result<(u32, H256), ChainError> {
        let header = self.header(hash).await?;
        Ok((number(&header)?, header.parent_hash))
    }

    /// The hash of the best block.
    pub async fn best_hash(&self) -> Result<H256, ChainError> {
        let request = "the best block";
        let hash = self.request(request, self.methods.chain_get_block_hash(None)).await?;
        hash.ok_or_else(|| ChainError::InvalidResponse {
            request: request.into(),
            problem: "the node has no blocks".into(),
        })
    }

    /// The number of the best block.
    pub async fn best_number(&self) -> Result<u32, ChainError> {
        let header = self.request("the best block", self.methods.chain_get_header(None)).await?;
        header.map_or(Ok(0), |header| number(&header))
    }

    /// Returns true if the node has no peers although it should have some: `has_others` says that other nodes exist.
    pub async fn is_alone(&self, has_others: bool) -> Result<bool, ChainError> {
        let health = self.request("the node's health", self.methods.system_health()).await?;
        Ok(health.peers == 0 && (has_others || health.should_have_peers))
    }

    /// The state of the current voting rounds.
    pub async fn round_state(&self) -> Result<RoundStates, ChainError> {
        self.request("the state of the votes", self.client.request("grandpa_roundState", rpc_params![])).await
    }

    /// The node's view of the voters.
    pub async fn voters(&self) -> Result<Option<VoterStatus>, ChainError> {
        self.request("the voters", self.client.request("streembit_voters", rpc_params![])).await
    }

    /// The conditions that the node's operator should know about. Empty if the node does not offer this method.
    pub async fn notices(&self) -> Result<Vec<String>, ChainError> {
        let answer = self.client.request("streembit_notices", rpc_params![]);
        match self.request("the node's notices", answer).await {
            Err(ChainError::RequestFailed { .. }) => Ok(Vec::new()),
            answer => answer.map(answers::printable_notices),
        }
    }

    /// The authors of two blocks in one slot that the node has seen since it started. Empty if the node does not offer
    /// this method.
    pub async fn block_equivocations(&self) -> Result<Vec<BlockEquivocation>, ChainError> {
        let answer = self.client.request("streembit_doubleBlocks", rpc_params![]);
        match self.request("the authors of two blocks in one slot", answer).await {
            Err(ChainError::RequestFailed { .. }) => Ok(Vec::new()),
            answer => answer,
        }
    }

    /// A finalized block with its timestamp.
    pub async fn finalized_of(&self, header: &Header, hash: H256) -> Result<Finalized, ChainError> {
        Ok(Finalized { number: number(header)?, hash: Hash(hash.0), time: self.time_of(hash).await? })
    }

    /// The timestamp of a block.
    pub async fn time_of(&self, hash: H256) -> Result<u64, ChainError> {
        match self.storage(&now_key(), hash).await? {
            Some(bytes) => decode::<u64>("the timestamp of a block", &bytes),
            // Block 0 has no timestamp.
            None => Ok(0),
        }
    }

    /// The hash of the block with this number.
    pub async fn hash_of(&self, number: u32) -> Result<Option<H256>, ChainError> {
        self.request("a block's hash", self.methods.chain_get_block_hash(Some(number.into()))).await
    }

    /// The encoded extrinsics of a block.
    pub async fn extrinsics(&self, hash: H256) -> Result<Vec<Vec<u8>>, ChainError> {
        let block = self.request("a block", self.methods.chain_get_block(Some(hash))).await?;
        let block = block.ok_or_else(|| ChainError::InvalidResponse {
            request: format!("the block {hash:?}"),
            problem: "the node has pruned it".into(),
        })?;
        Ok(block.block.extrinsics.into_iter().map(|extrinsic| extrinsic.0).collect())
    }

    /// The encoded events of a block.
    pub async fn events(&self, hash: H256) -> Result<Vec<u8>, ChainError> {
        Ok(self.storage(&events_key(), hash).await?.unwrap_or_default())
    }

    /// The hash of the runtime code that is authorized in the state after block `at`.
    pub async fn authorized_code(&self, at: H256) -> Result<Option<Hash>, ChainError> {
        let found = self.storage(&authorized_code_key(), at).await?;
        // The flag after the hash says whether the runtime version is checked when the code is applied.
        let decoded = found.map(|bytes| decode::<(Hash, bool)>("the authorized upgrade", &bytes));
        Ok(decoded.transpose()?.map(|(hash, _)| hash))
    }

    /// The change of a device that the council allows in the state after block `at`.
    pub async fn allowed_change(
        &self,
        device: &DeviceId,
        at: H256,
    ) -> Result<Option<AllowedChange>, ChainError> {
        let found = self.storage(&allowed_change_key(device), at).await?;
        found.map(|bytes| decode("the change that the council allows", &bytes)).transpose()
    }

    async fn storage(&self, key: &[u8], at: H256) -> Result<Option<Vec<u8>>, ChainError> {
        self.request("a value in the state", self.methods.state_get_storage(key, Some(at))).await
    }

    /// The trie nodes that prove the values under `keys`, or their absence, in the state after block `at`.
    pub async fn read_proof(&self, keys: &[Vec<u8>], at: H256) -> Result<Vec<Vec<u8>>, ChainError> {
        let keys = keys.iter().map(Vec::as_slice);
        let proof =
            self.request("a proof of the state", self.methods.state_get_read_proof(keys, Some(at))).await?;
        Ok(proof.proof.into_iter().map(|node| node.0).collect())
    }

    /// A page of the proof of finality of the newest finalized block, with the changes of the voters after the block
    /// `from`.
    pub async fn finality_proof(&self, from: H256) -> Result<Vec<u8>, ChainError> {
        let answer = self.client.request::<Bytes>("streembit_finalityProof", rpc_params![from]);
        Ok(self.request("a proof of finality", answer).await?.0)
    }

    /// The encoded voters of block 0, from the node's chain spec.
    pub async fn genesis_authorities(&self) -> Result<Vec<u8>, ChainError> {
        let answer = self.client.request::<Bytes>("streembit_genesisAuthorities", rpc_params![]);
        Ok(self.request("the genesis voters", answer).await?.0)
    }

    /// The spec version and the transaction version of the runtime after block `at`.
    pub async fn version(&self, at: H256) -> Result<(u32, u32), ChainError> {
        let version =
            self.request("the runtime's version", self.methods.state_get_runtime_version(Some(at))).await?;
        Ok((version.spec_version, version.transaction_version))
    }

    /// The runtime's metadata after block `at`, in the newest version that this program reads.
    pub async fn metadata(&self, at: H256) -> Result<Vec<u8>, ChainError> {
        for version in [16u32, 15] {
            let answer = self.call("Metadata_metadata_at_version", &version.encode(), at).await?;
            if let Some(metadata) = decode::<Option<Vec<u8>>>("the metadata", &answer)? {
                return Ok(metadata);
            }
        }
        Err(ChainError::InvalidResponse {
            request: "the metadata".into(),
            problem: "the runtime offers neither version 15 nor version 16".into(),
        })
    }

    /// Calls a runtime API method on the state after block `at`.
    pub async fn call(&self, method: &str, input: &[u8], at: H256) -> Result<Vec<u8>, ChainError> {
        self.request(method, self.methods.state_call(method, Some(input), Some(at))).await
    }

    /// The account's next nonce, counting the transactions in the node's pool.
    pub async fn next_nonce(&self, account: &AccountId) -> Result<u64, ChainError> {
        let account = AccountId32(account.0);
        self.request("the account's nonce", self.methods.system_account_next_index(&account)).await
    }

    /// The account's next nonce in the state after block `at`, without the transactions in the pool.
    pub async fn nonce_at(&self, account: &AccountId, at: H256) -> Result<u64, ChainError> {
        let answer = self.call("AccountNonceApi_account_nonce", &account.encode(), at).await?;
        decode::<u32>("the account's nonce", &answer).map(u64::from)
    }

    /// The roles that the node runs in, such as `Authority` or `Full`.
    pub async fn roles(&self) -> Result<Vec<String>, ChainError> {
        let roles = self.client.request("system_nodeRoles", rpc_params![]);
        self.request("the node's roles", roles).await
    }

    /// Generates session keys in the node's keystore. Returns the public keys and the proof that `account` owns them.
    pub async fn rotate_keys(&self, account: &AccountId) -> Result<(Vec<u8>, Vec<u8>), ChainError> {
        let request = "new session keys";
        let owner = format!("0x{}", hex::encode(account.encode()));
        let made: GeneratedKeys = self
            .request(request, self.client.request("author_rotateKeysWithOwner", rpc_params![owner]))
            .await?;
        let bytes = |text: &str| {
            hex::decode(text.trim_start_matches("0x")).map_err(|error| ChainError::InvalidResponse {
                request: request.into(),
                problem: error.to_string(),
            })
        };
        Ok((bytes(&made.keys)?, bytes(&made.proof)?))
    }

    /// Sends a transaction and returns a stream of its statuses. A rejection by the pool is the inner error.
    pub async fn send(
        &self,
        bytes: &[u8],
    ) -> Result<Result<impl Stream<Item = Result<TransactionStatus<H256>, ChainError>>, PoolError>, ChainError>
    {
        let send = self.methods.author_submit_and_watch_extrinsic(bytes);
        let answer = tokio::time::timeout(TIMEOUT, send).await.map_err(|_| {
            self.unreachable(format!("no response to a transaction within {} s", TIMEOUT.as_secs()))
        })?;
        match answer {
            Ok(stream) => {
                let rpc = self.clone();
                Ok(Ok(futures::StreamExt::map(stream, move |status| {
                    status.map_err(|error| rpc.map_error("the status of a transaction", error))
                })))
            }
            Err(Error::User(error)) => Ok(Err(PoolError {
                code: error.code,
                message: error.message,
                data: error.data.map(|data| data.get().trim_matches('"').to_owned()).unwrap_or_default(),
            })),
            Err(error) => Err(self.map_error("a transaction", error)),
        }
    }

    /// A stream of the headers of finalized blocks.
    pub async fn finalized_headers(
        &self,
    ) -> Result<impl Stream<Item = Result<Header, ChainError>>, ChainError> {
        let stream = self.request("finalized blocks", self.methods.chain_subscribe_finalized_heads()).await?;
        let rpc = self.clone();
        Ok(futures::StreamExt::map(stream, move |header| {
            header.map_err(|error| rpc.map_error("finalized blocks", error))
        }))
    }
}

/// Session keys in the node's response, as hexadecimal digits.
#[derive(serde::Deserialize)]
struct GeneratedKeys {
    keys: String,
    proof: String,
}

/// The error of a transaction pool that rejects a transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct PoolError {
    /// The JSON-RPC error code, 1010 to 1019.
    pub code: i32,
    /// The error's class.
    pub message: String,
    /// The specific reason.
    pub data: String,
}

/// Decodes a response and fails if bytes are left over.
pub(super) fn decode<T: codec::Decode>(request: &str, bytes: &[u8]) -> Result<T, ChainError> {
    T::decode_all(&mut &*bytes)
        .map_err(|error| ChainError::InvalidResponse { request: request.into(), problem: error.to_string() })
}

/// The header's number, in the runtime's width.
fn number(header: &Header) -> Result<u32, ChainError> {
    u32::try_from(header.number).map_err(|_| ChainError::InvalidResponse {
        request: "a block's header".into(),
        problem: format!("the number {} exceeds 32 bits", header.number),
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

/// The key of a value in `Devices.AllowedChanges`. [`super::runtime::Runtime`] checks the hasher.
fn allowed_change_key(device: &DeviceId) -> Vec<u8> {
    let id = device.encode();
    [storage_key("Devices", "AllowedChanges"), sp_crypto_hashing::blake2_128(&id).to_vec(), id].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use streembit_primitives::device::DecidedChange;

    #[test]
    fn storage_keys_are_the_well_known_ones() {
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
    fn the_change_that_the_council_allows_is_read_as_the_pallet_stores_it() {
        let (device, change) = (DeviceId([4; 32]), AllowedChange { change: DecidedChange::Log, from: 7 });
        let key = allowed_change_key(&device);
        assert!(key.starts_with(&storage_key("Devices", "AllowedChanges")) && key.ends_with(&[4; 32]));
        assert_eq!(key.len(), 16 + 16 + 16 + 32);
        // The index of the variant, and the sequence.
        assert_eq!(decode::<AllowedChange>("x", &[1, 7, 0, 0, 0, 0, 0, 0, 0]).unwrap(), change);
        assert!(decode::<AllowedChange>("x", &[3, 7, 0, 0, 0, 0, 0, 0, 0]).is_err());
    }

    #[test]
    fn leftover_bytes_in_a_response_are_an_error() {
        assert_eq!(decode::<u32>("x", &7u32.encode()).unwrap(), 7);
        assert!(decode::<u32>("x", &7u64.encode()).is_err());
        assert!(decode::<u64>("x", &7u32.encode()).unwrap_err().to_string().contains('x'));
    }
}
