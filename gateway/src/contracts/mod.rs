//! Contracts as users handle them: templates, drafts, `.contract` files, the terms in plain language, the files with proofs
//! of readings, and the index of what happened to contracts.

mod draft;
mod file;
pub mod history;
mod notation;
pub mod plain;
mod prove;
mod template;
mod texts;

#[cfg(test)]
pub(crate) mod testing;

pub use draft::{Draft, DraftError, PartiesByName};
pub use file::{read, ContractFile, ContractFileError};
pub use notation::{show_number, ParseSpanError, Span};
pub use prove::{prove_reading, read_proof, write_proof, Pick, ProveError, ProvenReading, WantedReading};
pub use template::{Answers, Question, QuestionKind, Template, TemplateError};
pub use texts::{random_salt, SaltedText, Texts};
