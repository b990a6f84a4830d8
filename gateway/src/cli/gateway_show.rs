//! `streembit gateway show`: what the chain has of a gateway: its party, its log key and its logs.

use super::{
    common::{connect, ConfigArg, Context, NodeArg},
    log_anchor::LogAnchor,
    resolver::Reference,
};
use crate::remedies::explain;
use anyhow::bail;
use serde_json::{json, Value};
use streembit_chain::{ChainClient, ChainError};
use streembit_keystore::{account, account_of};
use streembit_primitives::{
    checkpoint::EpochState,
    note::{Origin, VerifierKey},
    AccountId, GatewayRecord, Hash, LogId,
};

/// The most logs that are shown. A gateway seldom has more than a few.
const MAX_SHOWN: u32 = 32;

/// The arguments of `gateway show`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The gateway: its account, the beginning of it, or its name. Without it, the gateway of the configuration.
    #[arg(value_name = "GATEWAY")]
    gateway: Option<Reference>,
    #[command(flatten)]
    config: ConfigArg,
    #[command(flatten)]
    node: NodeArg,
}

/// Runs `gateway show`.
pub(super) async fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let (chain, gateway) = match &args.gateway {
        Some(gateway) => {
            let chain = connect(args.node.or_local()).await?;
            let gateway = context.resolver().chain(&chain).account(gateway).await?;
            (chain, gateway)
        }
        None => {
            let config = args.config.load()?;
            let gateway = account_of(&config.gateway.key_file).map_err(explain)?;
            (connect(args.node.or_configured(&config)).await?, gateway)
        }
    };
    let shown = GatewayOnChain::fetch(&chain, gateway).await.map_err(explain)?;
    if !shown.is_known() {
        bail!(
            "the chain knows no gateway {}: `streembit consortium show` lists the gateways",
            account::show(&gateway)
        );
    }
    context.print_named(&shown.json(), |_| shown.text())
}

/// What the chain has of a gateway, at one block.
struct GatewayOnChain {
    genesis: Hash,
    gateway: AccountId,
    /// Its party and log key, or `None` if it belongs to no party, or no longer does.
    record: Option<GatewayRecord>,
    epoch: EpochState,
    /// The last logs, oldest first, each with its last anchor.
    logs: Vec<(LogId, Option<LogAnchor>)>,
}

impl GatewayOnChain {
    async fn fetch(chain: &ChainClient, gateway: AccountId) -> Result<Self, ChainError> {
        let view = chain.view().await?;
        let record = view.gateway(gateway).await?;
        let epoch = view.epoch(gateway).await?;
        let mut logs = Vec::new();
        for number in epoch.number.saturating_sub(MAX_SHOWN.saturating_sub(1))..=epoch.number {
            let log = LogId { gateway, epoch: number };
            logs.push((log, LogAnchor::fetch(&view, log).await?));
        }
        Ok(Self { genesis: chain.genesis(), gateway, record, epoch, logs })
    }

    /// Returns false if the account is not a gateway and never was one.
    fn is_known(&self) -> bool {
        let has_anchor = self.logs.iter().any(|(_, anchor)| anchor.is_some());
        self.record.is_some() || has_anchor || self.epoch != EpochState::default()
    }

    /// Returns the key that other people's tools verify a log with, or `None` if the chain has none that can verify anything.
    fn verifier_key(&self, log: LogId) -> Option<VerifierKey> {
        VerifierKey::new(Origin { genesis: self.genesis, log }, &self.record?.log_key)
    }

    fn is_open(&self, log: &LogId) -> bool {
        self.epoch.log(self.gateway) == Some(*log)
    }

    /// The number of logs before those that are shown.
    fn earlier(&self) -> u32 {
        self.logs.first().map_or(0, |(log, _)| log.epoch)
    }

    fn json(&self) -> Value {
        let logs = self.logs.iter().map(|(log, anchor)| {
            json!({
                "epoch": log.epoch,
                "open": self.is_open(log),
                "anchored": anchor.map(|anchor| anchor.size),
                "block": anchor.map(|anchor| anchor.block),
                "time": anchor.and_then(|anchor| anchor.time),
                "verifier_key": self.verifier_key(*log).map(|key| key.to_string()),
            })
        });
        json!({
            "gateway": account::show(&self.gateway),
            "party": self.record.map(|record| record.party),
            "log_key": self.record.map(|record| record.log_key),
            "logs": logs.collect::<Vec<_>>(),
            "earlier_logs": self.earlier(),
        })
    }

    fn text(&self) -> String {
        let mut lines = vec![format!("gateway  {}", account::show(&self.gateway))];
        match &self.record {
            Some(GatewayRecord { party, log_key }) => {
                lines.extend([format!("party    {party}"), format!("log key  {log_key}")]);
            }
            None => lines.push("party    none, and no log key: the gateway has left its party".into()),
        }
        if self.earlier() > 0 {
            lines.push(format!("logs     0 to {} are not shown", self.earlier().saturating_sub(1)));
        }
        lines.extend(self.logs.iter().map(|(log, anchor)| {
            let open = if self.is_open(log) { "open" } else { "closed" };
            format!("log {:<4} {open}, {}", log.epoch, LogAnchor::describe(anchor.as_ref()))
        }));
        let last = self.logs.last().and_then(|(log, _)| self.verifier_key(*log));
        lines.extend(last.map(|key| format!("verifier {key}")));
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use streembit_keystore::KeyPair;
    use streembit_primitives::PartyId;

    const GENESIS: Hash = Hash([9; 32]);
    const GATEWAY: AccountId = AccountId([3; 32]);

    fn shown(record: Option<GatewayRecord>, epoch: EpochState, sizes: &[Option<u64>]) -> GatewayOnChain {
        let first = epoch.number + 1 - sizes.len() as u32;
        let anchor = |size| LogAnchor { size, block: 7, time: Some(1_700_000_000_000) };
        let logs = (first..).zip(sizes);
        let logs = logs.map(|(epoch, size)| (LogId { gateway: GATEWAY, epoch }, size.map(anchor)));
        GatewayOnChain { genesis: GENESIS, gateway: GATEWAY, record, epoch, logs: logs.collect() }
    }

    #[test]
    fn each_log_is_shown_with_its_anchored_size_and_time() {
        let log_key = KeyPair::from_seed([7; 32]).log_public_key();
        let record = GatewayRecord { party: PartyId([1; 32]), log_key };
        let last = LogId { gateway: GATEWAY, epoch: 1 };
        let verifier = VerifierKey::new(Origin { genesis: GENESIS, log: last }, &log_key).unwrap();
        let shown = shown(Some(record), EpochState { number: 1, open: true }, &[Some(14), None]);
        let expected = [
            format!("gateway  {}", account::show(&GATEWAY)),
            format!("party    {}", record.party),
            format!("log key  {}", record.log_key),
            "log 0    closed, anchored at 14 entries in block 7, 2023-11-14 22:13:20Z".into(),
            "log 1    open, not anchored yet".into(),
            format!("verifier {verifier}"),
        ];
        assert_eq!(shown.text(), expected.join("\n"));
        let json = shown.json();
        assert_eq!((&json["log_key"], &json["earlier_logs"]), (&json!(record.log_key), &json!(0)));
        let [first, last] = [&json["logs"][0], &json["logs"][1]];
        assert_eq!(
            (&first["epoch"], &first["open"], &first["anchored"]),
            (&json!(0), &json!(false), &json!(14))
        );
        assert_eq!((&first["block"], &first["time"]), (&json!(7), &json!(1_700_000_000_000_u64)));
        assert_eq!((&last["open"], &last["anchored"]), (&json!(true), &Value::Null));
        assert_eq!(last["verifier_key"], verifier.to_string());
        assert!(first["verifier_key"].as_str().unwrap().contains("/0+"), "{first}");
    }

    #[test]
    fn a_gateway_that_left_is_known_by_its_logs() {
        let left = shown(None, EpochState::default(), &[Some(3)]);
        assert!(left.is_known() && left.text().contains("none") && left.json()["log_key"].is_null());
        assert!(shown(None, EpochState { number: 0, open: false }, &[None]).is_known());
        assert!(!shown(None, EpochState::default(), &[None]).is_known());
    }

    #[test]
    fn logs_that_are_not_shown_are_counted() {
        let last = EpochState { number: 40, open: false };
        let shown = shown(None, last, &vec![Some(1); MAX_SHOWN as usize]);
        assert_eq!(shown.json()["earlier_logs"], 9);
        assert!(shown.text().contains("0 to 8 are not shown"), "{}", shown.text());
        assert!(shown
            .text()
            .ends_with("log 40   closed, anchored at 1 entry in block 7, 2023-11-14 22:13:20Z"));
    }

    #[test]
    fn the_gateway_is_named_or_in_the_configuration() {
        #[derive(Debug, Parser)]
        struct TestCommand {
            #[command(flatten)]
            args: Args,
        }
        let parse = |line: &[&str]| TestCommand::try_parse_from(line).unwrap().args;
        assert!(parse(&["show"]).gateway.is_none());
        assert_eq!(parse(&["show", "garage"]).gateway.unwrap().name(), Some("garage"));
    }
}
