//! Extrinsics that a measurement signs by itself, as many and with whatever number it likes, in the layout that any Substrate chain has.

use crate::{number, Node};
use anyhow::Result;
use codec::{Compact, Encode};
use serde_json::json;
use sp_crypto_hashing::blake2_256;
use streembit::keystore::KeyPair;
use streembit_primitives::Hash;

/// An extrinsic of version 4 with a signature.
const SIGNED: u8 = 0x84;
/// An address that is an account.
const BY_ACCOUNT: u8 = 0;
/// A signature of an sr25519 key.
const SR25519: u8 = 1;
/// The era of what can be included at any time.
const IMMORTAL: u8 = 0;
/// A longer payload is signed by its hash.
const LONGEST: usize = 256;

/// What every signature on a chain covers.
#[derive(Clone, Copy, Debug)]
pub struct Signing {
    /// The hash of block 0.
    pub genesis: Hash,
    spec_version: u32,
    transaction_version: u32,
}

impl Signing {
    /// Of a node's chain, by its runtime of today.
    pub fn of(node: &Node) -> Result<Self> {
        let version = node.rpc("state_getRuntimeVersion", json!([]))?;
        Ok(Self {
            genesis: node.block_hash(0)?.parse()?,
            spec_version: u32::try_from(number(&version, "/specVersion")?)?,
            transaction_version: u32::try_from(number(&version, "/transactionVersion")?)?,
        })
    }

    /// Signs a call: its pallet's and its own number in the runtime, and its arguments. In hexadecimal digits, as the RPC
    /// takes it.
    pub fn sign(&self, keys: &KeyPair, nonce: u32, call: [u8; 2], arguments: &impl Encode) -> String {
        let call = (call, arguments).encode();
        // The runtime's `TxExtension`: what is sent, and what is only signed. An immortal era's block is the first.
        let sent = (IMMORTAL, Compact(nonce)).encode();
        let known = (self.spec_version, self.transaction_version, self.genesis, self.genesis).encode();
        let mut payload = [call.as_slice(), &sent, &known].concat();
        if payload.len() > LONGEST {
            payload = blake2_256(&payload).to_vec();
        }
        let sender = (SIGNED, BY_ACCOUNT, keys.account(), SR25519, keys.sign_extrinsic(&payload)).encode();
        let extrinsic = [sender.as_slice(), &sent, &call].concat();
        format!("0x{}", hex::encode(extrinsic.encode()))
    }
}
