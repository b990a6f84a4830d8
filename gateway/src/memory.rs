//! Returns unused memory to the operating system.
//!
//! After a load peak (such as a runtime compilation, a sync, or a burst of events) glibc keeps tens of MiB of freed
//! memory in the arenas of its threads. `malloc_trim` releases the free pages of all arenas (malloc_trim(3), since
//! glibc 2.8). It locks each arena and takes a few milliseconds, so it runs only once a minute. Other C libraries keep
//! less memory, so nothing is done for them.

use std::{convert::Infallible, time::Duration};

/// The time between two trims.
const PERIOD: Duration = Duration::from_secs(60);

/// Returns unused memory to the operating system once a minute. Never completes.
pub async fn trim_periodically() -> Infallible {
    loop {
        tokio::time::sleep(PERIOD).await;
        // This fails only if the runtime is shutting down.
        let _ = tokio::task::spawn_blocking(trim).await;
    }
}

#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "no safe crate wraps malloc_trim")]
fn trim() {
    // SAFETY: malloc_trim has no preconditions and is thread-safe (malloc_trim(3)).
    unsafe { libc::malloc_trim(0) };
}

#[cfg(not(target_env = "gnu"))]
fn trim() {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the resident anonymous memory of this process, in KiB.
    fn resident_anonymous_kib() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }

    #[test]
    #[cfg(target_env = "gnu")]
    fn free_memory_below_an_allocation_is_returned() {
        // Several attempts, because other tests allocate and free memory at the same time.
        let is_returned = (0..20).any(|_| {
            let blocks: Vec<Vec<u8>> = (0..64_000u32).map(|n| vec![n as u8; 1_024]).collect();
            let last = vec![1u8; 1_024];
            let full = resident_anonymous_kib();
            drop(blocks);
            trim();
            let left = resident_anonymous_kib();
            last.len() == 1_024 && left + 48 * 1_024 < full
        });
        assert!(is_returned);
    }
}
