//! Output of commands: to a new file or to standard output.

use sc_cli::{Error, Result};
use std::{
    fs::File,
    io::{self, Write as _},
    path::Path,
};

/// Writes a text to a new file, or to standard output if no file is given.
pub fn write_text(path: Option<&Path>, text: &str) -> Result<()> {
    match path {
        None => writeln!(io::stdout().lock(), "{text}")?,
        Some(path) => writeln!(create_new(path)?, "{text}")?,
    }
    Ok(())
}

/// Creates a file. An existing file is never overwritten.
pub fn create_new(path: &Path) -> Result<File> {
    File::options().write(true).create_new(true).open(path).map_err(|error| {
        let path = path.display();
        Error::Input(format!("cannot create {path}: {error} (an existing file is never overwritten)"))
    })
}
