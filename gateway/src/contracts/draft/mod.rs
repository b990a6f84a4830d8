//! Drafts: the TOML in which a contract is written before it becomes a `.contract` file.
//!
//! A draft names parties by their ids or accounts and, in its clauses, by their roles. Only the chain knows the party of
//! an account, so [`Draft::finish`] needs to be told. A draft holds no salts: finishing it twice gives two contracts.

mod clauses;
mod fields;

use super::{
    file::ContractFile,
    notation::Span,
    texts::{random_salt, Texts},
};
use fields::{from_name, Parties};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};
use streembit_clock::{PeriodEnd, PeriodStart};
use streembit_keystore::party::PartyName;
use streembit_primitives::{
    contract::{
        AcceptedSigners, ContractContent, ContractError, ContractRole, Deadlines, NumberedClause, OnChange,
        RoleHolder, Terms, Verdict,
    },
    BoundedVec, ConstU32, DeviceId, PartyId,
};

/// The parties that the names in a draft stand for.
pub type PartiesByName = BTreeMap<PartyName, PartyId>;

/// An error in a draft.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    /// A line is invalid.
    #[error("{}:{line}: {problem}", .path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The problem, and how to solve it.
        problem: String,
    },
    /// The draft as a whole is invalid.
    #[error("{}: {problem}", .path.display())]
    Draft {
        /// The file.
        path: PathBuf,
        /// The problem, and how to solve it.
        problem: String,
    },
    /// The terms are invalid.
    #[error("{}: {error}", .path.display())]
    Terms {
        /// The file.
        path: PathBuf,
        /// The problem.
        error: ContractError,
    },
    /// A name stands for no party.
    #[error("{}: {name} belongs to no party of the chain; name a party by its id or by one of its accounts", .path.display())]
    UnknownParty {
        /// The file.
        path: PathBuf,
        /// The name.
        name: PartyName,
    },
}

/// A draft whose parties are still named as in the file.
#[derive(Debug)]
pub struct Draft {
    path: PathBuf,
    raw: RawDraft,
    /// The number of the line that each clause starts at.
    lines: Vec<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDraft {
    /// The questions of a template. They mean nothing in a draft.
    #[serde(default, rename = "ask")]
    _ask: Vec<toml::Table>,
    title: String,
    text: String,
    starts: Option<String>,
    ends: Option<String>,
    arbiter: Option<String>,
    devices: Vec<String>,
    signers: String,
    unruled: String,
    on_sale: String,
    on_leave: String,
    party: Vec<RawParty>,
    deadlines: RawDeadlines,
    clause: Vec<toml::Spanned<toml::Table>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawParty {
    role: String,
    party: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDeadlines {
    accept: String,
    notice: Option<String>,
    contest: String,
    rule: String,
}

impl Draft {
    /// Parses `text` as the content of the file at `path`.
    pub fn parse(text: &str, path: &Path) -> Result<Self, DraftError> {
        let raw: RawDraft = toml::from_str(text).map_err(|error| DraftError::Line {
            path: path.to_owned(),
            line: line_of(text, error.span().map_or(0, |span| span.start)),
            problem: error.message().to_owned(),
        })?;
        let lines = raw.clause.iter().map(|clause| line_of(text, clause.span().start)).collect();
        Ok(Self { path: path.to_owned(), raw, lines })
    }

    /// Returns the names of parties that appear in the draft.
    pub fn names(&self) -> Result<BTreeSet<PartyName>, DraftError> {
        let listed = self.raw.party.iter().map(|party| &party.party).chain(&self.raw.arbiter);
        listed.map(|name| self.party_name(name)).collect()
    }

    /// Returns the parties that the names most likely stand for, without asking the chain.
    pub fn likely_parties(&self) -> Result<PartiesByName, DraftError> {
        Ok(self.names()?.into_iter().map(|name| (name, name.likely_id())).collect())
    }

    /// Returns the contract with the parties that the names stand for. `now` is the time at which it starts unless the draft
    /// says otherwise, in milliseconds since 1970-01-01 UTC.
    ///
    /// A contract that amends `before` starts when that one does, and the same texts keep their salts. So a clause that the
    /// draft does not change stays the same clause.
    pub fn finish(
        &self,
        parties: &PartiesByName,
        now: u64,
        before: Option<&ContractFile>,
    ) -> Result<ContractFile, DraftError> {
        let mut texts = before.map(|before| Texts::with_salts_of(before.texts())).unwrap_or_default();
        let document = texts.add(format!("{}\n\n{}\n", self.raw.title.trim(), self.raw.text.trim()));
        let holders = self.holders(parties)?;
        let arbiter = self.raw.arbiter.as_deref().map(|name| self.resolve(name, parties)).transpose()?;
        let devices = self.devices()?;
        let starts = self.starts(before.map_or(now, |before| before.terms().starts))?;
        let mut clauses: Vec<NumberedClause> = Vec::new();
        let by_role = Parties { holders: &holders };
        for (clause, line) in self.raw.clause.iter().zip(&self.lines) {
            let context = clauses::Setting { parties: &by_role, devices: &devices, starts, now };
            let numbered = clauses::parse(clause.get_ref().clone(), &context, &mut texts)
                .map_err(|problem| DraftError::Line { path: self.path.clone(), line: *line, problem })?;
            clauses.push(numbered);
        }
        let terms = Terms {
            nonce: random_salt(),
            parties: self.bounded("parties", holders)?,
            arbiter,
            devices: self.bounded("devices", devices)?,
            starts,
            ends: self.ends(now)?,
            deadlines: self.deadlines()?,
            unruled: self.named::<Verdict>("unruled", &self.raw.unruled)?,
            on_sale: self.on_change("on_sale", &self.raw.on_sale)?,
            on_leave: self.on_change("on_leave", &self.raw.on_leave)?,
            signers: self.named::<AcceptedSigners>("signers", &self.raw.signers)?,
            documents: self.bounded("documents", vec![document])?,
            clauses: self.bounded("clauses", clauses)?,
        };
        let content = ContractContent::V1(terms);
        content.terms().validate().map_err(|error| DraftError::Terms { path: self.path.clone(), error })?;
        Ok(ContractFile::new(content, texts))
    }

    fn problem(&self, problem: impl ToString) -> DraftError {
        DraftError::Draft { path: self.path.clone(), problem: problem.to_string() }
    }

    fn party_name(&self, name: &str) -> Result<PartyName, DraftError> {
        name.parse::<PartyName>().map_err(|error| self.problem(format!("party: {error}")))
    }

    fn resolve(&self, name: &str, parties: &PartiesByName) -> Result<PartyId, DraftError> {
        let name = self.party_name(name)?;
        let unknown = || DraftError::UnknownParty { path: self.path.clone(), name };
        parties.get(&name).copied().ok_or_else(unknown)
    }

    fn holders(&self, parties: &PartiesByName) -> Result<Vec<RoleHolder>, DraftError> {
        let holder = |raw: &RawParty| {
            let role = self.named::<ContractRole>("role", &raw.role)?;
            Ok(RoleHolder { role, party: self.resolve(&raw.party, parties)? })
        };
        self.raw.party.iter().map(holder).collect()
    }

    fn devices(&self) -> Result<Vec<DeviceId>, DraftError> {
        let device = |text: &String| {
            text.parse::<DeviceId>().map_err(|error| self.problem(format!("devices: {text:?} is {error}")))
        };
        self.raw.devices.iter().map(device).collect()
    }

    fn starts(&self, default: u64) -> Result<u64, DraftError> {
        let parse = |text: &str| text.parse::<PeriodStart>().map_err(|error| self.problem(error));
        Ok(self.raw.starts.as_deref().map(parse).transpose()?.map_or(default, |start| start.0))
    }

    fn ends(&self, now: u64) -> Result<Option<u64>, DraftError> {
        let parse = |text: &str| text.parse::<PeriodEnd>().map_err(|error| self.problem(error));
        let end = self.raw.ends.as_deref().map(parse).transpose()?.map(|end| end.0);
        match end {
            Some(end) if end <= now => Err(self.problem("ends: this time is over; give a later one")),
            end => Ok(end),
        }
    }

    fn deadlines(&self) -> Result<Deadlines, DraftError> {
        let RawDeadlines { accept, notice, contest, rule } = &self.raw.deadlines;
        let span = |name: &str, text: &str| -> Result<u64, DraftError> {
            let span = text.parse::<Span>().map_err(|error| self.problem(format!("{name}: {error}")))?;
            Ok(span.0)
        };
        Ok(Deadlines {
            accept: span("accept", accept)?,
            notice: notice.as_deref().map(|notice| span("notice", notice)).transpose()?,
            contest: span("contest", contest)?,
            rule: span("rule", rule)?,
        })
    }

    /// Parses `ends` or `successor within 30 d`.
    fn on_change(&self, key: &str, text: &str) -> Result<OnChange, DraftError> {
        if text == "ends" {
            return Ok(OnChange::Ends);
        }
        let within = text.strip_prefix("successor within ").and_then(|span| span.parse::<Span>().ok());
        let within = within.ok_or_else(|| {
            self.problem(format!("{key}: expected \"ends\" or \"successor within 30 d\", not {text:?}"))
        })?;
        Ok(OnChange::AwaitsSuccessor { within: within.0 })
    }

    /// Parses the name of a value of an enum.
    fn named<T: serde::de::DeserializeOwned>(&self, key: &str, text: &str) -> Result<T, DraftError> {
        from_name(text).map_err(|problem| self.problem(format!("{key}: {problem}")))
    }

    fn bounded<T, const N: u32>(
        &self,
        what: &str,
        items: Vec<T>,
    ) -> Result<BoundedVec<T, ConstU32<N>>, DraftError> {
        let count = items.len();
        BoundedVec::try_from(items)
            .map_err(|_| self.problem(format!("{count} {what}, but a contract has at most {N}: split it")))
    }
}

/// Returns the number of the line with the byte at `offset`, from 1.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count().saturating_add(1)
}

#[cfg(test)]
mod tests;
