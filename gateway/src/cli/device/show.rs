//! `streembit device show`: the record of a device.

use super::subject::DeviceArg;
use crate::{
    cli::common::{Context, NodeArg},
    remedies::explain,
};
use clap::Args as ClapArgs;
use serde_json::{json, Value};
use streembit_clock as clock;
use streembit_keystore::account;
use streembit_primitives::{
    device::{CouncilDecision, DeviceRecord, KeyChange, KeyPeriod, LogPeriod, LostRange, OwnerPeriod},
    DeviceKey, PartyId,
};

/// The arguments of `device show`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(flatten)]
    device: DeviceArg,
    #[command(flatten)]
    node: NodeArg,
}

/// Runs `device show`.
pub(super) async fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let (found, chain) = args.device.find(&args.node, None, context).await?;
    let record = found.record(&chain).await?;
    let offer = chain.offer(found.id).await.map_err(explain)?;
    context.print_named(&view(&record, offer), |_| text(&record, offer))
}

fn view(record: &DeviceRecord, offer: Option<PartyId>) -> Value {
    json!({
        "device": record.device_id(),
        "state": record.state(),
        "key": record.key(),
        "owner": record.owner(),
        "log": record.log(),
        "gateway": account::show(&record.gateway()),
        "offered_to": offer,
        "keys": record.keys().iter().collect::<Vec<_>>(),
        "owners": record.owners().iter().collect::<Vec<_>>(),
        "logs": record.logs().iter().collect::<Vec<_>>(),
        "lost": record.lost(),
        "decisions": record.decisions(),
        "record": record.hash(),
    })
}

fn text(record: &DeviceRecord, offer: Option<PartyId>) -> String {
    let mut lines = vec![
        format!("device   {}", record.device_id()),
        format!("state    {}", format!("{:?}", record.state()).to_lowercase()),
    ];
    lines.extend(record.keys().iter().map(key_line));
    lines.extend(record.owners().iter().map(owner_line));
    lines.extend(offer.map(|to| format!("offered  to {to}")));
    lines.extend(record.logs().iter().map(log_line));
    lines.extend(record.lost().iter().map(lost_line));
    lines.extend(record.decisions().iter().map(decision_line));
    lines.push(format!("record   {}", record.hash()));
    lines.join("\n")
}

fn key_line(period: &KeyPeriod) -> String {
    let signer = match &period.key {
        DeviceKey::Own(key) => key.to_string(),
        DeviceKey::Hosted { gateway, .. } => format!("gateway {} signs", account::show(gateway)),
    };
    let change = match period.change {
        KeyChange::Registered => "registered",
        KeyChange::Rotated => "the key before agreed",
        KeyChange::Recovered => "the owner decided alone",
        KeyChange::Rehosted => "taken over from the gateway before",
    };
    format!("key      from event {}, block {}: {signer} ({change})", period.from, period.block)
}

fn owner_line(period: &OwnerPeriod) -> String {
    format!("owner    since {}, block {}: {}", clock::show(period.since), period.block, period.party)
}

fn log_line(period: &LogPeriod) -> String {
    let gateway = account::show(&period.log.gateway);
    format!(
        "log      from event {}, block {}: gateway {gateway}, epoch {}",
        period.from, period.block, period.log.epoch
    )
}

fn lost_line(range: &LostRange) -> String {
    format!("lost     events {} to {}, block {}", range.from, range.until.saturating_sub(1), range.block)
}

fn decision_line(decision: &CouncilDecision) -> String {
    let change = format!("{:?}", decision.change).to_lowercase();
    format!(
        "council  allowed a change without a proof ({change}), from event {}, block {}",
        decision.from, decision.block
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use streembit_primitives::{
        device::{ChangeTime, DecidedChange},
        AccountId, LogId, PublicKey,
    };

    #[test]
    fn the_whole_record_is_shown() {
        let at = ChangeTime { block: 7, time: 1_700_000_000_000 };
        let key = |n| DeviceKey::Own(PublicKey::Sr25519([n; 32]));
        let log = |n| LogId::first(AccountId([n; 32]));
        let mut record = DeviceRecord::new(key(1), PartyId([2; 32]), log(3), at);
        record.set_key(key(4), 5, KeyChange::Recovered, 5, at).unwrap();
        record.assign(log(6), None, 9, 7, u64::MAX, at).unwrap();
        record.record_decision(DecidedChange::Log, 7, at).unwrap();
        let offer = Some(PartyId([8; 32]));
        let shown = text(&record, offer);
        for part in [
            "active",
            "decided alone",
            "from event 5",
            "from event 9",
            "events 7 to 8",
            "offered  to",
            "2023-11-14",
            "without a proof (log)",
        ] {
            assert!(shown.contains(part), "{part}\n{shown}");
        }
        let json = view(&record, offer);
        assert_eq!((json["keys"][1]["from"].as_u64(), json["logs"][1]["from"].as_u64()), (Some(5), Some(9)));
        assert_eq!((&json["lost"][0]["until"], &json["state"]), (&json!(9), &json!("active")));
    }
}
