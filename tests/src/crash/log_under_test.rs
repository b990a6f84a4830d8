//! One log of the campaign from its first start to its last check: a gateway of its own, its producers, what is known.

use super::{
    oracle::{self, History, RecomputedLog},
    producers::Producers,
    subject::{StartMode, StartOutcome, Subject},
    CampaignEnv,
};
use crate::{wait_until, GatewaySettings, SigningDevice};
use anyhow::{ensure, Context, Result};
use codec::{Decode as _, Encode as _};
use rand::{rngs::StdRng, seq::SliceRandom as _, Rng as _, SeedableRng as _};
use serde_json::json;
use std::fs;
use streembit_primitives::{chain::Anchor, AccountId, LogId};

/// How many devices sign their events.
const METERS: usize = 6;

/// The devices that the gateway signs for.
const HOSTED: [&str; 2] = ["shed", "barn"];

/// The places at which the very first start may be cut short.
const BIRTH: [&str; 3] = ["open-folder", "open-identity", "open-checks"];

/// How many cycles may pass until an anchor has caught up.
const ANCHORED_EVERY: u64 = 5;

/// A log with everything about it.
pub struct LogUnderTest<'s> {
    /// Its gateway.
    pub subject: Subject<'s>,
    /// Its producers.
    pub producers: Producers,
    log: LogId,
    history: History,
    size: u64,
    anchored: u64,
    cycles: u64,
}

impl<'s> LogUnderTest<'s> {
    /// A new gateway, known to the chain, whose first start is cut short.
    pub fn new(campaign: &mut CampaignEnv<'s>, seed: u64, number: u64) -> Result<Self> {
        let mut random = StdRng::seed_from_u64(seed ^ number.rotate_left(32));
        let meters: Vec<_> = (0..METERS).map(|_| SigningDevice::from_seed(random.gen())).collect();
        let mut settings =
            GatewaySettings { anchor_events: 2_000, anchor_seconds: 1, ..GatewaySettings::default() };
        for (at, meter) in meters.iter().enumerate() {
            settings = settings.signing(&format!("meter{at}"), &meter.configured_key());
        }
        let settings = HOSTED.into_iter().fold(settings, GatewaySettings::hosted);
        let name = format!("gateway{number}");
        let data = campaign.disk.folder().join(&name);
        let mut subject = Subject::new(campaign.env, &name, settings, data, &campaign.node.url())?;
        let birth = BIRTH.choose(&mut random).copied().unwrap_or("open-checks");
        match subject.start(&StartMode::Failpoint(birth, 1))? {
            StartOutcome::Ended(_) => {}
            StartOutcome::Ready => anyhow::bail!("the first start does not come by {birth}"),
        }
        subject.must_start().with_context(|| format!("after a first start that was cut short at {birth}"))?;
        let hosted = HOSTED.map(String::from);
        let producers = Producers::new(campaign.env.handle(), &subject.socket(), meters, &hosted)?;
        let log = LogId { gateway: subject.account()?, epoch: 0 };
        let history = History::default();
        let under_test = Self { subject, producers, log, history, size: 0, anchored: 0, cycles: 0 };
        under_test.register(campaign)?;
        Ok(under_test)
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
    pub fn check(&mut self, campaign: &mut CampaignEnv) -> Result<()> {
        let recomputed = self.recompute()?;
        let said = self.subject.answers()?;
        ensure!(
            said == recomputed.size(),
            "the gateway says {said} entries, there are {}",
            recomputed.size()
        );
        let before = self.size;
        self.size = recomputed.size();
        self.cycles += 1;
        self.check_anchor(campaign, &recomputed)?;
        if self.cycles.is_multiple_of(ANCHORED_EVERY) {
            self.wait_for_anchor(campaign, before)?;
        }
        Ok(())
    }

    /// Derives the log from its entries and holds it against what was acknowledged and what was there before.
    pub fn recompute(&mut self) -> Result<RecomputedLog> {
        let (recomputed, history) = self.look()?;
        self.history = history;
        Ok(recomputed)
    }

    /// The same, of a log that may be put back afterwards: nothing of it is history.
    pub fn recompute_without_recording(&self) -> Result<RecomputedLog> {
        self.look().map(|(recomputed, _)| recomputed)
    }

    fn look(&self) -> Result<(RecomputedLog, History)> {
        let ledger = self.producers.ledger();
        if let Some(violation) = ledger.violations.first() {
            anyhow::bail!("{violation} ({} such)", ledger.violations.len());
        }
        let mut history = self.history.clone();
        Ok((oracle::check(self.subject.data(), &ledger, &mut history)?, history))
    }

    /// The last check of this log: all of it is anchored. Its data is removed.
    pub fn finish(mut self, campaign: &mut CampaignEnv) -> Result<()> {
        self.wait_for_anchor(campaign, self.size)?;
        self.producers.pause();
        let recomputed = self.recompute()?;
        self.check_anchor(campaign, &recomputed)?;
        self.subject.stop()?;
        Ok(fs::remove_dir_all(self.subject.data())?)
    }

    fn check_anchor(&mut self, campaign: &CampaignEnv, recomputed: &RecomputedLog) -> Result<()> {
        let Some(anchor) = self.latest(campaign)? else {
            ensure!(self.anchored == 0, "the chain has no anchor any more");
            return Ok(());
        };
        ensure!(anchor.checkpoint.size >= self.anchored, "the chain went back");
        self.anchored = anchor.checkpoint.size;
        recomputed.extends(&anchor)
    }

    fn wait_for_anchor(&mut self, campaign: &CampaignEnv, size: u64) -> Result<()> {
        wait_until(&format!("{size} entries are anchored"), 90, || {
            self.subject.check_running()?;
            let anchored = self.latest(campaign)?.map_or(0, |anchor| anchor.checkpoint.size);
            ensure!(anchored >= size, "{anchored} are");
            Ok(())
        })
    }

    /// The last finalized anchor of the log.
    fn latest(&self, campaign: &CampaignEnv) -> Result<Option<Anchor>> {
        let head = campaign.node.rpc("chain_getFinalizedHead", json!([]))?;
        let argument = format!("0x{}", hex::encode(self.log.encode()));
        let answer = campaign.node.rpc("state_call", json!(["AnchorsApi_latest", argument, head]))?;
        let bytes = hex::decode(answer.as_str().context("no bytes")?.trim_start_matches("0x"))?;
        Ok(Option::<Anchor>::decode(&mut &bytes[..])?)
    }

    fn register(&self, campaign: &CampaignEnv) -> Result<()> {
        campaign
            .env
            .streembit(["gateway", "register", "--config"])
            .arg(self.subject.config())
            .arg("--key")
            .arg(campaign.env.dev_keystore("alice")?)
            .node(&campaign.node.url())
            .ok()?;
        Ok(())
    }
}

impl Subject<'_> {
    fn account(&self) -> Result<AccountId> {
        Ok(streembit::account::parse(&crate::str_at(&self.status()?, "/account")?)?)
    }
}
