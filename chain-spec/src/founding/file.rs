//! The file as it is written, and how it becomes a consortium.

use super::{
    mistakes::{read_toml, Mistakes, Notes},
    Consortium,
};
use crate::SS58_PREFIX;
use sc_service::config::MultiaddrWithPeerId;
use serde::Deserialize;
use sp_core::crypto::{ByteArray, Ss58Codec};
use std::{collections::BTreeMap, ops::Range};
use streembit_runtime::{
    configs::{MAX_COUNCIL, MAX_VALIDATORS},
    genesis::Founding,
    AccountId, SessionKeys,
};
use toml::Spanned;

/// The fewest validators of which one may fail.
const SAFE: usize = streembit_primitives::consortium::MIN_FAULT_TOLERANT_VALIDATORS as usize;

/// The longest id, in letters: folders and protocols are named by it.
const LONGEST_ID: usize = 64;

/// What the ids of the presets begin with.
const PRESETS: &str = "streembit_";

/// By name, with its place in the file.
pub(super) type Names<T> = BTreeMap<Spanned<String>, T>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: Option<Spanned<String>>,
    id: Option<Spanned<String>>,
    #[serde(default)]
    allow_unsafe: bool,
    #[serde(default)]
    bootnodes: Vec<Spanned<String>>,
    #[serde(default)]
    parties: Names<Spanned<String>>,
    council: Option<Spanned<Council>>,
    #[serde(default)]
    validators: Names<Keys>,
    #[serde(default)]
    quotas: Names<Quota>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Council {
    #[serde(default)]
    members: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    aura: Option<Spanned<String>>,
    grandpa: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Quota {
    milliseconds: Option<Spanned<u64>>,
    bytes: Option<Spanned<u64>>,
}

/// A consortium, or everything that is wrong with the text.
pub(super) fn parse(text: &str) -> Result<Consortium, Mistakes> {
    read_toml(text, read)
}

/// Reads what can be read; whatever cannot is noted.
fn read(file: File, notes: &mut Notes<'_>) -> Consortium {
    let parties = parties(&file.parties, notes);
    let founding = Founding {
        council: council(&file, &parties, notes),
        validators: validators(&file, &parties, notes),
        quotas: quotas(&file, &parties, notes),
        parties: parties.into_values().collect(),
    };
    let bootnodes = file.bootnodes.iter().filter_map(|address| bootnode(address, notes)).collect();
    Consortium {
        name: required(file.name, "name", "what people call the chain", notes),
        id: id(file.id, notes),
        bootnodes,
        founding,
    }
}

pub(super) fn required(value: Option<Spanned<String>>, key: &str, is: &str, notes: &mut Notes<'_>) -> String {
    match value {
        None => {
            notes.overall(format!("`{key}` is missing: {is}"));
            String::new()
        }
        Some(value) => {
            if value.get_ref().trim().is_empty() {
                notes.at(value.span(), format!("`{key}` is empty: {is}"));
            }
            value.into_inner()
        }
    }
}

pub(super) fn id(value: Option<Spanned<String>>, notes: &mut Notes<'_>) -> String {
    let allowed =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-_".contains(letter);
    if let Some(id) = &value {
        let (text, length) = (id.get_ref(), id.get_ref().chars().count());
        if !text.chars().all(allowed) {
            notes.at(id.span(), format!("`id` is {text:?}: use lower-case letters, digits, - and _ only"));
        }
        if length > LONGEST_ID {
            notes.at(id.span(), format!("`id` has {length} letters, {LONGEST_ID} are the most"));
        }
        if text.starts_with(PRESETS) {
            notes.at(
                id.span(),
                format!("`id` begins with {PRESETS}, as those of the development chains do: use another"),
            );
        }
    }
    required(value, "id", "what folders and protocols call the chain", notes)
}

fn parties(named: &Names<Spanned<String>>, notes: &mut Notes<'_>) -> BTreeMap<String, AccountId> {
    let mut parties = BTreeMap::new();
    let mut seen: BTreeMap<AccountId, &Spanned<String>> = BTreeMap::new();
    if named.is_empty() {
        notes.overall("there are no [parties]: name at least one, with its account");
    }
    let mut in_order: Vec<_> = named.iter().collect();
    in_order.sort_by_key(|(name, _)| name.span().start);
    for (name, account) in in_order {
        if name.get_ref().trim().is_empty() {
            notes.at(name.span(), "a party has no name");
        }
        let Some(id) = key::<AccountId>(account, "an account", notes) else { continue };
        if let Some(first) = seen.insert(id.clone(), name) {
            let line = notes.line(&first.span());
            notes.at(
                account.span(),
                format!(
                    "{} and {} (line {line}) have the same account: every party needs a key of its own",
                    name.get_ref(),
                    first.get_ref()
                ),
            );
            continue;
        }
        parties.insert(name.get_ref().clone(), id);
    }
    parties
}

fn council(file: &File, parties: &BTreeMap<String, AccountId>, notes: &mut Notes<'_>) -> Vec<AccountId> {
    let Some(council) = &file.council else {
        notes.overall("there is no [council]: name the parties that vote, `members = [\"…\"]`");
        return Vec::new();
    };
    let names = &council.get_ref().members;
    if names.is_empty() {
        notes.at(council.span(), "the council has no members: nobody could ever vote");
    }
    if names.len() > MAX_COUNCIL as usize {
        notes.at(
            council.span(),
            format!("the council has {} members, {MAX_COUNCIL} are the most", names.len()),
        );
    }
    let mut members = Vec::new();
    for name in names {
        match parties.get(name.get_ref()) {
            // Whose account is wrong is a party nevertheless, and that is said already.
            None if file.parties.contains_key(name.get_ref().as_str()) => {}
            None => notes.at(name.span(), unknown(name.get_ref())),
            Some(account) if members.contains(account) => {
                notes.at(name.span(), format!("{} is in the council twice", name.get_ref()));
            }
            Some(account) => members.push(account.clone()),
        }
    }
    members
}

fn validators(
    file: &File,
    parties: &BTreeMap<String, AccountId>,
    notes: &mut Notes<'_>,
) -> Vec<(AccountId, SessionKeys)> {
    let mut in_order: Vec<_> = file.validators.iter().collect();
    in_order.sort_by_key(|(name, _)| name.span().start);
    let mut seen = Seen::new();
    let mut validators = Vec::new();
    for (name, keys) in in_order {
        let account = parties.get(name.get_ref());
        if account.is_none() && !file.parties.contains_key(name.get_ref().as_str()) {
            notes.at(name.span(), unknown(name.get_ref()));
        }
        let aura = session_key(name, "aura", keys.aura.as_ref(), &mut seen, notes);
        let grandpa = session_key(name, "grandpa", keys.grandpa.as_ref(), &mut seen, notes);
        if let (Some(account), Some(aura), Some(grandpa)) = (account, aura, grandpa) {
            let aura = sp_core::sr25519::Public::from_raw(aura).into();
            let grandpa = sp_core::ed25519::Public::from_raw(grandpa).into();
            validators.push((account.clone(), SessionKeys { aura, grandpa }));
        }
    }
    let last = file.validators.keys().map(Spanned::span).max_by_key(|span| span.start);
    enough(file.validators.len(), last, file.allow_unsafe, notes);
    validators
}

/// In microseconds and bytes.
fn quotas(
    file: &File,
    parties: &BTreeMap<String, AccountId>,
    notes: &mut Notes<'_>,
) -> Vec<(AccountId, u64, u64)> {
    let mut quotas = Vec::new();
    for (name, quota) in &file.quotas {
        let party = parties.get(name.get_ref());
        if party.is_none() && !file.parties.contains_key(name.get_ref().as_str()) {
            notes.at(name.span(), unknown(name.get_ref()));
        }
        let milliseconds = share(name, "milliseconds", quota.milliseconds.as_ref(), notes);
        let bytes = share(name, "bytes", quota.bytes.as_ref(), notes);
        if let (Some(party), Some(milliseconds), Some(bytes)) = (party, milliseconds, bytes) {
            quotas.push((party.clone(), milliseconds.saturating_mul(1_000), bytes));
        }
    }
    quotas
}

/// One of the two parts of a quota; with nothing of either a party can submit nothing.
fn share(
    party: &Spanned<String>,
    part: &str,
    value: Option<&Spanned<u64>>,
    notes: &mut Notes<'_>,
) -> Option<u64> {
    let name = party.get_ref();
    match value.map(|value| (*value.get_ref(), value.span())) {
        None => notes.at(party.span(), format!("the quota of {name} has no `{part}`: it takes both")),
        Some((0, place)) => notes.at(
            place,
            format!(
                "with 0 {part} {name} could submit nothing; without [quotas.{name}] it has as much as any party"
            ),
        ),
        Some((some, _)) => return Some(some),
    }
    None
}

/// Whether there are as many validators as safety needs; `last` is the place of the last one.
pub(super) fn enough(count: usize, last: Option<Range<usize>>, allow_unsafe: bool, notes: &mut Notes<'_>) {
    let problem = match count {
        0 => "there are no [validators.NAME]: nobody would make blocks".to_owned(),
        _ if count > MAX_VALIDATORS as usize => {
            format!("there are {count} validators, {MAX_VALIDATORS} are the most")
        }
        _ if count < SAFE && !allow_unsafe => format!(
            "{count} of the {SAFE} validators that safety needs: the failure of one would stop the chain. Name {SAFE}, or \
             say `allow_unsafe = true` before the first [table]"
        ),
        _ => return,
    };
    match last {
        Some(place) => notes.at(place, problem),
        None => notes.overall(problem),
    }
}

/// Where each session key stands: of which kind, in which line.
type Seen = BTreeMap<[u8; 32], (&'static str, usize)>;

/// A session key in 32 bytes; each may be somebody's only once.
pub(super) fn session_key(
    validator: &Spanned<String>,
    kind: &'static str,
    value: Option<&Spanned<String>>,
    seen: &mut Seen,
    notes: &mut Notes<'_>,
) -> Option<[u8; 32]> {
    let Some(value) = value else {
        notes.at(
            validator.span(),
            format!(
                "{} has no `{kind}` key: `streembit-node session-keys --keystore-path DIR` on its node makes both",
                validator.get_ref()
            ),
        );
        return None;
    };
    let (bytes, scheme) = match kind {
        "aura" => (key::<sp_core::sr25519::Public>(value, "an sr25519 public key", notes)?.0, "sr25519"),
        _ => (key::<sp_core::ed25519::Public>(value, "an Ed25519 public key", notes)?.0, "Ed25519"),
    };
    if let Some((other, line)) = seen.get(&bytes) {
        let problem = if *other == kind {
            format!("the same `{kind}` key as in line {line}: two nodes with one key would count as a cheat")
        } else {
            format!("the same key as `{other}` in line {line}: `aura` and `grandpa` are two keys")
        };
        notes.at(value.span(), problem);
        return None;
    }
    seen.insert(bytes, (kind, notes.line(&value.span())));
    // Of the texts of this length many are no point of the curve: most mistyped digits are found here.
    let sound = match kind {
        "aura" => schnorrkel::PublicKey::from_bytes(&bytes).is_ok(),
        _ => ed25519_dalek::VerifyingKey::from_bytes(&bytes).is_ok_and(|key| !key.is_weak()),
    };
    if !sound {
        let problem = format!("this is no {scheme} public key: a digit is wrong, or it is another key");
        notes.at(value.span(), problem);
        return None;
    }
    Some(bytes)
}

/// A public key or an account: an SS58 address of this chain, or 0x and 64 hexadecimal digits.
pub(super) fn key<K: ByteArray + Ss58Codec>(
    value: &Spanned<String>,
    what: &str,
    notes: &mut Notes<'_>,
) -> Option<K> {
    let text = value.get_ref();
    let read = match text.strip_prefix("0x") {
        Some(digits) => {
            decode_hex(digits).and_then(|bytes| K::from_slice(&bytes).map_err(|()| "it is too short".into()))
        }
        None => decode_address(text),
    };
    match read {
        Ok(key) => Some(key),
        Err(problem) => {
            notes.at(
                value.span(),
                format!("{text:?} is not {what}: {problem}; expected an SS58 address, or 0x and 64 hexadecimal digits"),
            );
            None
        }
    }
}

/// Reads an address. One of another chain is refused: whoever gave it meant an account there.
fn decode_address<K: Ss58Codec>(text: &str) -> Result<K, String> {
    let (key, format) = K::from_ss58check_with_version(text).map_err(|error| error.to_string())?;
    match u16::from(format) {
        SS58_PREFIX => Ok(key),
        other => Err(format!("its SS58 prefix is {other}, another chain's; this chain's is {SS58_PREFIX}")),
    }
}

fn decode_hex(digits: &str) -> Result<Vec<u8>, String> {
    let bytes = hex::decode(digits).map_err(|error| error.to_string())?;
    if bytes.len() != 32 {
        Err(format!("it has {} bytes, not 32", bytes.len()))
    } else if bytes.iter().all(|byte| *byte == 0) {
        Err("it is all zeros".into())
    } else {
        Ok(bytes)
    }
}

pub(super) fn bootnode(address: &Spanned<String>, notes: &mut Notes<'_>) -> Option<MultiaddrWithPeerId> {
    let read = address.get_ref().parse();
    read.map_err(|error| {
        notes.at(
            address.span(),
            format!(
                "{:?} is no address of a node: {error}; such as /dns/NAME/tcp/30333/p2p/PEER",
                address.get_ref()
            ),
        );
    })
    .ok()
}

fn unknown(name: &str) -> String {
    format!("{name} is not one of the [parties]: add it there, with its account")
}
