use super::*;
use streembit_runtime::{genesis, refounding::prefix};

/// Returns the genesis state of the preset `four`, with a placeholder for the runtime.
fn old_state() -> Storage {
    let mut state = genesis::preset(genesis::FOUR_PRESET).unwrap().build_storage().unwrap();
    state.top.insert(CODE.to_vec(), b"code".to_vec());
    state
}

fn old_spec() -> ChainSpec {
    ChainSpec::builder(b"code", None).with_name("Old").with_id("old").build()
}

/// Returns the errors in the template after `from` was replaced with `to`.
fn errors_after(from: &str, to: &str) -> String {
    assert!(TEMPLATE.contains(from), "the template has no {from:?}");
    Successor::parse(&TEMPLATE.replacen(from, to, 1)).unwrap_err().to_string()
}

#[test]
fn the_genesis_has_the_new_validators_and_keeps_the_rest_of_the_state() {
    let successor = Successor::parse(TEMPLATE).unwrap();
    let before = old_state();
    let after = successor.genesis_storage(old_state()).unwrap();
    let entries = |state: &Storage, prefix: &[u8]| {
        let of = state.top.iter().filter(|(key, _)| key.starts_with(prefix));
        of.map(|(key, value)| (key.clone(), value.clone())).collect::<Vec<_>>()
    };
    for (pallet, item, same) in [
        // The parties are the same, but not the blocks since which they belong: block numbers start again.
        ("Parties", "Parties", false),
        ("Collective", "Members", true),
        ("Validators", "Validators", true),
        ("Aura", "Authorities", false),
        ("Grandpa", "Authorities", false),
        ("Session", "QueuedKeys", false),
    ] {
        let prefix = prefix(pallet, item);
        let (before, after) = (entries(&before, &prefix), entries(&after, &prefix));
        assert!(!after.is_empty(), "{pallet}::{item} is missing");
        assert_eq!(before == after, same, "{pallet}::{item}");
    }
    assert_eq!(entries(&after, &prefix("Parties", "Parties")).len(), 6);
    // All four validators have new keys.
    assert_eq!(entries(&after, &prefix("Session", "NextKeys")).len(), 4);
    // The old keys stay registered, so that nobody can set them again.
    assert_eq!(entries(&after, &prefix("Session", "KeyOwner")).len(), 16);
    assert_eq!(after.top.get(CODE).unwrap(), b"code");
}

#[test]
fn the_spec_depends_only_on_the_file_and_the_state() {
    let successor = Successor::parse(TEMPLATE).unwrap();
    let spec = || successor.spec(&old_spec(), old_state()).unwrap().as_json(true).unwrap();
    assert_eq!(spec(), spec());
}

#[test]
fn the_id_and_the_keys_of_the_old_chain_are_refused() {
    let same_id = Successor { id: "old".into(), ..Successor::parse(TEMPLATE).unwrap() };
    let error = same_id.spec(&old_spec(), old_state()).err().unwrap().to_string();
    assert!(error.contains("needs another id"), "{error}");
    let old_key = Successor::parse(&TEMPLATE.replacen(
        "0x4a3ffde0d9c5c4d8c05dcf7b4a4b40f92782f1752291ff1ca64407321aba1916",
        "0xd43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d",
        1,
    ));
    let error = old_key.unwrap().spec(&old_spec(), old_state()).err().unwrap().to_string();
    assert!(error.contains("key"), "{error}");
}

#[test]
fn errors_name_what_is_wrong() {
    assert!(errors_after("account = ", "# account = ").contains("has no `account`"));
    let error = errors_after("5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty", "5Grwva");
    assert!(error.contains("not an account"), "{error}");
    assert!(errors_after("[validators.garage]", "[nobody.garage]").contains("nobody"));
    assert!(errors_after("id = \"workshops_north_2\"", "id = \"North 2\"").contains("lower-case"));
}
