//! The output of `consortium show`, as text and as JSON.

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

/// The finalized state that `consortium show` prints.
pub struct ConsortiumView<'a> {
    /// The parties, the council, the validators and the open motions.
    pub consortium: &'a Consortium,
    /// The blocks in which the parties joined, or `None` if the runtime does not record them.
    pub memberships: Option<Vec<(AccountId, Membership)>>,
    /// The proven equivocations of validators.
    pub equivocations: Vec<Equivocation>,
    /// The version of the runtime.
    pub runtime: u32,
    /// The code hash of an upgrade that the council has decided on and that is not applied yet.
    pub authorized: Option<Hash>,
}

impl ConsortiumView<'_> {
    /// Returns the JSON output, with accounts in SS58.
    pub fn json(&self) -> Value {
        let membership = |(party, membership): &(AccountId, Membership)| {
            let party = account::show(party);
            json!({ "party": party, "since": membership.since })
        };
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

    /// Returns the text output.
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
                "runtime version {version}; the council decided to upgrade to the code with the hash {code}: run \
                 `streembit consortium apply-upgrade`"
            ),
        }
    }
}

/// Returns the JSON output of the consortium's own state.
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

/// Returns the number of voters on finality, and the number of them that finality needs.
fn voters(consortium: &Consortium) -> (usize, usize) {
    let votes = |validator: &&Validator| validator.state != ValidatorState::Joining;
    let voters = consortium.validators.iter().filter(votes).count();
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
    let mut rows = table(["motion", "proposal", "votes", "until block"]);
    for motion in &consortium.motions {
        let proposal = motion.change.as_ref().map_or_else(|| "unknown".into(), change);
        let votes = format!("{} of {}, {} against", motion.ayes.len(), motion.needed, motion.nays.len());
        rows.add_row([short(motion), proposal, votes, motion.until.to_string()]);
    }
    render(&rows)
}

/// Returns the first digits of a motion's id.
pub fn short(motion: &Motion) -> String {
    motion.id.to_string().chars().take(12).collect()
}

/// Describes a change.
pub fn change(change: &Change) -> String {
    let account = change.account().as_ref().map(account::show).unwrap_or_default();
    match change {
        Change::SetQuota { quota: Some(quota), .. } => format!(
            "set the quota of {account} to {} ms and {} bytes",
            quota.microseconds / 1_000,
            quota.bytes
        ),
        Change::SetQuota { quota: None, .. } => format!("reset the quota of {account} to the default"),
        Change::Upgrade { code } => format!("upgrade the runtime to the code with the hash {code}"),
        Change::AddParty(_)
        | Change::RemoveParty(_)
        | Change::AddValidator(_)
        | Change::RemoveValidator(_) => format!("{} {account}", kind(change).replace('_', " ")),
    }
}

/// Returns the quota that a change sets. Returns `None` if the change resets the quota or is of another kind.
fn quota(change: Change) -> Option<Quota> {
    match change {
        Change::SetQuota { quota, .. } => quota,
        Change::AddParty(_)
        | Change::RemoveParty(_)
        | Change::AddValidator(_)
        | Change::RemoveValidator(_)
        | Change::Upgrade { .. } => None,
    }
}

/// Returns the code hash of an upgrade, or `None` if the change is of another kind.
fn code(change: Change) -> Option<Hash> {
    match change {
        Change::Upgrade { code } => Some(code),
        Change::AddParty(_)
        | Change::RemoveParty(_)
        | Change::AddValidator(_)
        | Change::RemoveValidator(_)
        | Change::SetQuota { .. } => None,
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
        ValidatorState::Rotating => paint(Colour::Yellow, "rotating keys"),
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

    /// Returns the view of a chain whose runtime records when parties joined.
    fn view(consortium: &Consortium) -> ConsortiumView<'_> {
        let memberships = vec![
            (AccountId([1; 32]), Membership { since: None }),
            (AccountId([2; 32]), Membership { since: Some(4_711) }),
        ];
        let (memberships, equivocations) = (Some(memberships), Vec::new());
        ConsortiumView { consortium, memberships, equivocations, runtime: 3, authorized: None }
    }

    #[test]
    fn the_text_shows_parties_validators_and_motions() {
        let consortium = consortium(4);
        let text = view(&consortium).text();
        let first = account::show(&AccountId([1; 32]));
        for part in [&first, "4 voters, 3 needed", "member", "0xabababab", "remove validator", "1 of 2"] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(!text.contains("stops the chain"), "{text}");
        let three = Consortium { validators: consortium.validators[..3].to_vec(), ..consortium.clone() };
        assert!(view(&three).text().contains("the failure of one stops the chain"));
    }

    #[test]
    fn the_block_in_which_a_party_joined_is_shown_if_the_runtime_records_it() {
        let consortium = consortium(4);
        let mut view = view(&consortium);
        assert!(view.text().contains("4711") && view.text().contains("not recorded"), "{}", view.text());
        assert_eq!(view.json()["memberships"][1]["since"], 4_711);
        assert_eq!(view.json()["memberships"][0]["since"], Value::Null);
        view.memberships = None;
        assert!(!view.text().contains("not recorded"), "{}", view.text());
        assert_eq!(view.json()["memberships"], Value::Null);
        view.authorized = Some(Hash([0xef; 32]));
        assert!(
            view.text().contains("runtime version 3") && view.text().contains("0xefef"),
            "{}",
            view.text()
        );
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
        let party = AccountId([1; 32]);
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
}
