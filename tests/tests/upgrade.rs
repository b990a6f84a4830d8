//! The council upgrades the runtime of a running chain by vote. No node and no gateway is restarted.

use anyhow::{ensure, Context, Result};
use serde_json::{json, Value};
use std::path::{Path, PathBuf};
use streembit_tests::{
    dev_party, path_str, run_test, str_at, streembit_node, u64_at, wait_until, CliOutput, Gateway,
    GatewayFixture, GatewaySettings, Node, TestEnv, ValidatorNetwork, TEMPERATURE_SENML,
};

/// The runtime of the previous release. `tests/fixtures/README.md` says how it is made.
const PREVIOUS: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/previous-release.compact.compressed.wasm");

#[test]
fn the_council_upgrades_a_running_chain_and_gateways_continue() {
    run_test("upgrade", |env| {
        let spec = create_spec(env)?;
        let (mut network, mut fixture) = start(env, &spec)?;
        let runtimes = write_current_runtime(env)?;
        wait_for_version(&mut network, &fixture, runtimes.previous_version)?;
        let founded = network.consortium_show("bob")?;
        fixture.add_senml("shed", &TEMPERATURE_SENML.repeat(3)).ok()?;
        fixture.gateway.wait_until_provable(3, 180)?;
        let before = fixture.gateway.export_evidence(env, "shed", &[], "before.evidence")?;

        let next = path_str(&runtimes.file)?;
        authorize(env, &mut network, &runtimes)?;
        let applied = network.consortium("eve", "charlie", &["apply-upgrade", next])?;
        ensure!(u64_at(&applied, "/spec_version_before")? == runtimes.previous_version, "{applied}");
        ensure!(u64_at(&applied, "/spec_version")? == runtimes.version, "{applied}");
        wait_for_version(&mut network, &fixture, runtimes.version)?;

        // The state is valid under the new runtime: the same parties, and the council can change them.
        let shown = network.consortium_show("bob")?;
        for part in ["/memberships", "/council", "/validators"] {
            ensure!(shown.pointer(part) == founded.pointer(part), "{part}: {founded} became {shown}");
        }
        let account = env.dev_account("ferdie")?;
        network.pass_motion("bob", &["remove-party", &account])?;
        network.pass_motion("bob", &["propose-party", &account])?;
        let ferdie = dev_party("ferdie")?.to_string();
        let shown = wait_until("Dave's node has the new party", 60, || {
            let shown = network.consortium_show("dave")?;
            ensure!(since(&shown, &ferdie)?.as_u64().is_some_and(|block| block > 0), "{shown}");
            Ok(shown)
        })?;
        let alice = dev_party("alice")?.to_string();
        ensure!(since(&shown, &alice)? == json!(0), "a founder is not a party since block 0: {shown}");

        // Neither the gateway nor a node was restarted.
        fixture.gateway.process()?.check_running()?;
        fixture.add_senml("shed", &TEMPERATURE_SENML.repeat(3)).ok()?;
        fixture.gateway.wait_until_provable(6, 180)?;
        let after = fixture.gateway.export_evidence(env, "shed", &[], "after.evidence")?;
        for node in &mut network.nodes {
            node.process()?.check_running()?;
        }
        for (file, events) in [(&before, 3), (&after, 6)] {
            ensure_verifies(env, file, &spec, events)?;
        }
        sync_new_node(env, &mut network, &fixture, &spec, runtimes.version)
    });
}

/// Creates the spec of a chain of four validators that starts with the previous runtime.
fn create_spec(env: &TestEnv) -> Result<PathBuf> {
    let spec = env.dir().join("spec.json");
    let made =
        streembit_node(["chain-spec", "--preset", "four", "--runtime", PREVIOUS, "--out", path_str(&spec)?])?;
    ensure!(made.code == 0, "{made:#?}");
    Ok(spec)
}

/// Starts the four validators, and a gateway with a device at Alice's node.
fn start<'s>(env: &'s TestEnv, spec: &Path) -> Result<(ValidatorNetwork<'s>, GatewayFixture<'s>)> {
    let mut alice = Node::new(env, "alice", ["--chain", path_str(spec)?, "--alice"])?;
    alice.start()?;
    let bootnode = alice.address()?;
    let mut network = ValidatorNetwork::of(env, Vec::new());
    for name in ["bob", "charlie", "dave"] {
        let role = format!("--{name}");
        let mut node =
            Node::new(env, name, ["--chain", path_str(spec)?, "--bootnodes", &bootnode, role.as_str()])?;
        node.launch()?;
        network.nodes.push(node);
    }
    for node in &mut network.nodes {
        node.wait_until_ready()?;
    }
    alice.wait_until_finalized(2, 90)?;
    let mut gateway = Gateway::init(env, "gateway", GatewaySettings::default().hosted("shed"))?;
    gateway.start(&alice)?;
    let fixture = GatewayFixture { env, node: alice, gateway };
    fixture.register()?;
    Ok((network, fixture))
}

/// Waits until every node has this version of the runtime.
fn wait_for_version(
    network: &mut ValidatorNetwork<'_>,
    fixture: &GatewayFixture<'_>,
    version: u64,
) -> Result<()> {
    for node in network.nodes.iter().chain([&fixture.node]) {
        wait_until(&format!("{} has runtime {version}", node.name()), 120, || {
            let found = node.rpc("state_getRuntimeVersion", json!([]))?;
            ensure!(u64_at(&found, "/specVersion")? == version, "{found}");
            Ok(())
        })?;
    }
    Ok(())
}

/// The current runtime in a file, and the version that it replaces.
struct Runtimes {
    file: PathBuf,
    hash: String,
    version: u64,
    previous_version: u64,
}

/// Writes the current runtime to a file.
fn write_current_runtime(env: &TestEnv) -> Result<Runtimes> {
    let previous = streembit_node(["runtime", PREVIOUS, "--json"])?.json()?;
    let previous_version = u64_at(&previous, "/spec_version")?;
    let file = env.dir().join("next.wasm");
    let said = streembit_node(["runtime", "--json", "--out", path_str(&file)?])?;
    ensure!(said.code == 0, "{said:#?}");
    let said = said.json()?;
    let version = u64_at(&said, "/spec_version")?;
    ensure!(
        previous_version < version,
        "the current runtime, {version}, must be newer than the previous one, {previous_version}: raise `spec_version` in \
         runtime/src/lib.rs"
    );
    let read = streembit_node(["runtime", path_str(&file)?, "--json"])?.json()?;
    ensure!(read == said, "the file contains {read}, not {said}");
    let again = streembit_node(["runtime", "--out", path_str(&file)?])?;
    again.ensure_refused(&["never overwritten"])?;
    Ok(Runtimes { hash: str_at(&said, "/code")?, file, version, previous_version })
}

/// Has the council authorize a runtime. Before that, no runtime can be applied, and after that, no other one.
fn authorize(env: &TestEnv, network: &mut ValidatorNetwork<'_>, runtimes: &Runtimes) -> Result<()> {
    let (next, hash) = (runtimes.file.as_path(), runtimes.hash.as_str());
    apply(env, network, next)?.ensure_refused(&["decided on no other", "propose-upgrade"])?;
    let asked = network.consortium("eve", "charlie", &["propose-upgrade", path_str(next)?])?;
    ensure!(asked.get("decided") == Some(&json!(false)), "decided without votes: {asked}");
    let motion = wait_until("Bob's node has the motion", 60, || {
        let shown = network.consortium_show("bob")?;
        ensure!(str_at(&shown, "/motions/0/code")? == hash, "the motion has another hash: {shown}");
        str_at(&shown, "/motions/0/id")
    })?;
    for (member, decided) in [("alice", false), ("bob", true)] {
        let voted = network.consortium(member, "bob", &["vote", &motion, "yes"])?;
        ensure!(voted.get("decided") == Some(&json!(decided)), "{member}: {voted}");
    }
    wait_until("Charlie's node has the decision", 60, || {
        let shown = network.consortium_show("charlie")?;
        ensure!(str_at(&shown, "/runtime/authorized")? == hash, "nothing is authorized: {shown}");
        Ok(())
    })?;
    apply(env, network, Path::new(PREVIOUS))?.ensure_refused(&[hash, "voted on"])
}

/// Has Eve try to apply a runtime.
fn apply(env: &TestEnv, network: &mut ValidatorNetwork<'_>, file: &Path) -> Result<CliOutput> {
    let key = env.dev_keystore("eve")?;
    let command =
        network.node_command("charlie", ["consortium", "apply-upgrade", path_str(file)?, "--key"])?;
    command.arg(key).run()
}

/// Returns since when a party belongs to the consortium, according to `consortium show`.
fn since(shown: &Value, party: &str) -> Result<Value> {
    let memberships = shown.get("memberships").and_then(Value::as_array).context("no memberships")?;
    let found = memberships.iter().find(|found| found.get("party") == Some(&json!(party)));
    let found = found.with_context(|| format!("{party} is not a party: {shown}"))?;
    Ok(found.get("since").context("no field since")?.clone())
}

/// Checks that evidence verifies with the chain spec, whichever runtime its events were anchored under.
fn ensure_verifies(env: &TestEnv, file: &Path, spec: &Path, events: u64) -> Result<()> {
    let verify = ["audit", "verify", path_str(file)?, "--chain-spec", path_str(spec)?];
    let verdict = env.streembit(verify).json()?;
    ensure!(verdict.get("verified") == Some(&json!(true)), "{verdict}");
    ensure!(u64_at(&verdict, "/event_count")? == events, "{verdict}");
    Ok(())
}

/// Checks that a new node syncs the chain from genesis, across the upgrade.
fn sync_new_node(
    env: &TestEnv,
    network: &mut ValidatorNetwork<'_>,
    fixture: &GatewayFixture<'_>,
    spec: &Path,
    version: u64,
) -> Result<()> {
    let bootnode = fixture.node.address()?;
    let mut late = Node::new(env, "late", ["--chain", path_str(spec)?, "--bootnodes", &bootnode])?;
    late.start()?;
    let height = fixture.node.finalized()?;
    late.wait_until_finalized(height, 180)?;
    ensure!(
        late.block_hash(height)? == fixture.node.block_hash(height)?,
        "the nodes disagree on block {height}"
    );
    network.nodes.push(late);
    wait_for_version(network, fixture, version)
}
