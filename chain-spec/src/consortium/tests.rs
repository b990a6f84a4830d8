use super::*;
use crate::{built_in_runtime, SpecError, SpecFileError, SpecFileErrors};
use streembit_primitives::Scope;
use streembit_runtime::{genesis::Founding, AccountId};

const GARAGE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
const INSURER: &str = "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty";
const AURA: &str = "0xd43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d";
const INSURER_AURA: &str = "0x8eaf04151687736326c9fea17e25fc5287613693c912909cb226aa4794f26a48";
const GRANDPA: &str = "0x88dc3417d5058ec4b4503e0c12ea1a0a89be200fe98922423d4334014fa6b0ee";

fn errors_in(text: &str) -> Vec<SpecFileError> {
    match Consortium::parse(text) {
        Ok(_) => panic!("accepted: {text}"),
        Err(SpecFileErrors(errors)) => errors,
    }
}

/// Returns the number of the template's first line that contains `text`.
fn line_with(text: &str) -> usize {
    TEMPLATE.lines().position(|line| line.contains(text)).unwrap() + 1
}

/// Replaces `from` with `to` in the template, and asserts that this causes one error, at `line`, that contains `words`.
fn assert_one_error(from: &str, to: &str, line: Option<usize>, words: &[&str]) {
    assert!(TEMPLATE.contains(from), "the template has no {from:?}");
    let errors = errors_in(&TEMPLATE.replacen(from, to, 1));
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(errors[0].line, line, "{errors:?}");
    for word in words {
        assert!(errors[0].problem.contains(word), "no {word:?} in {errors:?}");
    }
}

#[test]
fn the_template_describes_a_consortium_that_can_be_founded() {
    let consortium = Consortium::parse(TEMPLATE).unwrap();
    assert_eq!(
        (consortium.name.as_str(), consortium.id.as_str()),
        ("Workshops of the North", "workshops_north")
    );
    let Founding { parties, council, validators, quotas } = &consortium.founding;
    assert!(quotas.is_empty());
    assert_eq!((parties.len(), council.len(), validators.len()), (4, 3, 4));
    let runtime = match built_in_runtime() {
        Ok(runtime) => runtime,
        Err(error) => return assert!(matches!(error, SpecError::NoRuntime), "{error}"),
    };
    let spec = consortium.spec(runtime).unwrap();
    // For the raw form the runtime builds the genesis, and would panic if it refused it.
    let raw = sc_service::ChainSpec::as_json(&spec, true).unwrap();
    assert!(raw.contains("\"id\": \"workshops_north\"") && raw.contains("streembit-workshops_north"));
}

#[test]
fn accounts_and_keys_must_be_valid_and_unique() {
    assert_one_error(&INSURER[..40], &GARAGE[..40], Some(line_with(INSURER)), &["not an account", "SS58"]);
    assert_one_error(INSURER, GARAGE, Some(line_with(INSURER)), &["insurer and garage", "same account"]);
    assert_one_error(INSURER, "0x12", Some(line_with(INSURER)), &["1 bytes instead of 32"]);
    let line = format!("on line {}", line_with(AURA));
    assert_one_error(INSURER_AURA, AURA, Some(line_with(INSURER_AURA)), &["this `aura` key is also", &line]);
    let not_hex = GRANDPA.replace("88dc", "88dz");
    assert_one_error(GRANDPA, &not_hex, Some(line_with(GRANDPA)), &["not an Ed25519 public key", "z"]);
    let mut candidates = (0u8..=255).map(|byte| [byte; 32]);
    let off_curve = candidates.find(|key| ed25519_dalek::VerifyingKey::from_bytes(key).is_err()).unwrap();
    let off_curve = format!("0x{}", hex::encode(off_curve));
    assert_one_error(GRANDPA, &off_curve, Some(line_with(GRANDPA)), &["digit is wrong"]);
}

#[test]
fn an_address_of_another_chain_or_with_a_typing_error_is_refused() {
    // The insurer's account as wallets show it for Polkadot and for Kusama.
    for (address, prefix) in [
        ("14E5nqKAp3oAJcmzgZhUD2RcptBeUBScxKHgJKU4HPNcKVf3", "prefix is 0,"),
        ("FoQJpPyadYccjavVdTWxpxU7rUEaYhfLCPwXgkfD6Zat9QP", "prefix is 2,"),
    ] {
        assert_one_error(INSURER, address, Some(line_with(INSURER)), &[prefix, "this chain is 42"]);
    }
    let typing_error = INSURER.replace("HneW", "HneX");
    assert_one_error(INSURER, &typing_error, Some(line_with(INSURER)), &["not an account", "checksum"]);
    let insurer = format!("insurer = \"{INSURER}\"");
    let unnamed = format!("{insurer}\n\"\" = \"0x{}\"", "ab".repeat(32));
    assert_one_error(&insurer, &unnamed, Some(line_with(INSURER) + 1), &["no name"]);
}

#[test]
fn session_keys_must_be_different_and_of_the_right_kind() {
    let line = format!("on line {}", line_with(AURA));
    assert_one_error(GRANDPA, AURA, Some(line_with(GRANDPA)), &["also the `aura` key", &line]);
    // An odd number is not the encoding of a Ristretto point.
    let odd = format!("0x{}", "01".repeat(32));
    assert_one_error(AURA, &odd, Some(line_with(AURA)), &["not an sr25519 public key", "digit is wrong"]);
    let zero = format!("0x{}", "00".repeat(32));
    for text in [INSURER, AURA, GRANDPA] {
        assert_one_error(text, &zero, Some(line_with(text)), &["all zeros"]);
    }
    // A point of small order: anyone can sign for it.
    let weak = format!("0x01{}", "00".repeat(31));
    assert_one_error(GRANDPA, &weak, Some(line_with(GRANDPA)), &["not an Ed25519 public key"]);
    assert_one_error(AURA, "//Alice", Some(line_with(AURA)), &["not an sr25519 public key"]);
}

#[test]
fn a_missing_session_key_is_reported_with_its_validator() {
    let grandpa = format!("grandpa = \"{GRANDPA}\"\n");
    assert_one_error(&grandpa, "", Some(line_with("[validators.garage]")), &["garage has no `grandpa` key"]);
}

#[test]
fn an_unsafe_number_of_validators_must_be_allowed_explicitly() {
    let workshop = TEMPLATE.find("[validators.workshop]").unwrap();
    let end = TEMPLATE.find("# Optional settings").unwrap();
    let three = format!("{}{}", &TEMPLATE[..workshop], &TEMPLATE[end..]);
    let errors = errors_in(&three);
    assert_eq!(errors.len(), 1);
    assert!(errors[0].problem.contains("3 of the 4") && errors[0].problem.contains("allow_unsafe"));
    assert_eq!(errors[0].line, Some(line_with("[validators.lessor]")));
    assert!(Consortium::parse(&format!("allow_unsafe = true\n{three}")).is_ok());
    let none = &TEMPLATE[..TEMPLATE.find("[validators.garage]").unwrap()];
    let errors = errors_in(&format!("allow_unsafe = true\n{none}"));
    assert!(errors[0].problem.contains("no node would produce blocks"), "{errors:?}");
}

#[test]
fn the_council_and_the_validators_have_a_maximum_size() {
    use sp_core::{ed25519, sr25519, Pair as _};
    let (mut parties, mut names, mut validators) = (String::new(), Vec::new(), String::new());
    for seed in 1..=33u8 {
        let aura = sr25519::Pair::from_seed(&[seed; 32]).public();
        let grandpa = ed25519::Pair::from_seed(&[seed; 32]).public();
        let (aura, grandpa) = (hex::encode(aura.0), hex::encode(grandpa.0));
        parties += &format!("p{seed} = \"0x{aura}\"\n");
        names.push(format!("\"p{seed}\""));
        validators += &format!("[validators.p{seed}]\naura = \"0x{aura}\"\ngrandpa = \"0x{grandpa}\"\n");
    }
    let text = format!(
        "name = \"Many\"\nid = \"many\"\n[parties]\n{parties}[council]\nmembers = [{}]\n{validators}",
        names.join(", ")
    );
    let errors = errors_in(&text);
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors[0].problem.contains("33 members; the maximum is 32"), "{errors:?}");
    assert!(errors[1].problem.contains("33 validators; the maximum is 32"), "{errors:?}");
    let line = text.lines().position(|line| line == "[validators.p33]").map(|line| line + 1);
    assert_eq!(errors[1].line, line, "{errors:?}");
}

#[test]
fn council_and_validators_must_name_parties() {
    let members = Some(line_with("members = "));
    assert_one_error("\"lessor\"]", "\"leasor\"]", members, &["leasor", "[parties]"]);
    assert_one_error("\"lessor\"]", "\"garage\"]", members, &["garage is in the council twice"]);
    let lessor = "[validators.lessor]";
    assert_one_error(lessor, "[validators.nobody]", Some(line_with(lessor)), &["nobody"]);
    let members = "members = [\"garage\", \"insurer\", \"lessor\"]";
    assert_one_error(members, "members = []", Some(line_with("[council]")), &["no members"]);
}

#[test]
fn quotas_must_name_a_party_and_have_both_limits() {
    let with_quota_of = |name: &str| format!("{TEMPLATE}\n[quotas.{name}]\nmilliseconds = 2\nbytes = 3\n");
    let Founding { parties, quotas, .. } = Consortium::parse(&with_quota_of("garage")).unwrap().founding;
    let garage = sp_core::crypto::Ss58Codec::from_ss58check(GARAGE).unwrap();
    assert_eq!(quotas, [(garage, 2_000, 3)]);
    assert_eq!(parties.len(), 4);
    let lines = TEMPLATE.lines().count();
    let errors = errors_in(&with_quota_of("leasor"));
    assert_eq!((errors.len(), errors[0].line), (1, Some(lines + 2)), "{errors:?}");
    for (quota, line, words) in [
        ("bytes = 3", 2, "garage has no `milliseconds`"),
        ("milliseconds = 0\nbytes = 3", 3, "with 0 milliseconds garage could not submit"),
        ("milliseconds = 2\nbytes = 0", 4, "with 0 bytes"),
        ("milliseconds = -2\nbytes = 3", 3, "-2"),
        ("milliseconds = 2\nbytes = \"many\"", 4, "many"),
    ] {
        let errors = errors_in(&format!("{TEMPLATE}\n[quotas.garage]\n{quota}\n"));
        assert_eq!((errors.len(), errors[0].line), (1, Some(lines + line)), "{errors:?}");
        assert!(errors[0].problem.contains(words), "{errors:?}");
    }
}

/// The template with the further account and the encryption key that it has as comments.
fn with_accounts() -> String {
    let start = TEMPLATE.find("# [accounts.").unwrap();
    let end = TEMPLATE.find("# The block time").unwrap();
    let lines =
        TEMPLATE[start..end].lines().map(|line| line.trim_start_matches("# ").trim_start_matches('#'));
    let tables = lines.filter(|line| !line.starts_with("The ")).collect::<Vec<_>>().join("\n");
    format!("{TEMPLATE}\n{tables}\n")
}

#[test]
fn the_account_and_the_encryption_key_in_the_template_can_be_uncommented() {
    let Founding { parties, .. } = Consortium::parse(&with_accounts()).unwrap().founding;
    let garage: AccountId = sp_core::crypto::Ss58Codec::from_ss58check(GARAGE).unwrap();
    let garage = parties.iter().find(|party| party.account == garage).unwrap();
    assert!(garage.encryption_key.is_some());
    let [(_, scope, Some(until))] = garage.accounts[..] else { panic!("{garage:?}") };
    assert_eq!((scope, until), (Scope::Contracts, 1_924_992_000_000));
    let others = parties.iter().filter(|party| party.accounts.is_empty() && party.encryption_key.is_none());
    assert_eq!(others.count(), 3);
}

#[test]
fn errors_of_accounts_and_encryption_keys_name_their_line() {
    let office = "5CiPPseXPECbkjWCa6MnjNokrgYjMqmKndv2rSnekmSK2DjL";
    let key = "0xe6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c";
    let weak = format!("0x{}", "00".repeat(32));
    for (from, to, words) in [
        ("party = \"garage\"", "party = \"nobody\"", "nobody is not one of the [parties]"),
        ("party = \"garage\"\n", "", "garage_office has no `party`"),
        (office, GARAGE, "an account acts for one party"),
        (office, "5Ci", "not an account"),
        ("scope = \"contracts\"", "scope = \"everything\"", "use all, contracts"),
        ("until = \"2030-12-31\"", "until = \"soon\"", "end of a period"),
        (key, weak.as_str(), "small order"),
        ("garage = \"0x", "nobody = \"0x", "nobody is not one of the [parties]"),
    ] {
        let text = with_accounts();
        // The comments of the template have the same text.
        let at = text.rfind(from).unwrap();
        let text = format!("{}{to}{}", &text[..at], &text[at + from.len()..]);
        let errors = errors_in(&text);
        assert_eq!(errors.len(), 1, "{to}: {errors:?}");
        assert!(errors[0].problem.contains(words) && errors[0].line.is_some(), "{to}: {errors:?}");
    }
}

#[test]
fn the_quota_in_the_template_can_be_uncommented() {
    let uncommented = TEMPLATE.replace("# [quotas.", "[quotas.").replace("# milliseconds", "milliseconds");
    let uncommented = uncommented.replace("# bytes = 58", "bytes = 58");
    let Founding { quotas, .. } = Consortium::parse(&uncommented).unwrap().founding;
    assert_eq!((quotas.len(), quotas[0].1, quotas[0].2), (1, 28_125_000, 58_982_400));
}

#[test]
fn the_name_the_id_and_the_boot_nodes_are_checked() {
    let (id, id_line) = ("id = \"workshops_north\"", Some(line_with("id = \"")));
    assert_one_error(id, "id = \"Workshops\"", id_line, &["lower-case"]);
    assert_one_error("id = \"workshops_north\"\n", "", None, &["`id` is missing"]);
    let long = format!("id = \"{}\"", "x".repeat(65));
    assert_one_error(id, &long, id_line, &["65 characters", "the maximum is 64"]);
    assert_one_error("workshops_north", "streembit_dev", id_line, &["development chains"]);
    let name_line = Some(line_with("name = \""));
    assert_one_error("name = \"Workshops of the North\"", "name = \" \"", name_line, &["empty"]);
    let bootnode = "bootnodes = [\"/ip4/1.2.3.4\"]\nid = \"";
    assert_one_error("id = \"", bootnode, id_line, &["not the address of a node"]);
}

#[test]
fn toml_errors_and_unknown_keys_are_reported_with_their_line() {
    assert_one_error("name = \"Workshops", "name = Workshops", Some(line_with("name = \"")), &[]);
    assert_one_error("[council]\n", "[council]\nsize = 3\n", Some(line_with("[council]") + 1), &["size"]);
    let twice = "garage = \"x\"\ngarage = \"5G";
    assert_one_error("garage = \"5G", twice, Some(line_with(GARAGE) + 1), &["duplicate"]);
    let validators = "[validators.garage]";
    assert_one_error(validators, "[validator.garage]", Some(line_with(validators)), &["`validators`"]);
    assert_one_error("id = \"", "block_time = 6\nid = \"", Some(line_with("id = \"")), &["block_time"]);
    assert_one_error(&format!("\"{AURA}\""), "5", Some(line_with(AURA)), &["string"]);
    let members = "[\"garage\", \"insurer\", \"lessor\"]";
    assert_one_error(members, "\"garage\"", Some(line_with("members = ")), &["sequence"]);
}

#[test]
fn everything_that_is_missing_is_reported_together() {
    let errors = Consortium::parse("").unwrap_err().to_string();
    for missing in ["`name` is missing", "`id` is missing", "[parties]", "[council]", "[validators.NAME]"] {
        assert!(errors.contains(missing), "no {missing:?} in {errors}");
    }
    let council = "[council]\nmembers = [\"garage\", \"insurer\", \"lessor\"]\n";
    assert_one_error(council, "", None, &["there is no [council]"]);
}

#[test]
fn errors_are_ordered_by_line() {
    let text = TEMPLATE.replacen(&INSURER[..40], "x", 1);
    let text = text.replacen("\"lessor\"]", "\"leasor\"]", 1).replacen(INSURER_AURA, AURA, 1);
    let errors = Consortium::parse(&text).unwrap_err();
    let lines: Vec<_> = errors.0.iter().filter_map(|error| error.line).collect();
    assert!(lines.len() >= 3 && lines.is_sorted(), "{errors}");
    assert!(errors.to_string().contains(&format!("line {}:", line_with("members = "))), "{errors}");
}

#[test]
fn the_error_for_an_unreadable_file_names_it() {
    let error = Consortium::read(std::path::Path::new("no/such.toml")).unwrap_err().to_string();
    assert!(error.contains("no/such.toml"), "{error}");
}
