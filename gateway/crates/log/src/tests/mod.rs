//! Tests of the log on real databases in temporary folders.

mod admission;
mod damage;
mod erase;
mod faults;
mod heads;
mod lineage;
mod pinned_bytes;
mod proofs;
mod support;
