//! Read access: the chain's finalized state, and the rights that follow from it at a given time.

use futures::{stream, stream::BoxStream, stream::Fuse, StreamExt as _};
use std::collections::BTreeSet;
use streembit_primitives::{
    contract_state::Grant, device::DeviceRecord, reading::Name, AccountId, DeviceId, Hash, LogId, Part,
};
use tokio::sync::watch;

/// The chain could not be reached.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct ChainUnavailableError(pub String);

/// The finalized state about who may read a device.
#[derive(Clone, Debug)]
pub struct DeviceAccess {
    /// The device's record, or `None` if the device is not registered.
    pub record: Option<DeviceRecord>,
    /// The grants of contracts in force.
    pub grants: Vec<Grant>,
    /// The timestamp of the finalized block, in milliseconds since 1970-01-01 UTC.
    pub time: u64,
}

/// The source of access rights for a gateway.
#[async_trait::async_trait]
pub trait Grants: Send + Sync + 'static {
    /// The chain's genesis hash.
    fn genesis(&self) -> Hash;
    /// Reads who may read a device, at the finalized head.
    async fn access(&self, device: DeviceId) -> Result<DeviceAccess, ChainUnavailableError>;
    /// A stream with an item for each new finalized block, after which the rights may have changed.
    fn blocks(&self) -> BlockStream;
}

/// A stream with one item per finalized block. Blocks that arrive together may share an item.
pub type BlockStream = Fuse<BoxStream<'static, ()>>;

/// Turns the changes of a watched value from now on into a stream.
pub fn change_stream<T: Send + Sync + 'static>(value: watch::Receiver<T>) -> BlockStream {
    let changes =
        stream::unfold(value, |mut value| async move { value.changed().await.ok().map(|()| ((), value)) });
    changes.boxed().fuse()
}

/// The source of the finalized state that a subscriber verifies events against.
#[async_trait::async_trait]
pub trait Registry: Send + Sync + 'static {
    /// The chain's genesis hash.
    fn genesis(&self) -> Hash;
    /// Reads a device's record at the finalized head, or `None` if it is not registered.
    async fn device(&self, device: DeviceId) -> Result<Option<DeviceRecord>, ChainUnavailableError>;
    /// Reads the root that a log was anchored with at `size`, or `None` if the chain keeps no anchor of this size.
    async fn anchored_root(&self, log: LogId, size: u64) -> Result<Option<Hash>, ChainUnavailableError>;
}

/// The readings that an account may read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NameFilter {
    /// All readings, and all other parts of the events.
    All,
    /// The readings with these names.
    Only(BTreeSet<Name>),
}

/// An account's rights at the time they were evaluated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rights {
    /// The readings that may be read.
    pub names: NameFilter,
    /// The time at which the rights must be evaluated again: the first end among the grants, in milliseconds since
    /// 1970-01-01 UTC. `None` if the rights do not end.
    pub until: Option<u64>,
}

impl NameFilter {
    /// Returns true if the part may be shown.
    pub fn admits(&self, part: &Part) -> bool {
        match (self, part) {
            (Self::All, _) => true,
            (Self::Only(names), Part::Reading(reading)) => names.contains(&reading.name),
            (Self::Only(_), Part::Command(_) | Part::Result(_) | Part::Status(_)) => false,
        }
    }

    /// Restricts the filter to the wanted names. An empty list restricts nothing.
    pub fn intersect(self, wanted: &[Name]) -> Self {
        let wanted = wanted.iter().cloned().collect::<BTreeSet<_>>();
        match self {
            any if wanted.is_empty() => any,
            Self::All => Self::Only(wanted),
            Self::Only(names) => Self::Only(names.intersection(&wanted).cloned().collect()),
        }
    }
}

impl DeviceAccess {
    /// Returns what an account may read of a device at a gateway, or `None` if it may read nothing.
    ///
    /// A grant ends when either the chain's time or the local clock (`now`) reaches its end. So neither a stalled
    /// chain nor a slow clock extends it.
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
    fn the_owner_reads_everything_and_others_nothing() {
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
    fn a_grant_ends_by_the_later_of_both_clocks() {
        let at = |until, now| access(vec![grant(&[], until)]).rights(&GATEWAY, &WORKSHOP, now);
        assert_eq!(at(200, 199), Some(Rights { names: NameFilter::All, until: Some(200) }));
        assert_eq!(at(200, 200), None, "the end is exclusive");
        assert_eq!(at(100, 0), None, "the chain's time has reached the end, the local clock has not");
        assert_eq!(at(101, 0).unwrap().until, Some(101));
    }

    #[test]
    fn grants_are_combined_until_the_first_end() {
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
    fn a_request_restricts_the_granted_names_and_never_extends_them() {
        let only = NameFilter::Only([name("a"), name("b")].into());
        assert_eq!(only.clone().intersect(&[]), only);
        assert_eq!(only.intersect(&[name("b"), name("c")]), NameFilter::Only([name("b")].into()));
        assert_eq!(NameFilter::All.intersect(&[name("c")]), NameFilter::Only([name("c")].into()));
        assert!(!NameFilter::Only([].into()).admits(&Part::Status(Text::default())));
        assert!(NameFilter::All.admits(&Part::Status(Text::default())));
    }
}
