//! Where evidence is written to: a file that appears whole or not at all, or standard output.

use std::{
    fs::File,
    io::{self, BufWriter, Stdout, Write},
    path::{Path, PathBuf},
};
use streembit_keystore::files::directory;
use tempfile::NamedTempFile;

/// What went wrong with the file.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// It would have been overwritten.
    #[error("{} exists: name another file, or ask for it to be replaced", .0.display())]
    Exists(PathBuf),
    /// The system said no.
    #[error("writing {}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A file in the making, or standard output.
pub struct Output {
    to: To,
    path: PathBuf,
    replace: bool,
}

enum To {
    /// Beside the file that it becomes; gone where it never does.
    File(BufWriter<NamedTempFile>),
    Stdout(BufWriter<Stdout>),
}

impl Output {
    /// To a file, or to standard output for `-`. What exists is replaced only with `replace`; that is checked now and
    /// again in the end.
    pub fn create(path: &Path, replace: bool) -> Result<Self, OutputError> {
        let to = if path == Path::new("-") {
            To::Stdout(BufWriter::new(io::stdout()))
        } else {
            let failed = |source| OutputError::Io { path: path.into(), source };
            if !replace && path.try_exists().map_err(failed)? {
                return Err(OutputError::Exists(path.into()));
            }
            // For its owner alone: what it discloses is his to give away.
            let file =
                tempfile::Builder::new().prefix(".evidence-").tempfile_in(directory(path)).map_err(failed)?;
            To::File(BufWriter::with_capacity(1 << 20, file))
        };
        Ok(Self { to, path: path.into(), replace })
    }

    /// Whether this is standard output, which then is no place for anything else.
    pub fn is_stdout(&self) -> bool {
        matches!(self.to, To::Stdout(_))
    }

    /// Makes the file appear, whole and synced.
    pub fn finish(self) -> Result<(), OutputError> {
        let path = self.path;
        let failed = |source| OutputError::Io { path: path.clone(), source };
        let buffer = match self.to {
            To::Stdout(mut out) => return out.flush().map_err(failed),
            To::File(buffer) => buffer,
        };
        let file = buffer.into_inner().map_err(|error| failed(error.into_error()))?;
        file.as_file().sync_all().map_err(failed)?;
        let placed = if self.replace { file.persist(&path) } else { file.persist_noclobber(&path) };
        placed.map_err(|error| match error.error.kind() {
            io::ErrorKind::AlreadyExists => OutputError::Exists(path.clone()),
            _ => failed(error.error),
        })?;
        File::open(directory(&path)).and_then(|folder| folder.sync_all()).map_err(failed)
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.to {
            To::File(file) => file.write(bytes),
            To::Stdout(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.to {
            To::File(file) => file.flush(),
            To::Stdout(out) => out.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(folder: &Path) -> usize {
        std::fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("car.evidence");
        let mut output = Output::create(&path, false).unwrap();
        output.write_all(b"half").unwrap();
        assert!(!path.exists());
        drop(output);
        assert_eq!(files(folder.path()), 0);
        let mut output = Output::create(&path, false).unwrap();
        output.write_all(b"whole").unwrap();
        output.finish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"whole");
        assert_eq!(files(folder.path()), 1);
    }

    #[test]
    fn what_exists_is_replaced_only_on_request() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("car.evidence");
        let output = Output::create(&path, false).unwrap();
        // Somebody else was faster.
        std::fs::write(&path, b"theirs").unwrap();
        assert!(matches!(output.finish(), Err(OutputError::Exists(_))));
        let error = Output::create(&path, false).err().unwrap();
        assert!(error.to_string().contains("name another file"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), b"theirs");
        let mut output = Output::create(&path, true).unwrap();
        output.write_all(b"ours").unwrap();
        output.finish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"ours");
        assert_eq!(files(folder.path()), 1);
        let missing = Output::create(&folder.path().join("none/x"), false).err().unwrap();
        assert!(missing.to_string().contains("none/x"), "{missing}");
    }
}
