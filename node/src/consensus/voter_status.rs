//! Tracks which GRANDPA voters are online: those that voted in one of the last rounds.
//!
//! GRANDPA reports who has voted in the rounds that are running. It drops a round within a second of its end, and an
//! idle chain has no rounds. The tracker therefore polls often and remembers the last rounds. Prometheus, the status
//! log and the RPC method `streembit_voters` show the result, and name the voters that are missing.

use crate::{notices::Notices, types::FullClient};
use sc_consensus_grandpa::{report, AuthorityId, SharedAuthoritySet, SharedVoterState};
use serde::Serialize;
use sp_api::ProvideRuntimeApi as _;
use sp_blockchain::HeaderBackend as _;
use sp_core::{
    crypto::{AccountId32, Ss58Codec as _},
    ByteArray as _,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};
use streembit_runtime::{consortium::ConsortiumApi as _, BlockNumber, Hash};
use substrate_prometheus_endpoint::{register, Gauge, PrometheusError, Registry, F64, U64};
use tokio::sync::watch;

/// The time between two polls. A completed round is visible for a third of a second on average.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// The number of rounds that are remembered. With one round, a voter would count as offline if its vote came after
/// the last poll.
const REMEMBERED_ROUNDS: usize = 3;

/// The time that blocks may wait in one round. After it, only the voters that have voted in this round count as online.
const STUCK_ROUND_TIMEOUT: Duration = Duration::from_secs(10);

/// The time after which missing voters are brought to the operator's attention. At the start and at a change of the
/// voters, the votes of some come a little later.
const MISSING_TIMEOUT: Duration = Duration::from_secs(30);

/// The topic of the notice about missing voters.
const TOPIC: &str = "voters";

/// The state that the GRANDPA voter shares with the rest of the node. Clones refer to the same state.
#[derive(Clone)]
pub struct GrandpaState {
    /// The current authority set.
    pub authorities: SharedAuthoritySet<Hash, BlockNumber>,
    /// The running rounds and their votes.
    pub voter_state: SharedVoterState,
}

/// The voters, as this node sees them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct VoterStatus {
    /// The number of the authority set.
    pub set: u64,
    /// The number of voters.
    pub total: u64,
    /// The number of voters needed for finality.
    pub needed: u64,
    /// The number of voters online; `None` until a vote of this authority set was seen.
    pub online: Option<u64>,
    /// The voters that are not online; empty until a vote of this authority set was seen.
    pub missing: Vec<MissingVoter>,
}

/// A voter that was not seen voting.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct MissingVoter {
    /// The GRANDPA key: 0x and hexadecimal digits.
    pub key: String,
    /// The account of the validator, if the chain's state has it.
    pub account: Option<String>,
}

impl fmt::Display for MissingVoter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.account {
            Some(account) => write!(f, "{account} (grandpa {})", self.key),
            None => write!(f, "grandpa {}", self.key),
        }
    }
}

impl fmt::Display for VoterStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { total, needed, .. } = self;
        match self.online {
            Some(online) => write!(f, "{online} of {total} voters online, {needed} needed")?,
            None => write!(f, "{total} voters, none seen yet, {needed} needed")?,
        }
        for (position, voter) in self.missing.iter().enumerate() {
            write!(f, "{} {voter}", if position == 0 { "; missing:" } else { "," })?;
        }
        Ok(())
    }
}

/// The Prometheus metrics of the voters.
pub struct VoterMetrics {
    set: Gauge<U64>,
    total: Gauge<U64>,
    needed: Gauge<U64>,
    online: Gauge<F64>,
}

impl VoterMetrics {
    /// Registers the metrics.
    pub fn register(registry: &Registry) -> Result<Self, PrometheusError> {
        let integer = |name: &str, help: &str| register(Gauge::<U64>::new(name, help)?, registry);
        let metrics = Self {
            set: integer("streembit_voter_set", "Number of the authority set that votes")?,
            total: integer("streembit_voters", "Voters of the authority set")?,
            needed: integer("streembit_voters_needed", "Voters without whom no block becomes final")?,
            online: register(
                Gauge::<F64>::new(
                    "streembit_voters_online",
                    "Voters seen voting in one of the last rounds; NaN before the first",
                )?,
                registry,
            )?,
        };
        metrics.online.set(f64::NAN);
        Ok(metrics)
    }

    fn set(&self, status: &VoterStatus) {
        self.set.set(status.set);
        self.total.set(status.total);
        self.needed.set(status.needed);
        self.online.set(status.online.map_or(f64::NAN, |online| online as f64));
    }
}

/// Polls the rounds of GRANDPA and publishes the status of the voters.
pub struct VoterTracker {
    /// Used to see whether blocks wait for finality.
    pub client: Arc<FullClient>,
    /// The state to poll.
    pub grandpa: GrandpaState,
    /// The metrics to update, if the node has metrics.
    pub metrics: Option<VoterMetrics>,
    /// Receives every change of the status.
    pub status: watch::Sender<Option<VoterStatus>>,
    /// Receives a notice while voters are missing.
    pub notices: Notices,
}

impl VoterTracker {
    /// Runs for as long as the node runs.
    pub async fn run(self) {
        let mut votes = RecentVotes::new(0);
        let mut missing = MissingVoters::default();
        loop {
            if let Some(state) = self.grandpa.voter_state.voter_state() {
                let status = self.observe(&state, &mut votes, &mut missing);
                if let Some(metrics) = &self.metrics {
                    metrics.set(&status);
                }
                self.status.send_if_modified(|last| {
                    let is_new = last.as_ref() != Some(&status);
                    *last = Some(status);
                    is_new
                });
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    fn observe(
        &self,
        state: &report::VoterState<AuthorityId>,
        votes: &mut RecentVotes<AuthorityId>,
        missing: &mut MissingVoters,
    ) -> VoterStatus {
        let chain = self.client.info();
        let blocks_wait = chain.best_number > chain.finalized_number;
        let (number, round) = &state.best_round;
        let rounds = state.background_rounds.iter().chain([(number, round)]);
        let running = rounds.map(|(number, round)| (*number, voters_in(round)));
        let waiting = blocks_wait.then(|| (*number, voters_in_current_phase(round)));
        let set = self.grandpa.authorities.set_id();
        let online = votes.update(set, running, waiting, Instant::now());
        self.update_missing(missing, online.as_ref());
        VoterStatus {
            set,
            total: round.total_weight.get(),
            needed: round.threshold_weight.get(),
            missing: missing.described.clone(),
            online: online.map(|online| online.len() as u64),
        }
    }

    /// Finds the voters that are not among those online. Describes them only if they have changed, because that takes a
    /// call of the runtime.
    fn update_missing(&self, missing: &mut MissingVoters, online: Option<&BTreeSet<AuthorityId>>) {
        let voters = self.grandpa.authorities.current_authorities();
        let is_missing = |id: &&AuthorityId| online.is_some_and(|online| !online.contains(*id));
        let ids: Vec<AuthorityId> = voters.iter().map(|(id, _)| id).filter(is_missing).cloned().collect();
        if missing.ids != ids {
            missing.described = if ids.is_empty() { Vec::new() } else { self.describe(&ids) };
            missing.ids = ids;
            missing.since = Some(Instant::now());
        }
        let notice = missing.notice(Instant::now());
        self.notices.set(TOPIC, notice);
    }

    fn describe(&self, voters: &[AuthorityId]) -> Vec<MissingVoter> {
        let consortium = self.client.runtime_api().consortium(self.client.info().best_hash);
        let validators = consortium.map(|consortium| consortium.validators).unwrap_or_default();
        let account = |key: &[u8]| {
            let validator = validators.iter().find(|validator| validator.keys.grandpa.0.as_slice() == key)?;
            Some(AccountId32::from(validator.account.0).to_ss58check())
        };
        let describe = |id: &AuthorityId| {
            let key = id.as_slice();
            MissingVoter { key: format!("0x{}", hex::encode(key)), account: account(key) }
        };
        voters.iter().map(describe).collect()
    }
}

/// The voters that are missing, and their descriptions.
#[derive(Default)]
struct MissingVoters {
    ids: Vec<AuthorityId>,
    described: Vec<MissingVoter>,
    /// When the voters last changed.
    since: Option<Instant>,
}

impl MissingVoters {
    /// Returns a notice if the same voters have been missing for a while.
    fn notice(&self, now: Instant) -> Option<String> {
        let has_lasted = self.since.is_some_and(|since| now.duration_since(since) >= MISSING_TIMEOUT);
        (has_lasted && !self.described.is_empty()).then(|| {
            let names: Vec<_> = self.described.iter().map(MissingVoter::to_string).collect();
            format!(
                "voters are missing: {}; their operators check that their nodes run and are connected",
                names.join(", ")
            )
        })
    }
}

/// Returns the voters that have prevoted or precommitted in a round.
fn voters_in(round: &report::RoundState<AuthorityId>) -> BTreeSet<AuthorityId> {
    round.prevote_ids.union(&round.precommit_ids).cloned().collect()
}

/// Returns the voters that have voted in the current phase of a round: prevotes first, then precommits.
fn voters_in_current_phase(round: &report::RoundState<AuthorityId>) -> BTreeSet<AuthorityId> {
    let is_precommit_phase = round.prevote_current_weight.0 >= round.threshold_weight.get();
    let voters = if is_precommit_phase { &round.precommit_ids } else { &round.prevote_ids };
    voters.iter().cloned().collect()
}

/// The votes in the last rounds of an authority set.
struct RecentVotes<Id> {
    set: u64,
    /// By round: who has voted. Only rounds with votes.
    rounds: BTreeMap<u64, BTreeSet<Id>>,
    /// The round with votes in which blocks wait for finality, and since when they wait.
    waiting: Option<(u64, Instant)>,
}

impl<Id: Ord + Clone> RecentVotes<Id> {
    fn new(set: u64) -> Self {
        Self { set, rounds: BTreeMap::new(), waiting: None }
    }

    /// Adds the votes of the running rounds. Returns the voters online, or `None` if no vote is known.
    ///
    /// If blocks wait for finality, `waiting` has the number of the last round and the voters in its current phase.
    fn update(
        &mut self,
        set: u64,
        running: impl Iterator<Item = (u64, BTreeSet<Id>)>,
        waiting: Option<(u64, BTreeSet<Id>)>,
        now: Instant,
    ) -> Option<BTreeSet<Id>> {
        if self.set != set {
            *self = Self::new(set);
        }
        for (round, voters) in running.filter(|(_, voters)| !voters.is_empty()) {
            self.rounds.entry(round).or_default().extend(voters);
        }
        while self.rounds.len() > REMEMBERED_ROUNDS {
            self.rounds.pop_first();
        }
        self.waiting = match (&waiting, self.waiting) {
            (Some((round, _)), Some((last, since))) if *round == last => Some((last, since)),
            (Some((round, _)), _) if self.rounds.contains_key(round) => Some((*round, now)),
            _ => None,
        };
        let is_stuck =
            self.waiting.is_some_and(|(_, since)| now.duration_since(since) >= STUCK_ROUND_TIMEOUT);
        match waiting {
            Some((_, voters)) if is_stuck => Some(voters),
            _ => {
                let online: BTreeSet<Id> = self.rounds.values().flatten().cloned().collect();
                (!online.is_empty()).then_some(online)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Polls with given votes at given times. Each letter is a voter.
    struct Polls {
        votes: RecentVotes<char>,
        start: Instant,
    }

    impl Polls {
        fn new() -> Self {
            Self { votes: RecentVotes::new(0), start: Instant::now() }
        }

        /// Polls with the votes of the running rounds and, if blocks wait, the votes in the current phase of the last
        /// round.
        fn at(&mut self, second: u64, set: u64, votes: &[(u64, &str)], waiting: Option<&str>) -> Option<u64> {
            let last = votes.last().map_or(0, |(round, _)| *round);
            let votes = votes.iter().map(|(round, voters)| (*round, voters.chars().collect()));
            let waiting = waiting.map(|voters| (last, voters.chars().collect()));
            let online = self.votes.update(set, votes, waiting, self.start + Duration::from_secs(second));
            online.map(|online| online.len() as u64)
        }
    }

    #[test]
    fn the_number_is_unknown_before_the_first_vote_of_an_authority_set() {
        let mut polls = Polls::new();
        assert_eq!(polls.at(0, 0, &[(1, "")], None), None);
        assert_eq!(polls.at(1, 0, &[(1, "ab")], Some("ab")), Some(2));
        assert_eq!(polls.at(2, 1, &[(1, "")], None), None);
    }

    #[test]
    fn the_number_stays_while_the_chain_is_idle() {
        let mut polls = Polls::new();
        assert_eq!(polls.at(0, 0, &[(7, "abc"), (8, "")], None), Some(3));
        assert_eq!(polls.at(3_600, 0, &[(8, "")], None), Some(3));
        // No block waits in this round, so it does not count as stuck.
        assert_eq!(polls.at(3_601, 0, &[(8, "a")], None), Some(3));
        assert_eq!(polls.at(7_200, 0, &[(8, "a")], None), Some(3));
    }

    #[test]
    fn a_voter_that_misses_several_rounds_is_offline() {
        let mut polls = Polls::new();
        assert_eq!(polls.at(0, 0, &[(1, "abcd")], Some("abcd")), Some(4));
        assert_eq!(polls.at(1, 0, &[(1, "abcd"), (2, "ab")], Some("ab")), Some(4));
        assert_eq!(polls.at(2, 0, &[(2, "abc"), (3, "a")], Some("a")), Some(4));
        assert_eq!(polls.at(3, 0, &[(4, "abc")], Some("abc")), Some(3));
    }

    #[test]
    fn only_the_votes_of_a_stuck_round_count() {
        let mut polls = Polls::new();
        assert_eq!(polls.at(0, 0, &[(1, "abcd")], None), Some(4));
        // One voter prevotes and goes offline before it precommits.
        for second in [1, 10] {
            assert_eq!(polls.at(second, 0, &[(2, "abc")], Some("ab")), Some(4));
        }
        assert_eq!(polls.at(11, 0, &[(2, "abc")], Some("ab")), Some(2));
        // It comes back, and the round ends.
        assert_eq!(polls.at(20, 0, &[(2, "abc")], Some("abc")), Some(3));
        assert_eq!(polls.at(21, 0, &[(2, "abcd"), (3, "")], None), Some(4));
    }

    #[test]
    fn voters_that_stay_missing_are_named_in_a_notice() {
        let start = Instant::now();
        let voter = MissingVoter { key: "0x01".into(), account: Some("5FA9".into()) };
        let missing = MissingVoters { ids: Vec::new(), described: vec![voter], since: Some(start) };
        assert_eq!(missing.notice(start + Duration::from_secs(29)), None);
        let notice = missing.notice(start + Duration::from_secs(30)).unwrap();
        assert!(notice.contains("5FA9 (grandpa 0x01)"), "{notice}");
        let none = MissingVoters { described: Vec::new(), ..missing };
        assert_eq!(none.notice(start + Duration::from_secs(60)), None);
    }

    #[test]
    fn the_metrics_show_the_status() {
        let registry = Registry::new();
        let metrics = VoterMetrics::register(&registry).unwrap();
        let value = |name: &str| {
            let families = registry.gather();
            let family = families.iter().find(|family| family.get_name() == name).unwrap();
            family.get_metric()[0].get_gauge().get_value()
        };
        assert!(value("streembit_voters_online").is_nan());
        let status = VoterStatus { set: 2, total: 4, needed: 3, online: Some(3), missing: Vec::new() };
        metrics.set(&status);
        assert_eq!(value("streembit_voter_set"), 2.0);
        assert_eq!(value("streembit_voters"), 4.0);
        assert_eq!(value("streembit_voters_needed"), 3.0);
        assert_eq!(value("streembit_voters_online"), 3.0);
        assert_eq!(status.to_string(), "3 of 4 voters online, 3 needed");
        let missing = [("0x01", Some("5FA9")), ("0x02", None)];
        let missing =
            missing.map(|(key, account)| MissingVoter { key: key.into(), account: account.map(Into::into) });
        let named = VoterStatus { online: Some(2), missing: missing.into(), ..status.clone() };
        let text = "2 of 4 voters online, 3 needed; missing: 5FA9 (grandpa 0x01), grandpa 0x02";
        assert_eq!(named.to_string(), text);
        metrics.set(&VoterStatus { online: None, ..status });
        assert!(value("streembit_voters_online").is_nan());
    }
}
