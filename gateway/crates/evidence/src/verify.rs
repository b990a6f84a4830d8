//! Verifies an evidence file in one pass and with constant memory. It needs only the file and the trust root.

use super::{
    show::{Place, UnverifiedEvent},
    verifier_pool::VerifierPool,
};
use codec::IoReader;
use std::{
    collections::VecDeque,
    fs::File,
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};
use streembit_primitives::evidence::{file, EvidenceError, Item, TrustRoot, VerifiedEvidence};

/// The size of the read buffer, in bytes.
const BUFFER: usize = 1 << 20;
/// The number of events between two reports of progress.
const PROGRESS_INTERVAL: u64 = 1024;

/// A file could not be verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The evidence is invalid; this is the first problem found.
    #[error("{0}")]
    Refused(#[from] EvidenceError),
    /// The file could not be read, so the evidence may be valid or not.
    #[error("reading {}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
}

/// Verifies a file. Calls `progress` with the number of bytes read, the length of the file, and the number of events
/// read.
pub fn verify(
    path: &Path,
    trust: &TrustRoot,
    progress: impl FnMut(u64, u64, u64),
) -> Result<VerifiedEvidence, VerifyError> {
    verify_each(path, trust, |_| {}, progress)
}

/// Like [`verify`]. Calls `each` with every item in order, before the file is known to be valid: what it collects is
/// proven only if this function succeeds.
pub fn verify_each(
    path: &Path,
    trust: &TrustRoot,
    mut each: impl FnMut(&Item),
    mut progress: impl FnMut(u64, u64, u64),
) -> Result<VerifiedEvidence, VerifyError> {
    let mut source = EvidenceFile::open(path)?;
    let (position, length) = (source.position(), source.length);
    let mut events = 0u64;
    let verdict = file::verify_with(&mut IoReader(&mut source), trust, VerifierPool::default(), |item| {
        each(item);
        if matches!(item, Item::Event { .. }) {
            events = events.saturating_add(1);
            if events.is_multiple_of(PROGRESS_INTERVAL) {
                progress(position.get(), length, events);
            }
        }
    });
    source.check()?;
    Ok(verdict?)
}

/// Verifies a file like [`verify`], and returns the newest events with the verdict, at most `count` of them.
pub fn verify_and_keep(
    path: &Path,
    trust: &TrustRoot,
    count: usize,
    progress: impl FnMut(u64, u64, u64),
) -> Result<VerifiedFile, VerifyError> {
    let (mut place, mut kept) = (Place::default(), VecDeque::new());
    let keep = |item: &Item| {
        if let (Item::Event { entry, body }, true) = (item, count > 0) {
            if kept.len() >= count {
                kept.pop_front();
            }
            kept.push_back((place, entry.clone(), body.clone()));
        }
        place.pass(item);
    };
    let verdict = verify_each(path, trust, keep, progress)?;
    let log_of = |place: Place| verdict.segments.get(place.segment).map(|segment| segment.checkpoint.log);
    let proven = |(place, entry, body): (Place, _, _)| {
        Some(ProvenEvent(UnverifiedEvent::of(log_of(place)?, place.index, entry, body)))
    };
    let newest = kept.into_iter().filter_map(proven).collect();
    Ok(VerifiedFile { verdict, newest })
}

/// A verified file: what it proves, and its newest events.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifiedFile {
    /// What the file proves.
    pub verdict: VerifiedEvidence,
    /// The newest events, oldest first.
    pub newest: Vec<ProvenEvent>,
}

/// An event that a verified file proves. What is withheld or erased of its body is a claim of the file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProvenEvent(UnverifiedEvent);

impl ProvenEvent {
    /// Returns the event.
    pub fn event(&self) -> &UnverifiedEvent {
        &self.0
    }
}

/// An evidence file that is being read.
pub struct EvidenceFile {
    file: BufReader<File>,
    path: PathBuf,
    length: u64,
    position: std::rc::Rc<std::cell::Cell<u64>>,
    /// The last read error, which must not be reported as invalid evidence.
    failed: Option<io::Error>,
}

impl EvidenceFile {
    /// Opens a file.
    pub fn open(path: &Path) -> Result<Self, VerifyError> {
        let failed = |source| VerifyError::Read { path: path.into(), source };
        let file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        Ok(Self {
            file: BufReader::with_capacity(BUFFER, file),
            path: path.into(),
            length,
            position: std::rc::Rc::default(),
            failed: None,
        })
    }

    /// Fails if a read has failed. The end of the file is not a failure.
    pub fn check(self) -> Result<(), VerifyError> {
        match self.failed {
            Some(source) => Err(VerifyError::Read { path: self.path, source }),
            None => Ok(()),
        }
    }

    fn position(&self) -> std::rc::Rc<std::cell::Cell<u64>> {
        self.position.clone()
    }
}

impl Read for EvidenceFile {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self.file.read(bytes) {
            Ok(count) => {
                self.position.set(self.position.get().saturating_add(count as u64));
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
