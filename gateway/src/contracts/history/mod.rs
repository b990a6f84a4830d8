//! The index of what happened to contracts: a file of finalized events that the gateway keeps.
//!
//! A node may have pruned the blocks that the events are in, and the chain keeps no content that is no longer in force. The
//! file has one JSON object per line. The lines of a block end with [`Line::Next`]. A crash or a full disk can leave a block
//! without its end, which is cut off, so that it is not indexed twice.

mod describe;

pub use describe::describe;

use codec::DecodeAll as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{File, OpenOptions},
    io::{self, BufRead as _, BufReader, Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};
use streembit_chain::{BlockEvents, ContractEvent};
use streembit_keystore::account;
use streembit_primitives::{
    contract::{Clause, ClauseKind, ClauseNumber, ContentHash, ContractContent, ContractId},
    AccountId, Hash,
};

/// The name of the file in the data folder. RocksDB ignores files that it does not know.
pub const FILE: &str = "CONTRACTS";

/// An error in the index.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The file could not be read or written.
    #[error("{doing} the index of contracts {}: {source}", .path.display())]
    File {
        /// The operation: `reading` or `writing`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A line is invalid.
    #[error("{}:{line}: {problem}; move the file away to start a new index", .path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The problem.
        problem: String,
    },
}

/// A line of the index.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Line {
    /// The chain that the index is about. It is the first line.
    Chain {
        /// The hash of block 0.
        genesis: Hash,
    },
    /// All blocks before this one are indexed or reported as missed.
    Next(u32),
    /// The node had pruned these blocks, both included.
    Missed {
        /// The first one.
        from: u32,
        /// The last one.
        to: u32,
    },
    /// An event.
    Event(Entry),
    /// A content of a contract, which the chain forgets when it is no longer in force.
    Content {
        /// The contract.
        contract: ContractId,
        /// The hash of the content.
        hash: ContentHash,
        /// The encoded content, in hexadecimal.
        content: String,
    },
}

/// An event in the index.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The contract.
    pub contract: ContractId,
    /// The number of the block.
    pub block: u32,
    /// The hash of the block.
    pub hash: Hash,
    /// The timestamp of the block, in milliseconds since 1970-01-01 UTC.
    pub time: u64,
    /// The account that signed the transaction, as an SS58 address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The name of the event.
    pub event: String,
    /// The fields of the event, by name.
    pub fields: Value,
}

impl Entry {
    /// Returns the entry of an event.
    pub fn new(block: &BlockEvents, event: &ContractEvent) -> Self {
        Self {
            contract: event.contract,
            block: block.number,
            hash: block.hash,
            time: block.time,
            account: event.account.map(|signer: AccountId| account::show(&signer)),
            event: event.name.clone(),
            fields: event.fields.clone(),
        }
    }
}

/// The contents of contracts, which say what the numbers of an event count.
#[derive(Debug, Default)]
pub struct Contents {
    by_hash: BTreeMap<ContentHash, ContractContent>,
}

impl Contents {
    /// Returns the contents of a contract in the lines of an index. Leaves out what does not have its hash.
    pub fn of(contract: ContractId, lines: &[Line]) -> Self {
        let decoded = lines.iter().filter_map(|line| match line {
            Line::Content { contract: of, hash, content } if *of == contract => {
                let bytes = hex::decode(content.strip_prefix("0x")?).ok()?;
                let content = ContractContent::decode_all(&mut &*bytes).ok()?;
                (content.hash() == *hash).then_some((*hash, content))
            }
            _ => None,
        });
        Self { by_hash: decoded.collect() }
    }

    /// Adds a content.
    pub fn insert(&mut self, content: ContractContent) {
        self.by_hash.insert(content.hash(), content);
    }

    /// Returns a clause of a content.
    fn clause(&self, content: &ContentHash, number: ClauseNumber) -> Option<&Clause> {
        self.by_hash.get(content)?.terms().clause(number)
    }

    /// Returns the kind of a clause, which is the same in all contents that have its number.
    fn kind(&self, number: ClauseNumber) -> Option<ClauseKind> {
        self.by_hash.values().find_map(|content| content.terms().clause(number)).map(Clause::kind)
    }
}

/// The index, open for appending.
#[derive(Debug)]
pub struct HistoryIndex {
    path: PathBuf,
    file: File,
    summary: Summary,
}

/// What the index has.
#[derive(Debug, Default)]
struct Summary {
    length: u64,
    next: Option<u32>,
    /// Where the last line starts, if it and the line before it are [`Line::Next`]. The next one replaces it, so that the
    /// file does not grow while nothing happens.
    replaceable: Option<u64>,
    ends_with_next: bool,
    events: u64,
    contracts: BTreeSet<ContractId>,
    contents: BTreeSet<ContentHash>,
}

impl Summary {
    /// Takes in a line that takes up `length` bytes at the end of the file.
    fn add(&mut self, line: &Line, length: usize) {
        let is_next = matches!(line, Line::Next(_));
        self.replaceable = (is_next && self.ends_with_next).then_some(self.length);
        self.ends_with_next = is_next;
        self.length = self.length.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        match line {
            Line::Next(next) => self.next = Some(*next),
            Line::Event(entry) => {
                self.events = self.events.saturating_add(1);
                self.contracts.insert(entry.contract);
            }
            Line::Content { contract, hash, .. } => {
                self.contracts.insert(*contract);
                self.contents.insert(*hash);
            }
            Line::Chain { .. } | Line::Missed { .. } => {}
        }
    }
}

impl HistoryIndex {
    /// Opens the index of a chain in a data folder. An index of another chain is replaced.
    pub fn open(data_dir: &Path, genesis: Hash) -> Result<Self, HistoryError> {
        let path = data_dir.join(FILE);
        let failed = |source| HistoryError::File { doing: "writing", path: path.clone(), source };
        let open = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&path);
        let mut file = open.map_err(failed)?;
        let lines = read_blocks(&path, &mut file)?;
        let is_same = lines.first().is_some_and(|(line, _)| *line == Line::Chain { genesis });
        let mut summary = Summary::default();
        if is_same {
            lines.iter().for_each(|(line, length)| summary.add(line, *length));
        }
        file.set_len(summary.length).map_err(failed)?;
        let mut index = Self { path, file, summary };
        if !is_same {
            index.append(&[Line::Chain { genesis }])?;
        }
        Ok(index)
    }

    /// The number of the next block to index, or `None` if none is indexed.
    pub fn next(&self) -> Option<u32> {
        self.summary.next
    }

    /// The number of events in the index.
    pub fn events(&self) -> u64 {
        self.summary.events
    }

    /// The contracts that the index has events or contents of.
    pub fn contracts(&self) -> &BTreeSet<ContractId> {
        &self.summary.contracts
    }

    /// Returns true if the index has a content.
    pub fn has_content(&self, hash: &ContentHash) -> bool {
        self.summary.contents.contains(hash)
    }

    /// Appends lines and writes them to the disk. The last line should be [`Line::Next`]: without it, a restart cuts the
    /// lines off.
    pub fn append(&mut self, lines: &[Line]) -> Result<(), HistoryError> {
        let failed = |source| HistoryError::File { doing: "writing", path: self.path.clone(), source };
        let texts: Vec<String> = lines
            .iter()
            .map(|line| serde_json::to_string(line).map(|text| text + "\n"))
            .collect::<Result<_, _>>()
            .map_err(|error| failed(error.into()))?;
        if let ([Line::Next(_)], Some(at)) = (lines, self.summary.replaceable) {
            self.file.set_len(at).map_err(failed)?;
            self.summary.length = at;
        }
        let text = texts.concat();
        self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_data()).map_err(failed)?;
        lines.iter().zip(&texts).for_each(|(line, text)| self.summary.add(line, text.len()));
        Ok(())
    }
}

/// Reads the index in a data folder. Returns no lines if there is none.
pub fn read(data_dir: &Path) -> Result<Vec<Line>, HistoryError> {
    let path = data_dir.join(FILE);
    match File::open(&path) {
        Ok(mut file) => Ok(read_blocks(&path, &mut file)?.into_iter().map(|(line, _)| line).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(HistoryError::File { doing: "reading", path, source }),
    }
}

/// Returns the lines of whole blocks, each with its length in bytes.
fn read_blocks(path: &Path, file: &mut File) -> Result<Vec<(Line, usize)>, HistoryError> {
    let failed = |source| HistoryError::File { doing: "reading", path: path.to_owned(), source };
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    let mut reader = BufReader::new(file);
    let (mut lines, mut whole) = (Vec::new(), 0);
    loop {
        let mut text = String::new();
        let length = reader.read_line(&mut text).map_err(failed)?;
        if length == 0 || !text.ends_with('\n') {
            lines.truncate(whole);
            return Ok(lines);
        }
        let line: Line = serde_json::from_str(&text).map_err(|error| HistoryError::Line {
            path: path.to_owned(),
            line: lines.len().saturating_add(1),
            problem: error.to_string(),
        })?;
        let ends_block = matches!(line, Line::Chain { .. } | Line::Next(_));
        lines.push((line, length));
        if ends_block {
            whole = lines.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(block: u32) -> Line {
        Line::Event(Entry {
            contract: ContractId([1; 32]),
            block,
            hash: Hash([2; 32]),
            time: 3,
            account: None,
            event: "Activated".into(),
            fields: json!({ "version": 0 }),
        })
    }

    #[test]
    fn an_index_goes_on_after_a_restart_and_an_unfinished_block_is_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let genesis = Hash([9; 32]);
        let mut index = HistoryIndex::open(dir.path(), genesis).unwrap();
        assert_eq!((index.next(), index.events()), (None, 0));
        index.append(&[event(4), Line::Next(5)]).unwrap();
        drop(index);
        let path = dir.path().join(FILE);
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        // The gateway lost its power while it wrote block 6: a whole event without the end of its block, and half a line.
        let unfinished = serde_json::to_string(&event(6)).unwrap() + "\n{\"event\":{\"contra";
        file.write_all(unfinished.as_bytes()).unwrap();
        assert_eq!(read(dir.path()).unwrap(), [Line::Chain { genesis }, event(4), Line::Next(5)]);
        let mut index = HistoryIndex::open(dir.path(), genesis).unwrap();
        assert_eq!((index.next(), index.events()), (Some(5), 1));
        index.append(&[event(6), Line::Next(7)]).unwrap();
        assert_eq!(
            read(dir.path()).unwrap(),
            [Line::Chain { genesis }, event(4), Line::Next(5), event(6), Line::Next(7)]
        );
    }

    #[test]
    fn an_index_does_not_grow_while_nothing_happens() {
        let dir = tempfile::tempdir().unwrap();
        let genesis = Hash([9; 32]);
        let mut index = HistoryIndex::open(dir.path(), genesis).unwrap();
        index.append(&[Line::Next(1)]).unwrap();
        index.append(&[event(4), Line::Next(5)]).unwrap();
        for next in (100..=900).step_by(100) {
            index.append(&[Line::Next(next)]).unwrap();
            if next == 500 {
                index = HistoryIndex::open(dir.path(), genesis).unwrap();
            }
        }
        index.append(&[event(950), Line::Next(951)]).unwrap();
        assert_eq!(
            read(dir.path()).unwrap(),
            [
                Line::Chain { genesis },
                Line::Next(1),
                event(4),
                Line::Next(5),
                Line::Next(900),
                event(950),
                Line::Next(951)
            ]
        );
        assert_eq!((index.next(), index.events()), (Some(951), 2));
    }

    #[test]
    fn the_index_knows_its_contracts_and_contents_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let (genesis, hash) = (Hash([9; 32]), ContentHash([3; 32]));
        let content = Line::Content { contract: ContractId([4; 32]), hash, content: "0x00".into() };
        let mut index = HistoryIndex::open(dir.path(), genesis).unwrap();
        index.append(&[event(4), content, Line::Next(5)]).unwrap();
        let index = HistoryIndex::open(dir.path(), genesis).unwrap();
        assert_eq!(*index.contracts(), BTreeSet::from([ContractId([1; 32]), ContractId([4; 32])]));
        assert!(index.has_content(&hash) && !index.has_content(&ContentHash([5; 32])));
    }

    #[test]
    fn the_index_of_another_chain_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        HistoryIndex::open(dir.path(), Hash([1; 32])).unwrap().append(&[event(4), Line::Next(5)]).unwrap();
        let index = HistoryIndex::open(dir.path(), Hash([2; 32])).unwrap();
        assert_eq!((index.next(), index.events()), (None, 0));
        assert_eq!(read(dir.path()).unwrap(), [Line::Chain { genesis: Hash([2; 32]) }]);
    }

    #[test]
    fn a_damaged_line_is_named() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(FILE), "{\"next\":4}\nnonsense\n").unwrap();
        let error = read(dir.path()).unwrap_err().to_string();
        assert!(error.contains("CONTRACTS:2"), "{error}");
        assert!(read(&dir.path().join("nowhere")).unwrap().is_empty());
    }
}
