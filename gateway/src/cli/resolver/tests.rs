//! Tests of the resolver without a chain.

use super::*;
use crate::contracts::history::{Entry, HistoryIndex, Line};
use std::path::PathBuf;
use streembit_primitives::{Hash, PartyId};

const GATEWAY: AccountId = AccountId([0x77; 32]);
const CAR: DeviceId = DeviceId([0xc3; 32]);

/// Returns an id that begins with these bytes.
fn beginning(bytes: &[u8]) -> [u8; 32] {
    let mut id = [0x99; 32];
    id[..bytes.len()].copy_from_slice(bytes);
    id
}

/// Writes an address book in a folder.
fn book(folder: &tempfile::TempDir, entries: &[(&str, KnownId)]) -> AddressBookFile {
    let path = folder.path().join("names.toml");
    let file = AddressBookFile::new(Some(path.clone()));
    for (name, id) in entries {
        file.add(name.parse::<EntryName>().unwrap(), *id).unwrap();
    }
    AddressBookFile::new(Some(path))
}

/// Parses a configuration with a device `car`, whose id is given.
fn config(device: DeviceId) -> Config {
    let text = format!("[[device]]\nname = \"car\"\nid = \"{device}\"\n");
    Config::parse(&text, &PathBuf::from("/nonexistent/gateway.toml"), []).unwrap()
}

fn reference(text: &str) -> Reference {
    Reference::of_device(text).unwrap()
}

#[tokio::test]
async fn a_whole_id_is_not_looked_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("names.toml");
    std::fs::write(&path, "damaged").unwrap();
    let damaged = AddressBookFile::new(Some(path));
    let resolver = Resolver::new(&damaged);
    assert_eq!(resolver.device(&reference(&CAR.to_string())).await.unwrap(), CAR);
    let account = reference(&account::show(&GATEWAY));
    assert_eq!(resolver.account(&account).await.unwrap(), GATEWAY);
    assert_eq!(resolver.party_name(&account).await.unwrap(), PartyName::Account(GATEWAY));
    let error = resolver.contract(&account).await.unwrap_err().to_string();
    assert!(error.contains("a contract is needed"), "{error}");
    // A name needs the address book.
    let error = resolver.device(&reference("car")).await.unwrap_err().to_string();
    assert!(error.contains("names.toml:1"), "{error}");
}

#[tokio::test]
async fn a_name_is_found_if_it_is_of_the_right_kind() {
    let folder = tempfile::tempdir().unwrap();
    let anna = PartyId([1; 32]);
    let gateway = KnownId { kind: IdKind::Gateway, bytes: GATEWAY.0 };
    let book = book(&folder, &[("anna", anna.into()), ("box", gateway), ("car", CAR.into())]);
    let resolver = Resolver::new(&book);
    assert_eq!(resolver.device(&reference("car")).await.unwrap(), CAR);
    assert_eq!(resolver.account(&reference("box")).await.unwrap(), GATEWAY);
    assert_eq!(resolver.party_name(&reference("anna")).await.unwrap(), PartyName::from(anna));
    assert_eq!(resolver.party_name(&reference("box")).await.unwrap(), PartyName::Account(GATEWAY));
    let error = resolver.device(&reference("anna")).await.unwrap_err().to_string();
    assert!(error.contains("anna is the name of a party") && error.contains("a device is needed"), "{error}");
    let error = resolver.contract(&reference("book")).await.unwrap_err().to_string();
    for part in ["no contract", "name add contract book", "names.toml"] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[tokio::test]
async fn a_device_is_found_by_its_name_in_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let book =
        book(&folder, &[("golf", CAR.into()), ("box", KnownId { kind: IdKind::Gateway, bytes: [9; 32] })]);
    let own = config(CAR);
    let resolver = Resolver::new(&book).gateway(&own, GATEWAY);
    for name in ["car", "golf", "0xc3c3"] {
        assert_eq!(resolver.device(&reference(name)).await.unwrap(), CAR, "{name}");
    }
    // The configuration also has the gateway itself.
    assert_eq!(resolver.account(&reference("0x7777")).await.unwrap(), GATEWAY);
    let error = resolver.device(&reference("boat")).await.unwrap_err().to_string();
    assert!(error.contains("its devices: car") && error.contains("names.toml"), "{error}");
    let error = resolver.device(&reference("0xabcd")).await.unwrap_err().to_string();
    for part in ["begins with 0xabcd", "names.toml", "its devices: car", "the log in", "cannot be read"] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[tokio::test]
async fn a_name_with_two_meanings_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let other = DeviceId([4; 32]);
    let book = book(&folder, &[("car", CAR.into())]);
    let config = config(other);
    let resolver = Resolver::new(&book).gateway(&config, GATEWAY);
    let error = resolver.device(&reference("car")).await.unwrap_err().to_string();
    for part in ["names.toml", "configuration", "Give the id", &CAR.to_string(), &other.to_string()] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[tokio::test]
async fn the_beginning_of_two_ids_is_refused_with_both() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (DeviceId(beginning(&[0x12, 0xab, 0x01])), DeviceId(beginning(&[0x12, 0xab, 0x02])));
    let party = PartyId(beginning(&[0x12, 0xab, 0x03]));
    let book = book(&folder, &[("one", one.into()), ("two", two.into()), ("anna", party.into())]);
    let resolver = Resolver::new(&book);
    assert_eq!(resolver.device(&reference("0x12ab02")).await.unwrap(), two);
    // An id of another kind is no candidate.
    assert_eq!(resolver.party_name(&reference("0x12ab")).await.unwrap(), PartyName::from(party));
    let error = resolver.device(&reference("0x12ab")).await.unwrap_err().to_string();
    for part in ["2 ids begin with 0x12ab", &one.to_string(), &two.to_string(), "(one)", "(two)"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert!(!error.contains(&party.to_string()), "{error}");
    let many: Vec<(String, KnownId)> =
        (0..15u8).map(|n| (format!("n{n}"), DeviceId(beginning(&[0x12, 0xcd, n])).into())).collect();
    for (name, id) in &many {
        book_file(&folder).add(name.parse().unwrap(), *id).unwrap();
    }
    let error =
        Resolver::new(&book_file(&folder)).device(&reference("0x12cd")).await.unwrap_err().to_string();
    assert!(error.contains("15 ids") && error.contains("and 5 more"), "{error}");
}

fn book_file(folder: &tempfile::TempDir) -> AddressBookFile {
    AddressBookFile::new(Some(folder.path().join("names.toml")))
}

#[tokio::test]
async fn evidence_knows_its_device() {
    let none = AddressBookFile::none();
    let vector = concat!(env!("CARGO_MANIFEST_DIR"), "/../primitives/vectors/one-event.evidence");
    let (vector, missing) = (Path::new(vector), Path::new("/nonexistent"));
    let mut device = None;
    let claim = |summary: streembit_evidence::show::UnverifiedSummary| {
        device = Some(summary.device);
        anyhow::Ok(())
    };
    streembit_evidence::show::show(vector, claim, |_| anyhow::Ok(())).unwrap();
    let device = device.unwrap();
    let short = reference(&KnownId::from(device).short());
    assert_eq!(Resolver::new(&none).evidence(Some(vector)).device(&short).await.unwrap(), device);
    let error = Resolver::new(&none).evidence(Some(missing)).device(&short).await.unwrap_err().to_string();
    assert!(error.contains("/nonexistent"), "{error}");
}

#[tokio::test]
async fn a_contract_is_found_in_the_index_of_a_gateway() {
    let folder = tempfile::tempdir().unwrap();
    let none = AddressBookFile::none();
    let event = |first: u8| {
        Line::Event(Entry {
            contract: ContractId(beginning(&[0x12, 0xab, first])),
            block: 1,
            hash: Hash([2; 32]),
            time: 3,
            account: None,
            event: "Proposed".into(),
            fields: serde_json::Value::Null,
        })
    };
    let mut index = HistoryIndex::open(folder.path(), Hash([9; 32])).unwrap();
    index.append(&[event(1), event(1), event(2), Line::Next(3)]).unwrap();
    let find = |text: &str| {
        let reference = reference(text);
        let resolver = Resolver::new(&none).index(folder.path());
        async move { resolver.contract(&reference).await }
    };
    assert_eq!(find("0x12ab01").await.unwrap(), ContractId(beginning(&[0x12, 0xab, 1])));
    assert!(find("0x12ab").await.unwrap_err().to_string().contains("2 ids"));
    assert!(find("0x12cd").await.unwrap_err().to_string().contains("the index of contracts in"));
}
