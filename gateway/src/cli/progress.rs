//! A progress bar for long work. It is drawn on standard error, and only if that is a terminal.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

/// The delay before the bar is first drawn. Shorter work shows no bar.
const INITIAL_DELAY: Duration = Duration::from_millis(400);
/// The shortest time between two redraws.
const REDRAW_INTERVAL: Duration = Duration::from_millis(100);
/// The width of the bar, in characters.
const BAR_WIDTH: u64 = 30;

/// A progress bar, which is erased when this is dropped.
#[derive(Debug)]
pub struct ProgressBar {
    label: &'static str,
    terminal: bool,
    next_redraw: Instant,
    drawn: bool,
}

impl ProgressBar {
    /// Creates a progress bar. `label` names the work, such as `verifying`.
    pub fn new(label: &'static str) -> Self {
        let terminal = io::stderr().is_terminal();
        Self { label, terminal, next_redraw: Instant::now() + INITIAL_DELAY, drawn: false }
    }

    /// Redraws the bar if it is due. `done` of `total` units are finished, with `events` events so far.
    pub fn update(&mut self, done: u64, total: u64, events: u64) {
        let now = Instant::now();
        if !self.terminal || now < self.next_redraw {
            return;
        }
        self.next_redraw = now + REDRAW_INTERVAL;
        self.drawn = true;
        // Losing the terminal must not stop the work.
        let _ = write!(io::stderr(), "\r{} {}\x1b[K", self.label, bar(done, total, events));
    }
}

impl Drop for ProgressBar {
    fn drop(&mut self) {
        if self.drawn {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

fn bar(done: u64, total: u64, events: u64) -> String {
    let done = done.min(total);
    let scale = |of: u64| (u128::from(done) * u128::from(of)).checked_div(u128::from(total)).unwrap_or(0);
    let (full, percent) = (scale(BAR_WIDTH) as usize, scale(100));
    format!("[{}{}] {percent:3} %  {events} events", "#".repeat(full), ".".repeat(BAR_WIDTH as usize - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_fills_up_and_its_width_never_changes() {
        assert!(bar(0, 10, 0).starts_with("[....."));
        assert!(bar(5, 10, 7).contains("###...") && bar(5, 10, 7).contains(" 50 %  7 events"));
        assert!(bar(10, 10, 9).contains("#] 100 %"));
        for (done, total) in [(0, 0), (7, 0), (9, 3), (u64::MAX, u64::MAX), (u64::MAX, 1)] {
            assert_eq!(bar(done, total, 0).matches(['#', '.']).count(), BAR_WIDTH as usize);
        }
    }
}
