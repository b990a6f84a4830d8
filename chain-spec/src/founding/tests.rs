use super::*;
use crate::{own_runtime, SpecError};

/// What is wrong with the template once a text in it is replaced.
fn wrong(from: &str, to: &str) -> Vec<Mistake> {
    assert!(TEMPLATE.contains(from), "the template has no {from:?}");
    match Consortium::parse(&TEMPLATE.replacen(from, to, 1)) {
        Ok(_) => panic!("{to:?} is accepted"),
        Err(Mistakes(mistakes)) => mistakes,
    }
}

/// The line of the template with a text.
fn line(text: &str) -> usize {
    TEMPLATE.lines().position(|line| line.contains(text)).unwrap() + 1
}

/// The one mistake after a replacement is at a line and says some words.
fn one(from: &str, to: &str, at: Option<usize>, words: &[&str]) {
    let mistakes = wrong(from, to);
    assert_eq!(mistakes.len(), 1, "{mistakes:?}");
    assert_eq!(mistakes[0].line, at, "{mistakes:?}");
    for word in words {
        assert!(mistakes[0].problem.contains(word), "no {word:?} in {mistakes:?}");
    }
}

const GARAGE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
const INSURER: &str = "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty";
const AURA: &str = "0xd43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d";
const INSURER_AURA: &str = "0x8eaf04151687736326c9fea17e25fc5287613693c912909cb226aa4794f26a48";
const GRANDPA: &str = "0x88dc3417d5058ec4b4503e0c12ea1a0a89be200fe98922423d4334014fa6b0ee";

#[test]
fn the_template_founds_a_chain() {
    let consortium = Consortium::parse(TEMPLATE).unwrap();
    assert_eq!(
        (consortium.name.as_str(), consortium.id.as_str()),
        ("Workshops of the North", "workshops_north")
    );
    let Founding { parties, council, validators, quotas } = &consortium.founding;
    assert!(quotas.is_empty());
    assert_eq!((parties.len(), council.len(), validators.len()), (4, 3, 4));
    let runtime = match own_runtime() {
        Ok(runtime) => runtime,
        Err(error) => return assert!(matches!(error, SpecError::NoRuntime), "{error}"),
    };
    let spec = consortium.spec(runtime).unwrap();
    // Raw, the genesis is built: what the runtime refuses would panic.
    let raw = spec.as_json(true).unwrap();
    assert!(raw.contains("\"id\": \"workshops_north\"") && raw.contains("streembit-workshops_north"));
}

#[test]
fn keys_and_accounts_are_checked_and_nobody_s_twice() {
    one(&INSURER[..40], &GARAGE[..40], Some(line(INSURER)), &["not an account", "SS58"]);
    one(INSURER, GARAGE, Some(line(INSURER)), &["insurer and garage", "same account"]);
    one(INSURER, "0x12", Some(line(INSURER)), &["1 bytes, not 32"]);
    one(
        INSURER_AURA,
        AURA,
        Some(line(INSURER_AURA)),
        &["same `aura` key as in line", &line(AURA).to_string()],
    );
    one(GRANDPA, &GRANDPA.replace("88dc", "88dz"), Some(line(GRANDPA)), &["not an Ed25519 public key", "z"]);
    let mut beside = (0u8..=255).map(|byte| [byte; 32]);
    let beside = beside.find(|key| ed25519_dalek::VerifyingKey::from_bytes(key).is_err()).unwrap();
    one(GRANDPA, &format!("0x{}", hex::encode(beside)), Some(line(GRANDPA)), &["digit is wrong"]);
}

#[test]
fn an_address_of_another_chain_or_with_a_wrong_letter_is_refused() {
    // The insurer's account as wallets show it that are set to Polkadot, and to Kusama.
    for (address, prefix) in [
        ("14E5nqKAp3oAJcmzgZhUD2RcptBeUBScxKHgJKU4HPNcKVf3", "prefix is 0,"),
        ("FoQJpPyadYccjavVdTWxpxU7rUEaYhfLCPwXgkfD6Zat9QP", "prefix is 2,"),
    ] {
        one(INSURER, address, Some(line(INSURER)), &[prefix, "this chain's is 42"]);
    }
    one(INSURER, &INSURER.replace("HneW", "HneX"), Some(line(INSURER)), &["not an account", "checksum"]);
    let insurer = format!("insurer = \"{INSURER}\"");
    let nobody = format!("{insurer}\n\"\" = \"0x{}\"", "ab".repeat(32));
    one(&insurer, &nobody, Some(line(INSURER) + 1), &["no name"]);
}

#[test]
fn the_two_session_keys_are_not_mixed_up_or_made_up() {
    one(GRANDPA, AURA, Some(line(GRANDPA)), &["same key as `aura` in line", &line(AURA).to_string()]);
    // Odd, as the encoding of no Ristretto point is.
    let odd = format!("0x{}", "01".repeat(32));
    one(AURA, &odd, Some(line(AURA)), &["no sr25519 public key", "digit is wrong"]);
    let zero = format!("0x{}", "00".repeat(32));
    for text in [INSURER, AURA, GRANDPA] {
        one(text, &zero, Some(line(text)), &["all zeros"]);
    }
    // A point that everybody can sign for.
    let weak = format!("0x01{}", "00".repeat(31));
    one(GRANDPA, &weak, Some(line(GRANDPA)), &["no Ed25519 public key"]);
    one(AURA, "//Alice", Some(line(AURA)), &["not an sr25519 public key"]);
}

#[test]
fn a_missing_session_key_is_named_with_its_validator() {
    let grandpa = format!("grandpa = \"{GRANDPA}\"\n");
    one(&grandpa, "", Some(line("[validators.garage]")), &["garage has no `grandpa` key", "session-keys"]);
}

#[test]
fn fewer_validators_than_safety_needs_have_to_be_asked_for() {
    let last = TEMPLATE.find("[validators.workshop]").unwrap();
    let end = TEMPLATE.find("# What else").unwrap();
    let three = format!("{}{}", &TEMPLATE[..last], &TEMPLATE[end..]);
    let Mistakes(mistakes) = Consortium::parse(&three).unwrap_err();
    assert_eq!(mistakes.len(), 1);
    assert!(mistakes[0].problem.contains("3 of the 4") && mistakes[0].problem.contains("allow_unsafe"));
    assert_eq!(mistakes[0].line, Some(line("[validators.lessor]")));
    assert!(Consortium::parse(&format!("allow_unsafe = true\n{three}")).is_ok());
    let none = &TEMPLATE[..TEMPLATE.find("[validators.garage]").unwrap()];
    let Mistakes(mistakes) = Consortium::parse(&format!("allow_unsafe = true\n{none}")).unwrap_err();
    assert!(mistakes[0].problem.contains("nobody would make blocks"), "{mistakes:?}");
}

#[test]
fn more_than_there_can_be_are_too_many() {
    use sp_core::{ed25519, sr25519, Pair as _};
    let last = 33u8;
    let (mut parties, mut names, mut validators) = (String::new(), Vec::new(), String::new());
    for seed in 1..=last {
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
    let Mistakes(mistakes) = Consortium::parse(&text).unwrap_err();
    assert_eq!(mistakes.len(), 2, "{mistakes:?}");
    assert!(mistakes[0].problem.contains("33 members, 32 are the most"), "{mistakes:?}");
    assert!(mistakes[1].problem.contains("33 validators, 32 are the most"), "{mistakes:?}");
    let place = text.lines().position(|line| line == "[validators.p33]").map(|line| line + 1);
    assert_eq!(mistakes[1].line, place, "{mistakes:?}");
}

#[test]
fn who_is_named_has_to_be_a_party_once() {
    one("\"lessor\"]", "\"leasor\"]", Some(line("members = ")), &["leasor", "[parties]"]);
    one("\"lessor\"]", "\"garage\"]", Some(line("members = ")), &["garage is in the council twice"]);
    one("[validators.lessor]", "[validators.nobody]", Some(line("[validators.lessor]")), &["nobody"]);
    one(
        "members = [\"garage\", \"insurer\", \"lessor\"]",
        "members = []",
        Some(line("[council]")),
        &["no members"],
    );
}

#[test]
fn a_quota_is_a_party_s() {
    let with = |name: &str| format!("{TEMPLATE}\n[quotas.{name}]\nmilliseconds = 2\nbytes = 3\n");
    let Founding { parties, quotas, .. } = Consortium::parse(&with("garage")).unwrap().founding;
    assert_eq!(quotas, [(parties[0].clone(), 2_000, 3)]);
    let Mistakes(mistakes) = Consortium::parse(&with("leasor")).unwrap_err();
    assert_eq!((mistakes.len(), mistakes[0].line), (1, Some(TEMPLATE.lines().count() + 2)), "{mistakes:?}");
    let lines = TEMPLATE.lines().count();
    for (quota, line, words) in [
        ("bytes = 3", 2, "garage has no `milliseconds`"),
        ("milliseconds = 0\nbytes = 3", 3, "with 0 milliseconds garage could submit nothing"),
        ("milliseconds = 2\nbytes = 0", 4, "with 0 bytes"),
        ("milliseconds = -2\nbytes = 3", 3, "-2"),
        ("milliseconds = 2\nbytes = \"many\"", 4, "many"),
    ] {
        let Mistakes(mistakes) =
            Consortium::parse(&format!("{TEMPLATE}\n[quotas.garage]\n{quota}\n")).unwrap_err();
        assert_eq!((mistakes.len(), mistakes[0].line), (1, Some(lines + line)), "{mistakes:?}");
        assert!(mistakes[0].problem.contains(words), "{mistakes:?}");
    }
    // As the template shows it, once it is no comment any more.
    let shown = TEMPLATE.replace("# [quotas.", "[quotas.").replace("# milliseconds", "milliseconds");
    let shown = shown.replace("# bytes = 58", "bytes = 58");
    let Founding { quotas, .. } = Consortium::parse(&shown).unwrap().founding;
    assert_eq!((quotas.len(), quotas[0].1, quotas[0].2), (1, 28_125_000, 58_982_400));
}

#[test]
fn the_names_of_the_chain_are_checked() {
    one("id = \"workshops_north\"", "id = \"Workshops\"", Some(line("id = \"")), &["lower-case"]);
    one("id = \"workshops_north\"\n", "", None, &["`id` is missing"]);
    let long = format!("id = \"{}\"", "x".repeat(65));
    one("id = \"workshops_north\"", &long, Some(line("id = \"")), &["65 letters", "64 are the most"]);
    one("workshops_north", "streembit_dev", Some(line("id = \"")), &["development chains", "another"]);
    one("name = \"Workshops of the North\"", "name = \" \"", Some(line("name = \"")), &["empty"]);
    one(
        "id = \"",
        "bootnodes = [\"/ip4/1.2.3.4\"]\nid = \"",
        Some(line("id = \"")),
        &["no address of a node"],
    );
}

#[test]
fn what_is_no_toml_or_unknown_is_said_with_its_line() {
    one("name = \"Workshops", "name = Workshops", Some(line("name = \"")), &[]);
    one("[council]\n", "[council]\nsize = 3\n", Some(line("[council]") + 1), &["size"]);
    one("garage = \"5G", "garage = \"x\"\ngarage = \"5G", Some(line(GARAGE) + 1), &["duplicate"]);
    one("[validators.garage]", "[validator.garage]", Some(line("[validators.garage]")), &["`validators`"]);
    one("id = \"", "block_time = 6\nid = \"", Some(line("id = \"")), &["block_time"]);
    one(&format!("\"{AURA}\""), "5", Some(line(AURA)), &["string"]);
    one("[\"garage\", \"insurer\", \"lessor\"]", "\"garage\"", Some(line("members = ")), &["sequence"]);
}

#[test]
fn an_empty_file_is_told_everything_that_it_lacks() {
    let mistakes = Consortium::parse("").unwrap_err().to_string();
    for lacking in ["`name` is missing", "`id` is missing", "[parties]", "[council]", "[validators.NAME]"] {
        assert!(mistakes.contains(lacking), "no {lacking:?} in {mistakes}");
    }
    let council = "[council]\nmembers = [\"garage\", \"insurer\", \"lessor\"]\n";
    one(council, "", None, &["there is no [council]"]);
}

#[test]
fn every_mistake_is_said_at_once_in_the_order_of_the_lines() {
    let text = TEMPLATE.replacen(&INSURER[..40], "x", 1).replacen("\"lessor\"]", "\"leasor\"]", 1).replacen(
        INSURER_AURA,
        AURA,
        1,
    );
    let mistakes = Consortium::parse(&text).unwrap_err();
    let lines: Vec<_> = mistakes.0.iter().filter_map(|mistake| mistake.line).collect();
    assert!(lines.len() >= 3 && lines.is_sorted(), "{mistakes}");
    assert!(mistakes.to_string().contains(&format!("line {}:", line("members = "))), "{mistakes}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Consortium::read(std::path::Path::new("no/such.toml")).unwrap_err().to_string();
    assert!(error.contains("no/such.toml") && error.contains("--template"), "{error}");
}
