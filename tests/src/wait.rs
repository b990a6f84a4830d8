//! Waiting for a state by asking for it.

use anyhow::{anyhow, Result};
use std::{
    fmt,
    time::{Duration, Instant},
};

/// How long between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// A reason to stop waiting at once: what is waited for cannot come any more.
#[derive(Debug)]
pub struct Hopeless(pub String);

impl fmt::Display for Hopeless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Hopeless {}

/// Asks again and again until `probe` gives something; its error says why not yet.
///
/// Fails after `seconds`, with what was waited for and the last reason, or at once on [`Hopeless`].
pub fn until<T>(what: &str, seconds: u64, mut probe: impl FnMut() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    loop {
        let reason = match probe() {
            Ok(found) => return Ok(found),
            Err(reason) => reason,
        };
        if reason.is::<Hopeless>() {
            return Err(reason.context(format!("waiting until {what}")));
        }
        if start.elapsed() >= Duration::from_secs(seconds) {
            return Err(anyhow!("waited {seconds} s until {what}; the last look said: {reason:#}"));
        }
        std::thread::sleep(PAUSE);
    }
}
