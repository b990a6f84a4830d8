//! The destination of an export: a file that is created atomically, or standard output.

use std::{
    fs::File,
    io::{self, BufWriter, Stdout, Write},
    path::{Path, PathBuf},
};
use streembit_keystore::files::folder_of;
use tempfile::NamedTempFile;

/// The output file cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The file exists and may not be replaced.
    #[error("{} exists already", .0.display())]
    Exists(PathBuf),
    /// The operating system reported an error.
    #[error("writing {}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
}

/// A file that is being written, or standard output.
pub struct Output {
    to: To,
    path: PathBuf,
    replace: bool,
}

enum To {
    /// A temporary file in the folder of the final one. It is removed unless it is renamed to it.
    File(BufWriter<NamedTempFile>),
    Stdout(BufWriter<Stdout>),
}

impl Output {
    /// Creates a file, or opens standard output if the path is `-`.
    ///
    /// Without `replace`, it fails if the file exists. [`finish`](Self::finish) checks this again.
    pub fn create(path: &Path, replace: bool) -> Result<Self, OutputError> {
        let to = if path == Path::new("-") {
            To::Stdout(BufWriter::new(io::stdout()))
        } else {
            let failed = |source| OutputError::Io { path: path.into(), source };
            if !replace && path.try_exists().map_err(failed)? {
                return Err(OutputError::Exists(path.into()));
            }
            // Only the owner may read the temporary file, and so the final one: the owner decides who gets the
            // evidence.
            let file =
                tempfile::Builder::new().prefix(".evidence-").tempfile_in(folder_of(path)).map_err(failed)?;
            To::File(BufWriter::with_capacity(1 << 20, file))
        };
        Ok(Self { to, path: path.into(), replace })
    }

    /// Returns true if the evidence goes to standard output. Nothing else must be printed there then.
    pub fn is_stdout(&self) -> bool {
        matches!(self.to, To::Stdout(_))
    }

    /// Syncs the file and gives it its final name.
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
        File::open(folder_of(&path)).and_then(|folder| folder.sync_all()).map_err(failed)
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
    fn a_file_is_created_only_when_it_is_complete() {
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
    fn an_existing_file_is_replaced_only_on_request() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("car.evidence");
        let output = Output::create(&path, false).unwrap();
        // Another program creates the file in the meantime.
        std::fs::write(&path, b"theirs").unwrap();
        assert!(matches!(output.finish(), Err(OutputError::Exists(_))));
        let error = Output::create(&path, false).err().unwrap();
        assert!(error.to_string().contains("exists already"), "{error}");
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
