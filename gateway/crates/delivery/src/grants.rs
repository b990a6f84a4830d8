//! Read access: the chain's finalized state, and the rights that follow from it at a given time.

use futures::{stream, stream::BoxStream, stream::Fuse, StreamExt as _};
use std::collections::BTreeSet;
use streembit_primitives::{
    contract::{
        state::{Grant, Right},
        DataClass, ReadingSelection,
    },
    device::DeviceRecord,
    party::AccountRole,
    reading::Name,
    AccountId, DeviceId, Hash, LogId, Part, Reading,
};
use tokio::sync::watch;

/// The chain could not be reached.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct ChainUnavailableError(pub String);

/// The finalized state about an account's right to read a device.
#[derive(Clone, Debug)]
pub struct DeviceAccess {
    /// The party of the account and its role, or `None` if the account belongs to no party.
    pub reader: Option<AccountRole>,
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
    /// Reads what decides whether the account `reader` may read a device, at the finalized head.
    async fn access(
        &self,
        device: DeviceId,
        reader: AccountId,
    ) -> Result<DeviceAccess, ChainUnavailableError>;
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
    /// Only these readings.
    Only(ReadingSet),
}

/// Readings that are chosen by name, by class, or both.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReadingSet {
    /// The readings with these names.
    names: BTreeSet<Name>,
    /// The raw readings.
    raw: bool,
    /// The pre-processed readings.
    pre_processed: bool,
    /// The names that the readings of a class must have. `None` for any name.
    wanted: Option<BTreeSet<Name>>,
}

/// Returns the class of a reading. A reading with a unit is pre-processed: somebody has scaled it and knows what it measures.
/// A reading without one is raw: a code, a state or a count, as the sensor gave it.
pub fn class_of(reading: &Reading) -> DataClass {
    match reading.unit.as_str() {
        "" => DataClass::Raw,
        _ => DataClass::PreProcessed,
    }
}

impl ReadingSet {
    /// Adds the readings of a selection. Returns false if it selects all readings, which no set holds.
    fn add(&mut self, selection: &ReadingSelection) -> bool {
        match selection {
            ReadingSelection::All => return false,
            ReadingSelection::Names(names) => self.names.extend(names.iter().cloned()),
            ReadingSelection::Class(DataClass::Raw) => self.raw = true,
            ReadingSelection::Class(DataClass::PreProcessed) => self.pre_processed = true,
        }
        true
    }

    /// Returns true if a reading is in the set.
    pub fn contains(&self, reading: &Reading) -> bool {
        let by_class = match class_of(reading) {
            DataClass::Raw => self.raw,
            DataClass::PreProcessed => self.pre_processed,
        };
        let is_wanted = || self.wanted.as_ref().is_none_or(|wanted| wanted.contains(&reading.name));
        self.names.contains(&reading.name) || (by_class && is_wanted())
    }

    /// Returns the readings that have one of the wanted names.
    fn intersect(self, wanted: BTreeSet<Name>) -> Self {
        let Self { names, raw, pre_processed, wanted: before } = self;
        let names = names.intersection(&wanted).cloned().collect();
        let wanted = (raw || pre_processed).then(|| match before {
            Some(before) => before.intersection(&wanted).cloned().collect(),
            None => wanted,
        });
        Self { names, raw, pre_processed, wanted }
    }
}

impl<I: IntoIterator<Item = Name>> From<I> for ReadingSet {
    fn from(names: I) -> Self {
        Self { names: names.into_iter().collect(), ..Self::default() }
    }
}

/// An account's rights at the time they were evaluated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rights {
    /// The readings that may be read.
    pub names: NameFilter,
    /// The time at which the rights must be evaluated again: the first end among the grants and the account, in
    /// milliseconds since 1970-01-01 UTC. `None` if the rights do not end.
    pub until: Option<u64>,
    /// The gateway's time from which on received events may be read, in milliseconds since 1970-01-01 UTC: what came
    /// before belongs to an owner before this one. 0 if the whole history may be read.
    pub since: u64,
}

impl NameFilter {
    /// Returns true if the part may be shown.
    pub fn admits(&self, part: &Part) -> bool {
        match (self, part) {
            (Self::All, _) => true,
            (Self::Only(set), Part::Reading(reading)) => set.contains(reading),
            (Self::Only(_), Part::Command(_) | Part::Result(_) | Part::Status(_)) => false,
        }
    }

    /// Restricts the filter to the wanted names. An empty list restricts nothing.
    pub fn intersect(self, wanted: &[Name]) -> Self {
        let wanted = wanted.iter().cloned().collect::<BTreeSet<_>>();
        match self {
            any if wanted.is_empty() => any,
            Self::All => Self::Only(wanted.into()),
            Self::Only(set) => Self::Only(set.intersect(wanted)),
        }
    }
}

impl DeviceAccess {
    /// Returns what the account may read of the device at a gateway, or `None` if it may read nothing. It reads what its
    /// party may read, if its scope includes reading.
    ///
    /// The present owner reads what the gateway received since it became the owner, and can grant no more than that. Former
    /// owners read nothing. The chain lists only grants in force, so a grant of a former owner or one that was revoked is
    /// not among them. Rights to send commands and to keep the log give no right to read.
    ///
    /// A grant or an account ends when either the chain's time or the local clock (`now`) reaches its end. So neither a
    /// stalled chain nor a slow clock extends it.
    pub fn rights(&self, gateway: &AccountId, now: u64) -> Option<Rights> {
        let now = now.max(self.time);
        let AccountRole { party, role } = self.reader.filter(|found| found.role.may_read())?;
        if role.has_ended(now) {
            return None;
        }
        let record = self.record.as_ref().filter(|record| record.gateway() == *gateway)?;
        // The first owner may also read what was logged before the device was registered.
        let since = if record.owners().count() > 1 { record.owners().last().since } else { 0 };
        if record.owner() == party {
            return Some(Rights { names: NameFilter::All, until: role.until(), since });
        }
        let device = record.device_id();
        let in_force = self
            .grants
            .iter()
            .filter(|grant| grant.grantee == party && grant.device == device && grant.until > now);
        let (mut set, mut all, mut first_end) = (ReadingSet::default(), false, None::<u64>);
        for grant in in_force {
            let Right::Read(selection) = &grant.right else { continue };
            all |= !set.add(selection);
            first_end = Some(first_end.map_or(grant.until, |end| end.min(grant.until)));
        }
        let first_end = first_end?;
        let until = Some(role.until().map_or(first_end, |end| end.min(first_end)));
        let names = if all { NameFilter::All } else { NameFilter::Only(set) };
        Some(Rights { names, until, since })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use streembit_primitives::{
        contract::ContractId, device::ChangeTime, party::Role, reading::Unit, DeviceKey, PartyId, PublicKey,
        Scope, Source, Text, Value,
    };

    const GATEWAY: AccountId = AccountId([1; 32]);
    const OWNER: PartyId = PartyId([2; 32]);
    const WORKSHOP: PartyId = PartyId([3; 32]);

    fn key() -> DeviceKey {
        DeviceKey::Own(PublicKey::Sr25519([4; 32]))
    }

    fn name(text: &str) -> Name {
        Name::try_from(text).unwrap()
    }

    /// A grant of the readings with these names, or of all readings for an empty list.
    fn grant(names: &[&str], until: u64) -> Grant {
        let names = names.iter().map(|text| name(text)).collect::<Vec<_>>();
        let selection = match names.is_empty() {
            true => ReadingSelection::All,
            false => ReadingSelection::Names(names.try_into().unwrap()),
        };
        grant_of(Right::Read(selection), until)
    }

    fn grant_of(right: Right, until: u64) -> Grant {
        Grant {
            contract: ContractId([5; 32]),
            clause: 1,
            device: key().device_id(),
            grantor: OWNER,
            grantee: WORKSHOP,
            right,
            until,
        }
    }

    fn reading(text: &str, unit: &str) -> Part {
        Part::Reading(Reading {
            name: name(text),
            unit: Unit::try_from(unit).unwrap(),
            value: Value::Boolean(true),
            time: 1,
            source: Source::try_from("senml").unwrap(),
        })
    }

    fn reader(party: PartyId, scope: Scope, until: Option<u64>) -> Option<AccountRole> {
        Some(AccountRole { party, role: Role::Account { scope, until } })
    }

    /// The access of an account of the workshop that may do everything.
    fn access(grants: Vec<Grant>) -> DeviceAccess {
        let at = ChangeTime { block: 1, time: 50 };
        let record = DeviceRecord::new(key(), OWNER, LogId::first(GATEWAY), at);
        DeviceAccess { reader: reader(WORKSHOP, Scope::All, None), record: Some(record), grants, time: 100 }
    }

    fn all(until: Option<u64>) -> Option<Rights> {
        Some(Rights { names: NameFilter::All, until, since: 0 })
    }

    #[test]
    fn a_new_owner_reads_from_its_time_on_and_the_former_one_nothing() {
        let mut sold = access(Vec::new());
        let record = sold.record.as_mut().unwrap();
        record.set_owner(WORKSHOP, ChangeTime { block: 9, time: 90 }).unwrap();
        let rights = Rights { names: NameFilter::All, until: None, since: 90 };
        assert_eq!(sold.rights(&GATEWAY, 0), Some(rights));
        let former = DeviceAccess { reader: reader(OWNER, Scope::All, None), ..sold };
        assert_eq!(former.rights(&GATEWAY, 0), None);
    }

    #[test]
    fn the_owner_reads_everything_and_others_nothing() {
        let workshops = access(vec![grant(&[], 200)]);
        let owners = DeviceAccess { reader: reader(OWNER, Scope::All, None), ..workshops.clone() };
        assert_eq!(owners.rights(&GATEWAY, 999), all(None));
        for stranger in [None, reader(PartyId([9; 32]), Scope::All, None)] {
            assert_eq!(DeviceAccess { reader: stranger, ..workshops.clone() }.rights(&GATEWAY, 0), None);
        }
        assert_eq!(owners.rights(&AccountId([9; 32]), 0), None, "another gateway's device");
        for known in [owners, workshops] {
            assert_eq!(DeviceAccess { record: None, ..known }.rights(&GATEWAY, 0), None);
        }
    }

    #[test]
    fn an_account_reads_for_its_party_if_its_scope_includes_reading() {
        for (scope, reads) in Scope::LIST.into_iter().zip([true, false, true, true, false]) {
            let owners = DeviceAccess { reader: reader(OWNER, scope, None), ..access(Vec::new()) };
            assert_eq!(owners.rights(&GATEWAY, 0).is_some(), reads, "{scope}");
            let granted =
                DeviceAccess { reader: reader(WORKSHOP, scope, None), ..access(vec![grant(&[], 200)]) };
            assert_eq!(granted.rights(&GATEWAY, 0).is_some(), reads, "{scope}");
        }
        let gateway = Some(AccountRole { party: OWNER, role: Role::Gateway });
        assert_eq!(DeviceAccess { reader: gateway, ..access(Vec::new()) }.rights(&GATEWAY, 0), None);
    }

    #[test]
    fn an_account_reads_until_it_ends_by_the_later_of_both_clocks() {
        let owners =
            |until| DeviceAccess { reader: reader(OWNER, Scope::All, Some(until)), ..access(vec![]) };
        assert_eq!(owners(200).rights(&GATEWAY, 199), all(Some(200)));
        assert_eq!(owners(200).rights(&GATEWAY, 200), None);
        assert_eq!(owners(100).rights(&GATEWAY, 0), None, "by the chain's time");
        let granted = |until| DeviceAccess {
            reader: reader(WORKSHOP, Scope::Devices, Some(until)),
            ..access(vec![grant(&[], 200)])
        };
        assert_eq!(granted(150).rights(&GATEWAY, 0), all(Some(150)), "the account ends before the grant");
        assert_eq!(granted(300).rights(&GATEWAY, 0), all(Some(200)), "the grant ends before the account");
    }

    #[test]
    fn a_grant_ends_by_the_later_of_both_clocks() {
        let at = |until, now| access(vec![grant(&[], until)]).rights(&GATEWAY, now);
        assert_eq!(at(200, 199), all(Some(200)));
        assert_eq!(at(200, 200), None, "the end is exclusive");
        assert_eq!(at(100, 0), None, "the chain's time has reached the end, the local clock has not");
        assert_eq!(at(101, 0).unwrap().until, Some(101));
    }

    #[test]
    fn grants_are_combined_until_the_first_end() {
        let two = access(vec![grant(&["a"], 300), grant(&["b"], 200)]);
        let both = two.rights(&GATEWAY, 0).unwrap();
        assert_eq!(both.names, NameFilter::Only([name("a"), name("b")].into()));
        assert_eq!(both.until, Some(200));
        let later = two.rights(&GATEWAY, 250).unwrap();
        assert_eq!(later.names, NameFilter::Only([name("a")].into()));
        let wide = access(vec![grant(&["a"], 300), grant(&[], 200)]);
        assert_eq!(wide.rights(&GATEWAY, 0).unwrap().names, NameFilter::All);
        let mut foreign = grant(&[], 300);
        foreign.device = DeviceId([8; 32]);
        assert_eq!(access(vec![foreign]).rights(&GATEWAY, 0), None);
    }

    #[test]
    fn a_class_is_told_by_the_unit() {
        let class = |class| grant_of(Right::Read(ReadingSelection::Class(class)), 200);
        let names = |grants| access(grants).rights(&GATEWAY, 0).unwrap().names;
        let raw = names(vec![class(DataClass::Raw)]);
        assert!(raw.admits(&reading("codes", "")) && !raw.admits(&reading("speed", "km/h")));
        let scaled = names(vec![class(DataClass::PreProcessed)]);
        assert!(!scaled.admits(&reading("codes", "")) && scaled.admits(&reading("speed", "km/h")));
        let both = names(vec![class(DataClass::Raw), grant(&["speed"], 200)]);
        assert!(both.admits(&reading("codes", "")) && both.admits(&reading("speed", "km/h")));
        assert!(!both.admits(&reading("fuel", "l")));
        // A request restricts a class as well.
        let wanted = scaled.intersect(&[name("fuel")]);
        assert!(wanted.admits(&reading("fuel", "l")) && !wanted.admits(&reading("speed", "km/h")));
        assert!(!wanted.intersect(&[name("speed")]).admits(&reading("fuel", "l")));
    }

    #[test]
    fn rights_to_command_and_to_keep_give_no_right_to_read() {
        let others = vec![grant_of(Right::Keep, 200), grant_of(Right::Command(Default::default()), 200)];
        assert_eq!(access(others.clone()).rights(&GATEWAY, 0), None);
        // They do not shorten a right to read either.
        let longer = others.into_iter().chain([grant(&[], 300)]).collect();
        assert_eq!(access(longer).rights(&GATEWAY, 0), all(Some(300)));
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
