//! A party that has spent its quota is told how much is left and when the quota is refilled.

use anyhow::{bail, ensure};
use serde_json::json;
use streembit_tests::{dev_party, run_test, u64_at, Node};

#[test]
fn a_spent_quota_is_reported_with_the_remainder_and_the_refill_time() {
    run_test("quota", |env| {
        let node = Node::dev(env)?;
        let (bob, party) = (env.dev_account("bob")?, dev_party("bob")?.to_string());
        let alice = ["consortium", "set-quota", &bob, "--milliseconds", "16", "--bytes", "5000", "--key"];
        let set = env.streembit(alice).arg(env.dev_keystore("alice")?).node(&node.url()).json()?;
        ensure!(set.get("decided") == Some(&json!(true)), "a council of one decides at once: {set}");
        let quota = || env.streembit(["consortium", "quota", &bob]).node(&node.url()).json();
        ensure!(u64_at(&quota()?, "/left/microseconds")? == 16_000, "something is already spent");

        // A proposal takes more than a third of the 16 ms, so at the latest the third one is rejected, or the fourth if a
        // new period starts in between.
        let key = env.dev_keystore("bob")?;
        let propose = |name: &str| {
            let account = env.dev_account(name)?;
            let command = env.streembit(["consortium", "remove-party", &account, "--key"]).arg(&key);
            command.node(&node.url()).run()
        };
        let first = propose("eve")?;
        ensure!(first.code == 0, "the first proposal was rejected: {first:?}");
        for name in ["ferdie", "charlie", "dave"] {
            let output = propose(name)?;
            if output.code != 0 {
                return output.ensure_refused(&["quota", &party, "left until", "set-quota"]);
            }
        }
        bail!("a quota for two proposals allowed four")
    });
}
