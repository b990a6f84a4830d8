//! The events about contracts in finalized blocks.

use super::{connect::causes, dynamic, rpc::Rpc, runtime::Runtime, ChainClient, ChainError};
use serde_json::Value;
use streembit_primitives::{contract::ContractId, AccountId, Hash};
use subxt::{config::substrate::H256, events::Phase};

/// The events about contracts in a finalized block.
#[derive(Clone, PartialEq, Debug)]
pub struct BlockEvents {
    /// The number of the block.
    pub number: u32,
    /// The hash of the block.
    pub hash: Hash,
    /// The hash of the block before it.
    pub parent: Hash,
    /// The timestamp of the block, in milliseconds since 1970-01-01 UTC.
    pub time: u64,
    /// The events, in their order.
    pub events: Vec<ContractEvent>,
}

/// An event about a contract.
#[derive(Clone, PartialEq, Debug)]
pub struct ContractEvent {
    /// The contract.
    pub contract: ContractId,
    /// The account that signed the transaction, or `None` if the block itself caused the event.
    pub account: Option<AccountId>,
    /// The name of the event, such as `Confirmed`.
    pub name: String,
    /// Its fields, by name.
    pub fields: Value,
}

impl ChainClient {
    /// Fetches the events about contracts in a block of the finalized chain. Returns `None` if there is no finalized block with
    /// this number. Fails if the node has pruned the state of the block.
    pub async fn contract_events(&self, number: u32) -> Result<Option<BlockEvents>, ChainError> {
        let head = self.finalized().await?;
        if number > head.number {
            return Ok(None);
        }
        let rpc = &self.inner.rpc;
        let Some(hash) = rpc.hash_of(number).await? else { return Ok(None) };
        let time = rpc.time_of(hash).await?;
        let encoded = rpc.events(hash).await?;
        let (_, parent) = rpc.number_and_parent(hash).await?;
        // The runtime before this block executed it. Block 0 has no parent and no events.
        let events = match number {
            0 => Vec::new(),
            _ => read_events(rpc, &self.runtime_at(parent).await?, encoded, hash).await?,
        };
        Ok(Some(BlockEvents { number, hash: Hash(hash.0), parent: Hash(parent.0), time, events }))
    }
}

async fn read_events(
    rpc: &Rpc,
    runtime: &Runtime,
    encoded: Vec<u8>,
    block: H256,
) -> Result<Vec<ContractEvent>, ChainError> {
    let found = runtime.pallet_events(encoded, super::contract_call::PALLET)?;
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let extrinsics = rpc.extrinsics(block).await?;
    let signer = |phase: Phase| match phase {
        Phase::ApplyExtrinsic(index) => extrinsics.get(index as usize).and_then(|bytes| signer_of(bytes)),
        Phase::Finalization | Phase::Initialization => None,
    };
    let events = found.into_iter().filter_map(|event| {
        let contract = event.fields.get("id").and_then(Value::as_str)?.parse::<ContractId>().ok()?;
        let PalletEvent { phase, name, fields } = event;
        Some(ContractEvent { contract, account: signer(phase), name, fields })
    });
    Ok(events.collect())
}

/// Returns the account that signed an encoded extrinsic of version 4.
fn signer_of(bytes: &[u8]) -> Option<AccountId> {
    let mut input = bytes;
    // The length comes first.
    <codec::Compact<u32> as codec::Decode>::decode(&mut input).ok()?;
    let [0x84, 0x00, rest @ ..] = input else { return None };
    rest.first_chunk::<32>().copied().map(AccountId)
}

/// An event of a pallet.
struct PalletEvent {
    phase: Phase,
    name: String,
    fields: Value,
}

impl Runtime {
    /// Decodes the events of a pallet among the encoded events of a block.
    fn pallet_events(&self, encoded: Vec<u8>, pallet: &str) -> Result<Vec<PalletEvent>, ChainError> {
        let invalid =
            |problem| ChainError::InvalidResponse { request: "the events of a block".into(), problem };
        let mut found = Vec::new();
        let metadata = self.metadata();
        for event in self.decode_events(encoded).iter() {
            let event = event.map_err(|error| invalid(causes(&error)))?;
            if event.pallet_name() != pallet {
                continue;
            }
            let fields = dynamic::event_fields(
                &metadata,
                event.pallet_index(),
                event.event_index(),
                event.field_bytes(),
            );
            let fields = fields.map_err(invalid)?;
            found.push(PalletEvent { phase: event.phase(), name: event.event_name().to_owned(), fields });
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use codec::Encode as _;

    #[test]
    fn the_signer_of_a_transaction_is_its_account() {
        let body = [&[0x84, 0x00][..], &[7; 32], &[0x01], &[9; 64], b"rest"].concat().encode();
        assert_eq!(signer_of(&body), Some(AccountId([7; 32])));
        let inherent = vec![0x04u8, 1, 0].encode();
        assert_eq!(signer_of(&inherent), None);
        assert_eq!(signer_of(&[]), None);
    }
}
