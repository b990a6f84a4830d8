//! Terms in plain language.
//!
//! The sentences are made from the terms that the chain evaluates, so they say what is signed and nothing else.

mod clauses;

use super::{notation::Span, texts::Texts};
use crate::printable::PrintableLine;
use streembit_clock::{self as clock, PeriodEnd};
use streembit_primitives::{
    contract::{AcceptedSigners, ContractRole, Document, OnChange, Terms, Verdict},
    PartyId,
};

/// A part of the terms in plain language.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Paragraph {
    /// A name that stays the same in other versions of the contract, such as `clause 2`.
    pub name: String,
    /// The sentences.
    pub text: String,
}

/// A difference between two versions of a contract.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// The name of the paragraph.
    pub name: String,
    /// The text before, if the paragraph was there.
    pub before: Option<String>,
    /// The text after, if the paragraph is still there.
    pub after: Option<String>,
}

/// Returns the document that people read, followed by the terms in plain language.
pub fn document(terms: &Terms, texts: &Texts) -> String {
    let mut lines = Vec::new();
    for (at, hash) in terms.documents.iter().enumerate() {
        let text = text_of(hash, texts);
        match text.trim_end().split_once('\n') {
            Some((title, rest)) if at == 0 => {
                lines.push(format!("{title}\n{}", "=".repeat(title.chars().count())));
                lines.push(rest.trim().to_owned());
            }
            _ => lines.push(text),
        }
    }
    lines.push("What the chain evaluates\n------------------------".into());
    let sentences = paragraphs(terms, texts);
    lines.extend(sentences.into_iter().map(|paragraph| format!("{}: {}", paragraph.name, paragraph.text)));
    lines.join("\n\n")
}

/// Returns the terms in plain language.
pub fn paragraphs(terms: &Terms, texts: &Texts) -> Vec<Paragraph> {
    let names = Names { terms };
    let mut all = vec![
        paragraph("parties", parties(terms)),
        paragraph("devices", terms.devices.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
        paragraph("term", term(terms)),
    ];
    all.extend(terms.clauses.iter().map(|numbered| {
        let text = clauses::sentence(&numbered.clause, &names, texts);
        paragraph(&format!("clause {}", numbered.number), text)
    }));
    all.push(paragraph("proofs", signers(terms.signers).into()));
    all.push(paragraph("contesting", contesting(terms)));
    all.push(paragraph("disputes", disputes(terms)));
    all.push(paragraph("sale", on_change("a device gets an owner that is not a party", terms.on_sale)));
    all.push(paragraph("leaving", on_change("a party leaves the consortium", terms.on_leave)));
    let documents: Vec<_> = terms.documents.iter().map(ToString::to_string).collect();
    all.push(paragraph("documents", documents.join(", ")));
    all
}

/// Returns what changed between two versions. `texts` should have the texts of both.
pub fn changes(before: &Terms, after: &Terms, texts: &Texts) -> Vec<Change> {
    let (old, new) = (paragraphs(before, texts), paragraphs(after, texts));
    let find = |all: &[Paragraph], name: &str| {
        all.iter().find(|paragraph| paragraph.name == name).map(|paragraph| paragraph.text.clone())
    };
    let removed = old.iter().filter(|paragraph| find(&new, &paragraph.name).is_none());
    let names = new.iter().chain(removed).map(|paragraph| paragraph.name.clone());
    names
        .map(|name| Change { before: find(&old, &name), after: find(&new, &name), name })
        .filter(|change| change.before != change.after)
        .collect()
}

/// Formats changes for people.
pub fn changes_text(changes: &[Change]) -> String {
    if changes.is_empty() {
        return "Nothing that the chain evaluates has changed.".into();
    }
    let line = |change: &Change| match (&change.before, &change.after) {
        (Some(before), Some(after)) => {
            format!("{} is changed\n  from: {before}\n  to:   {after}", change.name)
        }
        (None, Some(after)) => format!("{} is new\n  {after}", change.name),
        (Some(before), None) => format!("{} is removed\n  {before}", change.name),
        (None, None) => change.name.clone(),
    };
    changes.iter().map(line).collect::<Vec<_>>().join("\n\n")
}

fn paragraph(name: &str, text: String) -> Paragraph {
    Paragraph { name: name.to_owned(), text }
}

fn parties(terms: &Terms) -> String {
    let mut parties: Vec<_> =
        terms.parties.iter().map(|holder| format!("{} {}", holder.role, holder.party)).collect();
    parties.extend(terms.arbiter.map(|arbiter| format!("arbiter {arbiter}")));
    parties.join(", ")
}

fn term(terms: &Terms) -> String {
    let end = match terms.ends {
        Some(end) => format!("It ends on {}.", PeriodEnd(end)),
        None => "It has no fixed end.".into(),
    };
    let notice = match terms.deadlines.notice {
        Some(notice) => format!("Each party can terminate it with {} notice.", Span(notice)),
        None => "It ends early only if all parties agree.".into(),
    };
    format!(
        "The contract counts from {}. {end} {notice} A proposal lapses if it is not accepted within {}.",
        clock::show(terms.starts),
        Span(terms.deadlines.accept)
    )
}

fn signers(signers: AcceptedSigners) -> &'static str {
    match signers {
        AcceptedSigners::DeviceOnly => "Only readings that the device itself signed count.",
        AcceptedSigners::GatewayToo => {
            "Readings count that the device signed, or that its gateway signed for it."
        }
    }
}

fn contesting(terms: &Terms) -> String {
    format!(
        "A claim stands if the other side does not contest or refute it within {}.",
        Span(terms.deadlines.contest)
    )
}

fn disputes(terms: &Terms) -> String {
    let within = Span(terms.deadlines.rule);
    let who = match terms.arbiter {
        Some(arbiter) => format!("the arbiter {arbiter} rules, or the two sides settle, within {within}"),
        None => format!("the two sides settle within {within}; there is no arbiter"),
    };
    let otherwise = match terms.unruled {
        Verdict::Stands => "stands",
        Verdict::Void => "is void",
    };
    format!("If a claim is contested, {who}. Otherwise the claim {otherwise}.")
}

fn on_change(event: &str, change: OnChange) -> String {
    match change {
        OnChange::Ends => format!("If {event}, the contract ends."),
        OnChange::AwaitsSuccessor { within } => format!(
            "If {event}, the contract waits {} for a successor that accepts it, and ends if there is none. Rights to read, \
             to command and to keep logs end at once.",
            Span(within)
        ),
    }
}

/// Returns a text, or what to call it if the file does not have it.
fn text_of(hash: &Document, texts: &Texts) -> String {
    texts.get(hash).map_or_else(|| format!("(a text with the hash {hash})"), |text| text.text.to_string())
}

/// Returns a text in quotes, for a sentence about a clause. The text cannot be taken for a part of the sentence.
fn quoted(hash: &Document, texts: &Texts) -> String {
    match texts.get(hash) {
        Some(text) => PrintableLine::quoted(text.text.as_str()).to_string(),
        None => text_of(hash, texts),
    }
}

/// The names of the parties in sentences.
struct Names<'a> {
    terms: &'a Terms,
}

impl Names<'_> {
    /// Returns `the owner`, or `the owner 0x12345678…` if several parties have the role.
    fn party(&self, party: &PartyId) -> String {
        let Some(holder) = self.terms.parties.iter().find(|holder| holder.party == *party) else {
            return format!("party {party}");
        };
        let same = self.terms.parties.iter().filter(|other| other.role == holder.role).count();
        match same {
            1 => format!("the {}", holder.role),
            _ => format!("the {} {}", holder.role, short(party)),
        }
    }

    fn role(&self, role: ContractRole) -> String {
        format!("every {role}")
    }
}

/// Returns the first digits of an id.
pub fn short(id: &impl ToString) -> String {
    let text = id.to_string();
    format!("{}…", text.chars().take(10).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contracts::testing::{service_book, service_book_with};

    #[test]
    fn a_document_says_what_is_signed() {
        let text = service_book().text();
        for words in [
            "Service book\n============",
            "every 15,000 km of Vehicle.TraveledDistance",
            "or every 365 d, whichever comes first",
            "“oil, filters, brakes”",
            "The workshop",
            "terminate it with 30 d notice",
            "does not contest or refute it within 14 d",
        ] {
            assert!(text.contains(words), "{words:?} is not in\n{text}");
        }
    }

    #[test]
    fn a_change_shows_before_and_after() {
        let (book, other) = (service_book(), service_book_with("every = 15000", "every = 10000"));
        let mut texts = book.texts().clone();
        texts.extend(other.texts());
        // The texts have new salts, so the clause and the documents differ in any case.
        let found = changes(book.terms(), other.terms(), &texts);
        let clause = found.iter().find(|change| change.name == "clause 1").unwrap();
        assert!(clause.before.as_ref().unwrap().contains("15,000 km"));
        assert!(clause.after.as_ref().unwrap().contains("10,000 km"));
        assert!(changes_text(&found).contains("clause 1 is changed"));
        assert!(changes(book.terms(), book.terms(), &texts).is_empty());
    }

    #[test]
    fn removed_and_new_clauses_are_named() {
        let (book, other) = (service_book(), service_book_with("number = 2", "number = 3"));
        let mut texts = book.texts().clone();
        texts.extend(other.texts());
        let found = changes_text(&changes(book.terms(), other.terms(), &texts));
        assert!(found.contains("clause 3 is new") && found.contains("clause 2 is removed"), "{found}");
    }
}
