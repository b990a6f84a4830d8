#![doc = include_str!("../README.md")]

pub mod address_book;
pub mod anchor;
pub mod api;
pub mod audit;
pub mod cli;
pub mod config;
pub mod contracts;
pub mod daemon;
pub mod handover;
pub mod keys;
pub mod last_anchored;
pub mod memory;
pub mod metrics;
pub mod remedies;
pub mod simulate;
pub mod status;
