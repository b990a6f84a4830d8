//! The further accounts and the encryption keys of the founding parties.

use super::file::Parties;
use crate::spec_file::{
    collector::ErrorCollector,
    fields::{in_file_order, NamedTable},
    keys::account,
};
use serde::Deserialize;
use std::collections::BTreeMap;
use streembit_clock::PeriodEnd;
use streembit_primitives::{party::MAX_ACCOUNTS, EncryptionKey, Scope};
use streembit_runtime::{genesis::FoundingParty, AccountId};
use toml::Spanned;

/// A further account of a party, named `[accounts.NAME]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AccountTable {
    party: Option<Spanned<String>>,
    account: Option<Spanned<String>>,
    scope: Option<Spanned<String>>,
    until: Option<Spanned<String>>,
}

/// Returns the founding parties with their further accounts and their encryption keys.
pub(super) fn founding_parties(
    parties: &Parties<'_>,
    accounts: &NamedTable<AccountTable>,
    encryption_keys: &NamedTable<Spanned<String>>,
    errors: &mut ErrorCollector<'_>,
) -> Vec<FoundingParty> {
    let mut founders: BTreeMap<AccountId, FoundingParty> =
        parties.first_accounts().map(|first| (first.clone(), FoundingParty::new(first.clone()))).collect();
    let mut known: BTreeMap<AccountId, String> =
        founders.keys().map(|first| (first.clone(), "the first account of a party".to_owned())).collect();
    for (name, table) in in_file_order(accounts) {
        let Some((first, further)) = read_account(name, table, parties, errors) else { continue };
        if let Some(other) = known.insert(further.0.clone(), name.get_ref().clone()) {
            let problem =
                format!("{} has the same account as {other}: an account acts for one party", name.get_ref());
            errors.add_at(name.span(), problem);
            continue;
        }
        let Some(founder) = founders.get_mut(&first) else { continue };
        if founder.accounts.len() + 1 >= MAX_ACCOUNTS as usize {
            errors.add_at(name.span(), format!("the party has more than {MAX_ACCOUNTS} accounts"));
            continue;
        }
        founder.accounts.push(further);
    }
    for (name, key) in in_file_order(encryption_keys) {
        let first = parties.account(name, errors);
        let Some((first, key)) = first.zip(parsed::<EncryptionKey>(key, errors)) else { continue };
        if let Some(founder) = founders.get_mut(first) {
            founder.encryption_key = Some(key);
        }
    }
    founders.into_values().collect()
}

/// An account, its scope and its end.
type Further = (AccountId, Scope, Option<u64>);

/// Reads an account, together with the first account of its party.
fn read_account(
    name: &Spanned<String>,
    table: &AccountTable,
    parties: &Parties<'_>,
    errors: &mut ErrorCollector<'_>,
) -> Option<(AccountId, Further)> {
    let party = required(name, "party", table.party.as_ref(), errors)
        .and_then(|party| parties.account(party, errors).cloned());
    let account =
        required(name, "account", table.account.as_ref(), errors).and_then(|value| account(value, errors));
    let scope = required(name, "scope", table.scope.as_ref(), errors)
        .and_then(|value| parsed::<Scope>(value, errors));
    let until = match &table.until {
        Some(value) => Some(parsed::<PeriodEnd>(value, errors)?.0),
        None => None,
    };
    Some((party?, (account?, scope?, until)))
}

fn required<'f>(
    name: &Spanned<String>,
    key: &str,
    value: Option<&'f Spanned<String>>,
    errors: &mut ErrorCollector<'_>,
) -> Option<&'f Spanned<String>> {
    if value.is_none() {
        errors.add_at(name.span(), format!("{} has no `{key}`", name.get_ref()));
    }
    value
}

/// Parses a value, or reports why it cannot be parsed.
fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
    value: &Spanned<String>,
    errors: &mut ErrorCollector<'_>,
) -> Option<T> {
    match value.get_ref().parse() {
        Ok(parsed) => Some(parsed),
        Err(problem) => {
            errors.add_at(value.span(), format!("{:?}: {problem}", value.get_ref()));
            None
        }
    }
}
