//! A simulated year: vehicles drive, and owners, workshops and lessors make contracts and quarrel about them. Readings are
//! wrong, gateways are offline, parties are expelled, the chain stands still, and people call what they must not call.
//!
//! What happens follows from a seed. After every block the invariants hold, the state says the same as the events, no
//! device has two owners, no right outlives its contract, and no claim is without a state.

mod actions;
mod checks;
mod ledger;
mod terms;
mod vehicle;

use crate::mock::*;
use ledger::Ledger;
use sp_runtime::DispatchResult;
use streembit_primitives::PartyId;
use vehicle::Vehicle;

/// The length of a block: a chain that makes one when there is something to put in it.
const BLOCK: u64 = DAY / 4;
/// The variables that choose another run.
const SEED: &str = "STREEMBIT_YEAR_SEED";
const DAYS: &str = "STREEMBIT_YEAR_DAYS";

/// The limits of a simulation of many parties. The small ones of the mock are back when this is dropped.
struct Limits(());

impl Limits {
    fn of_many_parties() -> Self {
        Self::set(2 * BLOCK, 200, 20, 4, 6);
        Self(())
    }

    fn set(gap: u64, contracts: u32, proposals: u32, of_device: u32, claims: u32) {
        MaxLiveGap::set(gap);
        MaxContractsOfParty::set(contracts);
        MaxProposalsOfParty::set(proposals);
        MaxContractsOfDevice::set(of_device);
        MaxClaimsOfClause::set(claims);
    }
}

impl Drop for Limits {
    fn drop(&mut self) {
        Self::set(MINUTE, 6, 3, 2, 3);
    }
}

/// A generator of numbers that follow from a seed (SplitMix64).
pub struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below `limit`, which is above zero.
    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn is_one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    /// Returns one of some items, or `None` if there is none.
    fn pick<T: Clone>(&mut self, items: &[T]) -> Option<T> {
        match items.len() as u64 {
            0 => None,
            count => items.get(self.below(count) as usize).cloned(),
        }
    }
}

/// How large a run is.
struct Size {
    vehicles: u8,
    workshops: u8,
    lessors: u8,
    days: u64,
}

/// All parties and vehicles, and what happened to them.
struct World {
    random: Random,
    vehicles: Vec<Vehicle>,
    workshops: Vec<PartyId>,
    lessors: Vec<PartyId>,
    owners: Vec<PartyId>,
    ledger: Ledger,
    /// The nonce of the next contract.
    nonce: u64,
    /// The numbers of calls that succeeded and that were refused.
    applied: u64,
    refused: u64,
}

impl World {
    fn new(seed: u64, size: &Size) -> Self {
        let parties =
            |first: u8, count: u8| (first..first + count).map(|n| PartyId([n; 32])).collect::<Vec<_>>();
        let (workshops, lessors) = (parties(20, size.workshops), parties(60, size.lessors));
        let owners = parties(100, size.vehicles.div_ceil(2));
        Added::set(&[workshops.clone(), lessors.clone(), owners.clone()].concat());
        let mut world = Self {
            random: Random(seed),
            vehicles: (0..size.vehicles).map(Vehicle::new).collect(),
            workshops,
            lessors,
            owners,
            ledger: Ledger::default(),
            nonce: 0,
            applied: 0,
            refused: 0,
        };
        for number in 0..world.vehicles.len() {
            // A quarter of the vehicles belongs to lessors.
            let of_lessor = number.is_multiple_of(4);
            let owners = if of_lessor { world.lessors.clone() } else { world.owners.clone() };
            let owner = owners[number % owners.len()];
            let vehicle = &world.vehicles[number];
            own(owner, &vehicle.key(), &vehicle.gateway);
            world.ledger.owners.insert(vehicle.device, owner);
        }
        world
    }

    /// Makes a block with some calls in it.
    fn block(&mut self) {
        let stands_still = self.random.is_one_in(200);
        block_at(Now::get() + if stands_still { 7 * DAY } else { BLOCK });
        for vehicle in &mut self.vehicles {
            vehicle.live(&mut self.random);
        }
        for _ in 0..2 + self.vehicles.len() / 4 {
            let result = self.act();
            self.note(result);
        }
        self.ledger.read_events();
    }

    fn note(&mut self, result: Option<DispatchResult>) {
        match result {
            Some(Ok(())) => self.applied += 1,
            Some(Err(_)) => self.refused += 1,
            None => {}
        }
    }

    /// Lets all contracts end, and removes them.
    fn wind_up(&mut self) {
        Gone::set(&Vec::new());
        block_at(Now::get() + 800 * DAY);
        for _ in 0..2 {
            for id in self.ledger.agreements.keys().copied().collect::<Vec<_>>() {
                // A contract that has ended already can only be removed later.
                let _ = ServiceContracts::prune(signed(ARBITER), id);
            }
            self.ledger.read_events();
            for _ in 0..60 {
                block_at(Now::get() + 2 * BLOCK);
            }
            self.check();
        }
        for id in self.ledger.agreements.keys().copied().collect::<Vec<_>>() {
            frame_support::assert_ok!(ServiceContracts::prune(signed(ARBITER), id));
        }
        self.ledger.read_events();
    }
}

/// Runs a simulation. Returns what happened.
fn run(seed: u64, size: &Size) -> World {
    eprintln!("the seed is {seed}: {SEED}={seed} {DAYS}={} repeats this run", size.days);
    let _limits = Limits::of_many_parties();
    chain().execute_with(|| {
        let mut world = World::new(seed, size);
        let end = START + size.days * DAY;
        while Now::get() < end {
            world.block();
            world.check();
        }
        eprintln!(
            "{} calls succeeded, {} were refused: {:?}",
            world.applied, world.refused, world.ledger.counts
        );
        world.wind_up();
        world.check();
        world.check_is_empty();
        world
    })
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

#[test]
fn two_months_of_a_small_fleet_keep_the_invariants() {
    let days = variable(DAYS).unwrap_or(60);
    let world = run(variable(SEED).unwrap_or(7), &Size { vehicles: 8, workshops: 3, lessors: 1, days });
    // The run does something: otherwise the invariants say nothing.
    let counts = &world.ledger.counts;
    assert!(world.applied > 50 && world.refused > 50, "{} {}", world.applied, world.refused);
    assert!(
        counts.activated > 0 && counts.services > 0 && counts.decided > 0 && counts.pruned > 0,
        "{counts:?}"
    );
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn a_year_of_fifty_vehicles_keeps_the_invariants() {
    let seed = variable(SEED).unwrap_or_else(|| {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.unwrap().as_nanos() as u64
    });
    let days = variable(DAYS).unwrap_or(365);
    let world = run(seed, &Size { vehicles: 50, workshops: 10, lessors: 2, days });
    let counts = &world.ledger.counts;
    if days >= 365 {
        let all = [
            counts.activated,
            counts.amended,
            counts.ended,
            counts.services,
            counts.contested,
            counts.decided,
            counts.irregular,
            counts.charges,
            counts.paid,
            counts.handed_over,
            counts.revoked,
            counts.pruned,
        ];
        assert!(all.iter().all(|count| *count > 0), "{counts:?}");
    }
}

#[test]
fn a_seed_repeats_a_run() {
    let size = || Size { vehicles: 4, workshops: 2, lessors: 1, days: 10 };
    let calls = |seed| {
        let world = run(seed, &size());
        (world.applied, world.refused, format!("{:?}", world.ledger.counts))
    };
    assert_eq!(calls(3), calls(3));
}
