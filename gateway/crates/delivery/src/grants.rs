//! Who may read what: the chain's finalized answer, and what follows from it at a given time.

use futures::{stream, stream::BoxStream, stream::Fuse, StreamExt as _};
use std::collections::BTreeSet;
use streembit_primitives::{
    contract_state::Grant, device::DeviceRecord, reading::Name, AccountId, DeviceId, Hash, LogId, Part,
};
use tokio::sync::watch;

/// The chain could not be asked.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct ChainUnavailableError(pub String);

/// The finalized chain's answer to who may read one device.
#[derive(Clone, Debug)]
pub struct DeviceAccess {
    /// The device; `None` where the chain knows none by this id.
    pub record: Option<DeviceRecord>,
    /// The grants of contracts in force.
    pub grants: Vec<Grant>,
    /// The time of the finalized block, in milliseconds since 1970-01-01 UTC.
    pub time: u64,
}

/// Where a gateway asks who may read.
#[async_trait::async_trait]
pub trait Grants: Send + Sync + 'static {
    /// The chain's genesis hash.
    fn genesis(&self) -> Hash;
    /// What the chain says about a device, at its finalized head.
    async fn access(&self, device: DeviceId) -> Result<DeviceAccess, ChainUnavailableError>;
    /// The finalized blocks that come from now on: after each, the answers may be others.
    fn blocks(&self) -> BlockStream;
}

/// One item for each finalized block, or for several that came at once.
pub type BlockStream = Fuse<BoxStream<'static, ()>>;

/// The changes of a value that is watched, beginning now.
pub fn changes_of<T: Send + Sync + 'static>(value: watch::Receiver<T>) -> BlockStream {
    let changes =
        stream::unfold(value, |mut value| async move { value.changed().await.ok().map(|()| ((), value)) });
    changes.boxed().fuse()
}

/// Where a subscriber asks what events are to be verified against.
#[async_trait::async_trait]
pub trait Registry: Send + Sync + 'static {
    /// The chain's genesis hash.
    fn genesis(&self) -> Hash;
    /// The device as registered, at the finalized head.
    async fn device(&self, device: DeviceId) -> Result<Option<DeviceRecord>, ChainUnavailableError>;
    /// The root anchored for a log at a size, where the chain still keeps it.
    async fn anchored_root(&self, log: LogId, size: u64) -> Result<Option<Hash>, ChainUnavailableError>;
}

/// Which readings somebody may read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NameFilter {
    /// All of them, and everything else that the device says.
    All,
    /// Those with these names.
    Only(BTreeSet<Name>),
}

/// A right to read, at the time when it was looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rights {
    /// Which readings.
    pub names: NameFilter,
    /// When this has to be looked at again: the first end among the grants, in milliseconds since 1970-01-01 UTC.
    pub until: Option<u64>,
}

impl NameFilter {
    /// Whether a part may be shown.
    pub fn admits(&self, part: &Part) -> bool {
        match (self, part) {
            (Self::All, _) => true,
            (Self::Only(names), Part::Reading(reading)) => names.contains(&reading.name),
            (Self::Only(_), Part::Status(_)) => false,
        }
    }

    /// What is left of this where only some names are wanted; empty for all.
    pub fn narrowed(self, wanted: &[Name]) -> Self {
        let wanted = wanted.iter().cloned().collect::<BTreeSet<_>>();
        match self {
            any if wanted.is_empty() => any,
            Self::All => Self::Only(wanted),
            Self::Only(names) => Self::Only(names.intersection(&wanted).cloned().collect()),
        }
    }
}

impl DeviceAccess {
    /// What an account may read of a device at a gateway; `None` for nothing.
    ///
    /// A grant has ended when the chain's time or the local clock (`now`) has reached its end, whichever is later:
    /// neither a chain that stands still nor a clock that is behind prolongs it.
    pub fn rights(&self, gateway: &AccountId, account: &AccountId, now: u64) -> Option<Rights> {
        let record = self.record.as_ref().filter(|record| record.gateway == *gateway)?;
        if record.owner == *account {
            return Some(Rights { names: NameFilter::All, until: None });
        }
        let now = now.max(self.time);
        let device = record.key.device_id();
        let in_force = self
            .grants
            .iter()
            .filter(|grant| grant.grantee == *account && grant.device == device && grant.until > now)
            .collect::<Vec<_>>();
        let until = Some(in_force.iter().map(|grant| grant.until).min()?);
        let names = if in_force.iter().any(|grant| grant.names.is_empty()) {
            NameFilter::All
        } else {
            NameFilter::Only(in_force.iter().flat_map(|grant| grant.names.iter().cloned()).collect())
        };
        Some(Rights { names, until })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use streembit_primitives::{contract::ContractId, DeviceKey, PublicKey, Text};

    const GATEWAY: AccountId = AccountId([1; 32]);
    const OWNER: AccountId = AccountId([2; 32]);
    const WORKSHOP: AccountId = AccountId([3; 32]);

    fn key() -> DeviceKey {
        DeviceKey::Own(PublicKey::Sr25519([4; 32]))
    }

    fn name(text: &str) -> Name {
        Name::try_from(text).unwrap()
    }

    fn grant(names: &[&str], until: u64) -> Grant {
        Grant {
            contract: ContractId([5; 32]),
            device: key().device_id(),
            grantee: WORKSHOP,
            names: names.iter().map(|text| name(text)).collect::<Vec<_>>().try_into().unwrap(),
            until,
        }
    }

    fn access(grants: Vec<Grant>) -> DeviceAccess {
        let record = DeviceRecord { key: key(), owner: OWNER, gateway: GATEWAY, registered: 1 };
        DeviceAccess { record: Some(record), grants, time: 100 }
    }

    #[test]
    fn the_owner_reads_all_and_a_stranger_nothing() {
        let access = access(vec![grant(&[], 200)]);
        let all = Rights { names: NameFilter::All, until: None };
        assert_eq!(access.rights(&GATEWAY, &OWNER, 999), Some(all));
        assert_eq!(access.rights(&GATEWAY, &AccountId([9; 32]), 0), None);
        assert_eq!(access.rights(&AccountId([9; 32]), &OWNER, 0), None, "another gateway's device");
        let unknown = DeviceAccess { record: None, ..access };
        assert_eq!(unknown.rights(&GATEWAY, &OWNER, 0), None);
        assert_eq!(unknown.rights(&GATEWAY, &WORKSHOP, 0), None);
    }

    #[test]
    fn a_grant_ends_by_whichever_clock_is_ahead() {
        let at = |until, now| access(vec![grant(&[], until)]).rights(&GATEWAY, &WORKSHOP, now);
        assert_eq!(at(200, 199), Some(Rights { names: NameFilter::All, until: Some(200) }));
        assert_eq!(at(200, 200), None, "the end itself is outside");
        assert_eq!(at(100, 0), None, "ended by the chain's time, the local clock is behind");
        assert_eq!(at(101, 0).unwrap().until, Some(101));
    }

    #[test]
    fn grants_add_up_and_the_first_end_is_kept() {
        let two = access(vec![grant(&["a"], 300), grant(&["b"], 200)]);
        let both = two.rights(&GATEWAY, &WORKSHOP, 0).unwrap();
        assert_eq!(both.names, NameFilter::Only([name("a"), name("b")].into()));
        assert_eq!(both.until, Some(200));
        let later = two.rights(&GATEWAY, &WORKSHOP, 250).unwrap();
        assert_eq!(later.names, NameFilter::Only([name("a")].into()));
        let wide = access(vec![grant(&["a"], 300), grant(&[], 200)]);
        assert_eq!(wide.rights(&GATEWAY, &WORKSHOP, 0).unwrap().names, NameFilter::All);
        let mut foreign = grant(&[], 300);
        foreign.device = DeviceId([8; 32]);
        assert_eq!(access(vec![foreign]).rights(&GATEWAY, &WORKSHOP, 0), None);
    }

    #[test]
    fn a_request_narrows_and_never_widens() {
        let only = NameFilter::Only([name("a"), name("b")].into());
        assert_eq!(only.clone().narrowed(&[]), only);
        assert_eq!(only.narrowed(&[name("b"), name("c")]), NameFilter::Only([name("b")].into()));
        assert_eq!(NameFilter::All.narrowed(&[name("c")]), NameFilter::Only([name("c")].into()));
        assert!(!NameFilter::Only([].into()).admits(&Part::Status(Text::default())));
        assert!(NameFilter::All.admits(&Part::Status(Text::default())));
    }
}
