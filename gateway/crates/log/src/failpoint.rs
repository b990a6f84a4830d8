//! Named places in the code where a test can kill the process as a power cut would, without any flush or notification.
//!
//! `STREEMBIT_TEST_FAILPOINT=NAME` kills the process when it first reaches the place, `NAME:N` when it reaches the
//! place for the N-th time. The variable is read once. Builds without debug assertions have no failpoints.

/// The names of all failpoints, in the order in which a log reaches them.
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

/// Kills the process if the test chose this failpoint.
#[cfg(debug_assertions)]
pub(crate) fn reach(name: &str) {
    use std::sync::{
        atomic::{AtomicU64, Ordering},
        OnceLock,
    };
    static CHOSEN: OnceLock<Option<(String, AtomicU64)>> = OnceLock::new();
    let chosen = CHOSEN.get_or_init(|| {
        let value = std::env::var("STREEMBIT_TEST_FAILPOINT").ok()?;
        let (name, count) = value.split_once(':').unwrap_or((&value, "1"));
        Some((name.to_owned(), AtomicU64::new(count.parse().unwrap_or(1))))
    });
    let Some((chosen, left)) = chosen else { return };
    if chosen == name && left.fetch_sub(1, Ordering::Relaxed) == 1 {
        // Like `kill -9`: no unwinding, no flush at exit, no core dump.
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        std::process::abort();
    }
}

/// Does nothing.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub(crate) fn reach(_name: &str) {}
