//! Verifying a file of evidence: one pass, constant memory, nothing but the file and the trust root.

use super::verifier_pool::VerifierPool;
use codec::IoReader;
use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};
use streembit_primitives::evidence::{file, EvidenceError, Item, TrustRoot, VerifiedEvidence};

/// How much of a file is read at once.
const BUFFER: usize = 1 << 20;
/// Progress is told after so many events.
const STEP: u64 = 1024;

/// Why a file is not verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The evidence does not hold: the first thing that is wrong with it.
    #[error("{0}")]
    Refused(#[from] EvidenceError),
    /// The file could not be read: nothing was said about the evidence.
    #[error("reading {}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Verifies a file. `progress` is told how many bytes are behind, of how many, and how many events.
pub fn verify(
    path: &Path,
    trust: &TrustRoot,
    mut progress: impl FnMut(u64, u64, u64),
) -> Result<VerifiedEvidence, VerifyError> {
    let mut source = EvidenceFile::open(path)?;
    let (behind, length) = (source.counter(), source.length);
    let mut events = 0u64;
    let verdict = file::verify_with(&mut IoReader(&mut source), trust, VerifierPool::default(), |item| {
        if matches!(item, Item::Event { .. }) {
            events = events.saturating_add(1);
            if events.is_multiple_of(STEP) {
                progress(behind.get(), length, events);
            }
        }
    });
    source.check()?;
    Ok(verdict?)
}

/// An evidence file that is being read.
pub struct EvidenceFile {
    file: BufReader<File>,
    path: PathBuf,
    length: u64,
    behind: std::rc::Rc<std::cell::Cell<u64>>,
    /// What the system said when it could not be read: not the evidence's fault.
    failed: Option<io::Error>,
}

impl EvidenceFile {
    /// Opens it.
    pub fn open(path: &Path) -> Result<Self, VerifyError> {
        let failed = |source| VerifyError::Read { path: path.into(), source };
        let file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        Ok(Self {
            file: BufReader::with_capacity(BUFFER, file),
            path: path.into(),
            length,
            behind: std::rc::Rc::default(),
            failed: None,
        })
    }

    /// Whether all that was asked for could be read, or was not there.
    pub fn check(self) -> Result<(), VerifyError> {
        match self.failed {
            Some(source) => Err(VerifyError::Read { path: self.path, source }),
            None => Ok(()),
        }
    }

    fn counter(&self) -> std::rc::Rc<std::cell::Cell<u64>> {
        self.behind.clone()
    }
}

impl Read for EvidenceFile {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self.file.read(bytes) {
            Ok(count) => {
                self.behind.set(self.behind.get().saturating_add(count as u64));
                Ok(count)
            }
            Err(error) => {
                if error.kind() != io::ErrorKind::Interrupted {
                    self.failed = Some(io::Error::new(error.kind(), error.to_string()));
                }
                Err(error)
            }
        }
    }
}
