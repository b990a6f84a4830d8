//! How far long work is: one line on standard error where a terminal shows it, nothing anywhere else.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

/// Shorter work shows nothing.
const PATIENCE: Duration = Duration::from_millis(400);
/// How often the line changes.
const EVERY: Duration = Duration::from_millis(100);
/// How wide the bar is.
const WIDTH: u64 = 30;

/// A line that says how far something is; gone when this is dropped.
#[derive(Debug)]
pub struct ProgressBar {
    doing: &'static str,
    terminal: bool,
    next: Instant,
    shown: bool,
}

impl ProgressBar {
    /// What is being done, in a word.
    pub fn new(doing: &'static str) -> Self {
        let terminal = io::stderr().is_terminal();
        Self { doing, terminal, next: Instant::now() + PATIENCE, shown: false }
    }

    /// So much of so much is done; `count` events so far.
    pub fn at(&mut self, done: u64, total: u64, count: u64) {
        let now = Instant::now();
        if !self.terminal || now < self.next {
            return;
        }
        self.next = now + EVERY;
        self.shown = true;
        // A terminal that went away is no reason to stop.
        let _ = write!(io::stderr(), "\r{} {}\x1b[K", self.doing, line(done, total, count));
    }
}

impl Drop for ProgressBar {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

fn line(done: u64, total: u64, count: u64) -> String {
    let done = done.min(total);
    let part = |of: u64| (u128::from(done) * u128::from(of)).checked_div(u128::from(total)).unwrap_or(0);
    let (full, percent) = (part(WIDTH) as usize, part(100));
    format!("[{}{}] {percent:3} %  {count} events", "#".repeat(full), ".".repeat(WIDTH as usize - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_fills_and_never_breaks() {
        assert!(line(0, 10, 0).starts_with("[....."));
        assert!(line(5, 10, 7).contains("###...") && line(5, 10, 7).contains(" 50 %  7 events"));
        assert!(line(10, 10, 9).contains("#] 100 %"));
        for (done, total) in [(0, 0), (7, 0), (9, 3), (u64::MAX, u64::MAX), (u64::MAX, 1)] {
            assert_eq!(line(done, total, 0).matches(['#', '.']).count(), WIDTH as usize);
        }
    }
}
