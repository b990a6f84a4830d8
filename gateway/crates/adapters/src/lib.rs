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

pub use context::{AdapterContext, AdapterState, History, IsWanted, Observed, Past, PastReading};
pub use registry::AdapterConfig;

use serde::de::DeserializeOwned;
use std::{fmt, future::Future};

/// A kind of source that the gateway reads.
///
/// To add a kind, write a module with a type that implements this trait, and add one line to `registry.rs` and one
/// feature to the manifest.
pub trait Adapter {
    /// The name of the kind. It is the key of the kind's table in a device's configuration: `[device.KIND]`.
    const KIND: &'static str;

    /// The content of the table. Its deserializer must reject unknown keys and meaningless values.
    type Config: DeserializeOwned + Clone + PartialEq + Eq + fmt::Debug + fmt::Display + Send + Sync + 'static;

    /// Reads the source until `context.stop` is cancelled. A failing source must not end it earlier.
    fn run(config: Self::Config, context: AdapterContext) -> impl Future<Output = ()> + Send;
}
