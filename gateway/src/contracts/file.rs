//! The TOML file in which a contract is written.
//!
//! Parties accept the hash of the [`Contract`] that the file describes, not the file's text. White space, comments and
//! the notation of parties and numbers do not change the hash. A file may name a party by one of its accounts. Only the
//! chain knows the party of an account, so [`ContractFile::contract`] needs to be told.

use super::notation::{map, EndText, List, Number, Party};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};
use streembit_clock::PeriodEnd;
use streembit_keystore::party::PartyName;
use streembit_primitives::{
    contract::{
        AccessClause, Clause, Contract, ContractError, ServiceClause, MAX_CLAUSES, MAX_DEVICES, MAX_NAMES,
        MAX_PARTIES,
    },
    reading::Name,
    BoundedVec, ConstU32, Decimal, DeviceId, Hash, PartyId, Text,
};

/// The size limit of a contract file, in bytes. Contracts are far smaller.
const MAX_BYTES: u64 = 256 * 1024;

/// An error in a contract file.
#[derive(Debug, thiserror::Error)]
pub enum ContractFileError {
    /// The file could not be read.
    #[error("reading {}: {source}; create one with `streembit contract new`", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A line of the file is invalid.
    #[error("{}:{line}: {problem}", .path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The problem, and how to solve it.
        problem: String,
    },
    /// The contract as a whole is invalid.
    #[error("{}: {fault}", .path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The problem.
        fault: ContractError,
    },
    /// A name in the file stands for no party.
    #[error("{}: {party} belongs to no party of the chain; name a party by its id or by one of its accounts", .path.display())]
    UnknownParty {
        /// The file.
        path: PathBuf,
        /// The name.
        party: PartyName,
    },
}

/// The parties that the names in a file stand for.
pub type PartiesByName = BTreeMap<PartyName, PartyId>;

/// A contract file whose parties are still named as in the file.
#[derive(Clone, Debug)]
pub struct ContractFile {
    path: PathBuf,
    title: Text<96>,
    nonce: Hash,
    parties: BoundedVec<PartyName, ConstU32<MAX_PARTIES>>,
    devices: BoundedVec<DeviceId, ConstU32<MAX_DEVICES>>,
    clauses: BoundedVec<ClauseTerms, ConstU32<MAX_CLAUSES>>,
}

/// Reads a contract file.
pub fn read(path: &Path) -> Result<ContractFile, ContractFileError> {
    let failed = |source| ContractFileError::Read { path: path.to_owned(), source };
    let length = fs::metadata(path).map_err(failed)?.len();
    if length > MAX_BYTES {
        return Err(failed(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "a contract file has at most 256 KiB",
        )));
    }
    parse(&fs::read_to_string(path).map_err(failed)?, path)
}

/// Parses `text` as the content of the file at `path`.
pub fn parse(text: &str, path: &Path) -> Result<ContractFile, ContractFileError> {
    let at = |offset, problem| ContractFileError::Line {
        path: path.to_owned(),
        line: line_of(text, offset),
        problem,
    };
    let file: RawFile = toml::from_str(text)
        .map_err(|error| at(error.span().map_or(0, |span| span.start), error.message().to_owned()))?;
    let mut clauses = BoundedVec::new();
    for raw in file.clause.0 {
        let start = raw.span().start;
        let clause = ClauseTerms::try_from(raw.into_inner()).map_err(|problem| at(start, problem))?;
        // The push cannot fail, because the list in the file has the same bound.
        let _ = clauses.try_push(clause);
    }
    Ok(ContractFile {
        path: path.to_owned(),
        title: file.title,
        nonce: file.nonce,
        parties: map(file.parties.0, |party| party.0),
        devices: file.devices.0,
        clauses,
    })
}

impl ContractFile {
    /// The title of the contract.
    pub fn title(&self) -> &Text<96> {
        &self.title
    }

    /// The names of parties that appear in the file.
    pub fn names(&self) -> BTreeSet<PartyName> {
        let in_clauses = self.clauses.iter().flat_map(|clause| match clause {
            ClauseTerms::Service(service) => vec![service.provider, service.customer],
            ClauseTerms::Access(access) => vec![access.grantee],
        });
        self.parties.iter().copied().chain(in_clauses).collect()
    }

    /// Returns the parties that the names most likely stand for, without asking the chain.
    pub fn likely_parties(&self) -> PartiesByName {
        self.names().into_iter().map(|name| (name, name.likely_id())).collect()
    }

    /// Returns the contract with the parties that the names in the file stand for, and validates it.
    pub fn contract(&self, parties: &PartiesByName) -> Result<Contract, ContractFileError> {
        let party = |name: &PartyName| {
            let unknown = || ContractFileError::UnknownParty { path: self.path.clone(), party: *name };
            parties.get(name).copied().ok_or_else(unknown)
        };
        let named = self.parties.iter().map(party).collect::<Result<Vec<_>, _>>()?;
        let clauses = self.clauses.iter().map(|clause| clause.with_parties(party));
        let contract = Contract {
            title: self.title.clone(),
            nonce: self.nonce,
            parties: BoundedVec::truncate_from(named),
            devices: self.devices.clone(),
            clauses: BoundedVec::truncate_from(clauses.collect::<Result<Vec<_>, _>>()?),
        };
        contract.validate().map_err(|fault| ContractFileError::Content { path: self.path.clone(), fault })?;
        Ok(contract)
    }
}

/// Formats a contract as the text of a file that describes the same contract. Its parties are named by their ids.
pub fn write(contract: &Contract) -> Result<String, toml::ser::Error> {
    toml::to_string_pretty(&WrittenFile::from(contract.clone()))
}

/// A clause whose parties are still named as in the file.
#[derive(Clone, Debug)]
enum ClauseTerms {
    Service(ServiceTerms),
    Access(AccessTerms),
}

#[derive(Clone, Debug)]
struct ServiceTerms {
    what: Text<96>,
    device: DeviceId,
    meter: Name,
    from: Decimal,
    every: Decimal,
    provider: PartyName,
    customer: PartyName,
}

#[derive(Clone, Debug)]
struct AccessTerms {
    device: DeviceId,
    grantee: PartyName,
    names: BoundedVec<Name, ConstU32<MAX_NAMES>>,
    until: u64,
}

impl ClauseTerms {
    /// Returns the clause with the parties that `party` finds.
    fn with_parties<E>(&self, party: impl Fn(&PartyName) -> Result<PartyId, E>) -> Result<Clause, E> {
        Ok(match self.clone() {
            Self::Service(ServiceTerms { what, device, meter, from, every, provider, customer }) => {
                let (provider, customer) = (party(&provider)?, party(&customer)?);
                Clause::Service(ServiceClause { what, device, meter, from, every, provider, customer })
            }
            Self::Access(AccessTerms { device, grantee, names, until }) => {
                Clause::Access(AccessClause { device, grantee: party(&grantee)?, names, until })
            }
        })
    }
}

/// Returns the number of the line with the byte at `offset`, from 1.
fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

/// The file's content for deserialization.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    title: Text<96>,
    nonce: Hash,
    parties: List<Party, MAX_PARTIES>,
    devices: List<DeviceId, MAX_DEVICES>,
    clause: List<toml::Spanned<ClauseFile>, MAX_CLAUSES>,
}

/// The file's content for serialization.
#[derive(Serialize)]
struct WrittenFile {
    title: Text<96>,
    nonce: Hash,
    parties: List<Party, MAX_PARTIES>,
    devices: List<DeviceId, MAX_DEVICES>,
    clause: List<ClauseFile, MAX_CLAUSES>,
}

/// A clause of any kind. It is flat because serde loses the line of an error inside a tagged enum.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClauseFile {
    kind: Kind,
    what: Option<Text<96>>,
    device: DeviceId,
    meter: Option<Name>,
    from: Option<Number>,
    every: Option<Number>,
    provider: Option<Party>,
    customer: Option<Party>,
    grantee: Option<Party>,
    names: Option<List<Name, MAX_NAMES>>,
    until: Option<EndText>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Service,
    Access,
}

impl ClauseFile {
    /// Returns a clause without the keys that only some kinds have.
    fn new(kind: Kind, device: DeviceId) -> Self {
        Self {
            kind,
            what: None,
            device,
            meter: None,
            from: None,
            every: None,
            provider: None,
            customer: None,
            grantee: None,
            names: None,
            until: None,
        }
    }
}

impl TryFrom<ClauseFile> for ClauseTerms {
    type Error = String;

    fn try_from(file: ClauseFile) -> Result<Self, String> {
        let ClauseFile { kind, what, device, meter, from, every, provider, customer, grantee, names, until } =
            file;
        match kind {
            Kind::Service => {
                forbid(
                    kind,
                    &[("grantee", grantee.is_some()), ("names", names.is_some()), ("until", until.is_some())],
                )?;
                Ok(Self::Service(ServiceTerms {
                    what: need(kind, "what", what)?,
                    device,
                    meter: need(kind, "meter", meter)?,
                    from: need(kind, "from", from)?.0,
                    every: need(kind, "every", every)?.0,
                    provider: need(kind, "provider", provider)?.0,
                    customer: need(kind, "customer", customer)?.0,
                }))
            }
            Kind::Access => {
                let others = [
                    ("what", what.is_some()),
                    ("meter", meter.is_some()),
                    ("from", from.is_some()),
                    ("every", every.is_some()),
                    ("provider", provider.is_some()),
                    ("customer", customer.is_some()),
                ];
                forbid(kind, &others)?;
                Ok(Self::Access(AccessTerms {
                    device,
                    grantee: need(kind, "grantee", grantee)?.0,
                    names: need(kind, "names", names)?.0,
                    until: need(kind, "until", until)?.0 .0,
                }))
            }
        }
    }
}

impl From<Clause> for ClauseFile {
    fn from(clause: Clause) -> Self {
        match clause {
            Clause::Service(ServiceClause { what, device, meter, from, every, provider, customer }) => Self {
                what: Some(what),
                meter: Some(meter),
                from: Some(Number(from)),
                every: Some(Number(every)),
                provider: Some(Party(provider.into())),
                customer: Some(Party(customer.into())),
                ..Self::new(Kind::Service, device)
            },
            Clause::Access(AccessClause { device, grantee, names, until }) => Self {
                grantee: Some(Party(grantee.into())),
                names: Some(List(names)),
                until: Some(EndText(PeriodEnd(until))),
                ..Self::new(Kind::Access, device)
            },
        }
    }
}

fn need<T>(kind: Kind, name: &str, value: Option<T>) -> Result<T, String> {
    value.ok_or_else(|| format!("a clause of kind {kind:?} needs {name}").to_lowercase())
}

fn forbid(kind: Kind, given: &[(&str, bool)]) -> Result<(), String> {
    match given.iter().find(|(_, given)| *given) {
        Some((name, _)) => Err(format!("a clause of kind {kind:?} has no {name}").to_lowercase()),
        None => Ok(()),
    }
}

impl From<Contract> for WrittenFile {
    fn from(contract: Contract) -> Self {
        let Contract { title, nonce, parties, devices, clauses } = contract;
        Self {
            title,
            nonce,
            parties: List(map(parties, |party| Party(party.into()))),
            devices: List(devices),
            clause: List(map(clauses, ClauseFile::from)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VALID: &str = r#"
title = "book"
nonce = "0x0000000000000000000000000000000000000000000000000000000000000001"
parties = ["5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY", "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty"]
devices = ["0x0303030303030303030303030303030303030303030303030303030303030303"]
[[clause]]
kind = "service"
what = "oil"
device = "0x0303030303030303030303030303030303030303030303030303030303030303"
meter = "Vehicle.TraveledDistance"
from = "1200.5"
every = 15000
provider = "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty"
customer = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"
[[clause]]
kind = "access"
device = "0x0303030303030303030303030303030303030303030303030303030303030303"
grantee = "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty"
names = []
until = "2027-06-30"
"#;

    fn parse(text: &str) -> Result<Contract, ContractFileError> {
        let file = super::parse(text, Path::new("book.toml"))?;
        file.contract(&file.likely_parties())
    }

    #[test]
    fn a_written_contract_is_read_back_unchanged() {
        let contract = parse(VALID).unwrap();
        assert_eq!(parse(&write(&contract).unwrap()).unwrap(), contract);
        let Clause::Service(service) = &contract.clauses[0] else { panic!() };
        assert_eq!((service.from.to_string(), service.every.to_string()), ("1200.5".into(), "15000".into()));
    }

    #[test]
    fn errors_name_the_line_and_the_remedy() {
        let device = "0x0303030303030303030303030303030303030303030303030303030303030303";
        for (from, to, line, word) in [
            ("every = 15000", "every = 15000.5", 12, "in quotes"),
            ("every = 15000", "every = \"much\"", 12, "decimal number"),
            ("every = 15000", "every = true", 12, "boolean"),
            ("until = \"2027-06-30\"", "until = \"soon\"", 20, "2027-06-30T12:00:00Z"),
            ("title = \"book\"", "title = 7", 2, "string"),
            ("5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY\", \"5", "5Grw\", \"5", 4, "SS58"),
            (&format!("devices = [\"{device}\"]"), "devices = [\"car\"]", 5, "hexadecimal"),
            ("kind = \"access\"", "kind = \"excess\"", 16, "access"),
            ("names = []", "names = []\nnmaes = []", 20, "nmaes"),
            ("nonce =", "nonse =", 3, "nonse"),
            ("meter = \"Vehicle.TraveledDistance\"\n", "", 6, "needs meter"),
            ("names = []\n", "", 15, "needs names"),
            ("what = \"oil\"\n", "what = \"oil\"\ngrantee = \"0x\"\n", 9, "SS58"),
            ("names = []\n", "names = []\nevery = 7\n", 15, "has no every"),
        ] {
            let text = VALID.replacen(from, to, 1);
            assert_ne!(text, VALID, "{from}");
            let error = parse(&text).unwrap_err().to_string();
            assert!(error.contains(word), "{to}: {error}");
            let place: usize = error.split(':').nth(1).unwrap().parse().unwrap();
            assert_eq!(place, line, "{to}: {error}");
        }
    }

    #[test]
    fn a_party_may_be_named_by_any_of_its_accounts() {
        let file = super::parse(VALID, Path::new("book.toml")).unwrap();
        let [alice, bob]: [PartyName; 2] = [
            "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY".parse().unwrap(),
            "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty".parse().unwrap(),
        ];
        assert_eq!(file.names(), [alice, bob].into());
        let (owner, workshop) = (PartyId([1; 32]), PartyId([2; 32]));
        let contract = file.contract(&[(alice, owner), (bob, workshop)].into()).unwrap();
        assert_eq!(contract.parties.to_vec(), [owner, workshop]);
        let Clause::Access(access) = &contract.clauses[1] else { panic!() };
        assert_eq!(access.grantee, workshop);
        // The written file names the parties by their ids and needs no chain.
        let written = super::parse(&write(&contract).unwrap(), Path::new("book.toml")).unwrap();
        assert_eq!(written.contract(&written.likely_parties()).unwrap(), contract);

        let error = file.contract(&[(alice, owner)].into()).unwrap_err().to_string();
        assert!(error.contains(&bob.to_string()) && error.contains("no party"), "{error}");
        let error = file.contract(&[(alice, owner), (bob, owner)].into()).unwrap_err().to_string();
        assert!(error.contains("each listed once"), "two accounts of one party: {error}");
    }

    #[test]
    fn an_invalid_contract_is_refused() {
        let error = parse(&VALID.replace("every = 15000", "every = 0")).unwrap_err().to_string();
        assert!(error.contains("interval greater than zero"), "{error}");
        let many = format!("names = [{}]", "\"a\", ".repeat(17));
        let error = parse(&VALID.replace("names = []", &many)).unwrap_err().to_string();
        assert!(error.contains("at most 16"), "{error}");
    }

    #[test]
    fn a_missing_file_and_a_huge_file_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("book.toml");
        assert!(read(&path).unwrap_err().to_string().contains("contract new"));
        fs::write(&path, "#".repeat(300_000)).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("at most 256 KiB"));
    }

    proptest! {
        #[test]
        fn any_contract_round_trips(
            title in "\\PC{0,20}", names in proptest::collection::vec("[A-Za-z][A-Za-z.]{0,19}", 0..5),
            mantissa in 1i64..1_000_000_000, exponent in -6i8..6, until in 0u64..253_402_300_799_000, nonce: [u8; 32],
        ) {
            let mut contract = parse(VALID).unwrap();
            contract.title = Text::try_from(title.as_str()).unwrap();
            contract.nonce = Hash(nonce);
            let names: Vec<Name> = names.iter().map(|name| Name::try_from(name.as_str()).unwrap()).collect();
            for clause in contract.clauses.iter_mut() {
                match clause {
                    Clause::Service(service) => service.every = Decimal::new(mantissa, exponent).unwrap(),
                    Clause::Access(access) => {
                        access.names = names.clone().try_into().unwrap();
                        access.until = until;
                    }
                }
            }
            prop_assert_eq!(parse(&write(&contract).unwrap()).unwrap(), contract);
        }

        #[test]
        fn parsing_never_panics(text in "\\PC{0,200}") {
            let _ = parse(&text);
        }
    }
}
