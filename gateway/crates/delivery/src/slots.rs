//! Counts how many slots each key, such as a peer or an account, has taken.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Counters by key with a limit per key. Clones share the counters.
#[derive(Clone)]
pub struct Slots<K> {
    taken: Arc<Mutex<HashMap<K, usize>>>,
    limit: usize,
}

/// A taken slot. It is released when dropped.
pub struct Slot<K: Eq + Hash> {
    slots: Slots<K>,
    key: K,
}

impl<K: Eq + Hash + Clone> Slots<K> {
    /// Creates the counters with `limit` slots for each key.
    pub fn new(limit: usize) -> Self {
        Self { taken: Arc::default(), limit }
    }

    /// Takes a slot. Returns `None` if the key has taken all of its slots.
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
    /// Ignores poisoning: each change is a single step, so the counters are correct even after a panic.
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
    fn slots_are_limited_per_key_and_released() {
        let slots = Slots::new(2);
        let first = slots.take("a").unwrap();
        let _second = slots.take("a").unwrap();
        assert!(slots.take("a").is_none());
        assert!(slots.take("b").is_some(), "each key has its own slots");
        drop(first);
        assert!(slots.take("a").is_some());
        assert!(!slots.lock().contains_key("b"), "keys without slots are removed");
    }
}
