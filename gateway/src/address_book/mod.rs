//! The address book: a file with the user's own names for parties, accounts, gateways, devices and contracts.
//!
//! The names are on no chain, and nobody else sees them. A name stands for one id, and an id has one name.

mod file;
mod id;
mod name;

pub use file::{AddressBookError, AddressBookFile};
pub use id::{IdKind, KnownId, ParseKnownIdError};
pub use name::{EntryName, InvalidNameError, MAX_NAME_LENGTH};

use serde_json::Value;
use std::collections::BTreeMap;

/// The names of an address book, and the ids that they stand for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddressBook {
    entries: BTreeMap<EntryName, KnownId>,
}

static EMPTY: AddressBook = AddressBook::new();

impl AddressBook {
    /// Returns a book without names.
    pub const fn new() -> Self {
        Self { entries: BTreeMap::new() }
    }

    /// Returns a shared book without names.
    pub fn empty() -> &'static Self {
        &EMPTY
    }

    /// Returns true if the book has no names.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the names and their ids, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&EntryName, KnownId)> {
        self.entries.iter().map(|(name, id)| (name, *id))
    }

    /// Returns the id that a name stands for.
    pub fn get(&self, name: &str) -> Option<KnownId> {
        self.entries.get(name).copied()
    }

    /// Returns the name of an id.
    pub fn name_of(&self, id: KnownId) -> Option<&EntryName> {
        self.entries.iter().find(|(_, known)| known.bytes == id.bytes).map(|(name, _)| name)
    }

    /// Adds a name. Fails if the name is taken, or if the id has another name.
    pub fn add(&mut self, name: EntryName, id: KnownId) -> Result<(), AddressBookError> {
        if let Some(taken) = self.get(name.as_str()) {
            return Err(AddressBookError::NameTaken { name, id: taken });
        }
        if let Some(other) = self.name_of(id).cloned() {
            return Err(AddressBookError::IdNamed { id, name: other });
        }
        self.entries.insert(name, id);
        Ok(())
    }

    /// Removes a name. Returns the id that it stood for.
    pub fn remove(&mut self, name: &EntryName) -> Option<KnownId> {
        self.entries.remove(name)
    }

    /// Returns the name and the short form of an id, or only the short form if the id has no name.
    pub fn short(&self, id: KnownId) -> String {
        match self.name_of(id) {
            Some(name) => format!("{name} ({})", id.short()),
            None => id.short(),
        }
    }

    /// Replaces each whole id that has a name, in hexadecimal or SS58, by its name and its short form.
    ///
    /// Commands write whole ids. Putting the names to them afterwards covers every kind of id in any text.
    pub fn label(&self, text: &str) -> String {
        self.entries.values().fold(text.to_owned(), |text, id| {
            id.whole_texts().iter().fold(text, |text, whole| match text.contains(whole.as_str()) {
                true => text.replace(whole.as_str(), &self.short(*id)),
                false => text,
            })
        })
    }

    /// Adds the names of ids to a JSON value: beside a field `owner` with an id the field `owner_name`, beside a field `id`
    /// the field `name`, and beside a list `parties` of ids the list `parties_names`. Ids without a name are left alone.
    pub fn add_names(&self, value: &mut Value) {
        let texts = self.iter().flat_map(|(name, id)| {
            id.whole_texts().into_iter().map(move |whole| (whole, name.as_str().to_owned()))
        });
        let names: BTreeMap<String, String> = texts.collect();
        if !names.is_empty() {
            add_names(value, &names);
        }
    }
}

impl Default for AddressBook {
    fn default() -> Self {
        Self::new()
    }
}

fn add_names(value: &mut Value, names: &BTreeMap<String, String>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| add_names(item, names)),
        Value::Object(fields) => {
            // An object with one field may be a variant of an enum. Its readers expect this field alone.
            let is_variant = fields.len() == 1;
            let mut found = Vec::new();
            for (key, field) in fields.iter_mut() {
                add_names(field, names);
                if !is_variant {
                    found.extend(names_field(key, field, names));
                }
            }
            for (key, name) in found {
                fields.entry(key).or_insert(name);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Returns the field with the names of the ids in a field, or `None` if none of them has a name.
fn names_field(key: &str, field: &Value, names: &BTreeMap<String, String>) -> Option<(String, Value)> {
    let name_of = |id: &Value| names.get(id.as_str()?).map(|name| Value::from(name.as_str()));
    match field {
        Value::String(_) if key == "id" => Some(("name".to_owned(), name_of(field)?)),
        Value::String(_) => Some((format!("{key}_name"), name_of(field)?)),
        Value::Array(items) if items.iter().any(|item| name_of(item).is_some()) => {
            let names = items.iter().map(|item| name_of(item).unwrap_or(Value::Null));
            Some((format!("{key}_names"), names.collect()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use streembit_keystore::account;
    use streembit_primitives::{AccountId, DeviceId, PartyId};

    const ANNA: PartyId = PartyId([0xa1; 32]);
    const BOX: AccountId = AccountId([0xb2; 32]);
    const CAR: DeviceId = DeviceId([0xc3; 32]);

    fn name(text: &str) -> EntryName {
        text.parse().unwrap()
    }

    fn book() -> AddressBook {
        let mut book = AddressBook::new();
        book.add(name("anna"), ANNA.into()).unwrap();
        book.add(name("box"), KnownId { kind: IdKind::Gateway, bytes: BOX.0 }).unwrap();
        book.add(name("car"), CAR.into()).unwrap();
        book
    }

    #[test]
    fn a_name_has_one_id_and_an_id_one_name() {
        let mut book = book();
        assert_eq!(book.get("car"), Some(CAR.into()));
        assert_eq!(book.get("boat"), None);
        assert_eq!(book.name_of(ANNA.into()).unwrap().as_str(), "anna");
        let error = book.add(name("car"), DeviceId([9; 32]).into()).unwrap_err().to_string();
        assert!(error.contains("device 0xc3c3") && error.contains("name remove car"), "{error}");
        let error = book.add(name("van"), CAR.into()).unwrap_err().to_string();
        assert!(error.contains("car") && error.contains("already"), "{error}");
        assert_eq!(book.remove(&name("car")), Some(CAR.into()));
        assert_eq!(book.remove(&name("car")), None);
        book.add(name("van"), CAR.into()).unwrap();
    }

    #[test]
    fn the_names_of_ids_are_put_into_a_text() {
        let text = format!(
            "owner {ANNA}, gateway {} or {BOX}, device {CAR}, other {}",
            account::show(&BOX),
            PartyId([1; 32])
        );
        let expected = format!(
            "owner anna (0xa1a1a1a1…), gateway box (0xb2b2b2b2…) or box (0xb2b2b2b2…), device car (0xc3c3c3c3…), other {}",
            PartyId([1; 32])
        );
        assert_eq!(book().label(&text), expected);
        assert_eq!(AddressBook::empty().label(&text), text);
        assert_eq!(book().short(PartyId([1; 32]).into()), "0x01010101…");
    }

    #[test]
    fn json_keeps_whole_ids_and_has_their_names_beside_them() {
        let other = PartyId([1; 32]);
        let mut value = json!({
            "id": CAR, "owner": ANNA, "gateway": account::show(&BOX), "seller": other,
            "parties": [other, ANNA], "none": [other], "key": { "hosted": { "gateway": BOX, "label": "x" } },
            "signer": { "gateway": BOX },
        });
        book().add_names(&mut value);
        assert_eq!((&value["id"], &value["name"]), (&json!(CAR), &json!("car")));
        assert_eq!((&value["owner"], &value["owner_name"]), (&json!(ANNA), &json!("anna")));
        assert_eq!(value["gateway_name"], "box");
        assert_eq!(value["parties_names"], json!([null, "anna"]));
        assert_eq!(value["key"]["hosted"]["gateway_name"], "box");
        assert_eq!(value["signer"], json!({ "gateway": BOX }), "a variant of an enum");
        assert!(value.get("seller_name").is_none() && value.get("none_names").is_none(), "{value}");
        // A name that is there already stays, such as that of a device in a gateway's configuration.
        let mut value = json!([{ "id": CAR, "name": "golf" }]);
        book().add_names(&mut value);
        assert_eq!(value, json!([{ "id": CAR, "name": "golf" }]));
    }
}
