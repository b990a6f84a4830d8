use super::*;
use crate::contracts::testing::{service_book, DRAFT, NOW};
use streembit_primitives::contract::{Clause, ReadingSelection};

fn finish(text: &str) -> Result<ContractFile, DraftError> {
    let draft = Draft::parse(text, Path::new("draft.toml"))?;
    draft.finish(&draft.likely_parties()?, NOW, None)
}

#[test]
fn a_draft_becomes_a_contract() {
    let book = service_book();
    let terms = book.terms();
    let Some(Clause::Service(service)) = terms.clause(1) else { panic!() };
    assert_eq!((service.provider, service.customer), (PartyId([2; 32]), PartyId([1; 32])));
    let by_meter = service.by_meter.as_ref().unwrap();
    assert_eq!((by_meter.from.to_string(), by_meter.every.to_string()), ("1200.5".into(), "15000".into()));
    assert_eq!(service.by_time.as_ref().unwrap().from, NOW);
    let Some(Clause::Access(access)) = terms.clause(2) else { panic!() };
    assert!(matches!(&access.readings, ReadingSelection::Names(names) if names.len() == 2));
    assert_eq!(terms.arbiter, Some(PartyId([9; 32])));
    assert_eq!(terms.on_leave, OnChange::AwaitsSuccessor { within: 30 * 86_400_000 });
    assert_eq!(book.texts().len(), 2, "the document and the subject of the service");
}

#[test]
fn two_contracts_of_one_draft_differ() {
    assert_ne!(service_book().hash(), service_book().hash());
}

#[test]
fn errors_name_the_line_and_the_remedy() {
    for (from, to, words) in [
        ("every = 15000", "every = 15000.5", ":25: every: a number with a fraction must be in quotes"),
        ("every = 15000", "every = \"much\"", "every"),
        ("until = \"2030-12-31\"", "until = \"2020-12-31\"", "until: 2021-01-01T00:00:00Z is over"),
        ("until = \"2030-12-31\"", "until = \"soon\"", "2027-06-30"),
        ("provider = \"workshop\"", "provider = \"insurer\"", "no party has the role insurer"),
        ("provider = \"workshop\"", "provider = \"garage\"", "neither a role nor the id"),
        ("kind = \"service\"", "kind = \"servise\"", "servise"),
        ("meter = \"Vehicle.TraveledDistance\"\n", "", "has no max_per_day"),
        ("unit = \"km\"\n", "", "needs unit"),
        ("unit = \"km\"", "unit = \"parsec\"", "units"),
        ("grantee = \"workshop\"", "grantee = \"workshop\"\nnames_of = []", "has no names_of"),
        ("contest = \"14 d\"", "contest = \"14 days\"", "\"30 d\""),
        ("contest = \"14 d\"", "contest = \"0 s\"", "400 days"),
        ("on_sale = \"ends\"", "on_sale = \"stays\"", "successor within"),
        ("number = 2", "number = 1", "numbers"),
        ("unruled = \"void\"", "unruled = \"maybe\"", "void"),
        ("every = 15000\n", "every = 0\n", "above zero"),
        ("[deadlines]", "[deadline]", "deadline"),
    ] {
        assert!(DRAFT.contains(from), "{from}");
        let error = finish(&DRAFT.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(words) && error.contains("draft.toml"), "{to}: {error}");
    }
}

#[test]
fn an_unknown_party_is_named() {
    let draft = Draft::parse(DRAFT, Path::new("draft.toml")).unwrap();
    let mut parties = draft.likely_parties().unwrap();
    parties.pop_first();
    assert!(matches!(draft.finish(&parties, NOW, None), Err(DraftError::UnknownParty { .. })));
}

#[test]
fn an_audience_is_every_party_with_a_role() {
    let text = DRAFT.replacen("grantee = \"workshop\"", "grantee = \"every workshop\"", 1);
    let book = finish(&text).unwrap();
    assert!(book.text().contains("lets every workshop read"), "{}", book.text());
}

#[test]
fn an_amendment_keeps_the_clauses_that_it_does_not_change() {
    let before = service_book();
    let text = DRAFT.replacen("number = 2", "number = 3", 1);
    let draft = Draft::parse(&text, Path::new("draft.toml")).unwrap();
    let after = draft.finish(&draft.likely_parties().unwrap(), NOW + 5, Some(&before)).unwrap();
    assert_eq!(after.terms().clause(1), before.terms().clause(1));
    assert_eq!(after.terms().documents, before.terms().documents);
    assert_eq!(after.terms().starts, NOW);
    assert_ne!(after.hash(), before.hash());
}
