//! The chain's answers, from the connection that the whole gateway has.

use super::grants::{ChainUnavailable, Grants, Registry, Standing};
use crate::chain::{ChainClient, ChainError, Finalized};
use streembit_primitives::{device::DeviceRecord, DeviceId, Hash, LogId};
use tokio::sync::watch;

impl From<ChainError> for ChainUnavailable {
    fn from(error: ChainError) -> Self {
        Self(error.to_string())
    }
}

#[async_trait::async_trait]
impl Grants for ChainClient {
    fn genesis(&self) -> Hash {
        ChainClient::genesis(self)
    }

    async fn standing(&self, device: DeviceId) -> Result<Standing, ChainUnavailable> {
        let view = self.view().await?;
        Ok(Standing {
            record: view.device(device).await?,
            grants: view.grants(device).await?,
            time: view.block().time,
        })
    }

    fn changes(&self) -> watch::Receiver<Finalized> {
        self.finalized_heads()
    }
}

#[async_trait::async_trait]
impl Registry for ChainClient {
    fn genesis(&self) -> Hash {
        ChainClient::genesis(self)
    }

    async fn device(&self, device: DeviceId) -> Result<Option<DeviceRecord>, ChainUnavailable> {
        Ok(ChainClient::device(self, device).await?)
    }

    async fn anchored_root(&self, log: LogId, size: u64) -> Result<Option<Hash>, ChainUnavailable> {
        Ok(self.view().await?.anchored_root(log, size).await?)
    }
}
