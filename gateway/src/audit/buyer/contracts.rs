//! The records of contracts, as `streembit contract show --json` writes them. They are not part of an evidence file, so a
//! report shows them as said and not as proven. The evidence can confirm the readings in them.

use super::history::VerifiedHistory;
use serde::Deserialize;
use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};
use streembit_primitives::{
    contract::{
        state::{ChargedRange, Claim, ClaimSubject, ProvenPoint},
        Clause, ClauseNumber, ContractId,
    },
    reading::{Name, Unit},
    units, DeviceId, Value,
};

/// The maximum size of a file, in bytes.
const MAX_BYTES: u64 = 16 << 20;

/// The records of a contract cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ContractRecordsError {
    /// The file cannot be read.
    #[error("reading the records of a contract from {}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file has another content.
    #[error("{} does not have the records of a contract: {source}; write it with `streembit contract show CONTRACT --json`", .path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The error of the JSON parser.
        source: serde_json::Error,
    },
    /// The contract is about other devices.
    #[error("{} has the records of contract {contract}, which is not about device {device}: leave it out", .path.display())]
    OtherDevice {
        /// The file.
        path: PathBuf,
        /// The contract.
        contract: ContractId,
        /// The device of the evidence.
        device: DeviceId,
    },
}

/// The records of a contract. Nobody has verified them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ContractRecords {
    path: PathBuf,
    id: ContractId,
    title: Option<String>,
    devices: Vec<DeviceId>,
    records: Vec<ContractRecord>,
}

/// A record of a contract, with its clause if the contract still has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ContractRecord {
    /// What is recorded.
    pub claim: Claim,
    /// The clause under which it is recorded.
    pub clause: Option<Clause>,
}

/// The JSON of a contract. Fields that a report does not need are ignored.
#[derive(Deserialize)]
struct RawRecords {
    id: ContractId,
    title: Option<String>,
    contract: RawContract,
    claims: Vec<RawClaim>,
}

#[derive(Deserialize)]
struct RawContract {
    content: RawContent,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawContent {
    V1(RawTerms),
}

#[derive(Deserialize)]
struct RawTerms {
    devices: Vec<DeviceId>,
    clauses: Vec<RawClause>,
}

#[derive(Deserialize)]
struct RawClause {
    number: ClauseNumber,
    /// Parsed only if a record needs it: the names of an address book beside the ids make other clauses unreadable.
    clause: serde_json::Value,
}

#[derive(Deserialize)]
struct RawClaim {
    claim: Claim,
}

impl ContractRecords {
    /// Reads the records in a file.
    pub fn read(path: &Path) -> Result<Self, ContractRecordsError> {
        let failed = |source| ContractRecordsError::Read { path: path.to_owned(), source };
        let mut text = String::new();
        let file = File::open(path).map_err(failed)?;
        file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
        if text.len() as u64 > MAX_BYTES {
            let problem = format!("it has more than {MAX_BYTES} bytes");
            return Err(failed(io::Error::new(io::ErrorKind::FileTooLarge, problem)));
        }
        Self::parse(path, &text)
            .map_err(|source| ContractRecordsError::Content { path: path.to_owned(), source })
    }

    /// Parses the records in the text of a file.
    pub(super) fn parse(path: &Path, text: &str) -> Result<Self, serde_json::Error> {
        let RawRecords { id, title, contract: RawContract { content: RawContent::V1(terms) }, claims } =
            serde_json::from_str(text)?;
        let clause_of = |number: ClauseNumber| {
            let found = terms.clauses.iter().find(|clause| clause.number == number);
            found.map(|found| serde_json::from_value(found.clause.clone())).transpose()
        };
        let records = claims.into_iter().map(|RawClaim { claim }| {
            let clause = clause_of(claim.clause)?;
            Ok(ContractRecord { claim, clause })
        });
        let records = records.collect::<Result<_, serde_json::Error>>()?;
        Ok(Self { path: path.to_owned(), id, title, devices: terms.devices, records })
    }

    /// Returns the id of the contract.
    pub fn id(&self) -> ContractId {
        self.id
    }

    /// Returns the title of the contract, which somebody else wrote.
    pub fn title(&self) -> Option<&str> {
        self.title.as_deref()
    }

    /// Ensures that the contract is about a device.
    pub fn ensure_about(&self, device: DeviceId) -> Result<(), ContractRecordsError> {
        if self.devices.contains(&device) {
            return Ok(());
        }
        Err(ContractRecordsError::OtherDevice { path: self.path.clone(), contract: self.id, device })
    }

    /// Returns the records about a device. A record whose clause is not in the contract any more is among them.
    pub fn about(&self, device: DeviceId) -> impl Iterator<Item = &ContractRecord> {
        let is_about = move |clause: &Clause| clause.device() == Some(device);
        self.records.iter().filter(move |record| record.clause.as_ref().is_none_or(is_about))
    }

    /// Returns the sequences of the events whose readings are in the records.
    pub fn sequences(&self) -> BTreeSet<u64> {
        let points = self.records.iter().flat_map(|record| points(&record.claim.subject));
        points.map(|point| point.sequence).collect()
    }
}

impl ContractRecord {
    /// Returns the reading at which something happened: the last one of the record.
    pub fn reading(&self) -> Option<ProvenPoint> {
        points(&self.claim.subject).last().copied()
    }

    /// Returns true if the evidence proves each reading in the record. False if it has none.
    pub fn is_proven_by(&self, history: &VerifiedHistory) -> bool {
        let points = points(&self.claim.subject);
        let measured = self.clause.as_ref().and_then(measured_by);
        !points.is_empty()
            && measured.is_some_and(|measured| points.iter().all(|point| proves(history, point, measured)))
    }
}

/// Returns the name of the reading that a clause is about, and the unit of its values.
pub(super) fn measured_by(clause: &Clause) -> Option<(&Name, &Unit)> {
    match clause {
        Clause::Bound(bound) => Some((&bound.reading, &bound.unit)),
        other => other.meter().map(|meter| (&meter.name, &meter.unit)),
    }
}

/// Returns true if an event of the evidence has this reading.
fn proves(history: &VerifiedHistory, point: &ProvenPoint, (name, unit): (&Name, &Unit)) -> bool {
    let Some(event) = history.shown.get(&point.sequence).filter(|event| event.time == point.time) else {
        return false;
    };
    event.readings.iter().any(|reading| match reading.value {
        Value::Decimal(value) => {
            reading.name == *name && units::convert(value, &reading.unit, unit) == Ok(point.value)
        }
        Value::Boolean(_) | Value::Text(_) => false,
    })
}

fn points(subject: &ClaimSubject) -> Vec<ProvenPoint> {
    match subject {
        ClaimSubject::Service { at, .. } => at.iter().copied().collect(),
        ClaimSubject::Breach { first, last } => [Some(*first), *last].into_iter().flatten().collect(),
        ClaimSubject::Usage { first, last, .. } => vec![*first, *last],
        ClaimSubject::Gap { before, after } => vec![*before, *after],
        ClaimSubject::Charge { range: ChargedRange::Meter(first, last), .. } => vec![*first, *last],
        ClaimSubject::Charge { .. } => Vec::new(),
        ClaimSubject::Irregularity { last, found, .. } => vec![*last, *found],
    }
}
