//! The file of the address book.
//!
//! It is TOML, with a section for each kind of id, and can be written by hand:
//!
//! ```toml
//! [party]
//! anna = "0x5d3a..."
//!
//! [account]
//! anna-clerk = "5Grw..."
//! ```

use super::{AddressBook, EntryName, IdKind, KnownId};
use crate::config::line_of;
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::{self, DirBuilder, File},
    io::{self, Read as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::{Once, OnceLock},
};
use streembit_keystore::files::{folder_of, replace_private, FileError};

/// The maximum size of the file, in bytes.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// The first lines of the file.
const HEADER: &str = "\
# Your names for parties, accounts, gateways, devices and contracts. `streembit name add` and `streembit name remove`
# write this file anew, without comments of your own.
";

/// An error of the address book.
#[derive(Debug, thiserror::Error)]
pub enum AddressBookError {
    /// There is no folder that the file could be in.
    #[error("there is no place for the address book: name its file with --address-book FILE, or set HOME or XDG_CONFIG_HOME")]
    NoFolder,
    /// The file could not be read, or its folder not be created.
    #[error("{doing} {}: {source}", .path.display())]
    Io {
        /// The failed action, such as "reading".
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file could not be written.
    #[error(transparent)]
    Write(#[from] FileError),
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
    /// The name stands for another id already.
    #[error("{name} is the name of {} {id} already: choose another name, or remove this one first with `streembit name remove {name}`", .id.kind)]
    NameTaken {
        /// The name.
        name: EntryName,
        /// The id that it stands for.
        id: KnownId,
    },
    /// The id has another name already.
    #[error("{} {id} has the name {name} already: remove it first with `streembit name remove {name}`", .id.kind)]
    IdNamed {
        /// The id.
        id: KnownId,
        /// The name that it has.
        name: EntryName,
    },
    /// The book does not have the name.
    #[error("there is no name {name} in {place}: `streembit name list` lists the names")]
    Unknown {
        /// The name.
        name: EntryName,
        /// The address book.
        place: String,
    },
}

/// The address book of a user: its file, which is read when it is first needed.
#[derive(Debug)]
pub struct AddressBookFile {
    /// `None` if there is no folder for it.
    path: Option<PathBuf>,
    book: OnceLock<Result<AddressBook, AddressBookError>>,
    warned: Once,
}

impl AddressBookFile {
    /// Returns the address book in a file. If `path` is `None`, it is `streembit/names.toml` in the user's configuration
    /// folder.
    pub fn new(path: Option<PathBuf>) -> Self {
        Self::at(path.or_else(|| default_path(|name| std::env::var_os(name))))
    }

    /// Returns an address book that has no file.
    pub fn none() -> Self {
        Self::at(None)
    }

    fn at(path: Option<PathBuf>) -> Self {
        Self { path, book: OnceLock::new(), warned: Once::new() }
    }

    /// Returns the names. A file that does not exist has none.
    pub fn book(&self) -> Result<&AddressBook, &AddressBookError> {
        self.book.get_or_init(|| self.path.as_deref().map_or(Ok(AddressBook::new()), read)).as_ref()
    }

    /// Returns the names for output. If they cannot be read, warns once and returns none: what a command says does not
    /// depend on names.
    pub fn names(&self) -> &AddressBook {
        self.book().unwrap_or_else(|error| {
            self.warned.call_once(|| tracing::warn!("no names are shown: {error}"));
            AddressBook::empty()
        })
    }

    /// Describes the place of the address book.
    pub fn place(&self) -> String {
        match &self.path {
            None => "the address book, which has no place without HOME".into(),
            Some(path) if path.exists() => format!("the address book {}", path.display()),
            Some(path) => format!("the address book {}, which does not exist", path.display()),
        }
    }

    /// Adds a name, and replaces the file atomically.
    pub fn add(&self, name: EntryName, id: KnownId) -> Result<(), AddressBookError> {
        self.change(|book| book.add(name, id))
    }

    /// Removes a name, and replaces the file atomically. Returns the id that the name stood for.
    pub fn remove(&self, name: &EntryName) -> Result<KnownId, AddressBookError> {
        self.change(|book| {
            book.remove(name)
                .ok_or_else(|| AddressBookError::Unknown { name: name.clone(), place: self.place() })
        })
    }

    fn change<T>(
        &self,
        change: impl FnOnce(&mut AddressBook) -> Result<T, AddressBookError>,
    ) -> Result<T, AddressBookError> {
        let path = self.path.as_deref().ok_or(AddressBookError::NoFolder)?;
        let mut book = read(path)?;
        let result = change(&mut book)?;
        write(path, &book)?;
        Ok(result)
    }
}

/// Returns the path of the file in the user's configuration folder (XDG base directories).
fn default_path(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = match absolute("XDG_CONFIG_HOME") {
        Some(folder) => folder,
        None => absolute("HOME")?.join(".config"),
    };
    Some(folder.join("streembit").join("names.toml"))
}

fn read(path: &Path) -> Result<AddressBook, AddressBookError> {
    let failed = |source| AddressBookError::Io { doing: "reading", path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(AddressBook::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut text = String::new();
    file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > MAX_BYTES {
        let problem = format!("it is not an address book: it has more than {MAX_BYTES} bytes");
        return Err(failed(io::Error::new(io::ErrorKind::FileTooLarge, problem)));
    }
    parse(&text, path)
}

fn write(path: &Path, book: &AddressBook) -> Result<(), AddressBookError> {
    // If the file is a link, its target is replaced, and not the link.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = folder_of(&path);
    let failed = |source| AddressBookError::Io { doing: "creating", path: folder.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    Ok(replace_private(&path, to_text(book).as_bytes())?)
}

type RawSection = BTreeMap<String, toml::Spanned<String>>;

/// The content of the file, before names and ids are checked.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawBook {
    party: RawSection,
    account: RawSection,
    gateway: RawSection,
    device: RawSection,
    contract: RawSection,
}

/// Parses `text` as the content of the file at `path`.
fn parse(text: &str, path: &Path) -> Result<AddressBook, AddressBookError> {
    let at = |offset, problem: &str| AddressBookError::Line {
        path: path.to_owned(),
        line: line_of(text, offset),
        problem: escape(problem),
    };
    let RawBook { party, account, gateway, device, contract } = toml::from_str(text)
        .map_err(|error| at(error.span().map_or(0, |span| span.start), error.message()))?;
    let sections = [
        (IdKind::Party, party),
        (IdKind::Account, account),
        (IdKind::Gateway, gateway),
        (IdKind::Device, device),
        (IdKind::Contract, contract),
    ];
    let mut book = AddressBook::new();
    for (kind, section) in sections {
        for (name, id) in section {
            let offset = id.span().start;
            let name = name.parse::<EntryName>().map_err(|error| at(offset, &error.to_string()))?;
            let id = KnownId::parse(kind, id.get_ref()).map_err(|error| at(offset, &error.to_string()))?;
            book.add(name, id).map_err(|error| at(offset, &error.to_string()))?;
        }
    }
    Ok(book)
}

fn to_text(book: &AddressBook) -> String {
    let mut text = HEADER.to_owned();
    for kind in IdKind::ALL {
        let mut entries = book.iter().filter(|(_, id)| id.kind == kind).peekable();
        if entries.peek().is_some() {
            text.push_str(&format!("\n[{kind}]\n"));
        }
        // Names need no quotes in TOML.
        entries.for_each(|(name, id)| text.push_str(&format!("{name} = \"{id}\"\n")));
    }
    text
}

/// Escapes control characters and invisible characters, such as those of a file that somebody else wrote.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' | '\'' | '\\' => escaped.push(character),
            other => escaped.extend(other.escape_debug()),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::fs::PermissionsExt as _;

    const ALICE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";

    fn parsed(text: &str) -> Result<AddressBook, AddressBookError> {
        parse(text, Path::new("names.toml"))
    }

    fn id(kind: IdKind, byte: u8) -> KnownId {
        KnownId { kind, bytes: [byte; 32] }
    }

    #[test]
    fn a_name_is_added_and_removed_and_the_file_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config").join("streembit").join("names.toml");
        let file = || AddressBookFile::new(Some(path.clone()));
        let (anna, car) = (id(IdKind::Party, 1), id(IdKind::Device, 2));
        assert!(file().book().unwrap().is_empty());
        assert!(file().place().contains("does not exist"));
        file().add("anna".parse().unwrap(), anna).unwrap();
        file().add("car".parse().unwrap(), car).unwrap();
        assert_eq!(file().book().unwrap().get("anna"), Some(anna));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(fs::read_to_string(&path).unwrap().starts_with(HEADER));
        assert_eq!(file().remove(&"anna".parse().unwrap()).unwrap(), anna);
        let error = file().remove(&"anna".parse().unwrap()).unwrap_err().to_string();
        assert!(error.contains("anna") && error.contains("names.toml"), "{error}");
        assert_eq!(file().book().unwrap().iter().count(), 1);
        // A refused change leaves the file as it was.
        let before = fs::read(&path).unwrap();
        file().add("van".parse().unwrap(), car).unwrap_err();
        assert_eq!(fs::read(&path).unwrap(), before);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn a_link_to_the_file_stays_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let (target, link) = (dir.path().join("target.toml"), dir.path().join("names.toml"));
        fs::write(&target, "").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        AddressBookFile::new(Some(link.clone())).add("car".parse().unwrap(), id(IdKind::Device, 2)).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(fs::read_to_string(&target).unwrap().contains("[device]\ncar = "));
    }

    #[test]
    fn errors_name_the_line_and_escape_the_file() {
        let one = format!("0x{}", "01".repeat(32));
        for (text, line, problem) in [
            (format!("[party]\n\"an na\" = \"{one}\"\n"), 2, "begin with a letter"),
            (format!("[party]\nanna = \"{ALICE}\"\n"), 2, "64 hexadecimal digits"),
            ("[account]\n\nclerk = \"5Grw\"\n".to_owned(), 3, "SS58"),
            (format!("[party]\nanna = \"{one}\"\n[device]\nanna = \"{one}\"\n"), 4, "already"),
            (format!("[party]\nanna = \"{one}\"\n[device]\ncar = \"{one}\"\n"), 4, "the name anna already"),
            ("[person]\n".to_owned(), 1, "person"),
            ("[party]\nanna = 1\n".to_owned(), 2, "string"),
            ("[\"\\u001b[2J\"]\n".to_owned(), 1, "expected one of"),
        ] {
            let error = parsed(&text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("names.toml:{line}: ")), "{text}\n{error}");
            assert!(error.contains(problem) && !error.contains('\u{1b}'), "{text}\n{error}");
        }
    }

    #[test]
    fn names_are_not_shown_if_the_file_is_damaged() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("names.toml");
        fs::write(&path, "[party\n").unwrap();
        let file = AddressBookFile::new(Some(path.clone()));
        assert!(file.book().is_err() && file.names().is_empty());
        file.add("car".parse().unwrap(), id(IdKind::Device, 2)).unwrap_err();
        assert_eq!(fs::read_to_string(&path).unwrap(), "[party\n", "a damaged file is not replaced");
    }

    #[test]
    fn the_file_is_in_the_configuration_folder() {
        let path = |variables: &[(&str, &str)]| {
            let find = |name: &str| variables.iter().find(|(known, _)| *known == name);
            default_path(|name| find(name).map(|(_, value)| value.into()))
        };
        let expected = |path: &str| Some(PathBuf::from(path));
        assert_eq!(path(&[("HOME", "/home/a")]), expected("/home/a/.config/streembit/names.toml"));
        let both = [("HOME", "/home/a"), ("XDG_CONFIG_HOME", "/etc/a")];
        assert_eq!(path(&both), expected("/etc/a/streembit/names.toml"));
        // A path that is not absolute counts as not set.
        let relative = [("HOME", "/home/a"), ("XDG_CONFIG_HOME", "etc")];
        assert_eq!(path(&relative), expected("/home/a/.config/streembit/names.toml"));
        assert_eq!(path(&[]), None);
        let error = AddressBookFile::none().add("car".parse().unwrap(), id(IdKind::Device, 2)).unwrap_err();
        assert!(error.to_string().contains("--address-book"), "{error}");
    }

    proptest! {
        #[test]
        fn a_written_book_is_read_back(
            entries in proptest::collection::btree_map("[A-Za-z][A-Za-z0-9_-]{0,31}", (0usize..5, any::<[u8; 32]>()), 0..20),
        ) {
            let mut book = AddressBook::new();
            for (name, (kind, bytes)) in entries {
                book.add(name.parse().unwrap(), KnownId { kind: IdKind::ALL[kind], bytes }).unwrap();
            }
            prop_assert_eq!(parsed(&to_text(&book)).unwrap(), book);
        }

        #[test]
        fn parsing_never_panics(text in "\\PC{0,200}") {
            let _ = parsed(&text);
        }
    }
}
