//! A search for an id: what was found, and where.

use super::{source::NamedId, Reference};
use crate::address_book::{IdKind, KnownId};
use anyhow::{anyhow, bail};

/// The most candidates that an error lists.
const MAX_LISTED: usize = 10;

/// An id that was found.
struct Candidate {
    id: KnownId,
    name: Option<String>,
    place: String,
}

impl Candidate {
    /// Describes the candidate in one line.
    fn line(&self) -> String {
        let Self { id, name, place } = self;
        let name = name.as_ref().map_or_else(String::new, |name| format!(" ({name})"));
        format!("\n  {} {id}{name}, in {place}", id.kind)
    }
}

/// A search for an id, in one place after the other.
pub(super) struct Search {
    wanted: IdKind,
    found: Vec<Candidate>,
    /// What was found, but is of another kind than needed.
    others: Vec<Candidate>,
    places: Vec<String>,
}

impl Search {
    pub(super) fn new(wanted: IdKind) -> Self {
        Self { wanted, found: Vec::new(), others: Vec::new(), places: Vec::new() }
    }

    /// Adds what a place has. An id that several places have counts once.
    pub(super) fn look(&mut self, place: String, ids: impl IntoIterator<Item = NamedId>) {
        for (id, name) in ids {
            let candidates = match id.kind.serves_as(self.wanted) {
                true => &mut self.found,
                false => &mut self.others,
            };
            if !candidates.iter().any(|known| known.id.bytes == id.bytes) {
                candidates.push(Candidate { id, name, place: place.clone() });
            }
        }
        self.places.push(place);
    }

    /// Adds a place that could not be searched.
    pub(super) fn note(&mut self, place: String) {
        self.places.push(place);
    }

    /// Returns the only id that was found, or an error that lists the candidates or the places.
    pub(super) fn only(self, reference: &Reference) -> anyhow::Result<KnownId> {
        match self.found.as_slice() {
            [one] => Ok(one.id),
            [] => Err(self.nothing(reference)),
            several => {
                let count = several.len();
                let listed: String = several.iter().take(MAX_LISTED).map(Candidate::line).collect();
                let more = match count.saturating_sub(MAX_LISTED) {
                    0 => String::new(),
                    more => format!("\n  and {more} more"),
                };
                match reference.name() {
                    Some(name) => {
                        bail!("{name} is the name of {count} ids. Give the id instead:{listed}{more}")
                    }
                    None => bail!(
                        "{count} ids begin with {reference}. Give more digits, or a name:{listed}{more}"
                    ),
                }
            }
        }
    }

    fn nothing(&self, reference: &Reference) -> anyhow::Error {
        let (wanted, places) = (self.wanted, self.places.join(", "));
        let Some(name) = reference.name() else {
            return anyhow!(
                "no {wanted} is known whose id begins with {reference}. Give the whole id. Searched: {places}"
            );
        };
        match self.others.first() {
            Some(other) => anyhow!(
                "{name} is the name of {} in {}, but {} is needed",
                other.id.kind.with_article(),
                other.place,
                wanted.with_article()
            ),
            None => anyhow!(
                "there is no {wanted} with the name {name}: `streembit name add {wanted} {name} ID` adds one. Searched: \
                 {places}"
            ),
        }
    }
}
