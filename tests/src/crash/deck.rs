//! Random choices of a plan, which depend only on its seed.

use rand::{rngs::StdRng, seq::SliceRandom as _};

/// Draws from a shuffled deck, which is refilled when it is empty, so that each card has its turn.
pub fn draw<T>(deck: &mut Vec<T>, random: &mut StdRng, new: impl FnOnce() -> Vec<T>) -> T {
    if deck.is_empty() {
        *deck = new();
        deck.shuffle(random);
    }
    deck.pop().unwrap_or_else(|| unreachable!("a new deck is never empty"))
}

/// Returns the seed for the decisions within a cycle.
pub fn cycle_seed(seed: u64, number: u64) -> u64 {
    seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
