//! Keeps the index of what happened to the contracts of the gateway's party and about its devices.

use crate::{
    config::DeviceList,
    contracts::history::{Entry, HistoryError, HistoryIndex, Line},
    remedies::Remedy as _,
    status::{ComponentState, StatusBoard},
};
use codec::Encode as _;
use std::{collections::BTreeMap, path::PathBuf, time::Duration};
use streembit_chain::{BlockEvents, ChainClient, ChainError, ContractEvent};
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
/// How many blocks are indexed before the progress is written, if nothing happens in them. A node that prunes keeps more.
const SAVE_EVERY: u32 = 100;

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
        let mut open: Option<Progress> = None;
        let work = async {
            loop {
                match self.follow(&chain, &mut open).await {
                    IndexError::Chain(error) => {
                        let state = ComponentState::retrying(&error, error.remedy());
                        self.status.report(COMPONENT, state);
                    }
                    IndexError::Index(error) => {
                        // Read the file again: it may end with half a block.
                        open = None;
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
        if let Some(Err(error)) = open.as_mut().map(Progress::save) {
            tracing::warn!(%error, "the progress of the index of contracts was not written");
        }
        self.status.report(COMPONENT, ComponentState::Stopped);
    }

    /// Indexes blocks until an error ends it.
    async fn follow(&self, chain: &ChainClient, open: &mut Option<Progress>) -> IndexError {
        let result: Result<std::convert::Infallible, IndexError> = async {
            let mut heads = chain.finalized_heads();
            let progress = match open {
                Some(progress) => progress,
                None => open.insert(self.open(chain).await?),
            };
            let mut devices = self.devices.clone();
            loop {
                if devices.has_changed().unwrap_or(false) {
                    devices.borrow_and_update();
                    // A contract may concern the gateway because of a device that was added.
                    progress.known.forget_others();
                }
                let head = heads.borrow_and_update().number;
                while progress.next <= head {
                    self.index_block(chain, progress, head).await?;
                }
                let (events, block) = (progress.index.events(), progress.next.saturating_sub(1));
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

    /// Opens the index. A new one starts with the first block whose state the node has.
    async fn open(&self, chain: &ChainClient) -> Result<Progress, IndexError> {
        let (data_dir, genesis) = (self.data_dir.clone(), chain.genesis());
        let opening = tokio::task::spawn_blocking(move || HistoryIndex::open(&data_dir, genesis));
        let mut index = opening.await.map_err(|error| {
            let source = std::io::Error::other(error);
            HistoryError::File { doing: "reading", path: self.data_dir.clone(), source }
        })??;
        let next = match index.next() {
            Some(next) => next,
            None => {
                let head = chain.finalized().await?.number;
                let first = first_available(chain, 1, head).await?;
                index.append(&missed(1, first))?;
                first
            }
        };
        Ok(Progress { known: Known::of(&index), index, next })
    }

    /// Indexes the next block.
    async fn index_block(
        &self,
        chain: &ChainClient,
        progress: &mut Progress,
        head: u32,
    ) -> Result<(), IndexError> {
        let number = progress.next;
        let block = match chain.contract_events(number).await {
            Ok(Some(block)) => block,
            // The node has pruned the block while the gateway was away.
            Ok(None) => return Self::skip_pruned(chain, progress, head).await,
            Err(error) if error.is_pruned() => return Self::skip_pruned(chain, progress, head).await,
            Err(error) => return Err(error.into()),
        };
        let next = number.saturating_add(1);
        let mut lines = self.lines(chain, progress, &block).await?;
        let saved = progress.index.next().unwrap_or_default();
        if !lines.is_empty() || next.saturating_sub(saved) >= SAVE_EVERY {
            lines.push(Line::Next(next));
            progress.index.append(&lines)?;
        }
        progress.next = next;
        Ok(())
    }

    /// Notes the blocks that the node has pruned, and goes on with the first one after them.
    async fn skip_pruned(chain: &ChainClient, progress: &mut Progress, head: u32) -> Result<(), IndexError> {
        let from = progress.next;
        let first = first_available(chain, from.saturating_add(1), head).await?;
        progress.index.append(&missed(from, first))?;
        progress.next = first;
        Ok(())
    }

    /// Returns the lines about a block's events that concern the gateway.
    async fn lines(
        &self,
        chain: &ChainClient,
        progress: &mut Progress,
        block: &BlockEvents,
    ) -> Result<Vec<Line>, ChainError> {
        let mut lines = Vec::new();
        if block.events.is_empty() {
            return Ok(lines);
        }
        let party = chain.view().await?.role(self.gateway).await?.map(|found| found.party);
        for event in &block.events {
            if progress.known.needs(event) {
                let found = contract_around(chain, event.contract, block).await?;
                let concerns = found.as_ref().is_none_or(|found| self.concerns(party, found));
                progress.known.learn(event.contract, concerns);
                if let Some(found) = found.filter(|_| concerns) {
                    let contents = new_contents(&found, &progress.index, &lines);
                    lines.extend(contents);
                }
            }
            if progress.known.is_relevant(event.contract) {
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

/// The open index, and how far it is.
struct Progress {
    index: HistoryIndex,
    known: Known,
    /// The number of the next block to index. It is ahead of the index while nothing happens.
    next: u32,
}

impl Progress {
    /// Writes how far the index is.
    fn save(&mut self) -> Result<(), HistoryError> {
        match self.index.next() == Some(self.next) {
            true => Ok(()),
            false => self.index.append(&[Line::Next(self.next)]),
        }
    }
}

/// What the follower has looked up.
#[derive(Default)]
struct Known {
    /// Whether a contract concerns the gateway. One that did once stays in the index to its end.
    relevant: BTreeMap<ContractId, bool>,
}

impl Known {
    /// Returns what an index says: its contracts concern the gateway, even if the chain has removed them.
    fn of(index: &HistoryIndex) -> Self {
        let relevant = index.contracts().iter().map(|contract| (*contract, true));
        Self { relevant: relevant.collect() }
    }

    /// Returns true if the contract of an event must be looked up: it is unknown, or it may have a new content.
    fn needs(&self, event: &ContractEvent) -> bool {
        let has_content = matches!(event.name.as_str(), "Proposed" | "AmendmentProposed" | "Activated");
        has_content || !self.relevant.contains_key(&event.contract)
    }

    fn learn(&mut self, contract: ContractId, concerns: bool) {
        let relevant = self.relevant.entry(contract).or_default();
        *relevant = *relevant || concerns;
    }

    /// Forgets the contracts that do not concern the gateway, so that they are looked up again.
    fn forget_others(&mut self) {
        self.relevant.retain(|_, concerns| *concerns);
    }

    fn is_relevant(&self, contract: ContractId) -> bool {
        self.relevant.get(&contract) == Some(&true)
    }
}

/// Returns the lines for the contents of a contract that neither the index nor `lines` have.
fn new_contents(found: &ContractView, index: &HistoryIndex, lines: &[Line]) -> Vec<Line> {
    let is_pending = |hash: &ContentHash| {
        lines.iter().any(|line| matches!(line, Line::Content { hash: pending, .. } if pending == hash))
    };
    let amended = found.amendment.iter().map(|amendment| (amendment.hash, &amendment.content));
    std::iter::once((found.hash, &found.content))
        .chain(amended)
        .filter(|(hash, _)| !index.has_content(hash) && !is_pending(hash))
        .map(|(hash, content)| Line::Content {
            contract: found.id,
            hash,
            content: format!("0x{}", hex::encode(content.encode())),
        })
        .collect()
}

/// Returns a contract as it was after a block, or before the block if the block removed it. Returns `None` if the contract
/// began and ended within the block.
async fn contract_around(
    chain: &ChainClient,
    contract: ContractId,
    block: &BlockEvents,
) -> Result<Option<ContractView>, ChainError> {
    if let Some(found) = chain.view_after(block.hash).await?.contract(contract).await? {
        return Ok(Some(found));
    }
    match chain.view_after(block.parent).await {
        Ok(view) => match view.contract(contract).await {
            Err(error) if error.is_pruned() => Ok(None),
            found => found,
        },
        Err(error) if error.is_pruned() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns the lines after which the block `next` is indexed, if the node has pruned the blocks from `from` on.
fn missed(from: u32, next: u32) -> Vec<Line> {
    let gap = (from < next).then(|| Line::Missed { from, to: next.saturating_sub(1) });
    gap.into_iter().chain([Line::Next(next)]).collect()
}

/// Returns the number of the first block from `from` to `head` whose state the node has, or the number after `head` if it
/// has none. A node prunes the oldest states, so the search halves the range.
async fn first_available(chain: &ChainClient, from: u32, head: u32) -> Result<u32, ChainError> {
    let (mut low, mut high) = (from, head.saturating_add(1));
    while low < high {
        let middle = low.midpoint(high);
        match chain.contract_events(middle).await {
            Ok(Some(_)) => high = middle,
            Ok(None) => low = middle.saturating_add(1),
            Err(error) if error.is_pruned() => low = middle.saturating_add(1),
            Err(error) => return Err(error),
        }
    }
    Ok(low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use streembit_primitives::Hash;

    fn event(contract: ContractId, name: &str) -> ContractEvent {
        ContractEvent { contract, account: None, name: name.into(), fields: serde_json::Value::Null }
    }

    fn block(number: u32, events: Vec<ContractEvent>) -> BlockEvents {
        BlockEvents { number, hash: Hash([1; 32]), parent: Hash([2; 32]), time: 0, events }
    }

    #[test]
    fn a_contract_of_the_index_is_followed_after_a_restart_although_the_chain_has_removed_it() {
        let dir = tempfile::tempdir().unwrap();
        let genesis = Hash([9; 32]);
        let (ours, other) = (ContractId([1; 32]), ContractId([2; 32]));
        let proposed = event(ours, "Proposed");
        let entry = Line::Event(Entry::new(&block(4, Vec::new()), &proposed));
        HistoryIndex::open(dir.path(), genesis).unwrap().append(&[entry, Line::Next(5)]).unwrap();
        let known = Known::of(&HistoryIndex::open(dir.path(), genesis).unwrap());
        let rejected = event(ours, "Rejected");
        assert!(known.is_relevant(ours) && !known.needs(&rejected), "no look-up at the head of the chain");
        assert!(
            known.needs(&proposed) && known.needs(&event(other, "Rejected")) && !known.is_relevant(other)
        );
    }

    #[test]
    fn a_contract_that_concerned_the_gateway_once_stays_in_the_index() {
        let mut known = Known::default();
        let contract = ContractId([1; 32]);
        known.learn(contract, false);
        assert!(!known.is_relevant(contract));
        known.learn(contract, true);
        known.learn(contract, false);
        assert!(known.is_relevant(contract));
        let other = event(ContractId([2; 32]), "Rejected");
        known.learn(other.contract, false);
        assert!(!known.needs(&other));
        known.forget_others();
        assert!(known.needs(&other) && known.is_relevant(contract), "a device was added");
    }

    #[test]
    fn pruned_blocks_are_noted() {
        assert_eq!(missed(1, 1), [Line::Next(1)]);
        assert_eq!(missed(4, 9), [Line::Missed { from: 4, to: 8 }, Line::Next(9)]);
    }
}
