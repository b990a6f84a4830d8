//! The TOML file in which a contract is written.
//!
//! Parties accept the hash of the [`Contract`] that [`read`] returns, not the file's text. White space, comments and
//! the notation of accounts and numbers do not change the hash.

use serde::{de::Error as _, Deserialize, Deserializer, Serialize, Serializer};
use std::{
    fs, io,
    path::{Path, PathBuf},
};
use streembit_clock::PeriodEnd;
use streembit_keystore::account;
use streembit_primitives::{
    contract::{AccessClause, Clause, Contract, ContractError, ServiceClause},
    reading::Name,
    AccountId, BoundedVec, ConstU32, Decimal, DeviceId, Hash, Text,
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
}

/// Reads and validates a contract.
pub fn read(path: &Path) -> Result<Contract, ContractFileError> {
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

/// Parses and validates `text` as the content of the file at `path`.
pub fn parse(text: &str, path: &Path) -> Result<Contract, ContractFileError> {
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
        let clause = Clause::try_from(raw.into_inner()).map_err(|problem| at(start, problem))?;
        // The push cannot fail, because the list in the file has the same bound.
        let _ = clauses.try_push(clause);
    }
    let contract = Contract {
        title: file.title,
        nonce: file.nonce,
        parties: map(file.parties.0, |account| account.0),
        devices: file.devices.0,
        clauses,
    };
    contract.validate().map_err(|fault| ContractFileError::Content { path: path.to_owned(), fault })?;
    Ok(contract)
}

/// Formats a contract as the text of a file, from which [`read`] returns the same contract.
pub fn write(contract: &Contract) -> Result<String, toml::ser::Error> {
    toml::to_string_pretty(&ContractFile::from(contract.clone()))
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
    parties: List<Account, { streembit_primitives::contract::MAX_PARTIES }>,
    devices: List<DeviceId, { streembit_primitives::contract::MAX_DEVICES }>,
    clause: List<toml::Spanned<ClauseFile>, { streembit_primitives::contract::MAX_CLAUSES }>,
}

/// The file's content for serialization.
#[derive(Serialize)]
struct ContractFile {
    title: Text<96>,
    nonce: Hash,
    parties: List<Account, { streembit_primitives::contract::MAX_PARTIES }>,
    devices: List<DeviceId, { streembit_primitives::contract::MAX_DEVICES }>,
    clause: List<ClauseFile, { streembit_primitives::contract::MAX_CLAUSES }>,
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
    provider: Option<Account>,
    customer: Option<Account>,
    grantee: Option<Account>,
    names: Option<List<Name, { streembit_primitives::contract::MAX_NAMES }>>,
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

impl TryFrom<ClauseFile> for Clause {
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
                Ok(Self::Service(ServiceClause {
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
                Ok(Self::Access(AccessClause {
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
                provider: Some(Account(provider)),
                customer: Some(Account(customer)),
                ..Self::new(Kind::Service, device)
            },
            Clause::Access(AccessClause { device, grantee, names, until }) => Self {
                grantee: Some(Account(grantee)),
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

/// A bounded list whose error for too many items names the bound.
#[derive(Clone)]
struct List<T, const N: u32>(BoundedVec<T, ConstU32<N>>);

impl<T: Serialize, const N: u32> Serialize for List<T, N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.0)
    }
}

impl<'de, T: Deserialize<'de>, const N: u32> Deserialize<'de> for List<T, N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let items = Vec::deserialize(deserializer)?;
        let count = items.len();
        BoundedVec::try_from(items).map(Self).map_err(|_| {
            D::Error::custom(format!(
                "the list has {count} items, but at most {N} are allowed: split the contract"
            ))
        })
    }
}

/// An account in SS58 or hexadecimal notation.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(transparent)]
struct Account(#[serde(with = "account::ss58")] AccountId);

/// A decimal: a TOML integer, or a TOML string if it has a fraction, because TOML floats are not exact.
#[derive(Clone, Copy)]
struct Number(Decimal);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.to_string().parse::<i64>() {
            Ok(whole) => serializer.serialize_i64(whole),
            Err(_) => serializer.collect_str(&self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match toml::Value::deserialize(deserializer)? {
            toml::Value::Integer(whole) => whole.to_string(),
            toml::Value::String(text) => text,
            toml::Value::Float(float) => {
                return Err(D::Error::custom(format!(
                    "a number with a fraction must be in quotes to be exact: \"{float}\""
                )))
            }
            other => return Err(D::Error::custom(format!("expected a number, not a {}", other.type_str()))),
        };
        text.parse().map(Self).map_err(|error| D::Error::custom(format!("{text:?}: {error}")))
    }
}

#[derive(Clone, Copy)]
struct EndText(PeriodEnd);

impl Serialize for EndText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for EndText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map(Self).map_err(D::Error::custom)
    }
}

impl From<Contract> for ContractFile {
    fn from(contract: Contract) -> Self {
        let Contract { title, nonce, parties, devices, clauses } = contract;
        Self {
            title,
            nonce,
            parties: List(map(parties, Account)),
            devices: List(devices),
            clause: List(map(clauses, ClauseFile::from)),
        }
    }
}

/// Maps each item of a bounded list.
fn map<A, B, const N: u32>(
    items: BoundedVec<A, ConstU32<N>>,
    change: impl Fn(A) -> B,
) -> BoundedVec<B, ConstU32<N>> {
    BoundedVec::truncate_from(items.into_iter().map(change).collect())
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
        super::parse(text, Path::new("book.toml"))
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
