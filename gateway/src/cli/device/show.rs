//! `streembit device show`: the record of a device, and what the chain says about its log.

use super::subject::{find_record, DeviceArg};
use crate::{
    cli::{
        common::{Context, NodeArg},
        log_anchor::LogAnchor,
        record,
    },
    remedies::explain,
};
use clap::Args as ClapArgs;
use serde_json::{json, Value};
use streembit_chain::{AllowedChange, ChainClient, ChainError};
use streembit_keystore::account;
use streembit_primitives::{device::DeviceRecord, PartyId};

/// The arguments of `device show`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(flatten)]
    device: DeviceArg,
    #[command(flatten)]
    node: NodeArg,
}

/// A device on the chain.
struct DeviceOnChain {
    record: DeviceRecord,
    /// The party that the device is offered to.
    offer: Option<PartyId>,
    /// The last anchor of the log that the device is in.
    anchor: Option<LogAnchor>,
    /// The change that the council allows and that nobody has made yet.
    allowed: Option<AllowedChange>,
}

/// Runs `device show`.
pub(super) async fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let (found, chain) = args.device.find(&args.node, None, context).await?;
    let record = find_record(&chain, found.id).await?;
    let shown = DeviceOnChain::fetch(&chain, record).await.map_err(explain)?;
    context.print_named(&shown.json(), |_| shown.text())
}

impl DeviceOnChain {
    async fn fetch(chain: &ChainClient, record: DeviceRecord) -> Result<Self, ChainError> {
        let view = chain.view().await?;
        let device = record.device_id();
        let allowed = match view.allowed_change(device).await {
            // The runtime is of another release.
            Err(ChainError::Runtime { .. }) => None,
            allowed => allowed?,
        };
        let anchor = LogAnchor::fetch(&view, record.log()).await?;
        Ok(Self { offer: view.offer(device).await?, anchor, allowed, record })
    }

    /// Returns the lowest sequence of which the chain alone shows that no event with it, or a later one, is anchored.
    fn not_anchored_from(&self) -> u64 {
        self.record.next_sequence_bound(self.anchor.map_or(0, |anchor| anchor.size))
    }

    fn json(&self) -> Value {
        let Self { record, offer, anchor, allowed } = self;
        json!({
            "device": record.device_id(),
            "state": record.state(),
            "key": record.key(),
            "owner": record.owner(),
            "log": record.log(),
            "gateway": account::show(&record.gateway()),
            "anchor": anchor,
            "not_anchored_from": self.not_anchored_from(),
            "allowed_change": allowed,
            "offered_to": offer,
            "keys": record.keys().iter().collect::<Vec<_>>(),
            "owners": record.owners().iter().collect::<Vec<_>>(),
            "logs": record.logs().iter().collect::<Vec<_>>(),
            "lost": record.lost(),
            "decisions": record.decisions(),
            "record": record.hash(),
        })
    }

    fn text(&self) -> String {
        let Self { record, offer, anchor, allowed } = self;
        let mut lines = vec![format!("device   {}", record.device_id())];
        lines.extend(record::lines(record));
        lines.push(format!(
            "log      {}; no event of the device from {} on is anchored",
            LogAnchor::describe(anchor.as_ref()),
            self.not_anchored_from()
        ));
        lines.extend(allowed.map(|AllowedChange { change, from }| {
            let change = record::decided(change);
            format!("council  allows {change} from event {from} on without a proof, not used yet")
        }));
        lines.extend(offer.map(|to| format!("offered  to {to}")));
        lines.push(format!("record   {}", record.hash()));
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::{record::fixtures, *};
    use streembit_primitives::device::DecidedChange;

    #[test]
    fn the_whole_record_is_shown_with_names() {
        let shown = DeviceOnChain {
            record: fixtures::record(),
            offer: Some(fixtures::OWNERS[0]),
            anchor: Some(LogAnchor { size: 14, block: 9, time: Some(1_700_000_000_000) }),
            allowed: Some(AllowedChange { change: DecidedChange::Key, from: 12 }),
        };
        let text = fixtures::names().label(&shown.text());
        let id = shown.record.device_id();
        let mut expected = vec![format!("device   car (0x{}…)", &hex::encode(id.0)[..8])];
        expected.extend(fixtures::LINES.map(str::to_owned));
        // The device is in the log from event 5 on, so the first 14 entries have its events 5 to 18 at most.
        expected.push(
            "log      anchored at 14 entries in block 9, 2023-11-14 22:13:20Z; no event of the device from 19 on is \
             anchored"
                .to_owned(),
        );
        expected
            .push("council  allows another key from event 12 on without a proof, not used yet".to_owned());
        expected.push("offered  to anna (0xa1a1a1a1…)".to_owned());
        expected.push(format!("record   {}", shown.record.hash()));
        assert_eq!(text, expected.join("\n"));
        let json = shown.json();
        assert_eq!((json["keys"][2]["from"].as_u64(), json["logs"][1]["from"].as_u64()), (Some(9), Some(5)));
        assert_eq!((&json["lost"][0]["until"], &json["state"]), (&json!(5), &json!("active")));
        assert_eq!((&json["anchor"]["size"], &json["not_anchored_from"]), (&json!(14), &json!(19)));
        assert_eq!(json["allowed_change"], json!({ "change": "key", "from": 12 }));
    }

    #[test]
    fn without_an_anchor_no_event_in_the_log_is_anchored() {
        let record = fixtures::record();
        let shown = DeviceOnChain { record, offer: None, anchor: None, allowed: None };
        assert_eq!(shown.not_anchored_from(), 5);
        assert!(shown.text().contains("log      not anchored yet; no event of the device from 5 on"));
    }
}
