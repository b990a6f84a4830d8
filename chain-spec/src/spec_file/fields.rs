//! The settings that both files have: names, ids, boot nodes, the number of validators.

use super::collector::ErrorCollector;
use crate::{
    error::{SpecError, SpecFileErrors},
    spec::PRESET_ID_PREFIX,
};
use sc_service::config::MultiaddrWithPeerId;
use std::{collections::BTreeMap, ops::Range, path::Path};
use streembit_primitives::consortium::MIN_FAULT_TOLERANT_VALIDATORS;
use streembit_runtime::configs::MAX_VALIDATORS;
use toml::Spanned;

/// The maximum length of a chain's id, in characters. Folders and protocols are named after it.
const MAX_ID_LENGTH: usize = 64;

/// A TOML table whose keys are names that the user chose. The names keep their position in the file.
pub type NamedTable<T> = BTreeMap<Spanned<String>, T>;

/// Reads a file and parses its text with `parse`.
pub fn read_file<T>(
    path: &Path,
    parse: impl FnOnce(&str) -> Result<T, SpecFileErrors>,
) -> Result<T, SpecError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| SpecError::UnreadableFile { path: path.to_owned(), reason: error.to_string() })?;
    parse(&text).map_err(|errors| SpecError::InvalidFile { path: path.to_owned(), errors })
}

/// Returns the entries of a table in the order of the file.
pub fn in_file_order<T>(table: &NamedTable<T>) -> Vec<(&Spanned<String>, &T)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    entries
}

/// Reads the name of the chain.
pub fn chain_name(value: Option<Spanned<String>>, errors: &mut ErrorCollector<'_>) -> String {
    required(value, "name", "the name of the chain, for people", errors)
}

/// Reads the id of the chain.
pub fn chain_id(value: Option<Spanned<String>>, errors: &mut ErrorCollector<'_>) -> String {
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    if let Some(id) = &value {
        let (text, length) = (id.get_ref(), id.get_ref().chars().count());
        if !text.chars().all(is_allowed) {
            errors
                .add_at(id.span(), format!("`id` is {text:?}: use only lower-case letters, digits, - and _"));
        }
        if length > MAX_ID_LENGTH {
            errors.add_at(id.span(), format!("`id` has {length} characters; the maximum is {MAX_ID_LENGTH}"));
        }
        if text.starts_with(PRESET_ID_PREFIX) {
            let problem =
                format!("`id` begins with {PRESET_ID_PREFIX}, which is reserved for the development chains");
            errors.add_at(id.span(), problem);
        }
    }
    required(value, "id", "the name of the chain in folders and protocols", errors)
}

fn required(
    value: Option<Spanned<String>>,
    key: &str,
    meaning: &str,
    errors: &mut ErrorCollector<'_>,
) -> String {
    match value {
        None => {
            errors.add(format!("`{key}` is missing: {meaning}"));
            String::new()
        }
        Some(value) => {
            if value.get_ref().trim().is_empty() {
                errors.add_at(value.span(), format!("`{key}` is empty: {meaning}"));
            }
            value.into_inner()
        }
    }
}

/// Reads the addresses of the boot nodes. Invalid ones are reported and left out.
pub fn bootnodes(addresses: &[Spanned<String>], errors: &mut ErrorCollector<'_>) -> Vec<MultiaddrWithPeerId> {
    let mut bootnodes = Vec::new();
    for address in addresses {
        let text = address.get_ref();
        match text.parse() {
            Ok(bootnode) => bootnodes.push(bootnode),
            Err(error) => {
                let example = "/dns/NAME/tcp/30333/p2p/PEER_ID";
                let problem =
                    format!("{text:?} is not the address of a node: {error}; an example is {example}");
                errors.add_at(address.span(), problem);
            }
        }
    }
    bootnodes
}

/// Reports a number of validators that is not safe or not possible.
pub fn check_validator_count<T>(
    validators: &NamedTable<T>,
    allow_unsafe: bool,
    errors: &mut ErrorCollector<'_>,
) {
    let count = validators.len();
    let problem = match u32::try_from(count).unwrap_or(u32::MAX) {
        0 => "there is no [validators.NAME]: no node would produce blocks".to_owned(),
        many if many > MAX_VALIDATORS => {
            format!("there are {count} validators; the maximum is {MAX_VALIDATORS}")
        }
        few if few < MIN_FAULT_TOLERANT_VALIDATORS && !allow_unsafe => format!(
            "there are {count} of the {MIN_FAULT_TOLERANT_VALIDATORS} validators that are needed for the chain to survive the failure of \
             one: add validators, or set `allow_unsafe = true` above the first [table]"
        ),
        _ => return,
    };
    let last = validators.keys().map(Spanned::span).max_by_key(|position: &Range<usize>| position.start);
    match last {
        Some(position) => errors.add_at(position, problem),
        None => errors.add(problem),
    }
}
