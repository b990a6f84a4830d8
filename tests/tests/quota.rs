//! A party that has spent its quota is told how much is left and when the quota is refilled.

use anyhow::{bail, ensure, Result};
use serde_json::json;
use streembit_tests::{dev_party, run_test, u64_at, Node};

#[test]
fn a_spent_quota_is_reported_with_the_remainder_and_the_refill_time() {
    run_test("quota", |env| {
        let node = Node::dev(env)?;
        let (bob, party) = (env.dev_account("bob")?, dev_party("bob")?.to_string());
        let set_quota = |milliseconds: u64| -> Result<()> {
            let milliseconds = milliseconds.to_string();
            let command = [
                "consortium",
                "set-quota",
                &bob,
                "--milliseconds",
                &milliseconds,
                "--bytes",
                "5000",
                "--key",
            ];
            let set = env.streembit(command).arg(env.dev_keystore("alice")?).node(&node.url()).json()?;
            ensure!(set.get("decided") == Some(&json!(true)), "a council of one decides at once: {set}");
            Ok(())
        };
        let left = || {
            let quota = env.streembit(["consortium", "quota", &bob]).node(&node.url()).json()?;
            u64_at(&quota, "/left/microseconds")
        };
        set_quota(500)?;
        ensure!(left()? == 500_000, "something is already spent");

        let key = env.dev_keystore("bob")?;
        let propose = |name: &str| {
            let account = env.dev_account(name)?;
            let command = env.streembit(["consortium", "remove-party", &account, "--key"]).arg(&key);
            command.node(&node.url()).run()
        };
        let first = propose("eve")?;
        ensure!(first.code == 0, "the first proposal was rejected: {first:?}");
        // Two proposals fit, so at the latest the third one is rejected, or the fourth if a new period starts in between.
        let cost = 500_000u64.saturating_sub(left()?);
        ensure!(cost > 0, "a proposal costs nothing");
        set_quota((2 * cost).div_ceil(1000))?;
        for name in ["ferdie", "charlie", "dave"] {
            let output = propose(name)?;
            if output.code != 0 {
                return output.ensure_refused(&["quota", &party, "left until", "set-quota"]);
            }
        }
        bail!("a quota for two proposals allowed four")
    });
}
