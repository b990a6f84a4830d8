//! Templates: contracts' files with places to be filled.

use rand::RngCore as _;
use streembit_clock::PeriodEnd;
use streembit_keystore::account;
use streembit_primitives::{AccountId, Decimal, DeviceId, Hash};

/// The templates by their names.
const TEMPLATES: &[(&str, &str)] =
    &[("vehicle-service", include_str!("../../templates/vehicle-service.toml"))];

/// What a template's places are filled with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Terms {
    /// What people call the contract.
    pub title: String,
    /// The device that it is about.
    pub device: DeviceId,
    /// Who owns the device.
    pub owner: AccountId,
    /// Who services it.
    pub workshop: AccountId,
    /// The interval of the service.
    pub every: Decimal,
    /// The meter from which the first interval counts.
    pub from: Decimal,
    /// When the workshop's right to read ends.
    pub until: PeriodEnd,
}

/// There is no such template.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("there is no template {0:?}: use one of {names}", names = template_names())]
pub struct UnknownTemplateError(String);

/// The names of the templates, for messages.
pub fn template_names() -> String {
    let names: Vec<_> = TEMPLATES.iter().map(|(name, _)| *name).collect();
    names.join(", ")
}

/// A template as the text of a contract's file, with a fresh nonce.
pub fn fill(template: &str, terms: &Terms) -> Result<String, UnknownTemplateError> {
    let (_, text) = TEMPLATES
        .iter()
        .find(|(name, _)| *name == template)
        .ok_or_else(|| UnknownTemplateError(template.to_owned()))?;
    let mut nonce = Hash::ZERO;
    rand::rngs::OsRng.fill_bytes(&mut nonce.0);
    let places = [
        ("title", escape(&terms.title)),
        ("nonce", nonce.to_string()),
        ("owner", account::show(&terms.owner)),
        ("workshop", account::show(&terms.workshop)),
        ("device", terms.device.to_string()),
        ("from", number(&terms.from)),
        ("every", number(&terms.every)),
        ("until", terms.until.to_string()),
    ];
    // In one pass: what is filled in is not looked through for further places.
    let mut filled = String::with_capacity(text.len());
    let mut rest = *text;
    while let Some((before, after)) = rest.split_once("{{") {
        filled.push_str(before);
        let (name, after) = after.split_once("}}").unwrap_or((after, ""));
        filled.extend(places.iter().find(|(place, _)| *place == name).map(|(_, value)| value.as_str()));
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// What stands between the quotes of a TOML text.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' | '"' => escaped.extend(['\\', character]),
            control if control.is_control() => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A whole number as it is, any other as a text.
fn number(value: &Decimal) -> String {
    let text = value.to_string();
    if text.parse::<i64>().is_ok() {
        text
    } else {
        format!("\"{text}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contracts::file::parse;
    use std::path::Path;
    use streembit_primitives::contract::Clause;

    fn terms() -> Terms {
        Terms {
            title: "My \"car\" \\ {{owner}}\n2".into(),
            device: DeviceId([3; 32]),
            owner: AccountId([1; 32]),
            workshop: AccountId([2; 32]),
            every: Decimal::from(15_000),
            from: "1200.5".parse().unwrap(),
            until: "2027-06-30".parse().unwrap(),
        }
    }

    #[test]
    fn every_template_is_a_sound_contract_with_no_place_left() {
        for (name, text) in TEMPLATES {
            let filled = fill(name, &terms()).unwrap();
            assert_eq!(filled.matches("{{").count(), 1, "only the one in the title: {filled}");
            assert_eq!(filled.lines().count(), text.lines().count());
            let contract = parse(&filled, Path::new(name)).unwrap();
            assert_eq!(contract.title.as_str(), "My \"car\" \\ {{owner}} 2");
            assert_eq!(&contract.parties[..], &[terms().owner, terms().workshop]);
            assert_eq!(&contract.devices[..], &[terms().device]);
        }
    }

    #[test]
    fn the_service_book_says_who_does_what() {
        let contract = parse(&fill("vehicle-service", &terms()).unwrap(), Path::new("book.toml")).unwrap();
        let [Clause::Service(service), Clause::Access(access)] = &contract.clauses[..] else { panic!() };
        assert_eq!((service.provider, service.customer), (terms().workshop, terms().owner));
        assert_eq!((service.from, service.every), (terms().from, terms().every));
        assert_eq!((access.grantee, access.until), (terms().workshop, terms().until.0));
        assert!(access.names.contains(&service.meter));
    }

    #[test]
    fn two_contracts_of_the_same_terms_are_two() {
        let nonce = || parse(&fill("vehicle-service", &terms()).unwrap(), Path::new("x")).unwrap().nonce;
        assert_ne!(nonce(), nonce());
        assert!(fill("lease", &terms()).unwrap_err().to_string().contains("vehicle-service"));
    }
}
