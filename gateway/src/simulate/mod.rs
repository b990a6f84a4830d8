//! Devices that are not there: what the demo and the tests read from.

pub mod elm327;
pub mod serve;
pub mod vehicle;
