//! The fields of a clause in a draft.

use crate::contracts::notation::text_of;
use serde::de::DeserializeOwned;
use std::{fmt::Display, str::FromStr};
use streembit_primitives::{
    contract::{ContractRole, Grantee, RoleHolder},
    PartyId,
};

/// The parties to a contract, which its clauses name by their roles.
pub(super) struct Parties<'a> {
    pub holders: &'a [RoleHolder],
}

impl Parties<'_> {
    /// Returns the party with a role, or the party with an id.
    fn find(&self, name: &str) -> Result<PartyId, String> {
        if let Ok(party) = name.parse::<PartyId>() {
            return Ok(party);
        }
        let role = from_name::<ContractRole>(name)
            .map_err(|_| format!("{name:?} is neither a role nor the id of a party"))?;
        let mut found = self.holders.iter().filter(|holder| holder.role == role);
        match (found.next(), found.next()) {
            (Some(holder), None) => Ok(holder.party),
            (None, _) => Err(format!("no party has the role {name}: list it in [[party]]")),
            (Some(_), Some(_)) => Err(format!("several parties have the role {name}: give the id of one")),
        }
    }

    /// Returns one party, or every party with a role for `every insurer`.
    fn grantee(&self, name: &str) -> Result<Grantee, String> {
        match name.strip_prefix("every ") {
            Some(role) => Ok(Grantee::Role(from_name(role)?)),
            None => Ok(Grantee::Party(self.find(name)?)),
        }
    }
}

/// Parses the name of a value of an enum. The error lists the names.
pub(super) fn from_name<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    T::deserialize(toml::Value::String(text.to_owned())).map_err(|error| error.message().to_owned())
}

/// The fields of a clause that were not read yet.
pub(super) struct Fields<'a> {
    kind: String,
    table: toml::Table,
    parties: &'a Parties<'a>,
}

impl<'a> Fields<'a> {
    pub fn new(table: toml::Table, parties: &'a Parties<'a>) -> Result<Self, String> {
        let mut fields = Self { kind: String::new(), table, parties };
        fields.kind = fields.text("kind")?;
        Ok(fields)
    }

    /// The kind of the clause.
    pub fn kind(&self) -> String {
        self.kind.clone()
    }

    /// Takes a value that may be missing.
    pub fn optional_value(&mut self, key: &str) -> Option<toml::Value> {
        self.table.remove(key)
    }

    /// Takes a text that may be missing.
    pub fn optional_text(&mut self, key: &str) -> Result<Option<String>, String> {
        self.optional_value(key).map(text_of).transpose().map_err(|problem| format!("{key}: {problem}"))
    }

    /// Takes a text.
    pub fn text(&mut self, key: &str) -> Result<String, String> {
        self.optional_text(key)?.ok_or_else(|| self.missing(key))
    }

    /// Takes a value that may be missing, and parses it.
    pub fn optional<T: FromStr<Err: Display>>(&mut self, key: &str) -> Result<Option<T>, String> {
        let parse =
            |text: String| text.parse::<T>().map_err(|error| format!("{key}: {text:?} is wrong: {error}"));
        self.optional_text(key)?.map(parse).transpose()
    }

    /// Takes a value and parses it.
    pub fn parsed<T: FromStr<Err: Display>>(&mut self, key: &str) -> Result<T, String> {
        self.optional(key)?.ok_or_else(|| self.missing(key))
    }

    /// Takes the name of a value of an enum.
    pub fn named<T: DeserializeOwned>(&mut self, key: &str) -> Result<T, String> {
        from_name(&self.text(key)?).map_err(|problem| format!("{key}: {problem}"))
    }

    /// Takes the name of a value of an enum that may be missing.
    pub fn optional_name<T: DeserializeOwned>(&mut self, key: &str) -> Result<Option<T>, String> {
        let name = self.optional_text(key)?;
        name.map(|name| from_name(&name)).transpose().map_err(|problem| format!("{key}: {problem}"))
    }

    /// Takes a party.
    pub fn party(&mut self, key: &str) -> Result<PartyId, String> {
        let name = self.text(key)?;
        self.parties.find(&name).map_err(|problem| format!("{key}: {problem}"))
    }

    /// Takes a party or an audience.
    pub fn grantee(&mut self, key: &str) -> Result<Grantee, String> {
        let name = self.text(key)?;
        self.parties.grantee(&name).map_err(|problem| format!("{key}: {problem}"))
    }

    /// Returns an error if a field was not read.
    pub fn finish(self) -> Result<(), String> {
        match self.table.keys().next() {
            Some(key) => Err(format!("a clause of kind {} has no {key}", self.kind)),
            None => Ok(()),
        }
    }

    fn missing(&self, key: &str) -> String {
        match self.kind.as_str() {
            "" => format!("the clause needs {key}"),
            kind => format!("a clause of kind {kind} needs {key}"),
        }
    }
}
