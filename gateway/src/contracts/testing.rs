//! Contracts for the tests of this module.

use super::{draft::Draft, file::ContractFile};
use std::path::Path;
use streembit_primitives::{
    contract::{
        state::{Claim, ClaimState, ClaimSubject, ClaimView, ContractState, ContractView, Moment, Payment},
        ClaimNumber, ClauseNumber, ContentHash, ContractId,
    },
    PartyId,
};

/// The time at which the tests write contracts: 2026-01-01.
pub const NOW: u64 = 1_767_225_600_000;

/// A draft with a service clause and an access clause.
pub const DRAFT: &str = r#"
title = "Service book"
text = "Owner and workshop agree on the service of the vehicle."
arbiter = "0x0909090909090909090909090909090909090909090909090909090909090909"
devices = ["0x0303030303030303030303030303030303030303030303030303030303030303"]
signers = "gateway-too"
unruled = "void"
on_sale = "ends"
on_leave = "successor within 30 d"

[[party]]
role = "owner"
party = "0x0101010101010101010101010101010101010101010101010101010101010101"

[[party]]
role = "workshop"
party = "0x0202020202020202020202020202020202020202020202020202020202020202"

[deadlines]
accept = "30 d"
notice = "30 d"
contest = "14 d"
rule = "60 d"

[[clause]]
number = 1
kind = "service"
subject = "oil, filters, brakes"
meter = "Vehicle.TraveledDistance"
unit = "km"
max_per_day = 2000
every = 15000
from = "1200.5"
every_time = "365 d"
provider = "workshop"
customer = "owner"

[[clause]]
number = 2
kind = "access"
grantor = "owner"
grantee = "workshop"
names = ["Vehicle.TraveledDistance", "Vehicle.OBD.DTCList"]
until = "2030-12-31"
"#;

/// Returns the contract of [`DRAFT`].
pub fn service_book() -> ContractFile {
    finish(DRAFT)
}

/// Returns the contract of [`DRAFT`] with one change.
pub fn service_book_with(from: &str, to: &str) -> ContractFile {
    assert!(DRAFT.contains(from), "{from}");
    finish(&DRAFT.replacen(from, to, 1))
}

/// Returns the contract of a draft that amends `before`.
pub fn amended(before: &ContractFile, text: &str) -> ContractFile {
    let draft = Draft::parse(text, Path::new("draft.toml")).unwrap();
    draft.finish(&draft.likely_parties().unwrap(), NOW, Some(before)).unwrap()
}

/// Returns a contract in force, as a node shows it.
pub fn view(file: &ContractFile) -> ContractView {
    ContractView {
        id: ContractId([8; 32]),
        first: file.hash(),
        hash: file.hash(),
        content: file.content().clone(),
        version: 0,
        state: ContractState::Active,
        proposer: PartyId([1; 32]),
        accepted: vec![PartyId([1; 32]), PartyId([2; 32])],
        lapses: None,
        activated: Some(Moment { block: 7, time: NOW }),
        notices: Vec::new(),
        amendment: None,
        waits_until: None,
        ended: None,
        prunable_from: None,
        next_claim: 0,
        live_time: 0,
    }
}

/// Returns a service that party 2 has recorded and party 1 has not confirmed yet.
pub fn claim(number: ClaimNumber, clause: ClauseNumber) -> ClaimView {
    claim_of(number, clause, ClaimSubject::Service { at: None, time: NOW })
}

/// Returns a claim of party 2 that party 1 has not confirmed yet.
pub fn claim_of(number: ClaimNumber, clause: ClauseNumber, subject: ClaimSubject) -> ClaimView {
    let claim = Claim {
        number,
        clause,
        content: ContentHash([6; 32]),
        claimant: PartyId([2; 32]),
        respondent: PartyId([1; 32]),
        subject,
        documents: Default::default(),
        made: Moment { block: 8, time: NOW },
        contest_until: 1,
        state: ClaimState::Claimed,
        payment: Payment::Open,
    };
    ClaimView { claim, dispute: None }
}

fn finish(text: &str) -> ContractFile {
    let draft = Draft::parse(text, Path::new("draft.toml")).unwrap();
    draft.finish(&draft.likely_parties().unwrap(), NOW, None).unwrap()
}
