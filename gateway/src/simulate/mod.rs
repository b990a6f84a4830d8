//! Simulated devices for the demo and the tests.

pub mod elm327;
pub mod serve;
pub mod vehicle;
