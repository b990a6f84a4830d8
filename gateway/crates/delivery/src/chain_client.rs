//! Reads rights, devices and anchored roots through the gateway's chain client.

use super::grants::{change_stream, BlockStream, ChainUnavailableError, DeviceAccess, Grants, Registry};
use streembit_chain::{ChainClient, ChainError};
use streembit_primitives::{device::DeviceRecord, AccountId, DeviceId, Hash, LogId};

impl From<ChainError> for ChainUnavailableError {
    fn from(error: ChainError) -> Self {
        Self(error.to_string())
    }
}

#[async_trait::async_trait]
impl Grants for ChainClient {
    fn genesis(&self) -> Hash {
        ChainClient::genesis(self)
    }

    async fn access(
        &self,
        device: DeviceId,
        reader: AccountId,
    ) -> Result<DeviceAccess, ChainUnavailableError> {
        let view = self.view().await?;
        Ok(DeviceAccess {
            reader: view.role(reader).await?,
            record: view.device(device).await?,
            grants: view.grants(device).await?,
            time: view.block().time,
        })
    }

    fn blocks(&self) -> BlockStream {
        change_stream(self.finalized_heads())
    }
}

#[async_trait::async_trait]
impl Registry for ChainClient {
    fn genesis(&self) -> Hash {
        ChainClient::genesis(self)
    }

    async fn device(&self, device: DeviceId) -> Result<Option<DeviceRecord>, ChainUnavailableError> {
        Ok(ChainClient::device(self, device).await?)
    }

    async fn anchored_root(&self, log: LogId, size: u64) -> Result<Option<Hash>, ChainUnavailableError> {
        Ok(self.view().await?.anchored_root(log, size).await?.map(|anchored| anchored.root))
    }
}
