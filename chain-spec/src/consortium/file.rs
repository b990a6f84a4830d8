//! Reads the consortium file.

use super::accounts::{founding_parties, AccountTable};
use crate::{
    error::{SpecError, SpecFileErrors},
    spec_file::{
        collector::{parse_toml, ErrorCollector},
        fields::{
            bootnodes, chain_id, chain_name, check_validator_count, in_file_order, read_file, NamedTable,
        },
        keys::{account, SessionKeyReader},
    },
};
use sc_service::config::MultiaddrWithPeerId;
use serde::Deserialize;
use std::{collections::BTreeMap, path::Path};
use streembit_primitives::PartyId;
use streembit_runtime::{
    configs::MAX_COUNCIL,
    genesis::{party_id, Founding},
    AccountId, SessionKeys,
};
use toml::Spanned;

/// The description of a consortium that can be founded.
#[derive(Clone, Debug)]
pub struct Consortium {
    pub(super) name: String,
    pub(super) id: String,
    pub(super) bootnodes: Vec<MultiaddrWithPeerId>,
    pub(super) founding: Founding,
}

impl Consortium {
    /// Reads a consortium file.
    pub fn read(path: &Path) -> Result<Self, SpecError> {
        read_file(path, Self::parse)
    }

    /// Parses the text of a consortium file.
    pub fn parse(text: &str) -> Result<Self, SpecFileErrors> {
        parse_toml(text, convert)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConsortiumFile {
    name: Option<Spanned<String>>,
    id: Option<Spanned<String>>,
    #[serde(default)]
    allow_unsafe: bool,
    #[serde(default)]
    bootnodes: Vec<Spanned<String>>,
    #[serde(default)]
    parties: NamedTable<Spanned<String>>,
    #[serde(default)]
    accounts: NamedTable<AccountTable>,
    #[serde(default)]
    encryption_keys: NamedTable<Spanned<String>>,
    council: Option<Spanned<CouncilTable>>,
    #[serde(default)]
    validators: NamedTable<ValidatorTable>,
    #[serde(default)]
    quotas: NamedTable<QuotaTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CouncilTable {
    #[serde(default)]
    members: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ValidatorTable {
    aura: Option<Spanned<String>>,
    grandpa: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QuotaTable {
    milliseconds: Option<Spanned<u64>>,
    bytes: Option<Spanned<u64>>,
}

fn convert(file: ConsortiumFile, errors: &mut ErrorCollector<'_>) -> Consortium {
    let parties = Parties::read(&file.parties, errors);
    let founding = Founding {
        council: council(file.council.as_ref(), &parties, errors),
        validators: validators(&file.validators, file.allow_unsafe, &parties, errors),
        quotas: quotas(&file.quotas, &parties, errors),
        parties: founding_parties(&parties, &file.accounts, &file.encryption_keys, errors),
    };
    Consortium {
        founding,
        bootnodes: bootnodes(&file.bootnodes, errors),
        name: chain_name(file.name, errors),
        id: chain_id(file.id, errors),
    }
}

/// The `[parties]` table.
pub(super) struct Parties<'f> {
    table: &'f NamedTable<Spanned<String>>,
    /// The first accounts of the parties, if they are valid.
    accounts: BTreeMap<&'f str, AccountId>,
}

impl<'f> Parties<'f> {
    fn read(table: &'f NamedTable<Spanned<String>>, errors: &mut ErrorCollector<'_>) -> Self {
        let mut accounts = BTreeMap::new();
        let mut owners: BTreeMap<AccountId, &Spanned<String>> = BTreeMap::new();
        if table.is_empty() {
            errors.add("there are no [parties]: name at least one, with its account");
        }
        for (name, value) in in_file_order(table) {
            if name.get_ref().trim().is_empty() {
                errors.add_at(name.span(), "a party has no name");
            }
            let Some(account) = account(value, errors) else { continue };
            if let Some(first) = owners.insert(account.clone(), name) {
                let problem = format!(
                    "{} and {} (line {}) have the same account: every party needs its own key",
                    name.get_ref(),
                    first.get_ref(),
                    errors.line_of(&first.span())
                );
                errors.add_at(value.span(), problem);
                continue;
            }
            accounts.insert(name.get_ref().as_str(), account);
        }
        Self { table, accounts }
    }

    /// Returns the first accounts of the parties.
    pub(super) fn first_accounts(&self) -> impl Iterator<Item = &AccountId> {
        self.accounts.values()
    }

    /// Returns the first account of a party, or reports that there is no such party.
    pub(super) fn account(
        &self,
        name: &Spanned<String>,
        errors: &mut ErrorCollector<'_>,
    ) -> Option<&AccountId> {
        let text = name.get_ref().as_str();
        let account = self.accounts.get(text);
        // If the party is in the table, its account is invalid, which has been reported already.
        if account.is_none() && !self.table.contains_key(text) {
            let problem = format!("{text} is not one of the [parties]: add it there, with its account");
            errors.add_at(name.span(), problem);
        }
        account
    }
}

fn council(
    table: Option<&Spanned<CouncilTable>>,
    parties: &Parties<'_>,
    errors: &mut ErrorCollector<'_>,
) -> Vec<PartyId> {
    let Some(council) = table else {
        errors.add("there is no [council]: name the parties that vote, `members = [\"…\"]`");
        return Vec::new();
    };
    let names = &council.get_ref().members;
    if names.is_empty() {
        errors.add_at(council.span(), "the council has no members: nobody could ever vote");
    }
    if names.len() > MAX_COUNCIL as usize {
        let problem = format!("the council has {} members; the maximum is {MAX_COUNCIL}", names.len());
        errors.add_at(council.span(), problem);
    }
    let mut members = Vec::new();
    for name in names {
        match parties.account(name, errors) {
            None => {}
            Some(account) if members.contains(&party_id(account)) => {
                errors.add_at(name.span(), format!("{} is in the council twice", name.get_ref()));
            }
            Some(account) => members.push(party_id(account)),
        }
    }
    members
}

fn validators(
    table: &NamedTable<ValidatorTable>,
    allow_unsafe: bool,
    parties: &Parties<'_>,
    errors: &mut ErrorCollector<'_>,
) -> Vec<(AccountId, SessionKeys)> {
    let mut session_keys = SessionKeyReader::default();
    let mut validators = Vec::new();
    for (name, validator) in in_file_order(table) {
        let account = parties.account(name, errors);
        let keys = session_keys.read(name, validator.aura.as_ref(), validator.grandpa.as_ref(), errors);
        validators.extend(account.cloned().zip(keys));
    }
    check_validator_count(table, allow_unsafe, errors);
    validators
}

/// Reads the quotas and returns them as the genesis has them, in microseconds and bytes.
fn quotas(
    table: &NamedTable<QuotaTable>,
    parties: &Parties<'_>,
    errors: &mut ErrorCollector<'_>,
) -> Vec<(AccountId, u64, u64)> {
    let mut quotas = Vec::new();
    for (name, quota) in table {
        let party = parties.account(name, errors);
        let milliseconds = quota_limit(name, "milliseconds", quota.milliseconds.as_ref(), errors);
        let bytes = quota_limit(name, "bytes", quota.bytes.as_ref(), errors);
        if let (Some(party), Some(milliseconds), Some(bytes)) = (party, milliseconds, bytes) {
            quotas.push((party.clone(), milliseconds.saturating_mul(1_000), bytes));
        }
    }
    quotas
}

/// Reads one of the two limits of a quota. Both must be above zero, or the party could not submit anything.
fn quota_limit(
    party: &Spanned<String>,
    limit: &str,
    value: Option<&Spanned<u64>>,
    errors: &mut ErrorCollector<'_>,
) -> Option<u64> {
    let name = party.get_ref();
    match value.map(|value| (*value.get_ref(), value.span())) {
        None => {
            errors
                .add_at(party.span(), format!("the quota of {name} has no `{limit}`: it needs both limits"));
            None
        }
        Some((0, position)) => {
            let problem = format!(
                "with 0 {limit} {name} could not submit anything; remove [quotas.{name}] to give it the default quota"
            );
            errors.add_at(position, problem);
            None
        }
        Some((limit, _)) => Some(limit),
    }
}
