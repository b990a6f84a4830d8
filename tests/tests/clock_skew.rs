//! The clock of one of four validators is wrong by a minute. The other three finalize and change the validators as if
//! it were down, and the chain's time stays right. The validator's log reports the wrong clock. When the clock is
//! corrected, the validator takes part again.

use anyhow::{bail, ensure, Context, Result};
use serde_json::json;
use streembit_tests::{now_ms, run_test, wait_until, Node, SkewedClock, ValidatorNetwork};

/// The error of the clock, in seconds.
const MINUTE: i64 = 60;

/// How far ahead the time of a block may be, in milliseconds: nodes accept a block one slot early, and another slot
/// may begin during the check.
const TOLERANCE_MS: u64 = 4_000;

/// The storage key of `Timestamp::Now`.
const TIMESTAMP_NOW: &str = "0xf0c365c3cf59d671eb72da0e7a4113c49f1f0515f462cdcf84e0f1d6045dfcbb";

#[test]
#[ignore = "takes minutes: make test-long"]
fn a_clock_a_minute_ahead_affects_only_its_own_validator() {
    // To the others, its blocks are in the future, so they reject them. To it, their blocks are late.
    with_skewed_clock("clock-ahead", MINUTE, |network| {
        wait_until("the others reject its blocks", 120, || {
            for name in ["alice", "bob", "charlie"] {
                if network.node(name)?.process()?.log().contains("too far in the future") {
                    return Ok(());
                }
            }
            bail!("no block from the future was rejected")
        })?;
        // It accepts the late blocks and votes of the others.
        let reached = network.node("alice")?.finalized()?;
        network.wait_for_agreement(&["alice", "dave"], reached, 300)?;
        wait_for_warning(network, "AHEAD")
    });
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn a_clock_a_minute_behind_affects_only_its_own_validator() {
    // To it, the blocks of the others are in the future. It rejects them until its own clock has reached their time.
    with_skewed_clock("clock-behind", -MINUTE, |network| wait_for_warning(network, "BEHIND"));
}

/// Runs a network in which Dave's clock is wrong by `seconds`. The other three must finalize, admit a fifth validator
/// and keep the right time. After `meanwhile`, Dave's clock is corrected, and Dave must take part again.
fn with_skewed_clock(
    name: &str,
    seconds: i64,
    mut meanwhile: impl FnMut(&mut ValidatorNetwork<'_>) -> Result<()>,
) {
    if !SkewedClock::available() {
        return eprintln!("!!! NOT TESTED HERE: wrong clocks, which need libfaketime");
    }
    run_test(name, |env| {
        let mut network = env.network()?;
        let monitor = network.monitor_finality();
        let clock = SkewedClock::new(env, "dave", seconds)?;
        network.node("dave")?.kill()?;
        network.node("dave")?.set_clock(clock.clone());
        network.node("dave")?.start()?;

        let right = ["alice", "bob", "charlie"];
        for round in 0..3 {
            let before = network.node("alice")?.finalized()?;
            network.wait_for_agreement(&right, before + 4, 120)?;
            for name in right {
                ensure_right_time(network.node(name)?)?;
            }
            if round == 0 {
                network.admit_eve(&monitor)?;
            }
        }
        meanwhile(&mut network)?;

        clock.set(0)?;
        let reached = network.node("alice")?.finalized()?;
        network.wait_for_agreement(&["alice", "bob", "charlie", "dave", "eve"], reached + 4, 300)?;
        // Without Charlie, all four remaining validators are needed, so this shows that Dave votes.
        network.node("charlie")?.kill()?;
        let reached = network.node("alice")?.finalized()?;
        network.wait_for_agreement(&["alice", "bob", "dave", "eve"], reached + 4, 300)?;
        monitor.finish().map(|_| ())
    });
}

/// Checks that the time in a node's best block is not in the future.
fn ensure_right_time(node: &Node) -> Result<()> {
    let answer = node.rpc("state_getStorage", json!([TIMESTAMP_NOW]))?;
    let digits = answer.as_str().and_then(|text| text.strip_prefix("0x")).context("no timestamp")?;
    let bytes: [u8; 8] = hex::decode(digits)?.try_into().ok().context("malformed timestamp")?;
    let (time, now) = (u64::from_le_bytes(bytes), now_ms()?);
    ensure!(
        time <= now + TOLERANCE_MS,
        "the time of the best block of {} is {time}, but now is {now}",
        node.name()
    );
    Ok(())
}

/// Waits until the log of the validator with the wrong clock reports it.
fn wait_for_warning(network: &mut ValidatorNetwork<'_>, side: &str) -> Result<()> {
    wait_until("the log reports the wrong clock", 300, || {
        let log = network.node("dave")?.process()?.log();
        let said = log.lines().find(|line| line.contains("the clock of this machine"));
        let said = said.with_context(|| format!("no warning in {} lines", log.lines().count()))?;
        ensure!(said.contains(side), "wrong direction: {said}");
        Ok(())
    })
}
