//! Terms in plain language.
//!
//! The sentences are made from the terms that the chain evaluates, so they say what is signed and nothing else.

mod changes;
mod clauses;

pub use changes::{changes, changes_text, Change};

use super::{notation::Span, texts::Texts};
use crate::printable::PrintableLine;
use streembit_clock::{self as clock, PeriodEnd};
use streembit_primitives::{
    contract::{AcceptedSigners, ClauseNumber, ContractRole, Document, OnChange, Terms, Verdict},
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
    let names = Names { terms, with_ids: false };
    let clauses = terms.clauses.iter().map(|numbered| {
        let text = clauses::sentence(&numbered.clause, &names, texts);
        paragraph(&format!("clause {}", numbered.number), text)
    });
    let [parties, devices, term, rest @ ..] = frame(terms);
    [parties, devices, term].into_iter().chain(clauses).chain(rest).collect()
}

/// Returns a clause in plain language, with the ids of the parties. Returns `None` if there is no such clause.
pub fn clause(terms: &Terms, number: ClauseNumber, texts: &Texts) -> Option<String> {
    let names = Names { terms, with_ids: true };
    terms.clause(number).map(|clause| clauses::sentence(clause, &names, texts))
}

/// Returns the terms around the clauses, in plain language.
fn frame(terms: &Terms) -> [Paragraph; 9] {
    let list = |items: Vec<String>| items.join(", ");
    [
        paragraph("parties", parties(terms)),
        paragraph("devices", list(terms.devices.iter().map(ToString::to_string).collect())),
        paragraph("term", term(terms)),
        paragraph("proofs", signers(terms.signers).into()),
        paragraph("contesting", contesting(terms)),
        paragraph("disputes", disputes(terms)),
        paragraph("sale", on_change("a device gets an owner that is not a party", terms.on_sale)),
        paragraph("leaving", on_change("a party leaves the consortium", terms.on_leave)),
        paragraph("documents", list(terms.documents.iter().map(ToString::to_string).collect())),
    ]
}

/// Returns the roles of a party in a contract, such as `the lessee`, for the party that signs it.
pub fn roles_of(terms: &Terms, party: &PartyId) -> String {
    let roles =
        terms.parties.iter().filter(|holder| holder.party == *party).map(|holder| holder.role.to_string());
    let arbiter = (terms.arbiter == Some(*party)).then(|| "arbiter".to_owned());
    let roles: Vec<_> = roles.chain(arbiter).map(|role| format!("the {role}")).collect();
    match roles.is_empty() {
        true => "not a party".into(),
        false => roles.join(" and "),
    }
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
    /// True if each party is named with its whole id.
    with_ids: bool,
}

impl Names<'_> {
    /// Returns `the owner`, or `the owner 0x12345678…` if several parties have the role.
    fn party(&self, party: &PartyId) -> String {
        let Some(holder) = self.terms.parties.iter().find(|holder| holder.party == *party) else {
            return format!("party {party}");
        };
        if self.with_ids {
            return format!("the {} {party}", holder.role);
        }
        let same = self.terms.parties.iter().filter(|other| other.role == holder.role).count();
        match same {
            1 => format!("the {}", holder.role),
            _ => format!("the {} {}", holder.role, short(party)),
        }
    }

    /// Returns `every insurer`.
    fn role(&self, role: ContractRole) -> String {
        if !self.with_ids {
            return format!("every {role}");
        }
        let holders = self.terms.parties.iter().filter(|holder| holder.role == role);
        let ids: Vec<_> = holders.map(|holder| holder.party.to_string()).collect();
        format!("every {role} ({})", ids.join(", "))
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
    use crate::contracts::testing::service_book;

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
    fn the_role_of_the_signer_is_told() {
        let book = service_book();
        for (id, role) in [(1, "the owner"), (2, "the workshop"), (9, "the arbiter"), (7, "not a party")] {
            assert_eq!(roles_of(book.terms(), &PartyId([id; 32])), role);
        }
    }
}
