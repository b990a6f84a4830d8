//! The validators of a running chain change: one is removed, one joins, one rotates its keys, and one leaves.

use anyhow::{ensure, Context, Result};
use serde_json::{json, Value};
use streembit_tests::{run_test, str_at, u64_at, wait_until, ValidatorNetwork};

#[test]
fn validators_leave_join_and_rotate_keys_while_the_chain_continues() {
    run_test("consortium", |env| {
        let mut network = env.network()?;
        ensure!(
            validator_states(&network.consortium_show("alice")?)? == vec!["active"; 4],
            "four validators"
        );

        // Remove a validator, by two of the three votes of the council.
        let dave = env.dev_account("dave")?;
        let asked = network.consortium("alice", "alice", &["remove-validator", &dave])?;
        ensure!(asked.get("decided") == Some(&json!(false)), "one of three decided alone: {asked}");
        let motion = str_at(&asked, "/motion/id")?;
        let voted = network.consortium("bob", "bob", &["vote", &motion, "yes"])?;
        ensure!(voted.get("decided") == Some(&json!(true)), "two of three are a majority: {voted}");
        wait_for_validators(&mut network, 3, 1)?;
        network.node("dave")?.kill()?;

        // A party joins as a validator, with keys that its own node generates. The council must approve.
        network.launch("eve", &["--validator"])?;
        network.node("eve")?.wait_until_ready()?;
        let joining = network.consortium("eve", "eve", &["join", "--no-wait"])?;
        ensure!(joining.get("active") == Some(&json!(false)), "active without a vote: {joining}");
        let motion = str_at(&network.consortium_show("alice")?, "/motions/0/id")?;
        for member in ["alice", "charlie"] {
            network.consortium(member, member, &["vote", &motion, "yes"])?;
        }
        wait_for_validators(&mut network, 4, 2)?;

        // Rotate the keys of a validator, which needs no vote. The command waits until the new keys are active.
        let rotated = network.consortium("bob", "bob", &["rotate-keys"])?;
        ensure!(rotated.get("active") == Some(&json!(true)), "{rotated}");
        wait_for_validators(&mut network, 4, 3)?;

        // Without Charlie, all three remaining validators are needed, so this shows that the new one and the one with
        // new keys vote.
        network.node("charlie")?.kill()?;
        network.ensure_finality_progresses(&[("alice", 60), ("eve", 20)])?;

        // A validator leaves, which needs no vote.
        network.node("charlie")?.start()?;
        network.consortium("eve", "eve", &["leave"])?;
        wait_for_validators(&mut network, 3, 4)?;

        // An account that is no longer a validator gets an error with a remedy.
        let key = env.dev_keystore("dave")?;
        let again = network.node_command("alice", ["consortium", "leave", "--key"])?.arg(key);
        again.run()?.ensure_refused(&["NotAValidator", "consortium show"])
    });
}

/// Waits until there are `validators` validators, all active, and the node votes in authority set `set`.
fn wait_for_validators(network: &mut ValidatorNetwork<'_>, validators: usize, set: u64) -> Result<()> {
    wait_until(&format!("authority set {set} with {validators} validators"), 60, || {
        let shown = network.consortium_show("alice")?;
        let states = validator_states(&shown)?;
        ensure!(states.len() == validators && states.iter().all(|state| state == "active"), "{states:?}");
        ensure!(u64_at(&shown, "/authority_set")? == set, "{shown}");
        let voting = network.node("alice")?.authority_set()?;
        ensure!(voting == set, "the node votes in set {voting}");
        Ok(())
    })
}

fn validator_states(shown: &Value) -> Result<Vec<String>> {
    let validators = shown.get("validators").and_then(Value::as_array).context("no validators")?;
    validators.iter().map(|validator| str_at(validator, "/state")).collect()
}
