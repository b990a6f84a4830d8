//! The places that know ids: a gateway's configuration, log and index of contracts, evidence, and the chain.

use crate::{
    address_book::{IdKind, KnownId},
    config::{Config, DeviceConfig},
    contracts::history::{self, Line},
    remedies::explain,
};
use std::{fmt, path::Path};
use streembit_chain::{ChainClient, ChainError};
use streembit_evidence::{show, verify::VerifyError};
use streembit_log::Log;
use streembit_primitives::{device::DeviceRecord, AccountId};

/// An id, and its name in the place that knows it.
pub(super) type NamedId = (KnownId, Option<String>);

/// A place that knows ids.
pub(super) enum Source<'a> {
    /// The devices in a gateway's configuration. The account is the gateway's.
    Config(&'a Config, AccountId),
    /// The devices of the log in a folder.
    Log(&'a Path),
    /// The contracts in the index of the gateway with this data folder.
    Index(&'a Path),
    /// The device of an evidence file, and its owners and gateways.
    Evidence(&'a Path),
    /// The parties of a chain, and their accounts, gateways, devices and contracts.
    Chain(&'a ChainClient),
}

impl Source<'_> {
    /// Returns the ids that can be given where `wanted` is needed, and perhaps others.
    pub(super) async fn ids(&self, wanted: IdKind) -> anyhow::Result<Vec<NamedId>> {
        let unnamed = |ids: Vec<KnownId>| -> Vec<NamedId> { ids.into_iter().map(|id| (id, None)).collect() };
        match self {
            Self::Config(config, gateway) => Ok(of_config(config, *gateway)),
            Self::Log(folder) => {
                let folder = folder.to_path_buf();
                tokio::task::spawn_blocking(move || of_log(&folder)).await?.map(unnamed)
            }
            Self::Index(folder) => {
                let folder = folder.to_path_buf();
                tokio::task::spawn_blocking(move || of_index(&folder)).await?.map(unnamed)
            }
            Self::Evidence(file) => {
                let file = file.to_path_buf();
                tokio::task::spawn_blocking(move || of_evidence(&file)).await?.map(unnamed)
            }
            Self::Chain(chain) => of_chain(chain, wanted).await.map(unnamed).map_err(explain),
        }
    }

    /// Returns true if a search cannot go on without this source.
    pub(super) fn is_required(&self) -> bool {
        matches!(self, Self::Chain(_))
    }
}

impl fmt::Display for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(config, _) if config.devices.is_empty() => {
                f.write_str("the gateway's configuration, which has no devices")
            }
            Self::Config(config, _) => {
                let names: Vec<_> = config.devices.iter().map(|device| device.name.as_str()).collect();
                write!(f, "the gateway's configuration (its devices: {})", names.join(", "))
            }
            Self::Log(folder) => write!(f, "the log in {}", folder.display()),
            Self::Index(folder) => write!(f, "the index of contracts in {}", folder.display()),
            Self::Evidence(file) => write!(f, "the evidence {}", file.display()),
            Self::Chain(chain) => write!(f, "the chain at {}", chain.node()),
        }
    }
}

fn of_config(config: &Config, gateway: AccountId) -> Vec<NamedId> {
    let named = |device: &DeviceConfig| (KnownId::from(device.id(gateway)), Some(device.name.clone()));
    config.devices.iter().map(named).chain([(of_gateway(gateway), None)]).collect()
}

fn of_gateway(gateway: AccountId) -> KnownId {
    KnownId { kind: IdKind::Gateway, bytes: gateway.0 }
}

fn of_log(folder: &Path) -> anyhow::Result<Vec<KnownId>> {
    let log = Log::open_for_audit(folder).map_err(explain)?;
    let heads = log.heads().map_err(explain)?;
    let devices = heads.into_iter().map(|(device, _)| KnownId::from(device));
    Ok(devices.chain([of_gateway(log.id().gateway)]).collect())
}

fn of_index(folder: &Path) -> anyhow::Result<Vec<KnownId>> {
    let contract = |line| match line {
        Line::Event(entry) => Some(KnownId::from(entry.contract)),
        _ => None,
    };
    Ok(history::read(folder)?.into_iter().filter_map(contract).collect())
}

/// Why the reading of an evidence file ends.
enum Stop {
    /// What is needed is read.
    Enough,
    /// The file cannot be read.
    Failed(VerifyError),
}

impl From<VerifyError> for Stop {
    fn from(error: VerifyError) -> Self {
        Self::Failed(error)
    }
}

fn of_evidence(file: &Path) -> anyhow::Result<Vec<KnownId>> {
    let mut ids = Vec::new();
    let read = show::show(
        file,
        |summary| {
            ids = of_record(&summary.record);
            Err(Stop::Enough)
        },
        |_| Err(Stop::Enough),
    );
    match read {
        Ok(()) | Err(Stop::Enough) => Ok(ids),
        Err(Stop::Failed(error)) => Err(error.into()),
    }
}

fn of_record(record: &DeviceRecord) -> Vec<KnownId> {
    let owners = record.owners().iter().map(|period| KnownId::from(period.party));
    let gateways = record.logs().iter().map(|period| of_gateway(period.log.gateway));
    [KnownId::from(record.device_id())].into_iter().chain(owners).chain(gateways).collect()
}

async fn of_chain(chain: &ChainClient, wanted: IdKind) -> Result<Vec<KnownId>, ChainError> {
    let view = chain.view().await?;
    let mut ids = Vec::new();
    for (party, record) in view.parties().await? {
        match wanted {
            IdKind::Party | IdKind::Account | IdKind::Gateway => {
                ids.push(KnownId::from(party));
                let account = |account: AccountId| KnownId { kind: IdKind::Account, bytes: account.0 };
                ids.extend(record.accounts.iter().map(|entry| account(entry.account)));
                ids.extend(view.gateways(party).await?.into_iter().map(of_gateway));
            }
            IdKind::Device => {
                ids.extend(view.devices_of_owner(party).await?.into_iter().map(KnownId::from));
                for gateway in view.gateways(party).await? {
                    ids.extend(view.devices_of_gateway(gateway).await?.into_iter().map(KnownId::from));
                }
            }
            IdKind::Contract => {
                ids.extend(view.contracts_of(party).await?.into_iter().map(KnownId::from));
            }
        }
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;
    use streembit_primitives::{
        device::{ChangeTime, KeyChange},
        DeviceKey, LogId, PartyId, PublicKey,
    };

    #[test]
    fn evidence_knows_the_device_and_its_owners_and_gateways() {
        let key = |n| DeviceKey::Own(PublicKey::Sr25519([n; 32]));
        let at = ChangeTime { block: 1, time: 0 };
        let log = LogId::first(AccountId([3; 32]));
        let mut record = DeviceRecord::new(key(1), PartyId([2; 32]), log, at);
        record.set_key(key(4), 5, KeyChange::Rotated, 5, at).unwrap();
        let expected: [KnownId; 3] =
            [key(1).device_id().into(), PartyId([2; 32]).into(), of_gateway(AccountId([3; 32]))];
        assert_eq!(of_record(&record), expected);

        let vector = concat!(env!("CARGO_MANIFEST_DIR"), "/../primitives/vectors/one-event.evidence");
        let ids = of_evidence(Path::new(vector)).unwrap();
        assert_eq!(ids.first().map(|id| id.kind), Some(IdKind::Device));
        let kinds = |kind| ids.iter().filter(|id| id.kind == kind).count();
        assert!(kinds(IdKind::Party) > 0 && kinds(IdKind::Gateway) > 0, "{ids:?}");
        assert!(of_evidence(Path::new("/nonexistent")).unwrap_err().to_string().contains("/nonexistent"));
    }
}
