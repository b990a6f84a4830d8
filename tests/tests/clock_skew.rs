//! The clock of one of four validators is wrong by a minute: the others go on and change the validators as if it were down, their
//! clocks are not led astray, its operator is told, and once the clock is right it is a validator like the others again.

use anyhow::{bail, ensure, Context, Result};
use serde_json::json;
use streembit_tests::{now_ms, run_test, wait_until, FinalityMonitor, Node, SkewedClock, ValidatorNetwork};

/// How wrong, in seconds.
const MINUTE: i64 = 60;

/// How far ahead of ours the time in a block may be, in milliseconds: one slot, of which others take the block already, and one
/// that begins while it is looked at.
const AHEAD: u64 = 4_000;

/// Where the chain keeps its time: `Timestamp::Now`.
const NOW: &str = "0xf0c365c3cf59d671eb72da0e7a4113c49f1f0515f462cdcf84e0f1d6045dfcbb";

#[test]
#[ignore = "takes minutes: make test-long"]
fn a_clock_that_is_a_minute_ahead_is_its_own_validator_s_problem_alone() {
    // Its blocks are dated in the future of the others, who refuse them; theirs come late to it.
    with_a_wrong_clock("clock-ahead", MINUTE, |network| {
        wait_until("the others refuse its blocks", 120, || {
            for name in ["alice", "bob", "charlie"] {
                if network.node(name)?.process()?.log().contains("too far in the future") {
                    return Ok(());
                }
            }
            bail!("no block of a minute ahead was refused")
        })?;
        // Late or not, blocks and votes of the others are good.
        let reached = network.node("alice")?.finalized()?;
        network.wait_for_agreement(&["alice", "dave"], reached, 300)?;
        is_told(network, "AHEAD")
    });
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn a_clock_that_is_a_minute_behind_is_its_own_validator_s_problem_alone() {
    // To it everybody else's blocks are dated in the future: it refuses them until its own clock has come so far.
    with_a_wrong_clock("clock-behind", -MINUTE, |network| is_told(network, "BEHIND"));
}

/// Three of four with a right clock finalize, take in a fifth validator, and their time is right; when the fourth one's clock
/// is set it belongs again.
fn with_a_wrong_clock(
    name: &str,
    seconds: i64,
    mut meanwhile: impl FnMut(&mut ValidatorNetwork<'_>) -> Result<()>,
) {
    if !SkewedClock::available() {
        return eprintln!("!!! NOT TESTED HERE: a clock that is wrong, which needs libfaketime");
    }
    scene(name, |env| {
        let mut network = env.network()?;
        let monitor = FinalityMonitor::start(env, &network.nodes);
        let clock = SkewedClock::new(env, "dave", seconds)?;
        network.node("dave")?.kill()?;
        network.node("dave")?.set_clock(clock.clone());
        network.node("dave")?.start()?;

        let right = ["alice", "bob", "charlie"];
        for round in 0..3 {
            let before = network.node("alice")?.finalized()?;
            network.wait_for_agreement(&right, before + 4, 120)?;
            for name in right {
                has_the_time(network.node(name)?)?;
            }
            if round == 0 {
                network.admit_eve(&monitor)?;
            }
        }
        meanwhile(&mut network)?;

        clock.set(0)?;
        let reached = network.node("alice")?.finalized()?;
        network.wait_for_agreement(&["alice", "bob", "charlie", "dave", "eve"], reached + 4, 300)?;
        // It votes with the new validators: without another one, every one of the four that are left is needed.
        network.node("charlie")?.kill()?;
        let reached = network.node("alice")?.finalized()?;
        network.wait_for_agreement(&["alice", "bob", "dave", "eve"], reached + 4, 300)?;
        monitor.finish().map(|_| ())
    });
}

/// The time in a node's best block is not in the future.
fn has_the_time(node: &Node) -> Result<()> {
    let answer = node.rpc("state_getStorage", json!([NOW]))?;
    let digits = answer.as_str().and_then(|text| text.strip_prefix("0x")).context("no time")?;
    let bytes: [u8; 8] = hex::decode(digits)?.try_into().ok().context("a time of another size")?;
    let (time, now) = (u64::from_le_bytes(bytes), now_ms()?);
    ensure!(time <= now + AHEAD, "the best block of {} is of {time}, and it is {now}", node.name());
    Ok(())
}

/// The log of the validator with the wrong clock says so.
fn is_told(network: &mut ValidatorNetwork<'_>, side: &str) -> Result<()> {
    wait_until("its operator is told", 300, || {
        let log = network.node("dave")?.process()?.log();
        let said = log.lines().find(|line| line.contains("the clock of this machine"));
        let said =
            said.with_context(|| format!("{} lines, and none of them says so", log.lines().count()))?;
        ensure!(said.contains(side), "the wrong side: {said}");
        Ok(())
    })
}
