//! Finds the party, account, gateway, device or contract that a command is about.
//!
//! Users give a whole id, the beginning of one, or a name. Every command asks the one type [`Resolver`], which
//! [`super::common::Context::resolver`] returns.

mod reference;
mod search;
mod source;

#[cfg(test)]
mod tests;

pub use reference::{ParseReferenceError, Reference};

use crate::{
    address_book::{AddressBook, AddressBookFile, EntryName, IdKind, KnownId},
    config::Config,
};
use anyhow::{anyhow, bail};
use search::Search;
use source::Source;
use std::path::Path;
use streembit_chain::ChainClient;
use streembit_keystore::{account, party::PartyName};
use streembit_primitives::{contract::ContractId, AccountId, DeviceId};

/// Finds ids by what users write for them: in the address book, and in the places that were added.
///
/// A name is looked up in the address book and, if it is of a device, in the gateway's configuration. The beginning of an
/// id is looked up in all places, and must be the beginning of one known id only. A whole id is not looked up.
pub struct Resolver<'a> {
    book: &'a AddressBookFile,
    sources: Vec<Source<'a>>,
}

impl<'a> Resolver<'a> {
    /// Returns a resolver that knows the names and ids in the address book.
    pub fn new(book: &'a AddressBookFile) -> Self {
        Self { book, sources: Vec::new() }
    }

    /// Adds the devices in the configuration and in the log of a gateway.
    pub fn gateway(mut self, config: &'a Config, account: AccountId) -> Self {
        self.sources.push(Source::Config(config, account));
        self.sources.push(Source::Log(&config.gateway.data_dir));
        self
    }

    /// Adds the device of an evidence file, if there is one.
    pub fn evidence(mut self, file: Option<&'a Path>) -> Self {
        self.sources.extend(file.map(Source::Evidence));
        self
    }

    /// Adds the contracts in the index of the gateway with this data folder.
    pub fn index(mut self, folder: &'a Path) -> Self {
        self.sources.push(Source::Index(folder));
        self
    }

    /// Adds the parties of the chain, and their accounts, gateways, devices and contracts.
    pub fn chain(mut self, chain: &'a ChainClient) -> Self {
        self.sources.push(Source::Chain(chain));
        self
    }

    /// Finds a device.
    pub async fn device(&self, reference: &Reference) -> anyhow::Result<DeviceId> {
        Ok(DeviceId(self.find(reference, IdKind::Device).await?.bytes))
    }

    /// Finds a contract.
    pub async fn contract(&self, reference: &Reference) -> anyhow::Result<ContractId> {
        Ok(ContractId(self.find(reference, IdKind::Contract).await?.bytes))
    }

    /// Finds an account of a party, or a gateway.
    pub async fn account(&self, reference: &Reference) -> anyhow::Result<AccountId> {
        Ok(AccountId(self.find(reference, IdKind::Account).await?.bytes))
    }

    /// Finds a party by its id or by one of its accounts. Only the chain knows the party of an account: see
    /// [`super::common::find_party`].
    pub async fn party_name(&self, reference: &Reference) -> anyhow::Result<PartyName> {
        if let Reference::Account(account) = reference {
            return Ok(PartyName::Account(*account));
        }
        let found = self.find(reference, IdKind::Party).await?;
        Ok(match found.kind.is_account() {
            true => PartyName::Account(AccountId(found.bytes)),
            false => PartyName::Digits(found.bytes),
        })
    }

    async fn find(&self, reference: &Reference, wanted: IdKind) -> anyhow::Result<KnownId> {
        let search = match reference {
            Reference::Id(bytes) => return Ok(KnownId { kind: wanted, bytes: *bytes }),
            Reference::Account(account) if wanted.is_account() => {
                return Ok(KnownId { kind: wanted, bytes: account.0 });
            }
            Reference::Account(account) => {
                bail!("{} is an account, but {} is needed", account::show(account), wanted.with_article())
            }
            Reference::Name(name) => self.search_name(name, wanted)?,
            Reference::Beginning(digits) => self.search_beginning(digits, wanted).await?,
        };
        search.only(reference)
    }

    fn search_name(&self, name: &str, wanted: IdKind) -> anyhow::Result<Search> {
        let mut search = Search::new(wanted);
        search.look(self.book.place(), self.open_book()?.get(name).map(|id| (id, Some(name.to_owned()))));
        for source in &self.sources {
            if let (Source::Config(config, gateway), IdKind::Device) = (source, wanted) {
                let device = config.devices.iter().find(|device| device.name == name);
                let found =
                    device.map(|device| (KnownId::from(device.id(*gateway)), Some(device.name.clone())));
                search.look(source.to_string(), found);
            }
        }
        Ok(search)
    }

    async fn search_beginning(&self, digits: &str, wanted: IdKind) -> anyhow::Result<Search> {
        let mut search = Search::new(wanted);
        let begins = |(id, _): &source::NamedId| id.digits().starts_with(digits);
        let named = |(name, id): (&EntryName, KnownId)| (id, Some(name.to_string()));
        search.look(self.book.place(), self.open_book()?.iter().map(named).filter(begins));
        for source in &self.sources {
            match source.ids(wanted).await {
                Ok(ids) => search.look(source.to_string(), ids.into_iter().filter(begins)),
                Err(error) if source.is_required() => return Err(error),
                // Such as the log of a gateway that has not started yet.
                Err(error) => search.note(format!("{source}, which cannot be read ({error:#})")),
            }
        }
        Ok(search)
    }

    fn open_book(&self) -> anyhow::Result<&'a AddressBook> {
        self.book.book().map_err(|error| anyhow!("{error}"))
    }
}
