//! Which voters are online: those who were seen voting in one of the last rounds.
//!
//! GRANDPA tells who has voted in the rounds that run. It forgets a round within a second of its end, and an idle chain has
//! none, so the rounds are looked at often and the last ones are kept. Prometheus, the log and `streembit_voters` say what
//! was seen.

use crate::service::FullClient;
use sc_consensus_grandpa::{report, AuthorityId, SharedAuthoritySet, SharedVoterState};
use serde::Serialize;
use sp_blockchain::HeaderBackend as _;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};
use streembit_runtime::{BlockNumber, Hash};
use substrate_prometheus_endpoint::{register, Gauge, PrometheusError, Registry, F64, U64};
use tokio::sync::watch;

/// How often the rounds are looked at. One that is complete can be seen for a third of a second on average.
const LOOK: Duration = Duration::from_millis(200);

/// In how many of the last rounds a voter may be missed: a look can come before its vote.
const ROUNDS: usize = 3;

/// How long blocks may wait in one round before only those who have voted in it count.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who votes.
pub type Authorities = SharedAuthoritySet<Hash, BlockNumber>;

/// The voters, as this node sees them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Voters {
    /// The number of their authority set.
    pub set: u64,
    /// How many there are.
    pub total: u64,
    /// How many have to vote for a block to become final.
    pub needed: u64,
    /// How many are online; `None` before a vote was seen since the start, or since they changed.
    pub online: Option<u64>,
}

impl fmt::Display for Voters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { total, needed, .. } = self;
        match self.online {
            Some(online) => write!(f, "{online} of {total} voters online, {needed} needed"),
            None => write!(f, "{total} voters, none seen yet, {needed} needed"),
        }
    }
}

/// What Prometheus reads of the voters.
pub struct Gauges {
    set: Gauge<U64>,
    total: Gauge<U64>,
    needed: Gauge<U64>,
    online: Gauge<F64>,
}

impl Gauges {
    /// Those of a node whose metrics are read.
    pub fn register(registry: &Registry) -> Result<Self, PrometheusError> {
        let whole = |name: &str, help: &str| register(Gauge::<U64>::new(name, help)?, registry);
        let gauges = Self {
            set: whole("streembit_voter_set", "Number of the authority set that votes")?,
            total: whole("streembit_voters", "Voters of the authority set")?,
            needed: whole("streembit_voters_needed", "Voters without whom no block becomes final")?,
            online: register(
                Gauge::<F64>::new(
                    "streembit_voters_online",
                    "Voters seen voting in one of the last rounds; NaN before the first",
                )?,
                registry,
            )?,
        };
        gauges.online.set(f64::NAN);
        Ok(gauges)
    }

    fn set(&self, voters: &Voters) {
        self.set.set(voters.set);
        self.total.set(voters.total);
        self.needed.set(voters.needed);
        self.online.set(voters.online.map_or(f64::NAN, |online| online as f64));
    }
}

/// Looks at the rounds for as long as the node runs; tells each change to `tell`.
pub async fn follow(
    client: Arc<FullClient>,
    authorities: Authorities,
    voter: SharedVoterState,
    gauges: Option<Gauges>,
    tell: watch::Sender<Option<Voters>>,
) {
    let mut sightings = Sightings::new(0);
    loop {
        if let Some(state) = voter.voter_state() {
            let chain = client.info();
            let waits = chain.best_number > chain.finalized_number;
            let (best, round) = &state.best_round;
            let rounds = state.background_rounds.iter().chain([(best, round)]);
            let votes = rounds.map(|(number, round)| (*number, voted(round)));
            let set = authorities.set_id();
            let voters = Voters {
                set,
                total: round.total_weight.get(),
                needed: round.threshold_weight.get(),
                online: sightings.look(set, votes, waits.then(|| (*best, present(round))), Instant::now()),
            };
            if let Some(gauges) = &gauges {
                gauges.set(&voters);
            }
            tell.send_if_modified(|last| last.replace(voters) != Some(voters));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Who has voted in a round, in whichever way.
fn voted(round: &report::RoundState<AuthorityId>) -> BTreeSet<AuthorityId> {
    round.prevote_ids.union(&round.precommit_ids).cloned().collect()
}

/// Who has voted in a round as far as it has come: first all prevote, then all precommit.
fn present(round: &report::RoundState<AuthorityId>) -> BTreeSet<AuthorityId> {
    let precommits = round.prevote_current_weight.0 >= round.threshold_weight.get();
    let voters = if precommits { &round.precommit_ids } else { &round.prevote_ids };
    voters.iter().cloned().collect()
}

/// Who was seen voting in the last rounds of an authority set.
struct Sightings<Id> {
    set: u64,
    /// The last rounds in which anybody has voted, and who.
    rounds: BTreeMap<u64, BTreeSet<Id>>,
    /// The round with votes in which blocks wait, and since when.
    waiting: Option<(u64, Instant)>,
}

impl<Id: Ord> Sightings<Id> {
    fn new(set: u64) -> Self {
        Self { set, rounds: BTreeMap::new(), waiting: None }
    }

    /// Takes note of the votes of each round that runs; gives how many voters are online, where that is known. Where blocks
    /// wait, `waiting` is the last round, and who has voted in it as far as it has come.
    fn look(
        &mut self,
        set: u64,
        votes: impl Iterator<Item = (u64, BTreeSet<Id>)>,
        waiting: Option<(u64, BTreeSet<Id>)>,
        now: Instant,
    ) -> Option<u64> {
        if self.set != set {
            *self = Self::new(set);
        }
        for (round, voters) in votes.filter(|(_, voters)| !voters.is_empty()) {
            self.rounds.entry(round).or_default().extend(voters);
        }
        while self.rounds.len() > ROUNDS {
            self.rounds.pop_first();
        }
        self.waiting = match (&waiting, self.waiting) {
            (Some((round, _)), Some((last, since))) if *round == last => Some((last, since)),
            (Some((round, _)), _) if self.rounds.contains_key(round) => Some((*round, now)),
            _ => None,
        };
        let stuck = self.waiting.is_some_and(|(_, since)| now.duration_since(since) >= PATIENCE);
        match waiting {
            Some((_, voters)) if stuck => Some(voters.len() as u64),
            _ => {
                let online: BTreeSet<&Id> = self.rounds.values().flatten().collect();
                (!online.is_empty()).then_some(online.len() as u64)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A chain of which one looks at the rounds.
    struct Looks {
        sightings: Sightings<char>,
        start: Instant,
    }

    impl Looks {
        fn new() -> Self {
            Self { sightings: Sightings::new(0), start: Instant::now() }
        }

        /// The votes of each round; in the last one, where blocks wait in it, those of `waiting` are as far as it has come.
        fn at(&mut self, second: u64, set: u64, votes: &[(u64, &str)], waiting: Option<&str>) -> Option<u64> {
            let last = votes.last().map_or(0, |(round, _)| *round);
            let votes = votes.iter().map(|(round, voters)| (*round, voters.chars().collect()));
            let waiting = waiting.map(|voters| (last, voters.chars().collect()));
            self.sightings.look(set, votes, waiting, self.start + Duration::from_secs(second))
        }
    }

    #[test]
    fn nobody_is_known_before_the_first_vote_and_after_a_change() {
        let mut looks = Looks::new();
        assert_eq!(looks.at(0, 0, &[(1, "")], None), None);
        assert_eq!(looks.at(1, 0, &[(1, "ab")], Some("ab")), Some(2));
        assert_eq!(looks.at(2, 1, &[(1, "")], None), None);
    }

    #[test]
    fn an_idle_chain_keeps_what_it_saw() {
        let mut looks = Looks::new();
        assert_eq!(looks.at(0, 0, &[(7, "abc"), (8, "")], None), Some(3));
        assert_eq!(looks.at(3_600, 0, &[(8, "")], None), Some(3));
        // A round that goes on though all is final is no round that anybody waits in.
        assert_eq!(looks.at(3_601, 0, &[(8, "a")], None), Some(3));
        assert_eq!(looks.at(7_200, 0, &[(8, "a")], None), Some(3));
    }

    #[test]
    fn who_misses_some_rounds_is_gone() {
        let mut looks = Looks::new();
        assert_eq!(looks.at(0, 0, &[(1, "abcd")], Some("abcd")), Some(4));
        assert_eq!(looks.at(1, 0, &[(1, "abcd"), (2, "ab")], Some("ab")), Some(4));
        assert_eq!(looks.at(2, 0, &[(2, "abc"), (3, "a")], Some("a")), Some(4));
        assert_eq!(looks.at(3, 0, &[(4, "abc")], Some("abc")), Some(3));
    }

    #[test]
    fn in_a_round_that_does_not_end_only_its_votes_count() {
        let mut looks = Looks::new();
        assert_eq!(looks.at(0, 0, &[(1, "abcd")], None), Some(4));
        // One has prevoted and is gone before it precommits.
        for second in [1, 10] {
            assert_eq!(looks.at(second, 0, &[(2, "abc")], Some("ab")), Some(4));
        }
        assert_eq!(looks.at(11, 0, &[(2, "abc")], Some("ab")), Some(2));
        // It comes back, and the round ends.
        assert_eq!(looks.at(20, 0, &[(2, "abc")], Some("abc")), Some(3));
        assert_eq!(looks.at(21, 0, &[(2, "abcd"), (3, "")], None), Some(4));
    }

    #[test]
    fn prometheus_reads_what_was_seen() {
        let registry = Registry::new();
        let gauges = Gauges::register(&registry).unwrap();
        let value = |name: &str| {
            let families = registry.gather();
            let family = families.iter().find(|family| family.get_name() == name).unwrap();
            family.get_metric()[0].get_gauge().get_value()
        };
        assert!(value("streembit_voters_online").is_nan());
        let voters = Voters { set: 2, total: 4, needed: 3, online: Some(3) };
        gauges.set(&voters);
        assert_eq!(value("streembit_voter_set"), 2.0);
        assert_eq!(value("streembit_voters"), 4.0);
        assert_eq!(value("streembit_voters_needed"), 3.0);
        assert_eq!(value("streembit_voters_online"), 3.0);
        assert_eq!(voters.to_string(), "3 of 4 voters online, 3 needed");
        gauges.set(&Voters { online: None, ..voters });
        assert!(value("streembit_voters_online").is_nan());
    }
}
