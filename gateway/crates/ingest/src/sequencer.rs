//! Restores the order of work that is done in parallel.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Issues tickets, and delivers their results in the order in which the tickets were issued.
pub(super) struct Sequencer<T> {
    issued: u64,
    state: Arc<State<T>>,
}

struct State<T> {
    deliver: Box<dyn Fn(T) + Send + Sync>,
    pending: Mutex<Pending<T>>,
}

struct Pending<T> {
    /// The number of the first ticket that is not complete.
    next: u64,
    /// The results of later tickets, or `None` for a ticket that was dropped.
    completed: BTreeMap<u64, Option<T>>,
}

/// The place of one piece of work in the order. If a ticket is dropped, for example by a panic, the results after it
/// are delivered without it.
pub(super) struct Ticket<T> {
    number: u64,
    state: Arc<State<T>>,
    completed: bool,
}

impl<T> Sequencer<T> {
    /// Creates a sequencer. `deliver` may block; results completed in the meantime wait for it.
    pub(super) fn new(deliver: impl Fn(T) + Send + Sync + 'static) -> Self {
        let pending = Mutex::new(Pending { next: 0, completed: BTreeMap::new() });
        Self { issued: 0, state: Arc::new(State { deliver: Box::new(deliver), pending }) }
    }

    /// Issues the next ticket.
    pub(super) fn issue(&mut self) -> Ticket<T> {
        let ticket = Ticket { number: self.issued, state: self.state.clone(), completed: false };
        self.issued += 1;
        ticket
    }
}

impl<T> State<T> {
    /// Records a result, and delivers every result whose earlier tickets are complete.
    fn complete(&self, number: u64, result: Option<T>) {
        // Deliver under the lock, so that no other thread can overtake.
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.completed.insert(number, result);
        loop {
            let next = pending.next;
            let Some(result) = pending.completed.remove(&next) else { return };
            pending.next += 1;
            if let Some(result) = result {
                (self.deliver)(result);
            }
        }
    }
}

impl<T> Ticket<T> {
    /// Completes the ticket.
    pub(super) fn complete(mut self, result: T) {
        self.completed = true;
        self.state.complete(self.number, Some(result));
    }
}

impl<T> Drop for Ticket<T> {
    fn drop(&mut self) {
        if !self.completed {
            self.state.complete(self.number, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn sequencer() -> (Sequencer<u32>, mpsc::Receiver<u32>) {
        let (send, delivered) = mpsc::channel();
        let send = Mutex::new(send);
        (Sequencer::new(move |result| send.lock().unwrap().send(result).unwrap()), delivered)
    }

    #[test]
    fn results_are_delivered_in_the_order_of_the_tickets() {
        let (mut sequencer, delivered) = sequencer();
        let tickets: Vec<_> = (0..4).map(|_| sequencer.issue()).collect();
        let [first, second, third, fourth] = tickets.try_into().ok().unwrap();
        third.complete(3);
        second.complete(2);
        assert!(delivered.try_recv().is_err());
        first.complete(1);
        assert_eq!(delivered.try_iter().collect::<Vec<_>>(), [1, 2, 3]);
        fourth.complete(4);
        assert_eq!(delivered.try_recv(), Ok(4));
    }

    #[test]
    fn a_dropped_ticket_does_not_block_later_ones() {
        let (mut sequencer, delivered) = sequencer();
        let (first, second) = (sequencer.issue(), sequencer.issue());
        second.complete(2);
        drop(first);
        assert_eq!(delivered.try_recv(), Ok(2));
    }
}
