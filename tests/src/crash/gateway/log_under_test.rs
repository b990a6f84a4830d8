//! One log of the campaign, from its first start to its last check.

use super::{
    oracle::{self, History, RecomputedLog},
    producers::Producers,
    subject::{StartMode, StartOutcome, Subject},
    CampaignEnv,
};
use crate::{wait_until, GatewaySettings, SigningDevice};
use anyhow::{ensure, Context, Result};
use rand::{rngs::StdRng, seq::SliceRandom as _, Rng as _, SeedableRng as _};
use serde_json::json;
use std::fs;
use streembit_primitives::{checkpoint::Anchor, AccountId, LogId};

/// The number of devices that sign their own events.
const SIGNING_DEVICES: usize = 6;

/// The hosted devices.
const HOSTED: [&str; 2] = ["shed", "barn"];

/// The failpoints at which the very first start is interrupted.
const FIRST_START_FAILPOINTS: [&str; 3] = ["open-folder", "open-identity", "open-checks"];

/// The log is fully anchored at least once in this many cycles.
const ANCHORED_EVERY: u64 = 5;

/// A log with its gateway, its producers and the results of earlier checks.
pub struct LogUnderTest<'s> {
    /// The gateway.
    pub subject: Subject<'s>,
    /// The producers.
    pub producers: Producers,
    log: LogId,
    history: History,
    size: u64,
    anchored: u64,
    cycles: u64,
}

impl<'s> LogUnderTest<'s> {
    /// Creates a gateway, interrupts its first start at a failpoint, starts it again and registers it.
    pub fn new(campaign: &mut CampaignEnv<'s>, seed: u64, number: u64) -> Result<Self> {
        let mut random = StdRng::seed_from_u64(seed ^ number.rotate_left(32));
        let devices: Vec<_> = (0..SIGNING_DEVICES).map(|_| SigningDevice::from_seed(random.gen())).collect();
        let mut settings =
            GatewaySettings { anchor_events: 2_000, anchor_seconds: 1, ..GatewaySettings::default() };
        for (at, device) in devices.iter().enumerate() {
            settings = settings.signing(&format!("meter{at}"), &device.configured_key());
        }
        let settings = HOSTED.into_iter().fold(settings, GatewaySettings::hosted);
        let name = format!("gateway{number}");
        let data = campaign.disk.folder().join(&name);
        let mut subject = Subject::new(campaign.env, &name, settings, data, &campaign.node.url())?;
        let failpoint = FIRST_START_FAILPOINTS.choose(&mut random).copied().unwrap_or("open-checks");
        match subject.start(&StartMode::Failpoint(failpoint, 1))? {
            StartOutcome::Ended(_) => {}
            StartOutcome::Ready => anyhow::bail!("the first start does not reach {failpoint}"),
        }
        subject
            .must_start()
            .with_context(|| format!("after a first start that was interrupted at {failpoint}"))?;
        let hosted = HOSTED.map(String::from);
        let producers = Producers::new(campaign.env.handle(), &subject.socket(), devices, &hosted)?;
        campaign.env.register_gateway(subject.config(), &campaign.node, "alice")?;
        let log = LogId::first(subject.account()?);
        let history = History::default();
        Ok(Self { subject, producers, log, history, size: 0, anchored: 0, cycles: 0 })
    }

    /// The number of entries at the last check.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The number of entries that were anchored at the last check.
    pub fn anchored(&self) -> u64 {
        self.anchored
    }

    /// The number of cycles so far.
    pub fn cycles(&self) -> u64 {
        self.cycles
    }

    /// Runs all checks. The producers must be paused, and the gateway must be running.
    pub fn check(&mut self, campaign: &mut CampaignEnv) -> Result<()> {
        let recomputed = self.recompute()?;
        let reported = self.subject.log_size()?;
        ensure!(
            reported == recomputed.size(),
            "the gateway reports {reported} entries, but there are {}",
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

    /// Recomputes the log from its entries, and compares it with the ledger and with earlier checks.
    pub fn recompute(&mut self) -> Result<RecomputedLog> {
        let (recomputed, history) = self.recompute_and_compare()?;
        self.history = history;
        Ok(recomputed)
    }

    /// Does the same for a log that may be restored from a copy afterwards, and so does not record the results.
    pub fn recompute_without_recording(&self) -> Result<RecomputedLog> {
        self.recompute_and_compare().map(|(recomputed, _)| recomputed)
    }

    fn recompute_and_compare(&self) -> Result<(RecomputedLog, History)> {
        let ledger = self.producers.ledger();
        if let Some(violation) = ledger.violations.first() {
            anyhow::bail!("{violation} ({} violations)", ledger.violations.len());
        }
        let mut history = self.history.clone();
        Ok((oracle::check(self.subject.data(), &ledger, &mut history)?, history))
    }

    /// Waits until all entries are anchored, runs the last checks, and removes the data.
    pub fn finish(mut self, campaign: &mut CampaignEnv) -> Result<()> {
        self.wait_for_anchor(campaign, self.size)?;
        self.producers.pause();
        let recomputed = self.recompute()?;
        self.check_anchor(campaign, &recomputed)?;
        self.subject.stop()?;
        Ok(fs::remove_dir_all(self.subject.data())?)
    }

    fn check_anchor(&mut self, campaign: &CampaignEnv, recomputed: &RecomputedLog) -> Result<()> {
        let Some(anchor) = self.latest_anchor(campaign)? else {
            ensure!(self.anchored == 0, "the anchor has disappeared from the chain");
            return Ok(());
        };
        ensure!(anchor.checkpoint.size >= self.anchored, "the anchored size has decreased");
        self.anchored = anchor.checkpoint.size;
        recomputed.ensure_contains(&anchor)
    }

    fn wait_for_anchor(&mut self, campaign: &CampaignEnv, size: u64) -> Result<()> {
        wait_until(&format!("{size} entries are anchored"), 90, || {
            self.subject.check_running()?;
            let anchored = self.latest_anchor(campaign)?.map_or(0, |anchor| anchor.checkpoint.size);
            ensure!(anchored >= size, "{anchored} entries are anchored");
            Ok(())
        })
    }

    /// Returns the last finalized anchor of the log.
    fn latest_anchor(&self, campaign: &CampaignEnv) -> Result<Option<Anchor>> {
        let head = campaign.node.rpc("chain_getFinalizedHead", json!([]))?;
        campaign.node.latest_anchor(&self.log, &head)
    }
}

impl Subject<'_> {
    fn account(&self) -> Result<AccountId> {
        Ok(streembit_keystore::account::parse(&crate::str_at(&self.status()?, "/account")?)?)
    }
}
