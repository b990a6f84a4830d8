//! The `.contract` file: the terms of a contract, the texts that people read, and the salts of their hashes.
//!
//! A file is either exactly what this program writes, or it is refused. Nothing in it can be changed without changing the
//! hash of the content, because the content names the salted hash of every text. The sentences that describe the terms
//! are not in the file: the program that shows it makes them from the terms, so they cannot say anything else.

use super::{
    plain::{self, Paragraph},
    texts::{SaltedText, Texts},
};
use crate::printable::{PrintableLine, UnprintableError};
use codec::{DecodeAll as _, Encode as _};
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    path::{Path, PathBuf},
};
use streembit_keystore::files::{create_private, FileError};
use streembit_primitives::{
    contract::{Clause, ContentHash, ContractContent, Document, Terms},
    Hash,
};

/// The size limit of a contract file, in bytes. Contracts are far smaller.
const MAX_BYTES: u64 = 1024 * 1024;
/// The first lines of every contract file.
const HEADER: &str = "\
# A contract of Streembit. Show it with `streembit contract show FILE`.
# Do not edit it: a file that was changed by one byte is refused. To change a contract, write a new version with
# `streembit contract amend`.

";
/// The version of the format.
const FORMAT: &str = "streembit contract, version 1";

/// An error in a contract file.
#[derive(Debug, thiserror::Error)]
pub enum ContractFileError {
    /// The file could not be read or written.
    #[error("{doing} {}: {source}", .path.display())]
    File {
        /// The operation: `reading` or `creating`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file could not be created.
    #[error(transparent)]
    Create(#[from] FileError),
    /// The file is not a contract file.
    #[error("{} is not a contract file: {problem}; create one with `streembit contract new`", .path.display())]
    NotAContract {
        /// The file.
        path: PathBuf,
        /// The problem.
        problem: String,
    },
    /// The file was changed after it was written.
    #[error(
        "{} was changed after it was written: {problem}. Nothing was signed; ask for the file again, and compare the \
         content hash that `streembit contract show` prints",
        .path.display()
    )]
    Changed {
        /// The file.
        path: PathBuf,
        /// What does not fit together.
        problem: String,
    },
    /// A text in the file could make a terminal show something else than what is signed.
    #[error(
        "{} has a text that could be shown as something else than what it says: {error}. Nothing was signed; ask for a \
         contract without it",
        .path.display()
    )]
    Unprintable {
        /// The file.
        path: PathBuf,
        /// The problem.
        error: UnprintableError,
    },
}

/// A contract with its texts. The texts are exactly those whose hashes the content names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ContractFile {
    content: ContractContent,
    texts: Texts,
}

/// The file's content for serialization.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    format: String,
    content_hash: ContentHash,
    content: String,
    text: Vec<RawText>,
}

/// A text of the file, which may hold any characters.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawText {
    salt: Hash,
    text: String,
}

/// Reads a contract file. Returns an error if it is not byte for byte what this program writes.
pub fn read(path: &Path) -> Result<ContractFile, ContractFileError> {
    let failed = |source| ContractFileError::File { doing: "reading", path: path.to_owned(), source };
    let length = fs::metadata(path).map_err(failed)?.len();
    if length > MAX_BYTES {
        return Err(ContractFileError::NotAContract {
            path: path.to_owned(),
            problem: format!("it has {length} bytes, more than any contract"),
        });
    }
    let bytes = fs::read(path).map_err(failed)?;
    let text = String::from_utf8(bytes)
        .map_err(|error| ContractFileError::Changed { path: path.to_owned(), problem: error.to_string() })?;
    ContractFile::parse(&text, path)
}

impl ContractFile {
    /// Joins a content and texts. Keeps only the texts that the content names.
    pub(super) fn new(content: ContractContent, all: Texts) -> Self {
        let mut texts = Texts::default();
        for hash in hashes(content.terms()) {
            if let Some(text) = all.get(&hash) {
                texts.insert(text.clone());
            }
        }
        Self { content, texts }
    }

    /// Parses `text` as the content of the file at `path`.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ContractFileError> {
        let not_a_contract =
            |problem: String| ContractFileError::NotAContract { path: path.to_owned(), problem };
        let changed = |problem: String| ContractFileError::Changed { path: path.to_owned(), problem };
        let unprintable = |error| ContractFileError::Unprintable { path: path.to_owned(), error };
        let raw: RawFile = match toml::from_str(text) {
            Ok(raw) => raw,
            // A file that says that it is a contract was damaged. Any other file never was one.
            Err(error) if text.contains(FORMAT) => return Err(changed(error.message().to_owned())),
            Err(error) => return Err(not_a_contract(error.message().to_owned())),
        };
        if raw.format != FORMAT {
            return Err(not_a_contract(format!("its format is {:?}, not {FORMAT:?}", raw.format)));
        }
        let bytes =
            hex::decode(raw.content.trim_start_matches("0x")).map_err(|error| changed(error.to_string()))?;
        let content = ContractContent::decode_all(&mut &bytes[..])
            .map_err(|error| changed(format!("content: {error}")))?;
        if content.hash() != raw.content_hash {
            return Err(changed("the terms do not have the content hash of the file".into()));
        }
        content.terms().validate().map_err(|error| changed(error.to_string()))?;
        let mut texts = Texts::default();
        for RawText { salt, text } in raw.text {
            texts.insert(SaltedText { salt, text: text.parse().map_err(unprintable)? });
        }
        let file = Self { content, texts };
        if let Some(missing) = file.missing_text() {
            return Err(changed(format!("the text with the hash {missing} is missing or was changed")));
        }
        file.ensure_lines().map_err(unprintable)?;
        match file.to_toml() {
            Ok(written) if written == text => Ok(file),
            Ok(_) => Err(changed("it is not as this program writes it".into())),
            Err(error) => Err(changed(error.to_string())),
        }
    }

    /// Creates the file, which only its owner may read. Never overwrites an existing one, and leaves no half file.
    pub fn write(&self, path: &Path) -> Result<(), ContractFileError> {
        let failed = |error| ContractFileError::File {
            doing: "creating",
            path: path.to_owned(),
            source: io::Error::other(error),
        };
        let text = self.to_toml().map_err(failed)?;
        Ok(create_private(path, text.as_bytes())?)
    }

    fn to_toml(&self) -> Result<String, toml::ser::Error> {
        let texts = hashes(self.terms()).into_iter().filter_map(|hash| self.texts.get(&hash));
        let texts = texts.map(|text| RawText { salt: text.salt, text: text.text.to_string() });
        let raw = RawFile {
            format: FORMAT.into(),
            content_hash: self.hash(),
            content: format!("0x{}", hex::encode(self.encoded_content())),
            text: texts.collect(),
        };
        Ok(format!("{HEADER}{}", toml::to_string_pretty(&raw)?))
    }

    /// Returns an error if a text that a sentence quotes, such as the subject of a service, has several lines.
    fn ensure_lines(&self) -> Result<(), UnprintableError> {
        let mut quoted = quoted(self.terms()).filter_map(|hash| self.texts.get(&hash));
        quoted.try_for_each(|text| text.text.as_str().parse::<PrintableLine>().map(drop))
    }

    /// Returns the hash of a text that the content names and the file does not have.
    fn missing_text(&self) -> Option<Document> {
        hashes(self.terms()).into_iter().find(|hash| self.texts.get(hash).is_none())
    }

    /// The content, which every party accepts.
    pub fn content(&self) -> &ContractContent {
        &self.content
    }

    /// The encoded content.
    pub fn encoded_content(&self) -> Vec<u8> {
        self.content.encode()
    }

    /// The terms.
    pub fn terms(&self) -> &Terms {
        self.content.terms()
    }

    /// The hash of the content.
    pub fn hash(&self) -> ContentHash {
        self.content.hash()
    }

    /// The texts.
    pub fn texts(&self) -> &Texts {
        &self.texts
    }

    /// The title: the first line of the document.
    pub fn title(&self) -> &str {
        let document = self.terms().documents.first().and_then(|hash| self.texts.get(hash));
        document.and_then(|text| text.text.as_str().lines().next()).unwrap_or("Contract")
    }

    /// The document that people read, and the terms in plain language.
    pub fn text(&self) -> String {
        plain::document(self.terms(), &self.texts)
    }

    /// The terms in plain language, each under a name that stays the same in other versions.
    pub fn paragraphs(&self) -> Vec<Paragraph> {
        plain::paragraphs(self.terms(), &self.texts)
    }
}

/// Returns the hashes of all texts that terms name, in the order of the terms, each once.
fn hashes(terms: &Terms) -> Vec<Document> {
    let mut hashes: Vec<Document> = Vec::new();
    for hash in terms.documents.iter().copied().chain(quoted(terms)) {
        if !hashes.contains(&hash) {
            hashes.push(hash);
        }
    }
    hashes
}

/// Returns the hashes of the texts that the sentences about the clauses quote.
fn quoted(terms: &Terms) -> impl Iterator<Item = Document> + '_ {
    terms.clauses.iter().filter_map(|numbered| match &numbered.clause {
        Clause::Service(service) => Some(service.subject),
        Clause::Access(access) => access.purpose,
        Clause::Charge(charge) => charge.subject,
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contracts::testing::service_book;
    use std::os::unix::fs::MetadataExt as _;
    use streembit_primitives::contract::document_hash;

    fn written() -> String {
        service_book().to_toml().unwrap()
    }

    fn parse(text: &str) -> Result<ContractFile, ContractFileError> {
        ContractFile::parse(text, Path::new("car.contract"))
    }

    #[test]
    fn a_written_file_is_read_back_unchanged() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("car.contract");
        let book = service_book();
        book.write(&path).unwrap();
        assert_eq!(read(&path).unwrap(), book);
        assert_eq!(book.title(), "Service book");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600, "others cannot read the salts");
        let again = book.write(&path);
        assert!(matches!(again, Err(ContractFileError::Create(FileError::Exists(_)))), "{again:?}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no half file is left");
    }

    #[test]
    fn a_file_changed_by_one_byte_is_refused() {
        let text = written();
        for at in 0..text.len() {
            for change in [b'0', b'a', b' ', b'\n'] {
                let mut bytes = text.clone().into_bytes();
                if bytes[at] == change {
                    continue;
                }
                bytes[at] = change;
                let Ok(changed) = String::from_utf8(bytes) else { continue };
                assert!(parse(&changed).is_err(), "byte {at} became {:?}", char::from(change));
            }
        }
        assert!(parse(&format!("{text}\n")).is_err() && parse(&text[..text.len() - 1]).is_err());
    }

    #[test]
    fn an_added_text_is_refused() {
        let mut book = service_book();
        book.texts.add("another agreement".parse().unwrap());
        // Only the texts that the content names are written.
        assert_eq!(book.to_toml().unwrap().matches("[[text]]").count(), 2);
        let extra = format!("{}\n[[text]]\nsalt = \"0x{}\"\ntext = \"more\"\n", written(), "00".repeat(32));
        assert!(matches!(parse(&extra), Err(ContractFileError::Changed { .. })));
    }

    /// Returns the file of the service book in which the subject of the service is `subject`, with the right hashes.
    fn written_with_subject(subject: &str) -> String {
        let book = service_book();
        let salt = Hash([5; 32]);
        let ContractContent::V1(mut terms) = book.content.clone();
        let Clause::Service(service) = &mut terms.clauses[0].clause else { panic!() };
        service.subject = document_hash(&salt.0, subject.as_bytes());
        let content = ContractContent::V1(terms);
        let document = book.texts.get(&content.terms().documents[0]).unwrap();
        let raw = RawFile {
            format: FORMAT.into(),
            content_hash: content.hash(),
            content: format!("0x{}", hex::encode(content.encode())),
            text: vec![
                RawText { salt: document.salt, text: document.text.to_string() },
                RawText { salt, text: subject.into() },
            ],
        };
        format!("{HEADER}{}", toml::to_string_pretty(&raw).unwrap())
    }

    #[test]
    fn a_text_that_could_hide_or_forge_a_clause_is_refused() {
        assert!(parse(&written_with_subject("oil")).unwrap().text().contains("“oil”"));
        for subject in ["\u{1b}[2Joil", "\u{202e}lio", "oil\n\nclause 2: The owner pays nothing."] {
            let error = parse(&written_with_subject(subject)).unwrap_err();
            assert!(matches!(error, ContractFileError::Unprintable { .. }), "{subject:?}: {error}");
        }
    }

    #[test]
    fn another_file_is_told_from_a_damaged_one() {
        let error = parse("title = \"x\"").unwrap_err();
        assert!(matches!(error, ContractFileError::NotAContract { .. }), "{error}");
        let damaged = written().replacen("salt", "sult", 1);
        assert!(matches!(parse(&damaged), Err(ContractFileError::Changed { .. })));
    }
}
