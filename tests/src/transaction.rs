//! Transactions made by hand, in the layout that any Substrate chain has: as many and as wrong as a test or a measurement likes.

use crate::Node;
use anyhow::{ensure, Context, Result};
use codec::{Compact, Encode};
use rand::RngCore as _;
use serde_json::{json, Value};
use sp_crypto_hashing::blake2_256;
use std::time::Duration;
use streembit_keystore::KeyPair;
use streembit_primitives::Hash;

/// How long a request may take: on a busy machine a batch of transactions is much work.
const PATIENCE: Duration = Duration::from_secs(300);

/// What is signed beside a call.
#[derive(Clone)]
pub struct Transactions {
    /// The hash of block 0.
    pub genesis: Hash,
    spec_version: u32,
    transaction_version: u32,
}

impl Transactions {
    /// Those of a node's chain.
    pub fn of(node: &Node) -> Result<Self> {
        let version = node.rpc("state_getRuntimeVersion", json!([]))?;
        let number = |name: &str| -> Result<u32> {
            let number = version.get(name).and_then(Value::as_u64);
            Ok(u32::try_from(number.with_context(|| format!("no {name} in {version}"))?)?)
        };
        Ok(Self {
            genesis: node.block_hash(0)?.parse()?,
            spec_version: number("specVersion")?,
            transaction_version: number("transactionVersion")?,
        })
    }

    /// Those of a chain with the same runtime and another first block.
    pub fn elsewhere(&self) -> Self {
        Self { genesis: Hash([0xee; 32]), ..self.clone() }
    }

    /// A call, signed, and valid for ever.
    pub fn signed(&self, keys: &KeyPair, nonce: u32, call: &[u8]) -> Vec<u8> {
        let extra = extra(nonce);
        let implicit = (self.spec_version, self.transaction_version, self.genesis, self.genesis).encode();
        let mut payload = [call, &extra, &implicit].concat();
        if payload.len() > 256 {
            payload = blake2_256(&payload).to_vec();
        }
        assembled(keys, keys.sign_extrinsic(&payload), nonce, call)
    }
}

/// A call with a signature of noise.
pub fn forged(keys: &KeyPair, nonce: u32, call: &[u8]) -> Vec<u8> {
    let mut signature = [0; 64];
    rand::thread_rng().fill_bytes(&mut signature);
    // What schnorrkel knows its signatures by.
    if let Some(last) = signature.last_mut() {
        *last |= 0x80;
    }
    assembled(keys, signature, nonce, call)
}

/// A call that nobody signed.
pub fn unsigned(call: &[u8]) -> Vec<u8> {
    [&[0x04][..], call].concat().encode()
}

/// A call that does nothing: `System.remark`.
pub fn remark(said: &[u8]) -> Vec<u8> {
    (0u8, 0u8, said).encode()
}

/// What the runtime's extensions have an extrinsic carry: no end to its life, and the nonce.
fn extra(nonce: u32) -> Vec<u8> {
    (0u8, Compact(nonce)).encode()
}

/// A signed extrinsic of version 4: an account's id, an sr25519 signature, the extensions, the call.
fn assembled(keys: &KeyPair, signature: [u8; 64], nonce: u32, call: &[u8]) -> Vec<u8> {
    let account = keys.account().0;
    [&[0x84, 0x00][..], &account, &[0x01], &signature, &extra(nonce), call].concat().encode()
}

/// Submits transactions to a node's RPC in one request. Says for each what the node has against it; `None` where it takes it.
pub async fn submit(
    client: &reqwest::Client,
    rpc_port: u16,
    transactions: &[Vec<u8>],
) -> Result<Vec<Option<String>>> {
    let requests: Vec<Value> = transactions
        .iter()
        .enumerate()
        .map(|(id, bytes)| {
            let bytes = format!("0x{}", hex::encode(bytes));
            json!({ "jsonrpc": "2.0", "id": id, "method": "author_submitExtrinsic", "params": [bytes] })
        })
        .collect();
    let request = client.post(format!("http://127.0.0.1:{rpc_port}")).timeout(PATIENCE).json(&requests);
    let response = request.send().await.context("submitting transactions")?;
    let status = response.status();
    let text = response.text().await?;
    ensure!(status.is_success(), "the node answers {status}: {text}");
    let mut answers: Vec<Value> =
        serde_json::from_str(&text).with_context(|| format!("no answers: {text}"))?;
    answers.sort_by_key(|answer| answer.get("id").and_then(Value::as_u64));
    ensure!(answers.len() == transactions.len(), "{} answers to {}", answers.len(), transactions.len());
    Ok(answers.iter().map(|answer| answer.get("error").map(Value::to_string)).collect())
}
