//! Documents that belong to calls: the chain gets their salted hashes, the parties keep the files and the salts.

use super::args::DocumentsArg;
use crate::contracts::random_salt;
use anyhow::{bail, Context as _};
use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};
use streembit_keystore::files::create_private;
use streembit_primitives::{
    contract::{document_hash, Document, Documents, MAX_DOCUMENTS},
    Hash,
};

/// The size limit of a document, in bytes.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

impl DocumentsArg {
    /// Returns the salted hashes of the files. Draws a salt for each file that has none yet, and keeps it beside the file.
    pub(super) fn hashes(&self) -> anyhow::Result<Documents> {
        let hashes = self.files.iter().map(|file| hash(file)).collect::<anyhow::Result<Vec<_>>>()?;
        match Documents::try_from(hashes) {
            Ok(documents) => Ok(documents),
            Err(all) => bail!("{} documents, but a call has at most {MAX_DOCUMENTS}", all.len()),
        }
    }
}

fn hash(path: &Path) -> anyhow::Result<Document> {
    let reading = || format!("reading the document {}", path.display());
    let length = fs::metadata(path).with_context(reading)?.len();
    if length > MAX_BYTES {
        bail!("{} has {length} bytes, but a document has at most {MAX_BYTES}", path.display());
    }
    let bytes = fs::read(path).with_context(reading)?;
    Ok(document_hash(&salt(path)?.0, &bytes))
}

/// Returns the salt of a document. Its file holds the salt's hexadecimal digits.
fn salt(document: &Path) -> anyhow::Result<Hash> {
    let path = salt_file(document);
    match fs::read_to_string(&path) {
        Ok(text) => text.trim().parse().ok().with_context(|| {
            format!("{} does not hold a salt, which is 0x and 64 hexadecimal digits", path.display())
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let salt = random_salt();
            let writing = || format!("keeping the salt of the document in {}", path.display());
            create_private(&path, format!("{salt}\n").as_bytes()).with_context(writing)?;
            Ok(salt)
        }
        Err(error) => Err(error).with_context(|| format!("reading the salt {}", path.display())),
    }
}

fn salt_file(document: &Path) -> PathBuf {
    let mut name = document.as_os_str().to_owned();
    name.push(".salt");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn a_document_keeps_its_salt_and_so_its_hash() {
        let dir = tempfile::tempdir().unwrap();
        let invoice = dir.path().join("invoice.txt");
        fs::write(&invoice, "oil, filter, 40 minutes").unwrap();
        let hashes = || DocumentsArg { files: vec![invoice.clone()] }.hashes().unwrap();
        let first = hashes();
        assert_eq!(hashes(), first);
        assert_eq!(fs::metadata(salt_file(&invoice)).unwrap().mode() & 0o777, 0o600);
        let salt: Hash = fs::read_to_string(salt_file(&invoice)).unwrap().trim().parse().unwrap();
        assert_eq!(first[0], document_hash(&salt.0, b"oil, filter, 40 minutes"));
        fs::write(&invoice, "oil, filter, 50 minutes").unwrap();
        assert_ne!(hashes(), first);
        fs::write(salt_file(&invoice), "salt").unwrap();
        assert!(DocumentsArg { files: vec![invoice] }.hashes().is_err());
    }
}
