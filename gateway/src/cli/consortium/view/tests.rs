//! The output for a made-up consortium.

use super::*;
use crate::address_book::{IdKind, KnownId};
use streembit_primitives::{
    consortium::{Offence, SessionKey, SessionKeys},
    Scope,
};

fn consortium(validators: u8) -> Consortium {
    let keys = SessionKeys { aura: SessionKey([1; 32]), grandpa: SessionKey([2; 32]) };
    let validator = |number| {
        let account = AccountId([number; 32]);
        let party = Some(PartyId([number; 32]));
        Validator { account, party, state: ValidatorState::Active, keys }
    };
    Consortium {
        parties: vec![PartyId([1; 32]), PartyId([2; 32])],
        council: vec![PartyId([2; 32])],
        validators: (1..=validators).map(validator).collect(),
        motions: vec![Motion {
            id: Hash([0xab; 32]),
            change: Some(Change::RemoveValidator(AccountId([1; 32]))),
            members: None,
            ayes: vec![PartyId([2; 32])],
            nays: vec![],
            needed: 2,
            until: 900,
        }],
        session: 3,
        authority_set: 1,
    }
}

/// Returns the view of a chain with two parties, of which the second has an employee.
fn view(consortium: &Consortium) -> ConsortiumView<'_> {
    let account =
        |number, scope, until| PartyAccount { account: AccountId([number; 32]), scope, since: 0, until };
    let party = |since, accounts: Vec<PartyAccount>| PartyRecord {
        since,
        encryption_key: None,
        accounts: accounts.try_into().unwrap(),
    };
    let founder = |number| account(number, Scope::All, None);
    let clerk = account(7, Scope::Contracts, Some(1_800_000_000_000));
    let parties = vec![
        (PartyId([1; 32]), party(None, vec![founder(1)])),
        (PartyId([2; 32]), party(Some(4_711), vec![founder(2), clerk])),
    ];
    let gateways = vec![(PartyId([1; 32]), AccountId([8; 32]), EpochState { number: 4, open: false })];
    ConsortiumView {
        consortium,
        parties,
        gateways,
        equivocations: Vec::new(),
        runtime: 3,
        authorized: None,
        names: AddressBook::empty(),
    }
}

#[test]
fn the_text_shows_parties_validators_and_motions() {
    let consortium = consortium(4);
    let text = view(&consortium).text();
    let first = account::show(&AccountId([1; 32]));
    for part in [
        &first,
        "4 voters, 3 needed",
        "member",
        "0xabababab",
        "remove validator",
        "1 of 2",
        "epoch 4, closed",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(!text.contains("stops the chain"), "{text}");
    let three = Consortium { validators: consortium.validators[..3].to_vec(), ..consortium.clone() };
    assert!(view(&three).text().contains("the failure of one stops the chain"));
}

#[test]
fn names_are_shown_beside_short_ids_and_votes_by_party() {
    let consortium = consortium(4);
    let mut names = AddressBook::new();
    names.add("bobs".parse().unwrap(), PartyId([2; 32]).into()).unwrap();
    let clerk = KnownId { kind: IdKind::Account, bytes: [7; 32] };
    names.add("clerk".parse().unwrap(), clerk).unwrap();
    let view = ConsortiumView { names: &names, ..view(&consortium) };
    let text = view.text();
    for part in [
        "bobs (0x02020202…)",
        "clerk (0x07070707…) (contracts, since block 0, until ",
        "yes by bobs (0x02020202…)",
        &PartyId([1; 32]).to_string(),
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(!text.contains(&PartyId([2; 32]).to_string()), "{text}");
}

/// Returns a text without the spaces that align its columns.
fn unaligned(text: &str) -> Vec<String> {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn the_text_says_which_accounts_and_gateways_act_for_whom_since_when() {
    let consortium = consortium(1);
    let mut names = AddressBook::new();
    let account = |kind, n| KnownId { kind, bytes: [n; 32] };
    for (name, id) in [
        ("anna", PartyId([1; 32]).into()),
        ("bobs", PartyId([2; 32]).into()),
        ("clerk", account(IdKind::Account, 7)),
        ("box", account(IdKind::Gateway, 8)),
    ] {
        names.add(name.parse().unwrap(), id).unwrap();
    }
    let view = ConsortiumView { names: &names, ..view(&consortium) };
    let [first, second] = [1, 2].map(|n| account::show(&AccountId([n; 32])));
    let end = PeriodEnd(1_800_000_000_000);
    let expected = format!(
        "VALIDATOR PARTY STATE
{first} anna (0x01010101…) active
1 voters, 1 needed for finality; with fewer than 4 validators the failure of one stops the chain

PARTY COUNCIL SINCE BLOCK ACCOUNTS
anna (0x01010101…) not recorded {first} (all, since block 0)
bobs (0x02020202…) member 4711 {second} (all, since block 0)
clerk (0x07070707…) (contracts, since block 0, until {end})

GATEWAY PARTY LOG
box (0x08080808…) anna (0x01010101…) epoch 4, closed

MOTION PROPOSAL VOTES UNTIL BLOCK
0xababababab remove validator {first} 1 of 2, 0 against 900
yes by bobs (0x02020202…)

runtime version 3"
    );
    assert_eq!(unaligned(&view.text()), expected.lines().collect::<Vec<_>>());
}

#[test]
fn the_block_in_which_a_party_joined_is_shown_and_its_accounts_are_listed() {
    let consortium = consortium(4);
    let mut view = view(&consortium);
    assert!(view.text().contains("4711") && view.text().contains("not recorded"), "{}", view.text());
    assert_eq!(view.json()["memberships"][1]["since"], 4_711);
    assert_eq!(view.json()["memberships"][0]["since"], Value::Null);
    let clerk = account::show(&AccountId([7; 32]));
    let text = view.text();
    assert!(text.contains(&format!("{clerk} (contracts, since block 0, until ")), "{text}");
    let accounts = &view.json()["memberships"][1]["accounts"];
    assert_eq!((&accounts[1]["account"], &accounts[1]["scope"]), (&json!(clerk), &json!("contracts")));
    assert_eq!(accounts[0]["until"], Value::Null);
    view.authorized = Some(Hash([0xef; 32]));
    assert!(view.text().contains("runtime version 3") && view.text().contains("0xefef"), "{}", view.text());
    assert_eq!(view.json()["runtime"]["version"], 3);
}

#[test]
fn finality_needs_more_than_two_thirds_of_the_voters() {
    for (voters, needed) in [(1, 1), (2, 2), (3, 3), (4, 3), (5, 4), (6, 5), (7, 5), (10, 7)] {
        assert_eq!(super::voters(&consortium(voters)), (voters.into(), needed));
    }
}

#[test]
fn a_motion_about_a_quota_shows_the_quota() {
    let party = PartyId([1; 32]);
    let quota = Some(Quota { microseconds: 2_500_000, bytes: 7_000 });
    let set = Change::SetQuota { party, quota };
    assert!(change(&set).ends_with("to 2500 ms and 7000 bytes"), "{}", change(&set));
    assert!(change(&Change::SetQuota { party, quota: None }).ends_with("to the default"));
    let mut consortium = consortium(4);
    consortium.motions[0].change = Some(set);
    let motion = &json(&consortium)["motions"][0];
    assert_eq!(motion["change"], "set_quota");
    assert_eq!(motion["quota"]["bytes"], 7_000);
}

#[test]
fn a_motion_about_an_upgrade_shows_the_code_hash() {
    let upgrade = Change::Upgrade { code: Hash([0xcd; 32]) };
    assert!(change(&upgrade).ends_with(&"cd".repeat(32)), "{}", change(&upgrade));
    let mut consortium = consortium(4);
    consortium.motions[0].change = Some(upgrade);
    let motion = &json(&consortium)["motions"][0];
    assert_eq!((&motion["change"], &motion["account"]), (&json!("upgrade"), &Value::Null));
    assert_eq!(motion["code"], json!(Hash([0xcd; 32])));
}

#[test]
fn a_motion_to_recover_a_party_shows_the_party_and_the_new_account() {
    let (party, account) = (PartyId([1; 32]), AccountId([9; 32]));
    let recover = Change::Recover { party, account };
    let text = change(&recover);
    assert!(text.contains(&party.to_string()) && text.ends_with(&account::show(&account)), "{text}");
    let mut consortium = consortium(4);
    consortium.motions[0].change = Some(recover);
    let motion = &json(&consortium)["motions"][0];
    assert_eq!((&motion["change"], &motion["party"]), (&json!("recover"), &json!(party)));
    assert_eq!(motion["account"], account::show(&account));
}

#[test]
fn a_motion_about_the_council_shows_its_members() {
    let mut consortium = consortium(4);
    let member = PartyId([0xee; 32]);
    consortium.motions[0] =
        Motion { change: None, members: Some(vec![member]), ..consortium.motions[0].clone() };
    assert_eq!(json(&consortium)["motions"][0]["members"], json!([member]));
    assert!(view(&consortium).text().contains(&member.to_string()));
}

#[test]
fn equivocations_are_shown() {
    let consortium = consortium(3);
    let account = AccountId([4; 32]);
    let offence = Offence::Votes { set: 1, round: 7 };
    let equivocations = vec![Equivocation { account, offence, block: 12 }];
    let view = ConsortiumView { equivocations, ..view(&consortium) };
    let (text, json) = (view.text(), view.json());
    assert!(text.contains("two blocks in round 7") && text.contains(&account::show(&account)), "{text}");
    assert_eq!(json["equivocations"][0]["account"], account::show(&account));
    assert_eq!(json["equivocations"][0]["offence"]["votes"]["round"], 7);
}

#[test]
fn the_json_output_has_accounts_in_ss58_and_kinds_of_changes() {
    let json = json(&consortium(4));
    assert_eq!(json["motions"][0]["change"], "remove_validator");
    assert_eq!(json["motions"][0]["account"], account::show(&AccountId([1; 32])));
    assert_eq!(json["validators"][3]["state"], "active");
    assert_eq!(json["voters_needed"], 3);
}
