//! Keeps the index of what happened to the contracts of the gateway's party and about its devices.

use crate::{
    config::DeviceList,
    contracts::history::{Entry, HistoryError, HistoryIndex, Line},
    remedies::Remedy as _,
    status::{ComponentState, StatusBoard},
};
use codec::Encode as _;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};
use streembit_chain::{BlockEvents, ChainClient, ChainError};
use streembit_primitives::{
    contract::{state::ContractView, ContentHash, ContractId},
    AccountId, DeviceId, PartyId,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The component's name on the status board.
pub(super) const COMPONENT: &str = "contracts";

/// The pause after a failed read.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// How many blocks are indexed before the progress is written, if nothing happens in them.
const SAVE_EVERY: u32 = 500;
/// How many blocks before the finalized one a node that prunes still has at least.
const KEPT_BLOCKS: u32 = 200;

/// Why indexing cannot go on.
#[derive(Debug)]
enum IndexError {
    Chain(ChainError),
    Index(HistoryError),
}

impl From<ChainError> for IndexError {
    fn from(error: ChainError) -> Self {
        Self::Chain(error)
    }
}

impl From<HistoryError> for IndexError {
    fn from(error: HistoryError) -> Self {
        Self::Index(error)
    }
}

/// Follows the finalized blocks and indexes the events about contracts.
pub(super) struct ContractFollower {
    /// The folder of the index.
    pub data_dir: PathBuf,
    /// The gateway's account.
    pub gateway: AccountId,
    /// The gateway's devices.
    pub devices: watch::Receiver<DeviceList>,
    /// Where problems are shown.
    pub status: StatusBoard,
}

impl ContractFollower {
    /// Runs until shutdown.
    pub async fn run(self, chain: ChainClient, shutdown: CancellationToken) {
        let work = async {
            loop {
                match self.follow(&chain).await {
                    IndexError::Chain(error) => {
                        let state = ComponentState::retrying(&error, error.remedy());
                        self.status.report(COMPONENT, state);
                    }
                    IndexError::Index(error) => {
                        self.status.report(COMPONENT, ComponentState::retrying(&error, "check the disk"));
                    }
                }
                tokio::time::sleep(RETRY_AFTER).await;
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = work => {}
        }
        self.status.report(COMPONENT, ComponentState::Stopped);
    }

    /// Indexes blocks until an error ends it.
    async fn follow(&self, chain: &ChainClient) -> IndexError {
        let result: Result<std::convert::Infallible, IndexError> = async {
            let mut index = HistoryIndex::open(&self.data_dir, chain.genesis())?;
            let mut heads = chain.finalized_heads();
            let mut known = Known::default();
            let mut next = match index.next() {
                Some(next) => next,
                None => first_available(chain).await?,
            };
            let mut devices = self.devices.clone();
            loop {
                if devices.has_changed().unwrap_or(false) {
                    devices.borrow_and_update();
                    // A contract may concern the gateway because of a device that was added.
                    known.relevant.clear();
                }
                let head = heads.borrow_and_update().number;
                while next <= head {
                    next = self.index_block(chain, &mut index, &mut known, next, head).await?;
                }
                let (events, block) = (index.events(), next.saturating_sub(1));
                let detail = format!("{events} events, up to block {block}");
                self.status.report(COMPONENT, ComponentState::running(detail));
                if heads.changed().await.is_err() {
                    let problem = "the chain client has stopped".to_owned();
                    return Err(ChainError::Unreachable { node: chain.node().to_owned(), problem }.into());
                }
            }
        }
        .await;
        match result {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }

    /// Indexes one block, and returns the number of the next one.
    async fn index_block(
        &self,
        chain: &ChainClient,
        index: &mut HistoryIndex,
        known: &mut Known,
        number: u32,
        head: u32,
    ) -> Result<u32, IndexError> {
        let block = match chain.contract_events(number).await {
            Ok(Some(block)) => block,
            Ok(None) => return Ok(number.saturating_add(1)),
            // The node has pruned the block while the gateway was away.
            Err(ChainError::RequestFailed { .. }) if head.saturating_sub(number) > KEPT_BLOCKS => {
                let next = head.saturating_sub(KEPT_BLOCKS);
                index
                    .append(&[Line::Missed { from: number, to: next.saturating_sub(1) }, Line::Next(next)])?;
                return Ok(next);
            }
            Err(error) => return Err(error.into()),
        };
        let next = number.saturating_add(1);
        let mut lines = self.lines(chain, known, &block).await?;
        if !lines.is_empty() || number.checked_rem(SAVE_EVERY) == Some(0) || number == head {
            lines.push(Line::Next(next));
            index.append(&lines)?;
        }
        Ok(next)
    }

    /// Returns the lines about a block's events that concern the gateway.
    async fn lines(
        &self,
        chain: &ChainClient,
        known: &mut Known,
        block: &BlockEvents,
    ) -> Result<Vec<Line>, ChainError> {
        let mut lines = Vec::new();
        if block.events.is_empty() {
            return Ok(lines);
        }
        let view = chain.view().await?;
        let party = view.role(self.gateway).await?.map(|found| found.party);
        for event in &block.events {
            let contract = event.contract;
            let has_content = matches!(event.name.as_str(), "Proposed" | "AmendmentProposed" | "Activated");
            if has_content || !known.relevant.contains_key(&contract) {
                // A contract that the chain has forgotten already is no longer looked up.
                match view.contract(contract).await? {
                    Some(found) => {
                        known.relevant.insert(contract, self.concerns(party, &found));
                        if known.relevant.get(&contract) == Some(&true) {
                            lines.extend(known.new_contents(&found));
                        }
                    }
                    None => {
                        known.relevant.entry(contract).or_insert(false);
                    }
                }
            }
            if known.relevant.get(&contract) == Some(&true) {
                lines.push(Line::Event(Entry::new(block, event)));
            }
        }
        Ok(lines)
    }

    /// Returns true if a contract names the gateway's party or one of its devices.
    fn concerns(&self, party: Option<PartyId>, found: &ContractView) -> bool {
        let amended = found.amendment.iter().map(|amendment| amendment.content.terms());
        let devices = self.devices.borrow();
        let is_ours = |id: &DeviceId| devices.iter().any(|device| device.id(self.gateway) == *id);
        std::iter::once(found.content.terms()).chain(amended).any(|terms| {
            party.is_some_and(|party| terms.names(&party) || terms.arbiter == Some(party))
                || terms.devices.iter().any(is_ours)
        })
    }
}

/// What the follower has looked up.
#[derive(Default)]
struct Known {
    /// Whether a contract concerns the gateway.
    relevant: BTreeMap<ContractId, bool>,
    /// The contents in the index.
    contents: BTreeSet<ContentHash>,
}

impl Known {
    /// Returns the lines for the contents that the index does not have.
    fn new_contents(&mut self, found: &ContractView) -> Vec<Line> {
        let amended = found.amendment.iter().map(|amendment| (amendment.hash, &amendment.content));
        std::iter::once((found.hash, &found.content))
            .chain(amended)
            .filter(|(hash, _)| self.contents.insert(*hash))
            .map(|(hash, content)| Line::Content {
                contract: found.id,
                hash,
                content: format!("0x{}", hex::encode(content.encode())),
            })
            .collect()
    }
}

/// Returns the number of the first block whose events the node still has.
async fn first_available(chain: &ChainClient) -> Result<u32, ChainError> {
    let head = chain.finalized().await?.number;
    match chain.contract_events(1.min(head)).await {
        Ok(_) => Ok(1),
        Err(ChainError::RequestFailed { .. }) => Ok(head.saturating_sub(KEPT_BLOCKS).max(1)),
        Err(error) => Err(error),
    }
}
