//! Named places in the code where a test can kill the process as a power cut would, without any flush or notification.
//!
//! `STREEMBIT_TEST_FAILPOINT=NAME` kills the process when it first reaches the place, `NAME:N` when it reaches the
//! place for the N-th time. The variable is read once. Builds without debug assertions have no failpoints.

/// The names of all failpoints, in the order in which a log reaches them.
pub const NAMES: [&str; 18] = [
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
    "erase-listed",
    "erase-rewritten",
];

/// Kills the process if the test chose this failpoint.
#[cfg(debug_assertions)]
pub(crate) fn reach(name: &str) {
    #[cfg(test)]
    hook::call(name);
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

/// What a unit test does at a failpoint of its own thread.
#[cfg(test)]
pub(crate) mod hook {
    use std::cell::RefCell;

    type Hook = (&'static str, Box<dyn FnOnce()>);

    thread_local! {
        static HOOK: RefCell<Option<Hook>> = const { RefCell::new(None) };
    }

    /// Calls `act` when this thread reaches the failpoint `name` for the first time.
    pub(crate) fn set(name: &'static str, act: impl FnOnce() + 'static) {
        HOOK.with(|hook| *hook.borrow_mut() = Some((name, Box::new(act))));
    }

    pub(super) fn call(name: &str) {
        let taken = HOOK.with(|hook| hook.borrow_mut().take_if(|(at, _)| *at == name));
        if let Some((_, act)) = taken {
            act();
        }
    }
}
