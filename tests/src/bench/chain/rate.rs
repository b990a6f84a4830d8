//! How many anchors a second become final, where many gateways each anchor a growing log again as soon as the last anchor is
//! final.

use super::{seconds_at, shown, usages};
use crate::{bench::own_cpu_seconds, dev_key, text, transaction::Transactions, Logger, Network, Node};
use anyhow::{bail, ensure, Context, Result};
use codec::{Decode as _, Encode as _};
use futures::future::try_join_all;
use serde_json::{json, Value};
use std::{
    collections::HashMap,
    convert::Infallible,
    future::Future,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use streembit::chain::{gateway_consent, Call};
use streembit_primitives::checkpoint::Anchor;
use subxt_rpcs::{client::rpc_params, RpcClient};
use tokio::sync::oneshot;

/// Whose gateways they are; each sends to the node of its party.
const PARTIES: [&str; 4] = ["alice", "bob", "charlie", "dave"];
/// `Consortium.add_gateway` and `Anchors.anchor`, as the runtime numbers them.
const ADD_GATEWAY: [u8; 2] = [10, 0];
const ANCHOR: [u8; 2] = [12, 0];
/// How long the load goes on before anything is counted.
const WARMING: Duration = Duration::from_secs(20);
/// How long a transaction may take to be final.
const PATIENCE: Duration = Duration::from_secs(180);
/// How many gateways a party registers at a time: those of all four find room in a pool of 512 transactions.
const AT_A_TIME: usize = 100;
/// What the RPC answers where the pool has no room (`sc-rpc-api`, `author`), and how long who was refused so waits.
const POOL_IS_FULL: i32 = 1016;
const PAUSE: Duration = Duration::from_millis(100);

/// The transactions that wait to be final, in hexadecimal digits, each with whom to tell.
#[derive(Default)]
struct Waiting(Mutex<HashMap<String, oneshot::Sender<()>>>);

/// An anchor's way: when it was submitted, and when it was final.
type Way = (Instant, Instant);

/// Lets so many gateways anchor for so long, and prints a table.
pub fn run(network: &mut Network<'_>, seconds: u64, gateways: usize) -> Result<()> {
    eprintln!("raising the quotas of the {} parties", PARTIES.len());
    PARTIES.iter().try_for_each(|party| raise_quota(network, party))?;
    let signing = Transactions::of(network.node("alice")?)?;
    let urls: Vec<String> = network.nodes.iter().map(Node::url).collect();
    let scene = network.scene;
    let clients = scene.block_on(try_join_all(urls.iter().map(RpcClient::from_insecure_url)))?;
    let waiting = Waiting::default();

    eprintln!("registering {gateways} gateways");
    let mut loggers: Vec<Logger> = (0..gateways).map(|_| Logger::default()).collect();
    scene.block_on(beside(&clients, &waiting, register(&clients, &waiting, &signing, &loggers)))?;

    eprintln!("anchoring for {} s, and then for {seconds} s that count", WARMING.as_secs());
    let (before, own) = (usages(network)?, own_cpu_seconds());
    let start = Instant::now();
    let end = start + WARMING + Duration::from_secs(seconds);
    let anchoring = loggers.iter_mut().enumerate().map(|(at, logger)| {
        let client = clients.iter().cycle().nth(at);
        let (waiting, signing) = (&waiting, &signing);
        async move { anchor_until(end, client.context("no node")?, waiting, signing, logger).await }
    });
    let ways = scene.block_on(beside(&clients, &waiting, try_join_all(anchoring)))?.concat();
    let ran = start.elapsed().as_secs_f64();
    let (after, own) = (usages(network)?, own_cpu_seconds() - own);
    let first = clients.first().context("no node")?;
    loggers.iter().try_for_each(|logger| scene.block_on(ended_as_anchored(first, logger)))?;

    let counted: Vec<Way> =
        ways.into_iter().filter(|(_, last)| (start + WARMING..end).contains(last)).collect();
    print_table(&counted, seconds, gateways);
    println!("\nOf a core meanwhile:\n\n| who | CPU | RSS at the end |\n|---|---|---|");
    for ((name, before), (_, after)) in before.iter().zip(&after) {
        let (cpu, rss) = ((after.cpu - before.cpu) / ran * 100.0, after.resident as f64 / 1e6);
        println!("| {} | {cpu:.0} % | {rss:.0} MB |", shown(name));
    }
    println!("| the load generator | {:.0} % | |", own / ran * 100.0);
    Ok(())
}

fn print_table(ways: &[Way], seconds: u64, gateways: usize) {
    let mut times: Vec<Duration> = ways.iter().map(|(first, last)| last.duration_since(*first)).collect();
    times.sort_unstable();
    println!("\n{gateways} gateways that anchor without a pause, for {seconds} s:\n");
    println!("| anchors | final a second | submitted -> final, p50 | p95 |\n|---|---|---|---|");
    println!(
        "| {} | {:.0} | {:.1} s | {:.1} s |",
        ways.len(),
        ways.len() as f64 / seconds as f64,
        seconds_at(&times, 50),
        seconds_at(&times, 95)
    );
    println!("| Besu, transactions as it publishes them, on other machines | 750 to 1,200 | | |");
}

/// The council lets a party spend without a limit that would be felt: two of its three members vote.
fn raise_quota(network: &mut Network<'_>, party: &str) -> Result<()> {
    let account = network.scene.account(party)?;
    let plenty = ["--milliseconds", "1000000000", "--bytes", "1000000000000"];
    let ask = [&["set-quota", &account], plenty.as_slice()].concat();
    let asked = network.consortium("alice", "alice", &ask)?;
    let motion = text(&asked, "/motion/id")?;
    let voted = network.consortium("bob", "bob", &["vote", &motion, "yes"])?;
    ensure!(voted.get("decided") == Some(&json!(true)), "two of three are a majority: {voted}");
    Ok(())
}

/// Takes the gateways in, each party its share.
async fn register(
    clients: &[RpcClient],
    waiting: &Waiting,
    signing: &Transactions,
    loggers: &[Logger],
) -> Result<()> {
    try_join_all(PARTIES.iter().zip(clients).enumerate().map(|(at, (party, client))| async move {
        let party = dev_key(party)?;
        let account = streembit::account::show(&party.account());
        let mut nonce: u32 = client.request("system_accountNextIndex", rpc_params![account]).await?;
        let share: Vec<&Logger> = loggers.iter().skip(at).step_by(PARTIES.len()).collect();
        for some in share.chunks(AT_A_TIME) {
            let mut sent = Vec::new();
            for Logger { gateway, .. } in some {
                let consent = gateway_consent(signing.genesis, &gateway.keys, party.account());
                let call = (ADD_GATEWAY, gateway.keys.account(), consent).encode();
                sent.push(waiting.send(client, hexed(&signing.signed(&party, nonce, &call))).await?);
                nonce += 1;
            }
            try_join_all(sent.into_iter().map(is_final)).await?;
        }
        Ok(())
    }))
    .await
    .map(drop)
}

/// Anchors a log again and again, the next time when the last one is final.
async fn anchor_until(
    end: Instant,
    client: &RpcClient,
    waiting: &Waiting,
    signing: &Transactions,
    logger: &mut Logger,
) -> Result<Vec<Way>> {
    let mut ways = Vec::new();
    for nonce in 0.. {
        let start = Instant::now();
        if start >= end {
            break;
        }
        let Call::Anchor { checkpoint, proof } = logger.anchor() else { bail!("no anchor") };
        let call = (ANCHOR, checkpoint, proof).encode();
        let transaction = hexed(&signing.signed(&logger.gateway.keys, nonce, &call));
        is_final(waiting.send(client, transaction).await?).await?;
        ways.push((start, Instant::now()));
    }
    Ok(ways)
}

/// Fails where an anchor of a log was final and refused: none after it would have been taken.
async fn ended_as_anchored(client: &RpcClient, Logger { gateway, leaves }: &Logger) -> Result<()> {
    let log = format!("0x{}", hex::encode(gateway.log().encode()));
    let answer: String = client.request("state_call", rpc_params!["AnchorsApi_latest", log]).await?;
    let answer = hex::decode(answer.trim_start_matches("0x"))?;
    let anchor = Option::<Anchor>::decode(&mut answer.as_slice())?.context("a log without an anchor")?;
    let (anchored, size) = (anchor.checkpoint.size, leaves.size());
    ensure!(anchored == size, "a log of {size} entries is anchored at {anchored}");
    Ok(())
}

impl Waiting {
    /// Sends a transaction, as often as the pool has no room for it; what is given ends when it is final.
    async fn send(&self, client: &RpcClient, transaction: String) -> Result<oneshot::Receiver<()>> {
        let (tell, told) = oneshot::channel();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(transaction.clone(), tell);
        loop {
            let sent = client.request::<String>("author_submitExtrinsic", rpc_params![&transaction]).await;
            match sent {
                Err(subxt_rpcs::Error::User(refused)) if refused.code == POOL_IS_FULL => {
                    tokio::time::sleep(PAUSE).await;
                }
                sent => return Ok(sent.map(|_hash| told)?),
            }
        }
    }

    /// Tells who waits for one of these.
    fn are_final(&self, transactions: &[Value]) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for transaction in transactions.iter().filter_map(Value::as_str) {
            if let Some(tell) = waiting.remove(transaction) {
                // Who has given up is not told.
                let _ = tell.send(());
            }
        }
    }

    /// Reads every block that becomes final.
    async fn follow(&self, client: &RpcClient) -> Result<Infallible> {
        let mut next = finalized(client).await?;
        loop {
            let last = finalized(client).await?;
            for number in next..=last {
                let hash: String = client.request("chain_getBlockHash", rpc_params![number]).await?;
                let block: Value = client.request("chain_getBlock", rpc_params![hash]).await?;
                let transactions = block.pointer("/block/extrinsics").and_then(Value::as_array);
                self.are_final(transactions.context("a block without extrinsics")?);
            }
            next = next.max(last + 1);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Does something while the finalized blocks of the first node are read.
async fn beside<T>(
    clients: &[RpcClient],
    waiting: &Waiting,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let first = clients.first().context("no node")?;
    tokio::select! {
        done = work => done,
        failed = waiting.follow(first) => match failed? {},
    }
}

/// As the RPC takes and gives it.
fn hexed(transaction: &[u8]) -> String {
    format!("0x{}", hex::encode(transaction))
}

async fn is_final(told: oneshot::Receiver<()>) -> Result<()> {
    let told = tokio::time::timeout(PATIENCE, told).await;
    told.with_context(|| format!("a transaction is not final after {} s", PATIENCE.as_secs()))??;
    Ok(())
}

/// The number of the last finalized block.
async fn finalized(client: &RpcClient) -> Result<u64> {
    let hash: String = client.request("chain_getFinalizedHead", rpc_params![]).await?;
    let header: Value = client.request("chain_getHeader", rpc_params![hash]).await?;
    Ok(u64::from_str_radix(text(&header, "/number")?.trim_start_matches("0x"), 16)?)
}
