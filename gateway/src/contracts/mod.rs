//! Contracts as users handle them: the TOML files in which contracts are written, the templates of these files, and the
//! files with proofs of readings.

mod file;
mod notation;
mod prove;
mod template;

pub use file::{parse, read, write, ContractFile, ContractFileError, PartiesByName};
pub use prove::{newest_reading, read_proof, write_proof, ProveError, ProvenReading};
pub use template::{fill, template_names, Terms, UnknownTemplateError};
