//! How many anchors per second become final if many gateways anchor continuously, each as soon as its last anchor is
//! final.

use super::{label, percentile_s, usages};
use crate::{
    bench::own_cpu_seconds, dev_key, dev_party, raw_transaction::TransactionSigner, str_at, GrowingLog, Node,
    ValidatorNetwork,
};
use anyhow::{bail, ensure, Context, Result};
use codec::{Decode as _, Encode as _};
use futures::future::try_join_all;
use serde_json::Value;
use std::{
    collections::HashMap,
    convert::Infallible,
    future::Future,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use streembit_chain::{gateway_consent, Call};
use streembit_primitives::checkpoint::Anchor;
use subxt_rpcs::{client::rpc_params, RpcClient};
use tokio::sync::oneshot;

/// The owners of the gateways. A gateway submits to its owner's node.
const PARTIES: [&str; 4] = ["alice", "bob", "charlie", "dave"];
/// `Parties.add_gateway` and `Anchors.anchor`, as the runtime numbers them.
const ADD_GATEWAY: [u8; 2] = [10, 0];
const ANCHOR: [u8; 2] = [12, 0];
/// How long the load runs before anchors are counted.
const WARM_UP: Duration = Duration::from_secs(20);
/// The time limit for a transaction to become final.
const FINALITY_TIMEOUT: Duration = Duration::from_secs(180);
/// How many gateways a party registers at the same time: the places of its account in a node's pool.
const REGISTRATION_BATCH: usize = 64;
/// The error code of the RPC if the pool is full (`sc-rpc-api`, `author`).
const POOL_IS_FULL: i32 = 1016;
/// The pause before a transaction is submitted again because the pool was full.
const PAUSE: Duration = Duration::from_millis(100);

/// The transactions, in hexadecimal, that are not final yet, each with the channel of its waiter.
#[derive(Default)]
struct FinalityWaiters(Mutex<HashMap<String, oneshot::Sender<()>>>);

/// The times of an anchor.
struct AnchorTimes {
    submitted: Instant,
    finalized: Instant,
}

/// Lets `gateways` gateways anchor for `seconds`, and prints a table.
pub fn run(network: &mut ValidatorNetwork<'_>, seconds: u64, gateways: usize) -> Result<()> {
    eprintln!("raising the quotas of {} parties", PARTIES.len());
    PARTIES.iter().try_for_each(|party| raise_quota(network, party))?;
    let signing = TransactionSigner::for_node(network.node("alice")?)?;
    let urls: Vec<String> = network.nodes.iter().map(Node::url).collect();
    let env = network.env;
    let clients = env.block_on(try_join_all(urls.iter().map(RpcClient::from_insecure_url)))?;
    let waiting = FinalityWaiters::default();

    eprintln!("registering {gateways} gateways");
    let mut logs: Vec<GrowingLog> = (0..gateways).map(|_| GrowingLog::default()).collect();
    env.block_on(while_following(&clients, &waiting, register(&clients, &waiting, &signing, &logs)))?;

    eprintln!("anchoring for {} s to warm up, then for {seconds} s", WARM_UP.as_secs());
    let (before, own) = (usages(network)?, own_cpu_seconds());
    let start = Instant::now();
    let end = start + WARM_UP + Duration::from_secs(seconds);
    let anchoring = logs.iter_mut().enumerate().map(|(at, log)| {
        let client = clients.iter().cycle().nth(at);
        let (waiting, signing) = (&waiting, &signing);
        async move { anchor_until(end, client.context("no node")?, waiting, signing, log).await }
    });
    let anchors = env.block_on(while_following(&clients, &waiting, try_join_all(anchoring)))?;
    let ran = start.elapsed().as_secs_f64();
    let (after, own) = (usages(network)?, own_cpu_seconds() - own);
    let first = clients.first().context("no node")?;
    logs.iter().try_for_each(|log| env.block_on(ensure_fully_anchored(first, log)))?;

    let period = start + WARM_UP..end;
    let counted: Vec<AnchorTimes> =
        anchors.into_iter().flatten().filter(|anchor| period.contains(&anchor.finalized)).collect();
    print_table(&counted, seconds, gateways);
    println!("\nShare of a core:\n\n| process | CPU | RSS at the end |\n|---|---|---|");
    for ((name, before), (_, after)) in before.iter().zip(&after) {
        let (cpu, rss) = ((after.cpu - before.cpu) / ran * 100.0, after.resident as f64 / 1e6);
        println!("| {} | {cpu:.0} % | {rss:.0} MB |", label(name));
    }
    println!("| the load generator | {:.0} % | |", own / ran * 100.0);
    Ok(())
}

fn print_table(anchors: &[AnchorTimes], seconds: u64, gateways: usize) {
    let mut times: Vec<Duration> =
        anchors.iter().map(|anchor| anchor.finalized.duration_since(anchor.submitted)).collect();
    times.sort_unstable();
    println!("\n{gateways} gateways anchor continuously, for {seconds} s:\n");
    println!("| anchors | final per second | submitted -> final, p50 | p95 |\n|---|---|---|---|");
    println!(
        "| {} | {:.0} | {:.1} s | {:.1} s |",
        anchors.len(),
        anchors.len() as f64 / seconds as f64,
        percentile_s(&times, 50),
        percentile_s(&times, 95)
    );
    println!("| Besu: published transaction rate, on other machines | 750 to 1,200 | | |");
}

/// Raises a party's quota so far that it does not limit the benchmark.
fn raise_quota(network: &mut ValidatorNetwork<'_>, party: &str) -> Result<()> {
    let account = network.env.dev_account(party)?;
    let quota = ["--milliseconds", "1000000000", "--bytes", "1000000000000"];
    network.pass_motion("alice", &[&["set-quota", &account], quota.as_slice()].concat())
}

/// Registers the gateways, each party its share.
async fn register(
    clients: &[RpcClient],
    waiting: &FinalityWaiters,
    signing: &TransactionSigner,
    logs: &[GrowingLog],
) -> Result<()> {
    try_join_all(PARTIES.iter().zip(clients).enumerate().map(|(at, (party, client))| async move {
        let (party, owner) = (dev_key(party)?, dev_party(party)?);
        let account = streembit_keystore::account::show(&party.account());
        let mut nonce: u32 = client.request("system_accountNextIndex", rpc_params![account]).await?;
        let share: Vec<&GrowingLog> = logs.iter().skip(at).step_by(PARTIES.len()).collect();
        for some in share.chunks(REGISTRATION_BATCH) {
            let mut sent = Vec::new();
            for GrowingLog { gateway, .. } in some {
                let consent = gateway_consent(signing.genesis, &gateway.keys, owner, 0);
                let log_key = gateway.keys.log_public_key();
                let call = (ADD_GATEWAY, gateway.keys.account(), log_key, consent).encode();
                sent.push(waiting.send(client, to_hex(&signing.signed(&party, nonce, &call))).await?);
                nonce += 1;
            }
            try_join_all(sent.into_iter().map(wait_until_final)).await?;
        }
        Ok(())
    }))
    .await
    .map(drop)
}

/// Anchors a log repeatedly until `end`, each time after the last anchor is final.
async fn anchor_until(
    end: Instant,
    client: &RpcClient,
    waiting: &FinalityWaiters,
    signing: &TransactionSigner,
    log: &mut GrowingLog,
) -> Result<Vec<AnchorTimes>> {
    let mut times = Vec::new();
    for nonce in 0.. {
        let start = Instant::now();
        if start >= end {
            break;
        }
        let Call::Anchor { checkpoint, proof } = log.anchor() else { bail!("no anchor") };
        let call = (ANCHOR, checkpoint, proof).encode();
        let transaction = to_hex(&signing.signed(&log.gateway.keys, nonce, &call));
        wait_until_final(waiting.send(client, transaction).await?).await?;
        times.push(AnchorTimes { submitted: start, finalized: Instant::now() });
    }
    Ok(times)
}

/// Fails if any anchor of a log was included but failed: all later ones would have failed too.
async fn ensure_fully_anchored(
    client: &RpcClient,
    GrowingLog { gateway, entries }: &GrowingLog,
) -> Result<()> {
    let log = format!("0x{}", hex::encode(gateway.log().encode()));
    let answer: String = client.request("state_call", rpc_params!["AnchorsApi_latest", log]).await?;
    let answer = hex::decode(answer.trim_start_matches("0x"))?;
    let anchor = Option::<Anchor>::decode(&mut answer.as_slice())?.context("a log without an anchor")?;
    let (anchored, size) = (anchor.checkpoint.size, entries.size());
    ensure!(anchored == size, "a log of {size} entries is anchored at {anchored}");
    Ok(())
}

impl FinalityWaiters {
    /// Submits a transaction, again while the pool is full. The returned channel receives a value when it is final.
    async fn send(&self, client: &RpcClient, transaction: String) -> Result<oneshot::Receiver<()>> {
        let (sender, receiver) = oneshot::channel();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(transaction.clone(), sender);
        loop {
            let sent = client.request::<String>("author_submitExtrinsic", rpc_params![&transaction]).await;
            match sent {
                Err(subxt_rpcs::Error::User(refused)) if refused.code == POOL_IS_FULL => {
                    tokio::time::sleep(PAUSE).await;
                }
                sent => return Ok(sent.map(|_hash| receiver)?),
            }
        }
    }

    /// Notifies the waiters of these transactions.
    fn notify(&self, transactions: &[Value]) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for transaction in transactions.iter().filter_map(Value::as_str) {
            if let Some(sender) = waiting.remove(transaction) {
                // The waiter may have given up.
                let _ = sender.send(());
            }
        }
    }

    /// Reads all blocks that become final.
    async fn follow(&self, client: &RpcClient) -> Result<Infallible> {
        let mut next = finalized(client).await?;
        loop {
            let last = finalized(client).await?;
            for number in next..=last {
                let hash: String = client.request("chain_getBlockHash", rpc_params![number]).await?;
                let block: Value = client.request("chain_getBlock", rpc_params![hash]).await?;
                let transactions = block.pointer("/block/extrinsics").and_then(Value::as_array);
                self.notify(transactions.context("a block without extrinsics")?);
            }
            next = next.max(last + 1);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Runs `work` while the finalized blocks of the first node are read.
async fn while_following<T>(
    clients: &[RpcClient],
    waiting: &FinalityWaiters,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let first = clients.first().context("no node")?;
    tokio::select! {
        done = work => done,
        failed = waiting.follow(first) => match failed? {},
    }
}

/// Encodes a transaction for the RPC.
fn to_hex(transaction: &[u8]) -> String {
    format!("0x{}", hex::encode(transaction))
}

/// Waits until a transaction is final.
async fn wait_until_final(receiver: oneshot::Receiver<()>) -> Result<()> {
    let received = tokio::time::timeout(FINALITY_TIMEOUT, receiver).await;
    received
        .with_context(|| format!("a transaction is not final after {} s", FINALITY_TIMEOUT.as_secs()))??;
    Ok(())
}

/// Returns the number of the last finalized block.
async fn finalized(client: &RpcClient) -> Result<u64> {
    let hash: String = client.request("chain_getFinalizedHead", rpc_params![]).await?;
    let header: Value = client.request("chain_getHeader", rpc_params![hash]).await?;
    Ok(u64::from_str_radix(str_at(&header, "/number")?.trim_start_matches("0x"), 16)?)
}
