//! Finding a contract on the chain.

use crate::{
    contracts::{ContractFile, PartiesByName},
    remedies::explain,
};
use anyhow::anyhow;
use streembit_chain::ChainClient;
use streembit_primitives::{contract::ContractId, contract_state::ContractView};

/// Returns a contract with its state on the chain.
pub(super) async fn find_contract(chain: &ChainClient, id: ContractId) -> anyhow::Result<ContractView> {
    let found = chain.view().await.map_err(explain)?.contract(id).await.map_err(explain)?;
    found.ok_or_else(|| not_found(id))
}

/// Returns the parties that the names in a contract file stand for. Names of nobody are left out.
pub(super) async fn find_parties(chain: &ChainClient, file: &ContractFile) -> anyhow::Result<PartiesByName> {
    let state = chain.view().await.map_err(explain)?;
    let mut found = PartiesByName::new();
    for name in file.names() {
        let party = state.find_party(&name).await.map_err(explain)?;
        found.extend(party.map(|party| (name, party)));
    }
    Ok(found)
}

/// Returns the error for a contract that is not on the chain.
pub(super) fn not_found(id: ContractId) -> anyhow::Error {
    anyhow!(
        "there is no contract {id} on this chain: `streembit contract list --party PARTY` lists a party's contracts"
    )
}
