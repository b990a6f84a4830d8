//! Finality continues while one validator receives 100,000 invalid transactions and holds 1,000 connections.

use anyhow::{ensure, Result};
use codec::Encode;
use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::json;
use streembit_keystore::KeyPair;
use streembit_tests::{
    dev_key, open_web_sockets,
    raw_transaction::{forged, larger_than_a_block, remark, submit, unsigned, TransactionSigner},
    run_test, wait_until, ConnectionFlood, Gateway, GatewaySettings, TestEnv, ValidatorNetwork,
    TEMPERATURE_SENML,
};

/// The number of invalid transactions.
const TRANSACTIONS: u32 = 100_000;
/// The number of transactions in a request.
const BATCH: u32 = 250;
/// The number of concurrent requests.
const CONCURRENT_REQUESTS: usize = 4;
/// One in this many transactions is larger than a block.
const OVERSIZED: u32 = 5_000;
/// One in this many transactions looks like an extrinsic but cannot be decoded, which only the runtime notices.
const UNDECODABLE: u32 = 1_000;
/// The number of connections to the peer-to-peer port.
const P2P_CONNECTIONS: usize = 850;
/// The number of connections to the RPC port.
const RPC_CONNECTIONS: usize = 150;
/// The number of WebSockets, which is more than a node accepts.
const WEB_SOCKETS: usize = 150;
/// The largest resident memory of the flooded node, in KiB.
const MAX_MEMORY_KIB: u64 = 1024 * 1024;

#[test]
#[ignore = "takes minutes: make test-long"]
fn a_flood_of_one_validator_does_not_stop_finality() {
    run_test("flood", |env| {
        let mut network = env.network()?;
        let gateway = gateway(env, &mut network)?;
        add_and_anchor(env, &gateway)?;
        let process = network.node("alice")?.process()?.id();
        use_all_web_sockets(env, &mut network, &gateway)?;

        let [rpc, p2p] = network.node("alice")?.ports();
        let connections = ConnectionFlood::open(&[(p2p, P2P_CONNECTIONS), (rpc, RPC_CONNECTIONS)])?;
        let anchors = flood_and_anchor(env, &mut network, &gateway)?;

        let alice = network.node("alice")?;
        ensure!(alice.process()?.id() == process, "the node was restarted");
        alice.process()?.check_running()?;
        let (memory, log) = (alice.process()?.resident_kib()?, alice.process()?.log().len());
        println!(
            "{anchors} anchors during the flood; {} connections opened; the node uses {} MiB and has logged {} KiB",
            connections.opened(),
            memory / 1024,
            log / 1024
        );
        ensure!(memory < MAX_MEMORY_KIB, "the flooded node uses {memory} KiB");
        wait_until("the pool is empty", 60, || alice.ensure_pool_is_empty())?;

        // The connections are still open.
        add_and_anchor(env, &gateway)?;
        drop(connections);
        let number = network.node("alice")?.finalized()?;
        network.wait_for_agreement(&["alice", "bob"], number, 60)
    });
}

/// Uses all WebSocket slots of the RPC. Clients that are already connected, such as the gateway, must still be served.
fn use_all_web_sockets(env: &TestEnv, network: &mut ValidatorNetwork<'_>, gateway: &Gateway) -> Result<()> {
    let alice = network.node("alice")?;
    let (held, rejected) = open_web_sockets(alice.rpc_port(), WEB_SOCKETS)?;
    ensure!(!held.is_empty() && rejected > 0, "{} WebSockets accepted, {rejected} rejected", held.len());
    add_and_anchor(env, gateway)?;
    drop(held);
    wait_until("the RPC accepts connections again", 90, || alice.rpc("system_health", json!([])))?;
    Ok(())
}

/// Sends the invalid transactions while the gateway anchors. Returns how many anchors became final during the flood.
fn flood_and_anchor(env: &TestEnv, network: &mut ValidatorNetwork<'_>, gateway: &Gateway) -> Result<u64> {
    let flood = Flood::new(network)?;
    let before = finalized(network)?;
    let flood = env.handle().spawn(flood.run());
    let mut anchors = 0;
    while !flood.is_finished() {
        add_and_anchor(env, gateway)?;
        anchors += u64::from(!flood.is_finished());
    }
    let rejected = env.block_on(flood)??;
    let after = finalized(network)?;
    ensure!(rejected == TRANSACTIONS, "{rejected} of {TRANSACTIONS} were rejected");
    ensure!(anchors > 0, "no anchor became final during the flood");
    for (name, (before, after)) in ["alice", "bob"].iter().zip(before.iter().zip(&after)) {
        ensure!(after > before, "{name}: block {before} was final before the flood, {after} after it");
    }
    network.node("bob")?.wait_until_finalized(before[0] + anchors, 60)?;
    Ok(anchors)
}

/// Sends invalid transactions to a node.
struct Flood {
    client: reqwest::Client,
    rpc_port: u16,
    here: TransactionSigner,
    other_chain: TransactionSigner,
    party: KeyPair,
    unknown: KeyPair,
    /// A transaction that is already in a block.
    used: Vec<u8>,
}

impl Flood {
    /// Targets Alice's node, with transactions of Ferdie and of an unknown account.
    fn new(network: &mut ValidatorNetwork<'_>) -> Result<Self> {
        let node = network.node("alice")?;
        let (here, party) = (TransactionSigner::for_node(node)?, dev_key("ferdie")?);
        let used = here.signed(&party, 0, &remark(b"used"));
        node.submit_valid(&used)?;
        wait_until("the transaction is in a block", 60, || node.ensure_pool_is_empty())?;
        let number = node.finalized()?;
        node.wait_until_finalized(number + 2, 60)?;
        let [rpc_port, _] = node.ports();
        Ok(Self {
            client: reqwest::Client::new(),
            rpc_port,
            other_chain: here.for_another_chain(),
            here,
            party,
            unknown: KeyPair::from_seed(rand::random()),
            used,
        })
    }

    /// Sends all transactions. Returns how many were rejected. It is an error if one is accepted.
    async fn run(self) -> Result<u32> {
        let requests = (0..TRANSACTIONS / BATCH).map(|nth| self.send(nth * BATCH..(nth + 1) * BATCH));
        let answers = futures::stream::iter(requests).buffer_unordered(CONCURRENT_REQUESTS);
        let rejected: Vec<u32> = answers.try_collect().await?;
        Ok(rejected.iter().sum())
    }

    async fn send(&self, numbers: std::ops::Range<u32>) -> Result<u32> {
        let batch: Vec<_> = numbers.clone().map(|number| self.invalid_transaction(number)).collect();
        let answers = submit(&self.client, self.rpc_port, &batch).await?;
        for (number, answer) in numbers.zip(&answers) {
            ensure!(answer.is_some(), "transaction {number} was accepted");
        }
        Ok(u32::try_from(answers.len())?)
    }

    /// Builds an invalid transaction. All differ, except for the replays.
    fn invalid_transaction(&self, number: u32) -> Vec<u8> {
        let call = remark(&number.to_le_bytes());
        if number % OVERSIZED == 1 {
            return self.here.signed(&self.party, number, &remark(&larger_than_a_block()));
        }
        if number % UNDECODABLE == 2 {
            return [&[0xffu8; 40][..], &number.to_le_bytes()].concat().encode();
        }
        match number % 7 {
            0 => [&[0xffu8; 40][..], &number.to_le_bytes()].concat(),
            1 => unsigned(&call),
            2 => self.other_chain.signed(&self.party, number, &call),
            3 => forged(&self.party, number, &call),
            4 => self.here.signed(&self.unknown, number, &call),
            5 => self.here.signed(&self.party, 0, &call),
            _ => self.used.clone(),
        }
    }
}

/// Returns the last finalized blocks of the flooded node and of another node.
fn finalized(network: &mut ValidatorNetwork<'_>) -> Result<[u64; 2]> {
    Ok([network.node("alice")?.finalized()?, network.node("bob")?.finalized()?])
}

/// Starts a gateway of Alice that uses her node.
fn gateway(env: &TestEnv, network: &mut ValidatorNetwork<'_>) -> Result<Gateway> {
    let mut gateway = Gateway::init(env, "gateway", GatewaySettings::default().hosted("shed"))?;
    gateway.start(network.node("alice")?)?;
    gateway.register(env, network.node("alice")?, "alice")?;
    Ok(gateway)
}

/// Adds an event and waits until it is anchored.
fn add_and_anchor(env: &TestEnv, gateway: &Gateway) -> Result<()> {
    gateway.add_senml(env, "shed", TEMPERATURE_SENML).ok()?;
    gateway.wait_until_anchored(180)?;
    Ok(())
}
