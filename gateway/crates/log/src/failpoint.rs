//! Places where a test has the process die, as a power cut would: nothing is flushed, nobody is told.
//!
//! `STREEMBIT_TEST_FAILPOINT=NAME` or `NAME:N` names the place and which passage of it is the last; see [`NAMES`].
//! Read once. Builds without debug assertions have no such places.

/// Every place, in the order in which a log comes by them.
pub const NAMES: [&str; 17] = [
    "open-folder",
    "open-identity",
    "open-checks",
    "write-before",
    "write-after",
    "acknowledged-before",
    "acknowledged-after",
    "reply-between",
    "reopen",
    "checkpoint-before",
    "checkpoint-after",
    "anchor-before",
    "anchor-after",
    "erase-before",
    "erase-after",
    "erase-flushed",
    "erase-rewritten",
];

/// Dies here where the test says so.
#[cfg(debug_assertions)]
pub(crate) fn reach(name: &str) {
    use std::sync::{
        atomic::{AtomicU64, Ordering},
        OnceLock,
    };
    static CHOSEN: OnceLock<Option<(String, AtomicU64)>> = OnceLock::new();
    let chosen = CHOSEN.get_or_init(|| {
        let value = std::env::var("STREEMBIT_TEST_FAILPOINT").ok()?;
        let (name, passage) = value.split_once(':').unwrap_or((&value, "1"));
        Some((name.to_owned(), AtomicU64::new(passage.parse().unwrap_or(1))))
    });
    let Some((chosen, left)) = chosen else { return };
    if chosen == name && left.fetch_sub(1, Ordering::Relaxed) == 1 {
        // No unwinding, no flush at exit, no core: what kill -9 leaves.
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        std::process::abort();
    }
}

/// Nothing.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub(crate) fn reach(_name: &str) {}
