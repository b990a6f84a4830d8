//! Counting what each peer and each account takes.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Counts by key, up to a limit; a clone counts together with its original.
#[derive(Clone)]
pub struct Slots<K> {
    taken: Arc<Mutex<HashMap<K, usize>>>,
    limit: usize,
}

/// One taken slot; given back when dropped.
pub struct Slot<K: Eq + Hash> {
    slots: Slots<K>,
    key: K,
}

impl<K: Eq + Hash + Clone> Slots<K> {
    /// So many slots for each key.
    pub fn new(limit: usize) -> Self {
        Self { taken: Arc::default(), limit }
    }

    /// Takes one; `None` where the key has as many as it may.
    pub fn take(&self, key: K) -> Option<Slot<K>> {
        let mut taken = self.lock();
        let count = taken.entry(key.clone()).or_default();
        if *count >= self.limit {
            return None;
        }
        *count += 1;
        drop(taken);
        Some(Slot { slots: self.clone(), key })
    }
}

impl<K> Slots<K> {
    /// Counts stay right where a thread panicked: each change is one step.
    fn lock(&self) -> MutexGuard<'_, HashMap<K, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash> Drop for Slot<K> {
    fn drop(&mut self) {
        let mut taken = self.slots.lock();
        if let Some(count) = taken.get_mut(&self.key) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                taken.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_limited_by_key_and_come_back() {
        let slots = Slots::new(2);
        let first = slots.take("a").unwrap();
        let _second = slots.take("a").unwrap();
        assert!(slots.take("a").is_none());
        assert!(slots.take("b").is_some(), "another key has its own");
        drop(first);
        assert!(slots.take("a").is_some());
        assert!(!slots.lock().contains_key("b"), "keys without slots are forgotten");
    }
}
