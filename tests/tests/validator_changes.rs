//! Four validators change who they are: one is removed, one joins, one changes its keys; the chain goes on.

use anyhow::{bail, ensure, Context, Result};
use serde_json::{json, Value};
use streembit_tests::{run_test, str_at, u64_at, wait_until, Node, ValidatorNetwork};

#[test]
fn validators_leave_join_and_change_their_keys_while_the_chain_goes_on() {
    run_test("consortium", |env| {
        let mut network = env.network()?;
        ensure!(states(&network.consortium_show("alice")?)? == vec!["active"; 4], "four validators");

        // One is removed: two of three in the council decide.
        let dave = env.dev_account("dave")?;
        let asked = network.consortium("alice", "alice", &["remove-validator", &dave])?;
        ensure!(asked.get("decided") == Some(&json!(false)), "one of three decided alone: {asked}");
        let motion = str_at(&asked, "/motion/id")?;
        let voted = network.consortium("bob", "bob", &["vote", &motion, "yes"])?;
        ensure!(voted.get("decided") == Some(&json!(true)), "two of three are a majority: {voted}");
        settled(&mut network, 3, 1)?;
        network.node("dave")?.kill()?;

        // Another joins, with keys that its own node makes; it belongs already, the council only has to agree.
        network.launch("eve", &["--validator"])?;
        network.node("eve")?.wait_until_ready()?;
        let joining = network.consortium("eve", "eve", &["join", "--no-wait"])?;
        ensure!(joining.get("active") == Some(&json!(false)), "nobody has voted: {joining}");
        let motion = str_at(&network.consortium_show("alice")?, "/motions/0/id")?;
        for member in ["alice", "charlie"] {
            network.consortium(member, member, &["vote", &motion, "yes"])?;
        }
        settled(&mut network, 4, 2)?;

        // A third changes its keys, which needs nobody's vote; the command waits until they are in force.
        let rotated = network.consortium("bob", "bob", &["rotate-keys"])?;
        ensure!(rotated.get("active") == Some(&json!(true)), "{rotated}");
        settled(&mut network, 4, 3)?;

        // Every one of the three that are left is needed: the one that joined and the one with new keys vote.
        network.node("charlie")?.kill()?;
        let before = network.node("alice")?.finalized()?;
        network.node("alice")?.wait_until_finalized(before + 4, 60)?;
        network.node("eve")?.wait_until_finalized(before + 4, 20)?;

        // One leaves by itself, which needs nobody's vote either.
        network.node("charlie")?.start()?;
        network.consortium("eve", "eve", &["leave"])?;
        settled(&mut network, 3, 4)?;

        // Who is none any more is told so, and what to do.
        let key = env.dev_keystore("dave")?;
        let again = network.node_command("alice", ["consortium", "leave", "--key"])?.arg(key);
        again.run()?.ensure_refused(&["NotAValidator", "consortium show"])
    });
}

#[test]
fn a_party_that_has_spent_its_quota_is_told_what_is_left_and_when_it_refills() {
    run_test("quota", |env| {
        let node = Node::dev(env)?;
        let bob = env.dev_account("bob")?;
        let alice = ["consortium", "set-quota", &bob, "--milliseconds", "10", "--bytes", "5000", "--key"];
        let set = env.streembit(alice).arg(env.dev_keystore("alice")?).node(&node.url()).json()?;
        ensure!(set.get("decided") == Some(&json!(true)), "a council of one decides at once: {set}");
        let quota = || env.streembit(["consortium", "quota", &bob]).node(&node.url()).json();
        ensure!(u64_at(&quota()?, "/left/microseconds")? == 10_000, "nothing is spent yet");

        // A proposal takes some 7 ms of the 10: where no new period begins in between, the second is refused.
        let key = env.dev_keystore("bob")?;
        let ask = |name: &str| {
            let account = env.dev_account(name)?;
            let ask = env.streembit(["consortium", "remove-party", &account, "--key"]).arg(&key);
            ask.node(&node.url()).run()
        };
        let first = ask("eve")?;
        ensure!(first.code == 0, "the first was refused: {first:?}");
        for name in ["ferdie", "charlie"] {
            let output = ask(name)?;
            if output.code != 0 {
                return output.ensure_refused(&["quota", &bob, "left until", "set-quota"]);
            }
        }
        bail!("three proposals in a quota for one")
    });
}

/// Waits until there are so many validators, all of them active, in this authority set, and the voters agree on it.
fn settled(network: &mut ValidatorNetwork<'_>, validators: usize, set: u64) -> Result<()> {
    wait_until(&format!("authority set {set} of {validators}"), 60, || {
        let shown = network.consortium_show("alice")?;
        let states = states(&shown)?;
        ensure!(states.len() == validators && states.iter().all(|state| state == "active"), "{states:?}");
        ensure!(u64_at(&shown, "/authority_set")? == set, "{shown}");
        let round = network.node("alice")?.rpc("grandpa_roundState", json!([]))?;
        ensure!(u64_at(&round, "/setId")? == set, "{round}");
        Ok(())
    })
}

fn states(shown: &Value) -> Result<Vec<String>> {
    let validators = shown.get("validators").and_then(Value::as_array).context("no validators")?;
    validators.iter().map(|validator| str_at(validator, "/state")).collect()
}
