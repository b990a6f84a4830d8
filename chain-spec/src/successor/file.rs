//! Reads the successor file.

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
use streembit_runtime::{AccountId, SessionKeys};
use toml::Spanned;

/// The name and the validators of a successor chain.
#[derive(Clone, Debug)]
pub struct Successor {
    pub(super) name: String,
    pub(super) id: String,
    pub(super) bootnodes: Vec<MultiaddrWithPeerId>,
    pub(super) validators: Vec<(AccountId, SessionKeys)>,
}

impl Successor {
    /// Reads a successor file.
    pub fn read(path: &Path) -> Result<Self, SpecError> {
        read_file(path, Self::parse)
    }

    /// Parses the text of a successor file.
    pub fn parse(text: &str) -> Result<Self, SpecFileErrors> {
        parse_toml(text, convert)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SuccessorFile {
    name: Option<Spanned<String>>,
    id: Option<Spanned<String>>,
    #[serde(default)]
    allow_unsafe: bool,
    #[serde(default)]
    bootnodes: Vec<Spanned<String>>,
    #[serde(default)]
    validators: NamedTable<ValidatorTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ValidatorTable {
    account: Option<Spanned<String>>,
    aura: Option<Spanned<String>>,
    grandpa: Option<Spanned<String>>,
}

fn convert(file: SuccessorFile, errors: &mut ErrorCollector<'_>) -> Successor {
    Successor {
        validators: validators(&file.validators, file.allow_unsafe, errors),
        bootnodes: bootnodes(&file.bootnodes, errors),
        name: chain_name(file.name, errors),
        id: chain_id(file.id, errors),
    }
}

fn validators(
    table: &NamedTable<ValidatorTable>,
    allow_unsafe: bool,
    errors: &mut ErrorCollector<'_>,
) -> Vec<(AccountId, SessionKeys)> {
    let mut session_keys = SessionKeyReader::default();
    let mut owners = BTreeMap::<AccountId, &str>::new();
    let mut validators = Vec::new();
    for (name, validator) in in_file_order(table) {
        let account = validator_account(name, validator.account.as_ref(), &mut owners, errors);
        let keys = session_keys.read(name, validator.aura.as_ref(), validator.grandpa.as_ref(), errors);
        validators.extend(account.zip(keys));
    }
    check_validator_count(table, allow_unsafe, errors);
    validators
}

fn validator_account<'f>(
    name: &'f Spanned<String>,
    value: Option<&Spanned<String>>,
    owners: &mut BTreeMap<AccountId, &'f str>,
    errors: &mut ErrorCollector<'_>,
) -> Option<AccountId> {
    let Some(value) = value else {
        let problem = format!("{} has no `account`: name a party's or a gateway's", name.get_ref());
        errors.add_at(name.span(), problem);
        return None;
    };
    let account = account(value, errors)?;
    if let Some(other) = owners.insert(account.clone(), name.get_ref()) {
        errors.add_at(value.span(), format!("{} and {other} have the same account", name.get_ref()));
    }
    Some(account)
}
