//! Finding a contract on the chain.

use crate::remedies::explain;
use anyhow::anyhow;
use streembit_chain::ChainClient;
use streembit_primitives::{contract::ContractId, contract_state::ContractView};

/// Returns a contract with its state on the chain.
pub(super) async fn find_contract(chain: &ChainClient, id: ContractId) -> anyhow::Result<ContractView> {
    let found = chain.view().await.map_err(explain)?.contract(id).await.map_err(explain)?;
    found.ok_or_else(|| not_found(id))
}

/// Returns the error for a contract that is not on the chain.
pub(super) fn not_found(id: ContractId) -> anyhow::Error {
    anyhow!(
        "there is no contract {id} on this chain: `streembit contract list --party ACCOUNT` lists a party's contracts"
    )
}
