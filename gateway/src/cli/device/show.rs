//! `streembit device show`: the record of a device.

use super::subject::DeviceArg;
use crate::{
    cli::{
        common::{Context, NodeArg},
        record,
    },
    remedies::explain,
};
use clap::Args as ClapArgs;
use serde_json::{json, Value};
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
    let mut lines = vec![format!("device   {}", record.device_id())];
    lines.extend(record::lines(record));
    lines.extend(offer.map(|to| format!("offered  to {to}")));
    lines.push(format!("record   {}", record.hash()));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::{record::fixtures, *};

    #[test]
    fn the_whole_record_is_shown_with_names() {
        let record = fixtures::record();
        let offer = Some(fixtures::OWNERS[0]);
        let shown = fixtures::names().label(&text(&record, offer));
        let mut expected = vec![format!("device   car (0x{}…)", &hex::encode(record.device_id().0)[..8])];
        expected.extend(fixtures::LINES.map(str::to_owned));
        expected.push("offered  to anna (0xa1a1a1a1…)".to_owned());
        expected.push(format!("record   {}", record.hash()));
        assert_eq!(shown, expected.join("\n"));
        let json = view(&record, offer);
        assert_eq!((json["keys"][2]["from"].as_u64(), json["logs"][1]["from"].as_u64()), (Some(9), Some(5)));
        assert_eq!((&json["lost"][0]["until"], &json["state"]), (&json!(5), &json!("active")));
    }
}
