//! The places that parties and accounts take in the pool.

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use streembit_primitives::{AccountId, PartyId};

/// The number of places of a party with all of its accounts and gateways: a quarter of the default pool.
pub const PARTY_PLACES: usize = 128;
/// The number of places of one account or gateway. It leaves half of the party's places to the other accounts, so that a
/// stolen gateway cannot keep its party from removing it.
pub const ACCOUNT_PLACES: usize = 64;
/// How long a transaction counts that the pool has taken and does not show, such as before the first block after a start.
const HIDDEN: Duration = Duration::from_secs(60);
/// The number of accounts whose party is remembered.
const KNOWN_ACCOUNTS: usize = 4_096;

/// The first byte of a signed extrinsic of version 4.
const SIGNED: u8 = 0x84;
/// The first byte of an address that is an account id (`MultiAddress::Id`).
const ACCOUNT_ID: u8 = 0;

/// The account that a transaction says that it is of. Nobody has checked the signature yet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Sender {
    /// An account.
    Account(AccountId),
    /// Nobody, or an account in an encoding that this node does not know. All of them share the places of one account.
    Unknown,
}

impl Sender {
    /// Reads the sender from the bytes of a transaction.
    pub fn of(transaction: &[u8]) -> Self {
        match transaction {
            [SIGNED, ACCOUNT_ID, rest @ ..] => {
                let account = rest.first_chunk::<32>().map(|bytes| Self::Account(AccountId(*bytes)));
                account.unwrap_or(Self::Unknown)
            }
            _ => Self::Unknown,
        }
    }
}

/// Why a transaction gets no place.
#[derive(PartialEq, Eq, Debug)]
pub enum ShareExceeded {
    /// The account has as many transactions in the pool as it may.
    Account(Sender),
    /// The party has as many transactions in the pool as it may.
    Party(PartyId),
}

impl fmt::Display for ShareExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(Sender::Account(account)) => {
                write!(f, "{ACCOUNT_PLACES} transactions of the account {account} wait in the pool already")
            }
            Self::Account(Sender::Unknown) => {
                write!(f, "{ACCOUNT_PLACES} transactions of unknown senders wait in the pool already")
            }
            Self::Party(party) => {
                write!(f, "{PARTY_PLACES} transactions of the party {party} wait in the pool already")
            }
        }
    }
}

/// Counts the places. It remembers the transactions that the pool does not show: those that it is validating, and those
/// that wait for its first view of a block.
pub struct Shares<Id> {
    hidden: HashMap<Id, Hidden>,
    /// The parties of accounts. An account that changes its party counts for the former one until it is forgotten.
    parties: HashMap<AccountId, PartyId>,
}

impl<Id> Default for Shares<Id> {
    fn default() -> Self {
        Self { hidden: HashMap::new(), parties: HashMap::new() }
    }
}

/// A transaction that the pool does not show.
struct Hidden {
    sender: Sender,
    since: Instant,
}

/// The place of a transaction. It is free again when this is dropped, because the pool then shows the transaction or has
/// refused it.
pub struct Place<'a, Id: Hash + Eq> {
    shares: &'a Mutex<Shares<Id>>,
    transaction: Id,
    is_kept: bool,
}

impl<Id: Hash + Eq> Place<'_, Id> {
    /// The id of the transaction.
    pub fn transaction(&self) -> &Id {
        &self.transaction
    }

    /// Keeps the place for a while, because the pool has taken the transaction but does not show it.
    pub fn keep(mut self) {
        self.is_kept = true;
    }
}

impl<Id: Hash + Eq> Drop for Place<'_, Id> {
    fn drop(&mut self) {
        if !self.is_kept {
            let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
            shares.hidden.remove(&self.transaction);
        }
    }
}

impl<Id: Hash + Eq + Copy> Shares<Id> {
    /// Takes a place for a transaction, or returns whose places are all taken. Returns `None` if the transaction has a place
    /// already.
    ///
    /// `count` is the number of transactions that the pool shows, and `shown` returns them. `party_of` looks up the party
    /// of an account. The last two cost time, and are called only if so many transactions wait that a share may be
    /// exceeded.
    pub fn take<'a>(
        this: &'a Mutex<Self>,
        (transaction, sender): (Id, Sender),
        count: usize,
        shown: impl FnOnce() -> HashMap<Id, Sender>,
        party_of: impl Fn(&AccountId) -> Option<PartyId>,
    ) -> Result<Option<Place<'a, Id>>, ShareExceeded> {
        let mut shares = this.lock().unwrap_or_else(PoisonError::into_inner);
        shares.hidden.retain(|_, hidden| hidden.since.elapsed() < HIDDEN);
        if shares.hidden.contains_key(&transaction) {
            return Ok(None);
        }
        if count.saturating_add(shares.hidden.len()) >= ACCOUNT_PLACES {
            let waiting = shares.waiting(shown());
            shares.ensure_room(sender, &waiting, party_of)?;
        }
        shares.hidden.insert(transaction, Hidden { sender, since: Instant::now() });
        Ok(Some(Place { shares: this, transaction, is_kept: false }))
    }

    /// Returns the number of waiting transactions of each sender. Forgets the hidden transactions that the pool shows now.
    fn waiting(&mut self, shown: HashMap<Id, Sender>) -> HashMap<Sender, usize> {
        self.hidden.retain(|transaction, _| !shown.contains_key(transaction));
        let hidden = self.hidden.values().map(|hidden| hidden.sender);
        let mut waiting = HashMap::new();
        for sender in shown.into_values().chain(hidden) {
            *waiting.entry(sender).or_default() += 1;
        }
        waiting
    }

    /// Ensures that a sender, and the party that it acts for, have a place left.
    fn ensure_room(
        &mut self,
        sender: Sender,
        waiting: &HashMap<Sender, usize>,
        party_of: impl Fn(&AccountId) -> Option<PartyId>,
    ) -> Result<(), ShareExceeded> {
        let of = |sender: &Sender| waiting.get(sender).copied().unwrap_or_default();
        if of(&sender) >= ACCOUNT_PLACES {
            return Err(ShareExceeded::Account(sender));
        }
        let total: usize = waiting.values().sum();
        // The pool's own validation refuses accounts that act for no party.
        let Some(party) = self.party(&sender, &party_of).filter(|_| total >= PARTY_PLACES) else {
            return Ok(());
        };
        let same = waiting.iter().filter(|(other, _)| self.party(other, &party_of) == Some(party));
        let taken: usize = same.map(|(_, count)| count).sum();
        if taken >= PARTY_PLACES {
            return Err(ShareExceeded::Party(party));
        }
        Ok(())
    }

    /// Returns the party of a sender, which is remembered.
    fn party(
        &mut self,
        sender: &Sender,
        party_of: &impl Fn(&AccountId) -> Option<PartyId>,
    ) -> Option<PartyId> {
        let Sender::Account(account) = sender else { return None };
        if let Some(party) = self.parties.get(account) {
            return Some(*party);
        }
        let party = party_of(account)?;
        if self.parties.len() >= KNOWN_ACCOUNTS {
            self.parties.clear();
        }
        self.parties.insert(*account, party);
        Some(party)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};

    /// A pool that shows what it has taken.
    #[derive(Default)]
    struct Pool {
        shares: Mutex<Shares<u32>>,
        shown: RefCell<HashMap<u32, Sender>>,
        next: Cell<u32>,
        /// The number of times that the transactions were listed.
        listed: Cell<usize>,
    }

    impl Pool {
        fn take(&self, transaction: u32, sender: Sender) -> Result<Option<Place<'_, u32>>, ShareExceeded> {
            let shown = || {
                self.listed.set(self.listed.get() + 1);
                self.shown.borrow().clone()
            };
            let count = self.shown.borrow().len();
            Shares::take(&self.shares, (transaction, sender), count, shown, party_of)
        }

        /// Submits a transaction that the pool shows at once.
        fn submit(&self, sender: Sender) -> Result<(), ShareExceeded> {
            let transaction = self.next.replace(self.next.get() + 1);
            let place = self.take(transaction, sender)?;
            self.shown.borrow_mut().insert(transaction, sender);
            drop(place);
            Ok(())
        }

        /// Submits until a transaction is refused. Returns how many were taken, and the reason.
        fn fill(&self, sender: Sender) -> (usize, ShareExceeded) {
            let mut taken = 0;
            loop {
                match self.submit(sender) {
                    Ok(()) => taken += 1,
                    Err(full) => return (taken, full),
                }
            }
        }
    }

    /// The accounts of a party have its number as their first byte. Accounts with zero act for no party.
    fn party_of(account: &AccountId) -> Option<PartyId> {
        (account.0[0] > 0).then(|| party(account.0[0]))
    }

    fn party(number: u8) -> PartyId {
        PartyId([number; 32])
    }

    fn account(of: u8, number: u8) -> Sender {
        let mut bytes = [number; 32];
        bytes[0] = of;
        Sender::Account(AccountId(bytes))
    }

    #[test]
    fn one_account_does_not_fill_the_pool_nor_the_share_of_its_party() {
        let pool = Pool::default();
        let gateway = account(1, 1);
        assert_eq!(pool.fill(gateway), (ACCOUNT_PLACES, ShareExceeded::Account(gateway)));
        // Its party still has places, with which it can remove the gateway.
        pool.submit(account(1, 2)).unwrap();
        // A block takes some, which frees as many places.
        let mine: Vec<u32> =
            pool.shown.borrow().iter().filter(|(_, of)| **of == gateway).map(|(id, _)| *id).take(5).collect();
        for id in &mine {
            pool.shown.borrow_mut().remove(id);
        }
        assert_eq!(pool.fill(gateway).0, 5);
    }

    #[test]
    fn the_accounts_of_one_party_do_not_take_the_places_of_others() {
        let pool = Pool::default();
        let mut taken = 0;
        for gateway in 1..=200 {
            match pool.submit(account(1, gateway)) {
                Ok(()) => taken += 1,
                Err(full) => assert_eq!(full, ShareExceeded::Party(party(1))),
            }
        }
        assert_eq!(taken, PARTY_PLACES);
        assert_eq!(pool.fill(account(2, 1)).0, ACCOUNT_PLACES);
        assert_eq!(pool.fill(account(2, 2)).0, PARTY_PLACES - ACCOUNT_PLACES);
        assert_eq!(pool.fill(account(2, 3)), (0, ShareExceeded::Party(party(2))));
    }

    #[test]
    fn transactions_of_nobody_share_the_places_of_one_account() {
        let pool = Pool::default();
        assert_eq!(pool.fill(Sender::Unknown), (ACCOUNT_PLACES, ShareExceeded::Account(Sender::Unknown)));
        pool.submit(account(1, 1)).unwrap();
    }

    #[test]
    fn transactions_that_the_pool_does_not_show_yet_take_places_too() {
        let pool = Pool::default();
        let sender = account(1, 1);
        let places: Vec<_> =
            (0..ACCOUNT_PLACES as u32).map(|id| pool.take(id, sender).unwrap().unwrap()).collect();
        assert!(matches!(pool.take(1_000, sender), Err(ShareExceeded::Account(_))));
        assert!(pool.take(0, sender).unwrap().is_none(), "a transaction takes a second place");
        // The pool has taken half of them and shows none. It has refused the others, whose places are free.
        for place in places {
            if place.transaction() % 2 == 0 {
                place.keep();
            }
        }
        pool.next.set(1_000);
        assert_eq!(pool.fill(sender).0, ACCOUNT_PLACES / 2);
    }

    #[test]
    fn a_nearly_empty_pool_is_not_listed() {
        let pool = Pool::default();
        for number in 0..ACCOUNT_PLACES {
            pool.submit(account(1, number as u8)).unwrap();
        }
        assert_eq!(pool.listed.get(), 0);
        pool.submit(account(1, 0)).unwrap();
        assert_eq!(pool.listed.get(), 1);
    }

    #[test]
    fn the_sender_is_read_from_the_first_bytes() {
        let signed = |account: &[u8]| [&[0x84, 0][..], account, &[1; 70]].concat();
        assert_eq!(Sender::of(&signed(&[7; 32])), Sender::Account(AccountId([7; 32])));
        // Too short, another kind of address, unsigned, another version, empty.
        for bytes in [&[0x84, 0, 7][..], &[0x84, 1, 0], &[0x04, 10, 0], &[0x45, 0], &[]] {
            assert_eq!(Sender::of(bytes), Sender::Unknown);
        }
    }
}
