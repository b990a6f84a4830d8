//! One log of the campaign from its first start to its last check: a gateway of its own, its producers, what is known.

use super::{
    load::Load,
    oracle::{self, Derived, Remembered},
    subject::{Manner, Started, Subject},
    Place,
};
use crate::{until, Meter, Settings};
use anyhow::{ensure, Context, Result};
use codec::{Decode as _, Encode as _};
use rand::{rngs::StdRng, seq::SliceRandom as _, Rng as _, SeedableRng as _};
use serde_json::json;
use std::fs;
use streembit_primitives::{checkpoint::Anchor, AccountId, LogId};

/// How many devices sign their events.
const METERS: usize = 6;

/// The devices that the gateway signs for.
const HOSTED: [&str; 2] = ["shed", "barn"];

/// The places at which the very first start may be cut short.
const BIRTH: [&str; 3] = ["open-folder", "open-identity", "open-checks"];

/// How many cycles may pass until an anchor has caught up.
const ANCHORED_EVERY: u64 = 5;

/// A log with everything about it.
pub struct Generation<'s> {
    /// Its gateway.
    pub subject: Subject<'s>,
    /// Its producers.
    pub load: Load,
    log: LogId,
    remembered: Remembered,
    size: u64,
    anchored: u64,
    cycles: u64,
}

impl<'s> Generation<'s> {
    /// A new gateway, known to the chain, whose first start is cut short.
    pub fn new(place: &mut Place<'s>, seed: u64, number: u64) -> Result<Self> {
        let mut random = StdRng::seed_from_u64(seed ^ number.rotate_left(32));
        let meters: Vec<_> = (0..METERS).map(|_| Meter::from_seed(random.gen())).collect();
        let mut settings = Settings { anchor_events: 2_000, anchor_seconds: 1, ..Settings::default() };
        for (at, meter) in meters.iter().enumerate() {
            settings = settings.signing(&format!("meter{at}"), &meter.configured_key());
        }
        let settings = HOSTED.into_iter().fold(settings, Settings::hosted);
        let name = format!("gateway{number}");
        let data = place.disk.folder().join(&name);
        let mut subject = Subject::new(place.scene, &name, settings, data, &place.node.url())?;
        let birth = BIRTH.choose(&mut random).copied().unwrap_or("open-checks");
        match subject.start(&Manner::Failpoint(birth, 1))? {
            Started::Ended(_) => {}
            Started::Ready => anyhow::bail!("the first start does not come by {birth}"),
        }
        subject.must_start().with_context(|| format!("after a first start that was cut short at {birth}"))?;
        let hosted = HOSTED.map(String::from);
        let load = Load::new(place.scene.handle(), &subject.socket(), meters, &hosted)?;
        let log = LogId::first(subject.account()?);
        let remembered = Remembered::default();
        let generation = Self { subject, load, log, remembered, size: 0, anchored: 0, cycles: 0 };
        generation.register(place)?;
        Ok(generation)
    }

    /// How many entries there were at the last check.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// How many are anchored, as far as is known.
    pub fn anchored(&self) -> u64 {
        self.anchored
    }

    /// How many cycles it went through.
    pub fn cycles(&self) -> u64 {
        self.cycles
    }

    /// Everything that must be true now. The producers are paused, the gateway runs.
    pub fn check(&mut self, place: &mut Place) -> Result<()> {
        let derived = self.derive()?;
        let said = self.subject.answers()?;
        ensure!(said == derived.size(), "the gateway says {said} entries, there are {}", derived.size());
        let before = self.size;
        self.size = derived.size();
        self.cycles += 1;
        self.check_anchor(place, &derived)?;
        if self.cycles.is_multiple_of(ANCHORED_EVERY) {
            self.wait_for_anchor(place, before)?;
        }
        Ok(())
    }

    /// Derives the log from its entries and holds it against what was acknowledged and what was there before.
    pub fn derive(&mut self) -> Result<Derived> {
        let (derived, remembered) = self.look()?;
        self.remembered = remembered;
        Ok(derived)
    }

    /// The same, of a log that may be put back afterwards: nothing of it is remembered.
    pub fn derive_aside(&self) -> Result<Derived> {
        self.look().map(|(derived, _)| derived)
    }

    fn look(&self) -> Result<(Derived, Remembered)> {
        let ledger = self.load.ledger();
        if let Some(violation) = ledger.violations.first() {
            anyhow::bail!("{violation} ({} such)", ledger.violations.len());
        }
        let mut remembered = self.remembered.clone();
        Ok((oracle::check(self.subject.data(), &ledger, &mut remembered)?, remembered))
    }

    /// The last check of this log: all of it is anchored. Its data is removed.
    pub fn finish(mut self, place: &mut Place) -> Result<()> {
        self.wait_for_anchor(place, self.size)?;
        self.load.pause();
        let derived = self.derive()?;
        self.check_anchor(place, &derived)?;
        self.subject.stop()?;
        Ok(fs::remove_dir_all(self.subject.data())?)
    }

    fn check_anchor(&mut self, place: &Place, derived: &Derived) -> Result<()> {
        let Some(anchor) = self.latest(place)? else {
            ensure!(self.anchored == 0, "the chain has no anchor any more");
            return Ok(());
        };
        ensure!(anchor.checkpoint.size >= self.anchored, "the chain went back");
        self.anchored = anchor.checkpoint.size;
        derived.extends(&anchor)
    }

    fn wait_for_anchor(&mut self, place: &Place, size: u64) -> Result<()> {
        until(&format!("{size} entries are anchored"), 90, || {
            self.subject.check_running()?;
            let anchored = self.latest(place)?.map_or(0, |anchor| anchor.checkpoint.size);
            ensure!(anchored >= size, "{anchored} are");
            Ok(())
        })
    }

    /// The last finalized anchor of the log.
    fn latest(&self, place: &Place) -> Result<Option<Anchor>> {
        let head = place.node.rpc("chain_getFinalizedHead", json!([]))?;
        let argument = format!("0x{}", hex::encode(self.log.encode()));
        let answer = place.node.rpc("state_call", json!(["AnchorsApi_latest", argument, head]))?;
        let bytes = hex::decode(answer.as_str().context("no bytes")?.trim_start_matches("0x"))?;
        Ok(Option::<Anchor>::decode(&mut &bytes[..])?)
    }

    fn register(&self, place: &Place) -> Result<()> {
        place
            .scene
            .streembit(["gateway", "register", "--config"])
            .arg(self.subject.config())
            .arg("--key")
            .arg(place.scene.key("alice")?)
            .node(&place.node.url())
            .ok()?;
        Ok(())
    }
}

impl Subject<'_> {
    fn account(&self) -> Result<AccountId> {
        Ok(streembit::account::parse(&crate::text(&self.status()?, "/account")?)?)
    }
}
