//! The parts that the consortium file and the successor file have in common.

pub mod collector;
pub mod fields;
pub mod keys;
