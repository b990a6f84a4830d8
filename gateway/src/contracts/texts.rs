//! The texts that belong to a contract. The chain has only their salted hashes.

use crate::printable::Printable;
use rand::RngCore as _;
use serde::Serialize;
use std::collections::BTreeMap;
use streembit_primitives::{
    contract::{document_hash, Document},
    Hash,
};

/// A text and the salt of its hash.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct SaltedText {
    /// The salt.
    pub salt: Hash,
    /// The text.
    pub text: Printable,
}

impl SaltedText {
    /// Draws a salt for a text.
    pub fn new(text: Printable) -> Self {
        Self { salt: random_salt(), text }
    }

    /// Returns the salted hash, which the content names.
    pub fn hash(&self) -> Document {
        document_hash(&self.salt.0, self.text.as_str().as_bytes())
    }
}

/// Draws a salt.
pub fn random_salt() -> Hash {
    let mut salt = Hash::ZERO;
    rand::rngs::OsRng.fill_bytes(&mut salt.0);
    salt
}

/// Texts by their salted hashes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Texts {
    by_hash: BTreeMap<Document, SaltedText>,
    /// The salts of texts of the version before, which the same texts keep.
    known_salts: BTreeMap<Printable, Hash>,
}

impl Texts {
    /// Returns an empty collection in which texts keep the salts that they have in `before`. So a clause that does not change
    /// stays the same clause.
    pub fn with_salts_of(before: &Self) -> Self {
        let salts = before.by_hash.values().map(|text| (text.text.clone(), text.salt));
        Self { known_salts: salts.collect(), ..Self::default() }
    }

    /// Adds a text with a random or known salt, and returns its hash.
    pub fn add(&mut self, text: Printable) -> Document {
        let salted = match self.known_salts.get(&text) {
            Some(salt) => SaltedText { salt: *salt, text },
            None => SaltedText::new(text),
        };
        self.insert(salted)
    }

    /// Adds a salted text, and returns its hash.
    pub fn insert(&mut self, text: SaltedText) -> Document {
        let hash = text.hash();
        self.by_hash.insert(hash, text);
        hash
    }

    /// Adds the texts of another contract.
    pub fn extend(&mut self, others: &Self) {
        self.by_hash.extend(others.by_hash.iter().map(|(hash, text)| (*hash, text.clone())));
    }

    /// Returns the text with a hash.
    pub fn get(&self, hash: &Document) -> Option<&SaltedText> {
        self.by_hash.get(hash)
    }

    /// Returns the number of texts.
    pub fn len(&self) -> usize {
        self.by_hash.len()
    }

    /// Returns true if there are no texts.
    pub fn is_empty(&self) -> bool {
        self.by_hash.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_text_has_another_hash_with_another_salt() {
        let mut texts = Texts::default();
        let text = |text: &str| text.parse::<Printable>().unwrap();
        let (one, two) = (texts.add(text("oil change")), texts.add(text("oil change")));
        assert_ne!(one, two);
        assert_eq!((texts.len(), texts.get(&one).unwrap().text.as_str()), (2, "oil change"));
        let mut next = Texts::with_salts_of(&texts);
        assert!([one, two].contains(&next.add(text("oil change"))), "the next version keeps the salt");
        let changed = SaltedText { text: text("oil Change"), ..texts.get(&one).unwrap().clone() };
        assert_ne!(changed.hash(), one);
    }
}
