//! Contracts in the hands of people: the TOML file that a contract is written in, the templates that such files are
//! made from, and the proofs that a gateway makes under a contract.

mod file;
mod prove;
mod template;

pub use file::{parse, read, write, ContractFileError};
pub use prove::{newest_reading, read_proof, write_proof, ProveError, ProvenAt};
pub use template::{fill, template_names, Terms, UnknownTemplateError};
