//! Wrong transactions are refused by name, and 100,000 of them and 1,000 connections on one validator stop nothing.

use anyhow::{bail, ensure, Context, Result};
use codec::Encode;
use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::{json, Value};
use streembit::keystore::KeyPair;
use streembit_primitives::{checkpoint::HashAlgorithm, Checkpoint, Hash, LogId};
use streembit_tests::{
    dev_key, scene,
    transaction::{forged, remark, submit, unsigned, Transactions},
    until, web_sockets, Crowd, Gateway, Network, Node, Scene, Settings,
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
    scene("refusals", |scene| {
        let node = Node::dev(scene)?;
        let (here, alice) = (Transactions::of(&node)?, dev_key("alice")?);
        // That a sound one is taken shows that the others are wrong in what they are to be wrong in.
        let sound = here.signed(&alice, 0, &remark(b"sound"));
        taken(scene, &node, &sound)?;
        until("it is in a block", 60, || {
            let next = node.rpc("system_accountNextIndex", json!([scene.account("alice")?]))?;
            let waiting = node.rpc("author_pendingExtrinsics", json!([]))?;
            ensure!(next == json!(1) && waiting == json!([]), "nonce {next}, waiting: {waiting}");
            Ok(())
        })?;

        let stranger = KeyPair::from_seed(rand::random());
        for (what, bytes, reason) in [
            ("noise", vec![0xffu8; 40], "Client error"),
            ("noise that looks like an extrinsic", vec![0xffu8; 40].encode(), "Verification Error"),
            ("what nobody signed", unsigned(&remark(b"x")), "Unknown Transaction Validity"),
            ("another chain's", here.elsewhere().signed(&alice, 1, &remark(b"x")), "bad signature"),
            ("a forged one", forged(&alice, 1, &remark(b"x")), "bad signature"),
            ("a stranger's", here.signed(&stranger, 0, &remark(b"x")), "Inability to pay"),
            ("an old nonce", here.signed(&alice, 0, &remark(b"x")), "outdated"),
            ("larger than a block", here.signed(&alice, 1, &remark(&larger_than_a_block())), "block limits"),
            ("a proof that is too long", here.signed(&alice, 1, &long_proof(&alice)), "Verification Error"),
        ] {
            let said = refusal(scene, &node, &bytes)?;
            ensure!(said.contains(reason), "{what}: the refusal does not say {reason:?}: {said}");
        }
        // Once more what is in a block: its nonce is used, and the pool remembers it.
        let said = refusal(scene, &node, &sound)?.to_lowercase();
        ensure!(["outdated", "banned", "already"].iter().any(|word| said.contains(word)), "a replay: {said}");
        ensure!(node.rpc("author_pendingExtrinsics", json!([]))? == json!([]), "something waits");
        taken(scene, &node, &here.signed(&alice, 1, &remark(b"sound again")))
    });
}

#[test]
fn a_stranger_is_told_on_the_command_line_whom_to_ask() {
    scene("stranger", |scene| {
        let node = Node::dev(scene)?;
        let key = scene.dir().join("stranger.key");
        scene.streembit(["key", "new", "--out"]).arg(&key).ok()?;
        let bob = scene.account("bob")?;
        let ask = scene.streembit(["consortium", "remove-party", &bob, "--key"]).arg(&key);
        ask.node(&node.url()).run()?.refused(&["may not submit", "gateway register", "propose-party"])
    });
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn a_flood_at_one_validator_does_not_stop_finality() {
    scene("flood", |scene| {
        let mut network = scene.network()?;
        let gateway = gateway(scene, &mut network)?;
        add_and_anchor(scene, &gateway)?;
        let process = network.node("alice")?.process()?.id();
        let [rpc, p2p] = network.node("alice")?.ports();

        // All places of the RPC are taken. Who is connected already is served.
        let (held, refused) = web_sockets(rpc, WEB_SOCKETS)?;
        ensure!(!held.is_empty() && refused > 0, "{} WebSockets taken, {refused} refused", held.len());
        add_and_anchor(scene, &gateway)?;
        drop(held);
        let alice = network.node("alice")?;
        until("the RPC has places again", 90, || alice.rpc("system_health", json!([])))?;

        let crowd = Crowd::open(&[(p2p, CONNECTIONS.0), (rpc, CONNECTIONS.1)])?;
        let flood = Flood::at(scene, &mut network)?;
        let before = finalized(&mut network)?;
        let flood = scene.handle().spawn(flood.run());
        let mut anchors = 0;
        while !flood.is_finished() {
            add_and_anchor(scene, &gateway)?;
            anchors += u64::from(!flood.is_finished());
        }
        let refused = scene.block_on(flood)??;
        let after = finalized(&mut network)?;
        ensure!(refused == TRANSACTIONS, "{refused} of {TRANSACTIONS} were refused");
        ensure!(anchors > 0, "no anchor became final while they came");
        for (name, (before, after)) in ["alice", "bob"].iter().zip(before.iter().zip(&after)) {
            ensure!(after > before, "{name}: block {before} was final before, {after} after");
        }
        network.node("bob")?.finalizes(before[0] + anchors, 60)?;

        let alice = network.node("alice")?;
        ensure!(alice.process()?.id() == process, "it was another process");
        alice.process()?.check_running()?;
        let (memory, log) = (alice.process()?.resident_kib()?, alice.process()?.log().len());
        println!(
            "{anchors} anchors meanwhile; {} connections opened; the node holds {} MiB and has logged {} KiB",
            crowd.opened(),
            memory / 1024,
            log / 1024
        );
        ensure!(memory < MEMORY, "the flooded node holds {memory} KiB");
        until("nothing waits in the pool", 60, || {
            let waiting = alice.rpc("author_pendingExtrinsics", json!([]))?;
            ensure!(waiting == json!([]), "{waiting}");
            Ok(())
        })?;

        // The connections are still there.
        add_and_anchor(scene, &gateway)?;
        drop(crowd);
        let number = network.node("alice")?.finalized()?;
        network.node("bob")?.finalizes(number, 60)?;
        let hashes = [network.node("alice")?.block_hash(number)?, network.node("bob")?.block_hash(number)?];
        ensure!(hashes[0] == hashes[1], "two chains at block {number}");
        Ok(())
    });
}

/// Who sends wrong transactions to a node.
struct Flood {
    client: reqwest::Client,
    rpc_port: u16,
    here: Transactions,
    elsewhere: Transactions,
    party: KeyPair,
    stranger: KeyPair,
    /// One that is in a block already.
    used: Vec<u8>,
}

impl Flood {
    /// At Alice's node, by Ferdie and a stranger.
    fn at(scene: &Scene, network: &mut Network<'_>) -> Result<Self> {
        let node = network.node("alice")?;
        let (here, party) = (Transactions::of(node)?, dev_key("ferdie")?);
        let used = here.signed(&party, 0, &remark(b"used"));
        taken(scene, node, &used)?;
        until("it is in a block", 60, || {
            let waiting = node.rpc("author_pendingExtrinsics", json!([]))?;
            ensure!(waiting == json!([]), "{waiting}");
            Ok(())
        })?;
        let number = node.finalized()?;
        node.finalizes(number + 2, 60)?;
        let [rpc_port, _] = node.ports();
        Ok(Self {
            client: reqwest::Client::new(),
            rpc_port,
            elsewhere: here.elsewhere(),
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
    let log = LogId::first(keys.account());
    let root = Hash([1; 32]);
    let checkpoint =
        Checkpoint { log, size: 9, root, heads_root: Some(root), time: 1, hash: HashAlgorithm::Blake3 };
    (12u8, 0u8, checkpoint, vec![root; 1_000]).encode()
}

/// Submits one that the node has to take.
fn taken(scene: &Scene, node: &Node, bytes: &[u8]) -> Result<()> {
    match answer(scene, node, bytes)? {
        None => Ok(()),
        Some(said) => bail!("a sound transaction is refused: {said}"),
    }
}

/// Submits one that the node has to refuse; gives what it says.
fn refusal(scene: &Scene, node: &Node, bytes: &[u8]) -> Result<String> {
    answer(scene, node, bytes)?.context("a wrong transaction was taken")
}

fn answer(scene: &Scene, node: &Node, bytes: &[u8]) -> Result<Option<String>> {
    let ([rpc_port, _], client) = (node.ports(), reqwest::Client::new());
    let answers = scene.block_on(submit(&client, rpc_port, &[bytes.to_vec()]))?;
    answers.into_iter().next().context("no answer")
}

/// The last finalized blocks of the flooded node and of another.
fn finalized(network: &mut Network<'_>) -> Result<[u64; 2]> {
    Ok([network.node("alice")?.finalized()?, network.node("bob")?.finalized()?])
}

/// A gateway of Alice's, over her node.
fn gateway(scene: &Scene, network: &mut Network<'_>) -> Result<Gateway> {
    let mut gateway = Gateway::init(scene, "gateway", Settings::default().hosted("shed"))?;
    gateway.start(network.node("alice")?)?;
    let register = network.ask("alice", ["gateway", "register", "--config"])?.arg(gateway.config());
    register.arg("--key").arg(scene.key("alice")?).ok()?;
    Ok(gateway)
}

/// One more event, and its anchor.
fn add_and_anchor(scene: &Scene, gateway: &Gateway) -> Result<()> {
    let add = scene.streembit(["event", "add", "--device", "shed", "--config"]).arg(gateway.config());
    let receipt = add.input("[{\"n\":\"temperature\",\"u\":\"Cel\",\"v\":4.5}]\n").ok()?;
    let size = gateway.log_state()?.size;
    until(&format!("{size} entries are anchored and final"), 180, || {
        let state = gateway.log_state()?;
        let chain: Value = gateway.component("chain")?;
        ensure!(state.anchored >= size, "{state:?}, {chain}; added: {}", receipt.stdout);
        Ok(())
    })
}
