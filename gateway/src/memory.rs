//! Memory that is free goes back to the system.
//!
//! glibc keeps most of what was freed, in a heap for each of several threads. A node that compiles its runtime or catches up, or a
//! gateway under load, takes some ten MiB for a moment, and would keep them for years. `malloc_trim` gives back every free page of
//! all heaps (malloc_trim(3): since glibc 2.8). It goes through the heaps with their locks held, some milliseconds; so
//! only once a minute. Other C libraries keep less, and are left alone.

use std::{convert::Infallible, time::Duration};

/// How often.
const PERIOD: Duration = Duration::from_secs(60);

/// Gives back what is free, again and again, for as long as it is asked to.
pub async fn give_back() -> Infallible {
    loop {
        tokio::time::sleep(PERIOD).await;
        // Where it did not run, the process is ending.
        let _ = tokio::task::spawn_blocking(trim).await;
    }
}

#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "no safe crate has this function of the C library")]
fn trim() {
    // SAFETY: it asks nothing of its caller, and any thread may call it (malloc_trim(3)).
    unsafe { libc::malloc_trim(0) };
}

#[cfg(not(target_env = "gnu"))]
fn trim() {}

#[cfg(test)]
mod tests {
    use super::*;

    /// How much of this process is in memory and of no file, in KiB.
    fn anonymous() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }

    #[test]
    #[cfg(target_env = "gnu")]
    fn what_is_free_below_something_that_is_not_is_given_back() {
        // More than once, for other tests take and give memory meanwhile.
        let is_given_back = (0..20).any(|_| {
            let blocks: Vec<Vec<u8>> = (0..64_000u32).map(|n| vec![n as u8; 1_024]).collect();
            let last = vec![1u8; 1_024];
            let full = anonymous();
            drop(blocks);
            trim();
            let left = anonymous();
            last.len() == 1_024 && left + 48 * 1_024 < full
        });
        assert!(is_given_back);
    }
}
