#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod context;
#[cfg(feature = "obd")]
pub mod obd;
mod registry;
#[cfg(feature = "senml")]
pub mod senml;
#[cfg(feature = "serial")]
pub mod serial;

pub use context::{AdapterContext, AdapterState, History, Observed};
pub use registry::AdapterConfig;

use serde::de::DeserializeOwned;
use std::{fmt, future::Future};

/// A kind of source that the gateway reads.
///
/// To add one: a module with a type that implements this trait, one line in `registry.rs`, and one feature in the
/// manifest.
pub trait Adapter {
    /// The name of the kind, which is the key of its table in the configuration of a device: `[device.KIND]`.
    const KIND: &'static str;

    /// The table's content. Deserializing it must refuse unknown keys and values that make no sense.
    type Config: DeserializeOwned + Clone + PartialEq + Eq + fmt::Debug + fmt::Display + Send + Sync + 'static;

    /// Reads the source until `context.stop` is cancelled. Nothing that happens to the source ends it earlier.
    fn run(config: Self::Config, context: AdapterContext) -> impl Future<Output = ()> + Send;
}
