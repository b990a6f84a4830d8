#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod consortium;
mod error;
mod presets;
mod spec;
mod spec_file;
pub mod successor;

pub use error::{SpecError, SpecFileError, SpecFileErrors};
pub use presets::{built_in_runtime, load, preset};
pub use spec::ChainSpec;
