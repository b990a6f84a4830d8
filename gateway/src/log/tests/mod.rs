//! Tests of the log on real databases in temporary folders.

mod admission;
mod damage;
mod faults;
mod proofs;
pub(crate) mod support;
