//! What changes between two versions of a contract.
//!
//! The clauses are compared as the values that the chain evaluates, and shown with the ids of the parties. If an amendment
//! swaps the roles of two parties, each clause reads the same but obliges somebody else.

use super::{clause, frame, text_of, Paragraph};
use crate::contracts::texts::Texts;
use std::collections::BTreeSet;
use streembit_primitives::contract::Terms;

/// A difference between two versions of a contract.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// The name of the paragraph, or `document` for the text that people read.
    pub name: String,
    /// The text before, if the paragraph was there.
    pub before: Option<String>,
    /// The text after, if the paragraph is still there.
    pub after: Option<String>,
}

/// Returns what changed between two versions. `texts` should have the texts of both.
pub fn changes(before: &Terms, after: &Terms, texts: &Texts) -> Vec<Change> {
    let mut all = documents(before, after, texts);
    all.extend(clauses_of_both(before, after, texts));
    all.extend(frames(before, after));
    all
}

/// Returns what changed in the texts that people read.
fn documents(before: &Terms, after: &Terms, texts: &Texts) -> Vec<Change> {
    let count = before.documents.len().max(after.documents.len());
    let changed = (0..count).filter_map(|at| {
        let (old, new) = (before.documents.get(at), after.documents.get(at));
        if old == new {
            return None;
        }
        let name = match at {
            0 => "document".to_owned(),
            at => format!("document {}", at.saturating_add(1)),
        };
        let (old, new) = (old.map(|hash| text_of(hash, texts)), new.map(|hash| text_of(hash, texts)));
        Some(match (old, new) {
            (Some(old), Some(new)) if old != new => {
                let (old, new) = different_lines(&old, &new);
                Change { name, before: Some(old), after: Some(new) }
            }
            (before, after) => Change { name, before, after },
        })
    });
    changed.collect()
}

/// Returns the lines of two texts that are left without the lines that both start and end with.
fn different_lines(old: &str, new: &str) -> (String, String) {
    let (old, new): (Vec<_>, Vec<_>) = (old.lines().collect(), new.lines().collect());
    let start = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let shorter = old.len().min(new.len()).saturating_sub(start);
    let end =
        old.iter().rev().zip(new.iter().rev()).take(shorter).take_while(|(old, new)| old == new).count();
    let middle = |lines: &[&str]| {
        let count = lines.len().saturating_sub(start).saturating_sub(end);
        lines.iter().skip(start).take(count).copied().collect::<Vec<_>>().join("\n")
    };
    (middle(&old), middle(&new))
}

fn clauses_of_both(before: &Terms, after: &Terms, texts: &Texts) -> Vec<Change> {
    let numbers: BTreeSet<_> =
        before.clauses.iter().chain(&after.clauses).map(|numbered| numbered.number).collect();
    let changed = numbers.into_iter().filter_map(|number| {
        let (old, new) = (clause(before, number, texts), clause(after, number, texts));
        let is_same = before.clause(number) == after.clause(number) && old == new;
        (!is_same).then(|| Change { name: format!("clause {number}"), before: old, after: new })
    });
    changed.collect()
}

/// Returns what changed in the terms around the clauses.
fn frames(before: &Terms, after: &Terms) -> Vec<Change> {
    let (old, new) = (frame(before), frame(after));
    let changed = old.into_iter().zip(new).filter(|(old, new)| old != new);
    changed
        .map(|(Paragraph { name, text: before }, Paragraph { text: after, .. })| Change {
            name,
            before: Some(before),
            after: Some(after),
        })
        .collect()
}

/// Formats changes for people.
pub fn changes_text(changes: &[Change]) -> String {
    if changes.is_empty() {
        return "Nothing has changed, neither in the texts nor in what the chain evaluates.".into();
    }
    changes.iter().map(change_text).collect::<Vec<_>>().join("\n\n")
}

/// Formats one change. Further lines of a text are indented, so they cannot be taken for another change.
fn change_text(change: &Change) -> String {
    let indented = |text: &str| match text {
        "" => "(nothing)".to_owned(),
        text => text.replace('\n', "\n        "),
    };
    let name = &change.name;
    match (&change.before, &change.after) {
        (Some(before), Some(after)) if before == after => {
            format!("{name} reads the same, but one of its texts has another salt\n  {}", indented(after))
        }
        (Some(before), Some(after)) => {
            format!("{name} is changed\n  from: {}\n  to:   {}", indented(before), indented(after))
        }
        (None, Some(after)) => format!("{name} is new\n  {}", indented(after)),
        (Some(before), None) => format!("{name} is removed\n  {}", indented(before)),
        (None, None) => name.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contracts::{
        testing::{amended, service_book, service_book_with, DRAFT},
        ContractFile,
    };

    fn between(before: &ContractFile, after: &ContractFile) -> Vec<Change> {
        let mut texts = before.texts().clone();
        texts.extend(after.texts());
        changes(before.terms(), after.terms(), &texts)
    }

    #[test]
    fn a_change_shows_before_and_after() {
        let (book, other) = (service_book(), service_book_with("every = 15000", "every = 10000"));
        let found = between(&book, &other);
        let clause = found.iter().find(|change| change.name == "clause 1").unwrap();
        assert!(clause.before.as_ref().unwrap().contains("15,000 km"));
        assert!(clause.after.as_ref().unwrap().contains("10,000 km"));
        let text = changes_text(&found);
        assert!(text.contains("clause 1 is changed"), "{text}");
        // The document is the same with a new salt.
        assert!(text.contains("document reads the same, but one of its texts has another salt"), "{text}");
        assert!(between(&book, &book).is_empty());
    }

    #[test]
    fn removed_and_new_clauses_are_named() {
        let (book, other) = (service_book(), service_book_with("number = 2", "number = 3"));
        let found = changes_text(&between(&book, &other));
        assert!(found.contains("clause 3 is new") && found.contains("clause 2 is removed"), "{found}");
    }

    #[test]
    fn changed_lines_of_the_document_are_shown() {
        let book = service_book();
        let other = amended(&book, &DRAFT.replacen("agree on the service", "agree on nothing", 1));
        let found = between(&book, &other);
        let document = found.iter().find(|change| change.name == "document").unwrap();
        let (old, new) = (document.before.as_deref().unwrap(), document.after.as_deref().unwrap());
        assert!(old.contains("the service") && new.contains("nothing") && !new.contains("Service book"));
        assert_eq!(different_lines("a\nb\nc\nd", "a\nx\nc\nd"), ("b".into(), "x".into()));
        assert_eq!(different_lines("a\na", "a\na\na"), (String::new(), "a".into()));
        let forged =
            Change { name: "document".into(), before: None, after: Some("x\nclause 1 is new".into()) };
        assert!(!changes_text(&[forged]).contains("\nclause 1"));
    }

    #[test]
    fn swapped_roles_are_shown_in_every_clause() {
        let book = service_book();
        let swapped = DRAFT
            .replacen("role = \"owner\"", "role = \"-\"", 1)
            .replacen("role = \"workshop\"", "role = \"owner\"", 1)
            .replacen("role = \"-\"", "role = \"workshop\"", 1);
        let found = between(&book, &amended(&book, &swapped));
        let (one, two) = ("01".repeat(32), "02".repeat(32));
        for name in ["clause 1", "clause 2"] {
            let change = found.iter().find(|change| change.name == name).unwrap();
            let (old, new) = (change.before.as_ref().unwrap(), change.after.as_ref().unwrap());
            assert!(old.contains(&format!("orkshop 0x{two}")) && new.contains(&format!("orkshop 0x{one}")));
        }
    }

    #[test]
    fn another_audience_is_shown_although_the_clause_is_the_same() {
        let draft = DRAFT.replacen("grantee = \"workshop\"", "grantee = \"every workshop\"", 1);
        let book = amended(&service_book(), &draft);
        let third =
            format!("[[party]]\nrole = \"workshop\"\nparty = \"0x{}\"\n\n[deadlines]", "04".repeat(32));
        let more = draft.replacen("[deadlines]", &third, 1).replacen(
            "provider = \"workshop\"",
            &format!("provider = \"0x{}\"", "02".repeat(32)),
            1,
        );
        let after = amended(&book, &more);
        assert_eq!(after.terms().clause(2), book.terms().clause(2));
        let found = between(&book, &after);
        let access = found.iter().find(|change| change.name == "clause 2").unwrap();
        assert!(access.after.as_ref().unwrap().contains(&"04".repeat(32)), "{access:?}");
    }
}
