//! `streembit device list`: the devices of a gateway, with their registrations on the chain.

use crate::{
    cli::{
        common::{connect, ConfigArg, Context, NodeArg},
        output,
    },
    config::DeviceConfig,
    remedies::explain,
};
use serde_json::{json, Value};
use streembit_keystore::account;
use streembit_primitives::{
    device::{DeviceRecord, DeviceState},
    AccountId,
};

/// Runs `device list`.
pub(super) async fn run(config: &ConfigArg, node: &NodeArg, context: &Context) -> anyhow::Result<()> {
    let (config, gateway) = config.load_with_ids(Some(context))?;
    let chain = connect(node.or_configured(&config)).await;
    if let Err(error) = &chain {
        // The configured devices can be listed without the chain.
        output::print_error(error, context.json);
    }
    let mut devices = Vec::new();
    for device in &config.devices {
        let on_chain = match &chain {
            Ok(chain) => Some(chain.device(device.id(gateway)).await.map_err(explain)?),
            Err(_) => None,
        };
        devices.push(describe(device, gateway, on_chain));
    }
    let names = context.names();
    context.print(&devices, |devices| {
        let mut table = output::table(["name", "source", "owner", "registered", "id"]);
        for device in devices {
            let text = |key: &str| names.label(device.get(key).and_then(Value::as_str).unwrap_or("-"));
            table.add_row([text("name"), text("source"), text("owner"), text("registration"), text("id")]);
        }
        output::render(&table)
    })
}

fn describe(device: &DeviceConfig, gateway: AccountId, on_chain: Option<Option<DeviceRecord>>) -> Value {
    let source = match (&device.key, &device.adapter) {
        (Some(_), _) => "signs its own events".into(),
        (None, Some(adapter)) => adapter.to_string(),
        (None, None) => "event add".into(),
    };
    let (registration, record) = match on_chain {
        None => ("unknown: no node".into(), None),
        Some(None) => ("no".into(), None),
        Some(Some(record)) if record.state() == DeviceState::Retired => ("retired".into(), Some(record)),
        Some(Some(record)) if record.gateway() == gateway => {
            (format!("block {}", record.registered()), Some(record))
        }
        Some(Some(record)) => (format!("with gateway {}", account::show(&record.gateway())), Some(record)),
    };
    json!({
        "name": device.name,
        "id": device.id(gateway),
        "key": record.as_ref().map_or_else(|| device.device_key(gateway), |record| record.key().clone()),
        "source": source,
        "registration": registration,
        "registered": record.as_ref().map(DeviceRecord::registered),
        "owner": record.as_ref().map(DeviceRecord::owner),
        "gateway": record.as_ref().map(|record| account::show(&record.gateway())),
        "log": record.as_ref().map(DeviceRecord::log),
        "state": record.as_ref().map(DeviceRecord::state),
    })
}
