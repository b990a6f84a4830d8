//! The consortium as people and programs see it.

use crate::cli::output::{paint, render, table, Colour};
use serde_json::{json, Value};
use streembit_chain::describe_equivocation;
use streembit_keystore::account;
use streembit_primitives::{
    consortium::{
        Change, Consortium, Equivocation, Membership, Motion, Quota, Validator, ValidatorState,
        MIN_FAULT_TOLERANT_VALIDATORS,
    },
    AccountId, Hash,
};

/// All that is shown.
pub struct Shown<'a> {
    /// Who belongs.
    pub consortium: &'a Consortium,
    /// Since when the parties are parties; `None` where the runtime does not say.
    pub memberships: Option<Vec<(AccountId, Membership)>>,
    /// Who contradicted itself as a validator.
    pub equivocations: Vec<Equivocation>,
    /// The version of the runtime.
    pub runtime: u32,
    /// The hash of the code of another runtime that the council decided on.
    pub authorized: Option<Hash>,
}

impl Shown<'_> {
    /// For programs: accounts as addresses.
    pub fn json(&self) -> Value {
        let membership = |(party, membership): &(AccountId, Membership)| json!({ "party": account::show(party), "since": membership.since });
        let memberships = self.memberships.as_ref().map(|all| all.iter().map(membership).collect::<Vec<_>>());
        let equivocations = self.equivocations.iter().map(|one| {
            json!({ "account": account::show(&one.account), "offence": one.offence, "block": one.block })
        });
        let mut json = json(self.consortium);
        if let Some(json) = json.as_object_mut() {
            json.insert("memberships".into(), memberships.into());
            json.insert("equivocations".into(), equivocations.collect());
            json.insert("runtime".into(), json!({ "version": self.runtime, "authorized": self.authorized }));
        }
        json
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut parts = vec![validators(self.consortium), self.parties()];
        if !self.consortium.motions.is_empty() {
            parts.push(motions(self.consortium));
        }
        parts.push(self.runtime());
        parts.extend(self.equivocations.iter().map(|one| paint(Colour::Red, &describe_equivocation(one))));
        parts.join("\n\n")
    }

    fn parties(&self) -> String {
        let consortium = self.consortium;
        let mut rows = table(["party", "council", "since block"]);
        let outside = |member: &&AccountId| !consortium.parties.contains(member);
        for party in consortium.parties.iter().chain(consortium.council.iter().filter(outside)) {
            let seat = if consortium.council.contains(party) { "member" } else { "" };
            rows.add_row([account::show(party), seat.into(), self.since(party)]);
        }
        render(&rows)
    }

    fn since(&self, party: &AccountId) -> String {
        let mut all = self.memberships.iter().flatten();
        match all.find(|(account, _)| account == party) {
            Some((_, Membership { since: Some(block) })) => block.to_string(),
            Some((_, Membership { since: None })) => "not recorded".into(),
            None => String::new(),
        }
    }

    fn runtime(&self) -> String {
        let version = self.runtime;
        match self.authorized {
            None => format!("runtime version {version}"),
            Some(code) => format!(
                "runtime version {version}; the council decided on another, with the hash {code}, which waits for \
                 `streembit consortium apply-upgrade`"
            ),
        }
    }
}

/// Who belongs, for programs.
fn json(consortium: &Consortium) -> Value {
    let accounts = |of: &[AccountId]| -> Vec<_> { of.iter().map(account::show).collect() };
    let validator = |validator: &Validator| {
        json!({
            "account": account::show(&validator.account),
            "party": validator.party.as_ref().map(account::show),
            "state": validator.state,
            "keys": validator.keys,
        })
    };
    let motion = |motion: &Motion| {
        json!({
            "id": motion.id,
            "change": motion.change.as_ref().map(kind),
            "account": motion.change.and_then(|change| change.account()).as_ref().map(account::show),
            "quota": motion.change.and_then(quota),
            "code": motion.change.and_then(code),
            "ayes": accounts(&motion.ayes),
            "nays": accounts(&motion.nays),
            "needed": motion.needed,
            "until_block": motion.until,
        })
    };
    let (voters, needed) = voters(consortium);
    json!({
        "parties": accounts(&consortium.parties),
        "council": accounts(&consortium.council),
        "validators": consortium.validators.iter().map(validator).collect::<Vec<_>>(),
        "motions": consortium.motions.iter().map(motion).collect::<Vec<_>>(),
        "session": consortium.session,
        "authority_set": consortium.authority_set,
        "voters": voters,
        "voters_needed": needed,
    })
}

/// How many vote on finality now, and how many of them have to.
pub fn voters(consortium: &Consortium) -> (usize, usize) {
    let in_force = |validator: &&Validator| validator.state != ValidatorState::Joining;
    let voters = consortium.validators.iter().filter(in_force).count();
    (voters, voters - voters.saturating_sub(1) / 3)
}

fn validators(consortium: &Consortium) -> String {
    let mut rows = table(["validator", "party", "state"]);
    for validator in &consortium.validators {
        let party = match validator.party {
            Some(party) if party == validator.account => "itself".into(),
            Some(party) => account::show(&party),
            None => "none".into(),
        };
        rows.add_row([account::show(&validator.account), party, state(validator.state)]);
    }
    let (voters, needed) = voters(consortium);
    let mut text = format!("{}\n{voters} voters, {needed} needed for finality", render(&rows));
    if voters < MIN_FAULT_TOLERANT_VALIDATORS as usize {
        let warning = format!(
            "with fewer than {MIN_FAULT_TOLERANT_VALIDATORS} validators the failure of one stops the chain"
        );
        text.push_str(&format!("; {}", paint(Colour::Yellow, &warning)));
    }
    text
}

fn motions(consortium: &Consortium) -> String {
    let mut rows = table(["motion", "asks to", "votes", "until block"]);
    for motion in &consortium.motions {
        let asks = motion.change.as_ref().map_or_else(|| "something else".into(), change);
        let votes = format!("{} of {}, {} against", motion.ayes.len(), motion.needed, motion.nays.len());
        rows.add_row([short(motion), asks, votes, motion.until.to_string()]);
    }
    render(&rows)
}

/// The beginning of a motion's id, enough to tell it from others.
pub fn short(motion: &Motion) -> String {
    motion.id.to_string().chars().take(12).collect()
}

/// What a change does, in words.
pub fn change(change: &Change) -> String {
    let account = change.account().as_ref().map(account::show).unwrap_or_default();
    match change {
        Change::SetQuota { quota: Some(quota), .. } => format!(
            "set the quota of {account} to {} ms and {} bytes",
            quota.microseconds / 1_000,
            quota.bytes
        ),
        Change::SetQuota { quota: None, .. } => format!("set the quota of {account} to everybody's"),
        Change::Upgrade { code } => format!("upgrade the runtime to the code with the hash {code}"),
        _ => format!("{} {account}", kind(change).replace('_', " ")),
    }
}

/// The quota that a change sets; `None` of any other change, and of one back to everybody's.
fn quota(change: Change) -> Option<Quota> {
    match change {
        Change::SetQuota { quota, .. } => quota,
        _ => None,
    }
}

/// The hash of the code of another runtime; `None` of any other change.
fn code(change: Change) -> Option<Hash> {
    match change {
        Change::Upgrade { code } => Some(code),
        _ => None,
    }
}

fn kind(change: &Change) -> &'static str {
    match change {
        Change::AddParty(_) => "add_party",
        Change::RemoveParty(_) => "remove_party",
        Change::AddValidator(_) => "add_validator",
        Change::RemoveValidator(_) => "remove_validator",
        Change::SetQuota { .. } => "set_quota",
        Change::Upgrade { .. } => "upgrade",
    }
}

fn state(state: ValidatorState) -> String {
    match state {
        ValidatorState::Active => paint(Colour::Green, "active"),
        ValidatorState::Rotating => paint(Colour::Yellow, "changing its keys"),
        ValidatorState::Joining => paint(Colour::Yellow, "joining"),
        ValidatorState::Leaving => paint(Colour::Yellow, "leaving"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use streembit_primitives::consortium::{Offence, SessionKey, SessionKeys};

    fn consortium(validators: u8) -> Consortium {
        let keys = SessionKeys { aura: SessionKey([1; 32]), grandpa: SessionKey([2; 32]) };
        let validator = |number| {
            let account = AccountId([number; 32]);
            Validator { account, party: Some(account), state: ValidatorState::Active, keys }
        };
        Consortium {
            parties: vec![AccountId([1; 32]), AccountId([2; 32])],
            council: vec![AccountId([2; 32])],
            validators: (1..=validators).map(validator).collect(),
            motions: vec![Motion {
                id: Hash([0xab; 32]),
                change: Some(Change::RemoveValidator(AccountId([1; 32]))),
                ayes: vec![AccountId([2; 32])],
                nays: vec![],
                needed: 2,
                until: 900,
            }],
            session: 3,
            authority_set: 1,
        }
    }

    /// As a chain whose runtime says since when parties belong.
    fn shown(consortium: &Consortium) -> Shown<'_> {
        let memberships = vec![
            (AccountId([1; 32]), Membership { since: None }),
            (AccountId([2; 32]), Membership { since: Some(4_711) }),
        ];
        let (memberships, equivocations) = (Some(memberships), Vec::new());
        Shown { consortium, memberships, equivocations, runtime: 3, authorized: None }
    }

    #[test]
    fn one_screen_says_who_belongs_and_what_is_asked() {
        let consortium = consortium(4);
        let text = shown(&consortium).text();
        let first = account::show(&AccountId([1; 32]));
        for part in [&first, "4 voters, 3 needed", "member", "0xabababab", "remove validator", "1 of 2"] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(!text.contains("stops the chain"), "{text}");
        let three = Consortium { validators: consortium.validators[..3].to_vec(), ..consortium.clone() };
        assert!(shown(&three).text().contains("the failure of one stops the chain"));
    }

    #[test]
    fn since_when_parties_belong_is_shown_where_the_runtime_says_it() {
        let consortium = consortium(4);
        let mut shown = shown(&consortium);
        assert!(shown.text().contains("4711") && shown.text().contains("not recorded"), "{}", shown.text());
        assert_eq!(shown.json()["memberships"][1]["since"], 4_711);
        assert_eq!(shown.json()["memberships"][0]["since"], Value::Null);
        shown.memberships = None;
        assert!(!shown.text().contains("not recorded"), "{}", shown.text());
        assert_eq!(shown.json()["memberships"], Value::Null);
        shown.authorized = Some(Hash([0xef; 32]));
        assert!(
            shown.text().contains("runtime version 3") && shown.text().contains("0xefef"),
            "{}",
            shown.text()
        );
        assert_eq!(shown.json()["runtime"]["version"], 3);
    }

    #[test]
    fn more_than_two_thirds_are_needed() {
        for (voters, needed) in [(1, 1), (2, 2), (3, 3), (4, 3), (5, 4), (6, 5), (7, 5), (10, 7)] {
            assert_eq!(super::voters(&consortium(voters)), (voters.into(), needed));
        }
    }

    #[test]
    fn who_votes_on_a_quota_reads_how_much_it_is() {
        let party = AccountId([1; 32]);
        let quota = Some(Quota { microseconds: 2_500_000, bytes: 7_000 });
        let set = Change::SetQuota { party, quota };
        assert!(change(&set).ends_with("to 2500 ms and 7000 bytes"), "{}", change(&set));
        assert!(change(&Change::SetQuota { party, quota: None }).ends_with("to everybody's"));
        let mut consortium = consortium(4);
        consortium.motions[0].change = Some(set);
        let motion = &json(&consortium)["motions"][0];
        assert_eq!(motion["change"], "set_quota");
        assert_eq!(motion["quota"]["bytes"], 7_000);
    }

    #[test]
    fn who_votes_on_a_runtime_reads_the_hash_of_its_code() {
        let upgrade = Change::Upgrade { code: Hash([0xcd; 32]) };
        assert!(change(&upgrade).ends_with(&"cd".repeat(32)), "{}", change(&upgrade));
        let mut consortium = consortium(4);
        consortium.motions[0].change = Some(upgrade);
        let motion = &json(&consortium)["motions"][0];
        assert_eq!((&motion["change"], &motion["account"]), (&json!("upgrade"), &Value::Null));
        assert_eq!(motion["code"], json!(Hash([0xcd; 32])));
    }

    #[test]
    fn who_contradicted_itself_is_shown() {
        let consortium = consortium(3);
        let account = AccountId([4; 32]);
        let offence = Offence::Votes { set: 1, round: 7 };
        let equivocations = vec![Equivocation { account, offence, block: 12 }];
        let shown = Shown { equivocations, ..shown(&consortium) };
        let (text, json) = (shown.text(), shown.json());
        assert!(text.contains("two blocks in round 7") && text.contains(&account::show(&account)), "{text}");
        assert_eq!(json["equivocations"][0]["account"], account::show(&account));
        assert_eq!(json["equivocations"][0]["offence"]["votes"]["round"], 7);
    }

    #[test]
    fn programs_read_addresses_and_kinds() {
        let json = json(&consortium(4));
        assert_eq!(json["motions"][0]["change"], "remove_validator");
        assert_eq!(json["motions"][0]["account"], account::show(&AccountId([1; 32])));
        assert_eq!(json["validators"][3]["state"], "active");
        assert_eq!(json["voters_needed"], 3);
    }
}
