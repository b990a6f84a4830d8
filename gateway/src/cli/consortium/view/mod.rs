//! The output of `consortium show`, as text and as JSON.

use crate::{
    address_book::AddressBook,
    cli::output::{paint, render, table, Colour},
};
use serde_json::{json, Value};
use streembit_chain::describe_equivocation;
use streembit_clock::PeriodEnd;
use streembit_keystore::account;
use streembit_primitives::{
    checkpoint::EpochState,
    consortium::{
        Change, Consortium, Equivocation, Motion, Quota, Validator, ValidatorState,
        MIN_FAULT_TOLERANT_VALIDATORS,
    },
    party::{PartyAccount, PartyRecord},
    AccountId, Hash, PartyId,
};

/// The finalized state that `consortium show` prints.
pub struct ConsortiumView<'a> {
    /// The parties, the council, the validators and the open motions.
    pub consortium: &'a Consortium,
    /// The parties with their accounts.
    pub parties: Vec<(PartyId, PartyRecord)>,
    /// The gateways of each party, with the numbers of their logs.
    pub gateways: Vec<(PartyId, AccountId, EpochState)>,
    /// The proven equivocations of validators.
    pub equivocations: Vec<Equivocation>,
    /// The version of the runtime.
    pub runtime: u32,
    /// The code hash of an upgrade that the council has decided on and that is not applied yet.
    pub authorized: Option<Hash>,
    /// The names that the text shows.
    pub names: &'a AddressBook,
}

impl ConsortiumView<'_> {
    /// Returns the JSON output, with accounts in SS58.
    pub fn json(&self) -> Value {
        let memberships = self.parties.iter().map(|(id, party)| party_json(id, party));
        let equivocations = self.equivocations.iter().map(|one| {
            json!({ "account": account::show(&one.account), "offence": one.offence, "block": one.block })
        });
        let gateways = self.gateways.iter().map(|(party, gateway, epoch)| {
            json!({
                "gateway": account::show(gateway),
                "party": party,
                "epoch": epoch.number,
                "open": epoch.open,
            })
        });
        let mut json = json(self.consortium);
        if let Some(json) = json.as_object_mut() {
            json.insert("memberships".into(), memberships.collect());
            json.insert("gateways".into(), gateways.collect());
            json.insert("equivocations".into(), equivocations.collect());
            json.insert("runtime".into(), json!({ "version": self.runtime, "authorized": self.authorized }));
        }
        json
    }

    /// Returns the text output.
    pub fn text(&self) -> String {
        let mut parts = vec![validators(self.consortium, self.names), self.parties()];
        if !self.gateways.is_empty() {
            parts.push(self.gateways());
        }
        if !self.consortium.motions.is_empty() {
            parts.push(motions(self.consortium, self.names));
        }
        parts.push(self.runtime());
        let equivocation = |one: &Equivocation| self.names.label(&describe_equivocation(one));
        parts.extend(self.equivocations.iter().map(|one| paint(Colour::Red, &equivocation(one))));
        parts.join("\n\n")
    }

    fn parties(&self) -> String {
        let mut rows = table(["party", "council", "since block", "accounts"]);
        for (id, party) in &self.parties {
            let seat = if self.consortium.council.contains(id) { "member" } else { "" };
            let since = party.since.map_or_else(|| "not recorded".to_owned(), |block| block.to_string());
            let [id, accounts] = [id.to_string(), accounts_text(party)].map(|text| self.names.label(&text));
            rows.add_row([id, seat.into(), since, accounts]);
        }
        render(&rows)
    }

    fn gateways(&self) -> String {
        let mut rows = table(["gateway", "party", "log"]);
        for (party, gateway, epoch) in &self.gateways {
            let open = if epoch.open { "" } else { ", closed" };
            rows.add_row([
                self.names.label(&account::show(gateway)),
                self.names.label(&party.to_string()),
                format!("epoch {}{open}", epoch.number),
            ]);
        }
        render(&rows)
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

/// Returns the JSON output of a party, with accounts in SS58.
pub fn party_json(id: &PartyId, party: &PartyRecord) -> Value {
    let account = |entry: &PartyAccount| {
        json!({
            "account": account::show(&entry.account),
            "scope": entry.scope,
            "since": entry.since,
            "until": entry.until,
        })
    };
    json!({
        "party": id,
        "since": party.since,
        "encryption_key": party.encryption_key,
        "accounts": party.accounts.iter().map(account).collect::<Vec<_>>(),
    })
}

/// Describes the accounts of a party, one a line.
fn accounts_text(party: &PartyRecord) -> String {
    party.accounts.iter().map(account_text).collect::<Vec<_>>().join("\n")
}

/// Describes an account of a party: its address, its scope, since when it is the party's, and its end.
pub fn account_text(entry: &PartyAccount) -> String {
    let PartyAccount { account, scope, since, until } = entry;
    let until = until.map_or_else(String::new, |until| format!(", until {}", PeriodEnd(until)));
    format!("{} ({scope}, since block {since}{until})", account::show(account))
}

/// Returns the JSON output of the consortium's own state.
fn json(consortium: &Consortium) -> Value {
    let validator = |validator: &Validator| {
        json!({
            "account": account::show(&validator.account),
            "party": validator.party,
            "state": validator.state,
            "keys": validator.keys,
        })
    };
    let motion = |motion: &Motion| {
        json!({
            "id": motion.id,
            "change": motion.change.as_ref().map(kind),
            "members": motion.members,
            "account": motion.change.and_then(|change| change.account()).as_ref().map(account::show),
            "party": motion.change.and_then(|change| change.party()),
            "quota": motion.change.and_then(quota),
            "code": motion.change.and_then(code),
            "ayes": motion.ayes,
            "nays": motion.nays,
            "needed": motion.needed,
            "until_block": motion.until,
        })
    };
    let (voters, needed) = voters(consortium);
    json!({
        "parties": consortium.parties,
        "council": consortium.council,
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

fn validators(consortium: &Consortium, names: &AddressBook) -> String {
    let mut rows = table(["validator", "party", "state"]);
    for validator in &consortium.validators {
        let party = validator.party.map_or_else(|| "none".to_owned(), |party| party.to_string());
        let [account, party] = [account::show(&validator.account), party].map(|text| names.label(&text));
        rows.add_row([account, party, state(validator.state)]);
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

fn motions(consortium: &Consortium, names: &AddressBook) -> String {
    let mut rows = table(["motion", "proposal", "votes", "until block"]);
    for motion in &consortium.motions {
        let proposal = match (&motion.change, &motion.members) {
            (Some(proposed), _) => change(proposed),
            (None, Some(members)) => {
                let members: Vec<_> = members.iter().map(ToString::to_string).collect();
                format!("make these parties the council:\n{}", members.join("\n"))
            }
            (None, None) => "unknown".into(),
        };
        let mut votes = format!("{} of {}, {} against", motion.ayes.len(), motion.needed, motion.nays.len());
        let ayes = motion.ayes.iter().map(|party| ("yes", *party));
        for (vote, party) in ayes.chain(motion.nays.iter().map(|party| ("no", *party))) {
            votes.push_str(&format!("\n{vote} by {}", names.short(party.into())));
        }
        rows.add_row([short(motion), names.label(&proposal), votes, motion.until.to_string()]);
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
        Change::SetQuota { party, quota: Some(quota) } => {
            format!("set the quota of {party} to {} ms and {} bytes", quota.microseconds / 1_000, quota.bytes)
        }
        Change::SetQuota { party, quota: None } => format!("reset the quota of {party} to the default"),
        Change::Upgrade { code } => format!("upgrade the runtime to the code with the hash {code}"),
        Change::RemoveParty(party) => format!("remove party {party}"),
        Change::Recover { party, .. } => {
            format!("replace all accounts of party {party} with {account}")
        }
        Change::AllowDeviceChange { device, change, from } => {
            format!("allow a change of device {device} without a proof: {change:?} from sequence {from} on")
        }
        Change::AddParty { .. } | Change::AddValidator(_) | Change::RemoveValidator(_) => {
            format!("{} {account}", kind(change).replace('_', " "))
        }
    }
}

/// Returns the quota that a change sets. Returns `None` if the change resets the quota or is of another kind.
fn quota(change: Change) -> Option<Quota> {
    match change {
        Change::SetQuota { quota, .. } => quota,
        Change::AddParty { .. }
        | Change::AllowDeviceChange { .. }
        | Change::RemoveParty(_)
        | Change::AddValidator(_)
        | Change::RemoveValidator(_)
        | Change::Recover { .. }
        | Change::Upgrade { .. } => None,
    }
}

/// Returns the code hash of an upgrade, or `None` if the change is of another kind.
fn code(change: Change) -> Option<Hash> {
    match change {
        Change::Upgrade { code } => Some(code),
        Change::AddParty { .. }
        | Change::AllowDeviceChange { .. }
        | Change::RemoveParty(_)
        | Change::AddValidator(_)
        | Change::RemoveValidator(_)
        | Change::Recover { .. }
        | Change::SetQuota { .. } => None,
    }
}

fn kind(change: &Change) -> &'static str {
    match change {
        Change::AddParty { .. } => "add_party",
        Change::AllowDeviceChange { .. } => "allow_device_change",
        Change::RemoveParty(_) => "remove_party",
        Change::AddValidator(_) => "add_validator",
        Change::RemoveValidator(_) => "remove_validator",
        Change::SetQuota { .. } => "set_quota",
        Change::Upgrade { .. } => "upgrade",
        Change::Recover { .. } => "recover",
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
mod tests;
