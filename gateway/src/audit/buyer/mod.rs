//! A report for a buyer: one page about a device's history, made from a verified evidence file.
//!
//! The page is one HTML file without scripts and without anything from outside. It says what is proven and by whom, and
//! what is only said. [`HistoryCollector`] collects the history while the file is verified, and only the verdict makes it
//! a [`VerifiedHistory`]: there is no page about a file that is not verified.
//!
//! | file | holds |
//! |---|---|
//! | `history.rs` | the history, collected with bounded memory |
//! | `meter.rs` | the readings of the odometer or another meter, and what is irregular about them |
//! | `contracts.rs` | the records of contracts, which are said and not proven |
//! | `page.rs` | the page: its head, summary and parts |
//! | `parts.rs` | the parts of the page |
//! | `chart.rs` | the picture of the kilometres |
//! | `html.rs` | HTML that foreign text enters only escaped |

mod chart;
mod contracts;
mod history;
mod html;
mod meter;
mod page;
mod parts;

#[cfg(test)]
mod tests;

pub use contracts::{ContractRecords, ContractRecordsError};
pub use history::{HistoryCollector, VerifiedHistory};
pub use page::{Page, ODOMETER};
