//! Implements [`EventLog`] for the gateway's log.

use super::{CollectedChain, EventLog};
use streembit_log::{CheckpointError, LogReader, ReadError, TileReader};
use streembit_primitives::{checkpoint::Anchor, heads::HeadProof, DeviceId, Hash, LogId, StoredEvent};

impl EventLog for LogReader {
    type Error = ReadError;
    type AnchorError = CheckpointError;
    type Nodes<'a> = TileReader<'a>;

    fn id(&self) -> LogId {
        LogReader::id(self)
    }

    fn chains(&self) -> Result<Vec<Hash>, ReadError> {
        LogReader::chains(self)
    }

    fn collected(&self, genesis: &Hash) -> Result<Option<CollectedChain>, ReadError> {
        let Some(proof) = self.chain_proof(genesis)? else { return Ok(None) };
        Ok(Some(CollectedChain {
            genesis: proof.voters.genesis,
            first_voters: proof.voters.first,
            changes: proof.changes,
            last: proof.last.block,
            number: proof.last.number,
            state_root: proof.last.state_root,
            nodes: proof.last.nodes,
        }))
    }

    fn check_against(&self, anchor: &Anchor) -> Result<(), CheckpointError> {
        LogReader::check_against(self, anchor)
    }

    fn last_sequence(&self, device: &DeviceId) -> Result<Option<u64>, ReadError> {
        Ok(self.head(device)?.map(|head| head.sequence))
    }

    fn head_proof(&self, device: &DeviceId, size: u64) -> Result<Option<HeadProof>, ReadError> {
        LogReader::head_proof(self, device, size)
    }

    fn device_events(
        &self,
        device: &DeviceId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, ReadError> {
        LogReader::device_events(self, device, from, limit)
    }

    fn nodes(&self) -> TileReader<'_> {
        LogReader::nodes(self)
    }
}
