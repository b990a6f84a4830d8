//! Templates: contract files with `{{name}}` placeholders.

use rand::RngCore as _;
use streembit_clock::PeriodEnd;
use streembit_keystore::party::PartyName;
use streembit_primitives::{Decimal, DeviceId, Hash};

/// The names and texts of the templates.
const TEMPLATES: &[(&str, &str)] =
    &[("vehicle-service", include_str!("../../templates/vehicle-service.toml"))];

/// The values for a template's placeholders.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Terms {
    /// The title of the contract.
    pub title: String,
    /// The device that the contract is about.
    pub device: DeviceId,
    /// The owner.
    pub owner: PartyName,
    /// The workshop.
    pub workshop: PartyName,
    /// The service interval.
    pub every: Decimal,
    /// The meter value at which the first interval starts.
    pub from: Decimal,
    /// The end of the workshop's right to read.
    pub until: PeriodEnd,
}

/// The given template does not exist.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("there is no template {0:?}: use one of {names}", names = template_names())]
pub struct UnknownTemplateError(String);

/// Returns the names of the templates, separated by commas.
pub fn template_names() -> String {
    let names: Vec<_> = TEMPLATES.iter().map(|(name, _)| *name).collect();
    names.join(", ")
}

/// Fills a template with `terms` and a random nonce. Returns the text of a contract file.
pub fn fill(template: &str, terms: &Terms) -> Result<String, UnknownTemplateError> {
    let (_, text) = TEMPLATES
        .iter()
        .find(|(name, _)| *name == template)
        .ok_or_else(|| UnknownTemplateError(template.to_owned()))?;
    let mut nonce = Hash::ZERO;
    rand::rngs::OsRng.fill_bytes(&mut nonce.0);
    let placeholders = [
        ("title", escape(&terms.title)),
        ("nonce", nonce.to_string()),
        ("owner", terms.owner.to_string()),
        ("workshop", terms.workshop.to_string()),
        ("device", terms.device.to_string()),
        ("from", number(&terms.from)),
        ("every", number(&terms.every)),
        ("until", terms.until.to_string()),
    ];
    // A single pass, so that a placeholder inside a value is not replaced.
    let mut filled = String::with_capacity(text.len());
    let mut rest = *text;
    while let Some((before, after)) = rest.split_once("{{") {
        filled.push_str(before);
        let (name, after) = after.split_once("}}").unwrap_or((after, ""));
        filled.extend(
            placeholders
                .iter()
                .find(|(placeholder, _)| *placeholder == name)
                .map(|(_, value)| value.as_str()),
        );
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// Escapes `text` for a quoted TOML string. Control characters become spaces.
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

/// Formats a whole number as a TOML integer, and any other number as a TOML string.
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
    use streembit_primitives::{
        contract::{Clause, Contract},
        AccountId,
    };

    fn terms() -> Terms {
        Terms {
            title: "My \"car\" \\ {{owner}}\n2".into(),
            device: DeviceId([3; 32]),
            owner: PartyName::Account(AccountId([1; 32])),
            workshop: PartyName::Digits([2; 32]),
            every: Decimal::from(15_000),
            from: "1200.5".parse().unwrap(),
            until: "2027-06-30".parse().unwrap(),
        }
    }

    fn contract(text: &str) -> Contract {
        let file = parse(text, Path::new("book.toml")).unwrap();
        file.contract(&file.likely_parties()).unwrap()
    }

    #[test]
    fn every_filled_template_is_a_valid_contract_without_placeholders() {
        for (name, text) in TEMPLATES {
            let filled = fill(name, &terms()).unwrap();
            assert_eq!(filled.matches("{{").count(), 1, "only the one in the title: {filled}");
            assert_eq!(filled.lines().count(), text.lines().count());
            let contract = contract(&filled);
            assert_eq!(contract.title.as_str(), "My \"car\" \\ {{owner}} 2");
            assert_eq!(&contract.parties[..], &[terms().owner.likely_id(), terms().workshop.likely_id()]);
            assert_eq!(&contract.devices[..], &[terms().device]);
        }
    }

    #[test]
    fn the_vehicle_service_template_assigns_the_roles() {
        let contract = contract(&fill("vehicle-service", &terms()).unwrap());
        let [Clause::Service(service), Clause::Access(access)] = &contract.clauses[..] else { panic!() };
        assert_eq!(
            (service.provider, service.customer),
            (terms().workshop.likely_id(), terms().owner.likely_id())
        );
        assert_eq!((service.from, service.every), (terms().from, terms().every));
        assert_eq!((access.grantee, access.until), (terms().workshop.likely_id(), terms().until.0));
        assert!(access.names.contains(&service.meter));
    }

    #[test]
    fn two_contracts_with_the_same_terms_have_different_nonces() {
        let nonce = || contract(&fill("vehicle-service", &terms()).unwrap()).nonce;
        assert_ne!(nonce(), nonce());
        assert!(fill("lease", &terms()).unwrap_err().to_string().contains("vehicle-service"));
    }
}
