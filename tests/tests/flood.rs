//! Wrong transactions are refused by name, and 100,000 of them and 1,000 connections on one validator stop nothing.

use anyhow::{bail, ensure, Context, Result};
use codec::Encode;
use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::{json, Value};
use streembit::keystore::KeyPair;
use streembit_primitives::{checkpoint::HashKind, Checkpoint, Hash, LogId};
use streembit_tests::{
    dev_key, open_web_sockets,
    raw_transaction::{forged, remark, submit, unsigned, TransactionSigner},
    run_test, wait_until, ConnectionFlood, Gateway, GatewaySettings, Node, TestEnv, ValidatorNetwork,
};

/// How many wrong transactions are sent.
const TRANSACTIONS: u32 = 100_000;
/// How many of them go in one request, and how many requests at once.
const BATCH: (u32, usize) = (250, 4);
/// One of so many is larger than a block.
const OVERSIZED: u32 = 5_000;
/// One of so many looks like an extrinsic and is none: the runtime has to look at it.
const UNREADABLE: u32 = 1_000;
/// How many connections are held, to the port for other nodes and to the RPC's.
const CONNECTIONS: (usize, usize) = (850, 150);
/// How many WebSockets are opened: more than a node takes at once.
const WEB_SOCKETS: usize = 150;
/// The most that a flooded node may hold in memory, in KiB.
const MEMORY: u64 = 1024 * 1024;

#[test]
fn wrong_transactions_are_refused_and_the_reason_is_said() {
    scene("refusals", |env| {
        let node = Node::dev(env)?;
        let (here, alice) = (TransactionSigner::for_node(&node)?, dev_key("alice")?);
        // That a sound one is taken shows that the others are wrong in what they are to be wrong in.
        let sound = here.signed(&alice, 0, &remark(b"sound"));
        taken(env, &node, &sound)?;
        wait_until("it is in a block", 60, || {
            let next = node.rpc("system_accountNextIndex", json!([env.dev_account("alice")?]))?;
            let waiting = node.rpc("author_pendingExtrinsics", json!([]))?;
            ensure!(next == json!(1) && waiting == json!([]), "nonce {next}, waiting: {waiting}");
            Ok(())
        })?;

        let stranger = KeyPair::from_seed(rand::random());
        for (what, bytes, reason) in [
            ("noise", vec![0xffu8; 40], "Client error"),
            ("noise that looks like an extrinsic", vec![0xffu8; 40].encode(), "Verification Error"),
            ("what nobody signed", unsigned(&remark(b"x")), "Unknown Transaction Validity"),
            ("another chain's", here.for_another_chain().signed(&alice, 1, &remark(b"x")), "bad signature"),
            ("a forged one", forged(&alice, 1, &remark(b"x")), "bad signature"),
            ("a stranger's", here.signed(&stranger, 0, &remark(b"x")), "Inability to pay"),
            ("an old nonce", here.signed(&alice, 0, &remark(b"x")), "outdated"),
            ("larger than a block", here.signed(&alice, 1, &remark(&larger_than_a_block())), "block limits"),
            ("a proof that is too long", here.signed(&alice, 1, &long_proof(&alice)), "Verification Error"),
        ] {
            let said = refusal(env, &node, &bytes)?;
            ensure!(said.contains(reason), "{what}: the refusal does not say {reason:?}: {said}");
        }
        // Once more what is in a block: its nonce is used, and the pool remembers it.
        let said = refusal(env, &node, &sound)?.to_lowercase();
        ensure!(["outdated", "banned", "already"].iter().any(|word| said.contains(word)), "a replay: {said}");
        ensure!(node.rpc("author_pendingExtrinsics", json!([]))? == json!([]), "something waits");
        taken(env, &node, &here.signed(&alice, 1, &remark(b"sound again")))
    });
}

#[test]
fn a_stranger_is_told_on_the_command_line_whom_to_ask() {
    scene("stranger", |env| {
        let node = Node::dev(env)?;
        let key = env.dir().join("stranger.key");
        env.streembit(["key", "new", "--out"]).arg(&key).ok()?;
        let bob = env.dev_account("bob")?;
        let ask = env.streembit(["consortium", "remove-party", &bob, "--key"]).arg(&key);
        ask.node(&node.url()).run()?.ensure_refused(&["may not submit", "gateway register", "propose-party"])
    });
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn a_flood_at_one_validator_does_not_stop_finality() {
    scene("flood", |env| {
        let mut network = env.network()?;
        let gateway = gateway(env, &mut network)?;
        add_and_anchor(env, &gateway)?;
        let process = network.node("alice")?.process()?.id();
        let [rpc, p2p] = network.node("alice")?.ports();

        // All places of the RPC are taken. Who is connected already is served.
        let (held, refused) = open_web_sockets(rpc, WEB_SOCKETS)?;
        ensure!(!held.is_empty() && refused > 0, "{} WebSockets taken, {refused} refused", held.len());
        add_and_anchor(env, &gateway)?;
        drop(held);
        let alice = network.node("alice")?;
        wait_until("the RPC has places again", 90, || alice.rpc("system_health", json!([])))?;

        let connections = ConnectionFlood::open(&[(p2p, CONNECTIONS.0), (rpc, CONNECTIONS.1)])?;
        let flood = Flood::at(env, &mut network)?;
        let before = finalized(&mut network)?;
        let flood = env.handle().spawn(flood.run());
        let mut anchors = 0;
        while !flood.is_finished() {
            add_and_anchor(env, &gateway)?;
            anchors += u64::from(!flood.is_finished());
        }
        let refused = env.block_on(flood)??;
        let after = finalized(&mut network)?;
        ensure!(refused == TRANSACTIONS, "{refused} of {TRANSACTIONS} were refused");
        ensure!(anchors > 0, "no anchor became final while they came");
        for (name, (before, after)) in ["alice", "bob"].iter().zip(before.iter().zip(&after)) {
            ensure!(after > before, "{name}: block {before} was final before, {after} after");
        }
        network.node("bob")?.wait_until_finalized(before[0] + anchors, 60)?;

        let alice = network.node("alice")?;
        ensure!(alice.process()?.id() == process, "it was another process");
        alice.process()?.check_running()?;
        let (memory, log) = (alice.process()?.resident_kib()?, alice.process()?.log().len());
        println!(
            "{anchors} anchors meanwhile; {} connections opened; the node holds {} MiB and has logged {} KiB",
            connections.opened(),
            memory / 1024,
            log / 1024
        );
        ensure!(memory < MEMORY, "the flooded node holds {memory} KiB");
        wait_until("nothing waits in the pool", 60, || {
            let waiting = alice.rpc("author_pendingExtrinsics", json!([]))?;
            ensure!(waiting == json!([]), "{waiting}");
            Ok(())
        })?;

        // The connections are still there.
        add_and_anchor(env, &gateway)?;
        drop(connections);
        let number = network.node("alice")?.finalized()?;
        network.node("bob")?.wait_until_finalized(number, 60)?;
        let hashes = [network.node("alice")?.block_hash(number)?, network.node("bob")?.block_hash(number)?];
        ensure!(hashes[0] == hashes[1], "two chains at block {number}");
        Ok(())
    });
}

/// Who sends wrong transactions to a node.
struct Flood {
    client: reqwest::Client,
    rpc_port: u16,
    here: TransactionSigner,
    elsewhere: TransactionSigner,
    party: KeyPair,
    stranger: KeyPair,
    /// One that is in a block already.
    used: Vec<u8>,
}

impl Flood {
    /// At Alice's node, by Ferdie and a stranger.
    fn at(env: &TestEnv, network: &mut ValidatorNetwork<'_>) -> Result<Self> {
        let node = network.node("alice")?;
        let (here, party) = (TransactionSigner::for_node(node)?, dev_key("ferdie")?);
        let used = here.signed(&party, 0, &remark(b"used"));
        taken(env, node, &used)?;
        wait_until("it is in a block", 60, || {
            let waiting = node.rpc("author_pendingExtrinsics", json!([]))?;
            ensure!(waiting == json!([]), "{waiting}");
            Ok(())
        })?;
        let number = node.finalized()?;
        node.wait_until_finalized(number + 2, 60)?;
        let [rpc_port, _] = node.ports();
        Ok(Self {
            client: reqwest::Client::new(),
            rpc_port,
            elsewhere: here.for_another_chain(),
            here,
            party,
            stranger: KeyPair::from_seed(rand::random()),
            used,
        })
    }

    /// Sends them all; says how many were refused. One that is taken is an error.
    async fn run(self) -> Result<u32> {
        let (size, at_once) = BATCH;
        let requests = (0..TRANSACTIONS / size).map(|nth| self.send(nth * size..(nth + 1) * size));
        let answers = futures::stream::iter(requests).buffer_unordered(at_once);
        let refused: Vec<u32> = answers.try_collect().await?;
        Ok(refused.iter().sum())
    }

    async fn send(&self, numbers: std::ops::Range<u32>) -> Result<u32> {
        let batch: Vec<_> = numbers.clone().map(|number| self.wrong(number)).collect();
        let answers = submit(&self.client, self.rpc_port, &batch).await?;
        for (number, answer) in numbers.zip(&answers) {
            ensure!(answer.is_some(), "transaction {number} was taken");
        }
        Ok(u32::try_from(answers.len())?)
    }

    /// One of them, no two of which are the same but for the replays.
    fn wrong(&self, number: u32) -> Vec<u8> {
        let call = remark(&number.to_le_bytes());
        if number % OVERSIZED == 1 {
            return self.here.signed(&self.party, number, &remark(&larger_than_a_block()));
        }
        if number % UNREADABLE == 2 {
            return [&[0xffu8; 40][..], &number.to_le_bytes()].concat().encode();
        }
        match number % 7 {
            0 => [&[0xffu8; 40][..], &number.to_le_bytes()].concat(),
            1 => unsigned(&call),
            2 => self.elsewhere.signed(&self.party, number, &call),
            3 => forged(&self.party, number, &call),
            4 => self.here.signed(&self.stranger, number, &call),
            5 => self.here.signed(&self.party, 0, &call),
            _ => self.used.clone(),
        }
    }
}

/// More than the mebibyte that a block holds.
fn larger_than_a_block() -> Vec<u8> {
    vec![7; 1024 * 1024 + 1]
}

/// An anchor with more hashes than any proof has.
fn long_proof(keys: &KeyPair) -> Vec<u8> {
    let log = LogId { gateway: keys.account(), epoch: 0 };
    let root = Hash([1; 32]);
    let checkpoint =
        Checkpoint { log, size: 9, root, heads_root: Some(root), time: 1, hash: HashKind::Blake3 };
    (12u8, 0u8, checkpoint, vec![root; 1_000]).encode()
}

/// Submits one that the node has to take.
fn taken(env: &TestEnv, node: &Node, bytes: &[u8]) -> Result<()> {
    match answer(env, node, bytes)? {
        None => Ok(()),
        Some(said) => bail!("a sound transaction is refused: {said}"),
    }
}

/// Submits one that the node has to refuse; gives what it says.
fn refusal(env: &TestEnv, node: &Node, bytes: &[u8]) -> Result<String> {
    answer(env, node, bytes)?.context("a wrong transaction was taken")
}

fn answer(env: &TestEnv, node: &Node, bytes: &[u8]) -> Result<Option<String>> {
    let ([rpc_port, _], client) = (node.ports(), reqwest::Client::new());
    let answers = env.block_on(submit(&client, rpc_port, &[bytes.to_vec()]))?;
    answers.into_iter().next().context("no answer")
}

/// The last finalized blocks of the flooded node and of another.
fn finalized(network: &mut ValidatorNetwork<'_>) -> Result<[u64; 2]> {
    Ok([network.node("alice")?.finalized()?, network.node("bob")?.finalized()?])
}

/// A gateway of Alice's, over her node.
fn gateway(env: &TestEnv, network: &mut ValidatorNetwork<'_>) -> Result<Gateway> {
    let mut gateway = Gateway::init(env, "gateway", GatewaySettings::default().hosted("shed"))?;
    gateway.start(network.node("alice")?)?;
    let register = network.node_command("alice", ["gateway", "register", "--config"])?.arg(gateway.config());
    register.arg("--key").arg(env.dev_keystore("alice")?).ok()?;
    Ok(gateway)
}

/// One more event, and its anchor.
fn add_and_anchor(env: &TestEnv, gateway: &Gateway) -> Result<()> {
    let add = env.streembit(["event", "add", "--device", "shed", "--config"]).arg(gateway.config());
    let receipt = add.input("[{\"n\":\"temperature\",\"u\":\"Cel\",\"v\":4.5}]\n").ok()?;
    let size = gateway.log_state()?.size;
    wait_until(&format!("{size} entries are anchored and final"), 180, || {
        let state = gateway.log_state()?;
        let chain: Value = gateway.component("chain")?;
        ensure!(state.anchored >= size, "{state:?}, {chain}; added: {}", receipt.stdout);
        Ok(())
    })
}
