//! `streembit status`: the status of a running gateway on one screen.

use super::{
    common::{CommandResult, ConfigArg, Context},
    output::{paint, render, table, Colour},
    record::short_gateway,
};
use crate::{
    address_book::AddressBook,
    api::{
        client::Client,
        types::{DeviceView, LogView, StatusView},
    },
    event_view::LogIdView,
    status::{Component, ComponentState},
};
use std::process::ExitCode;
use streembit_clock as clock;
use streembit_keystore::account;
use streembit_primitives::{PartyId, Shown};

/// The number of digits that are shown of a device's key.
const KEY_DIGITS: usize = 8;

/// Runs the command.
pub async fn run(config: ConfigArg, context: &Context) -> CommandResult {
    let config = config.load()?;
    let status = Client::new(&config.api.socket)?.status().await?;
    context.print(&status, |status| screen(status, context.names()))?;
    Ok(ExitCode::SUCCESS)
}

fn screen(status: &StatusView, names: &AddressBook) -> String {
    let mut parts = vec![
        names.label(&heading(status)),
        status.log.as_ref().map_or("log         cannot be read".into(), log),
    ];
    if !status.devices.is_empty() {
        parts.push(devices(status, names));
    }
    parts.push(components(&status.components, names));
    parts.push(verdict(&status.components, &status.devices));
    parts.join("\n\n")
}

fn heading(status: &StatusView) -> String {
    let StatusView { name, account, version, started, peer, .. } = status;
    let mut text = format!(
        "gateway     {}, version {}, running since {}\naccount     {}",
        Shown(name),
        Shown(version),
        clock::show(*started),
        Shown(account)
    );
    for address in &peer.addresses {
        text.push_str(&format!("\nreached at  {}", Shown(address)));
    }
    text
}

fn log(log: &LogView) -> String {
    let checkpoint = log.checkpoint.as_ref().map_or("none yet".into(), |checkpoint| {
        format!("{} events, {}", checkpoint.size, clock::show(checkpoint.time))
    });
    let anchor = log.anchor.as_ref().map_or("none yet".into(), |anchor| {
        let newer = log.size.saturating_sub(anchor.checkpoint.size);
        format!(
            "{} events, in finalized block {}; {newer} newer events",
            anchor.checkpoint.size, anchor.block
        )
    });
    format!("log         {} events\ncheckpoint  {checkpoint}\nanchor      {anchor}", log.size)
}

fn devices(status: &StatusView, names: &AddressBook) -> String {
    let mut table = table(["device", "events", "signed by", "kept by", "owner", "state", "id"]);
    for device in &status.devices {
        table.add_row(device_row(device, &status.account, names));
    }
    render(&table)
}

/// Returns the cells of a device: which key signs its events, which gateway keeps them and for whom, each since when.
/// `here` is the account of this gateway.
fn device_row(device: &DeviceView, here: &str, names: &AddressBook) -> [String; 7] {
    let state = device.state.clone().unwrap_or_else(|| "not registered".into());
    let (name, events, id) = (device.name.clone(), device.events.to_string(), names.label(&device.id));
    [name, events, signer(device, names), keeper(device, here, names), owner(device, names), state, id]
}

/// Describes the key that signs a device's events, and since which event.
fn signer(device: &DeviceView, names: &AddressBook) -> String {
    let key = match (account::parse(&device.key), device.key.split_once(':')) {
        (Ok(gateway), _) => short_gateway(gateway, names),
        (Err(_), Some((kind, digits))) => {
            let digits: String = digits.chars().take(KEY_DIGITS).collect();
            format!("{} {kind}:{digits}…", device.signer)
        }
        (Err(_), None) => device.signer.clone(),
    };
    let copied = if device.forked { paint(Colour::Red, " (a copied key!)") } else { String::new() };
    format!("{key}{copied} since event {}", device.key_from)
}

/// Describes the gateway and the log that a device's next events are in.
fn keeper(device: &DeviceView, here: &str, names: &AddressBook) -> String {
    let Some(LogIdView { gateway, epoch, .. }) = &device.log else { return "-".into() };
    match account::parse(gateway) {
        _ if gateway == here => format!("here, log {epoch}"),
        Ok(gateway) => format!("{}, log {epoch}", short_gateway(gateway, names)),
        Err(_) => format!("gateway {gateway}, log {epoch}"),
    }
}

/// Returns the owner of a device in short, and since when it is the owner.
fn owner(device: &DeviceView, names: &AddressBook) -> String {
    let party = device.owner.as_ref().and_then(|owner| owner.parse::<PartyId>().ok());
    let Some(party) = party else { return "-".into() };
    let since = device.owner_since.map_or_else(String::new, |since| format!(" since {}", clock::show(since)));
    format!("{}{since}", names.short(party.into()))
}

fn components(components: &[Component], names: &AddressBook) -> String {
    let mut table = table(["component", "state", "since", "detail"]);
    for Component { name, state, since } in components {
        let (colour, word, detail) = match state {
            ComponentState::Starting => (Colour::Yellow, "starting", ""),
            ComponentState::Running { detail } => (Colour::Green, "running", detail.as_str()),
            ComponentState::Retrying { problem, .. } => (Colour::Red, "retrying", problem.as_str()),
            ComponentState::Alarm { problem, .. } => (Colour::Red, "alarm", problem.as_str()),
            ComponentState::Stopped => (Colour::Yellow, "stopped", ""),
        };
        let detail = names.label(&Shown(detail).to_string());
        table.add_row([Shown(name).to_string(), paint(colour, word), clock::show(*since), detail]);
    }
    render(&table)
}

fn verdict(components: &[Component], devices: &[DeviceView]) -> String {
    let copied = devices.iter().filter(|device| device.forked).map(|device| {
        format!(
            "{}: the device's key was copied, so the gateway accepts no more events from it. `streembit audit forks` \
             shows the proof. Give the device a new key with `streembit device rotate-key`, or with `streembit device \
             recover` if the old one is not at hand",
            device.name
        )
    });
    let failing = components.iter().filter_map(|component| match &component.state {
        ComponentState::Retrying { remedy, .. } | ComponentState::Alarm { remedy, .. } => {
            Some(format!("{}: {}", Shown(&component.name), Shown(remedy)))
        }
        ComponentState::Starting | ComponentState::Running { .. } | ComponentState::Stopped => None,
    });
    let remedies: Vec<_> = copied.chain(failing).collect();
    if !remedies.is_empty() {
        return format!("{}\n  {}", paint(Colour::Red, "What to do:"), remedies.join("\n  "));
    }
    if components.iter().all(|component| component.state.is_running()) {
        return paint(Colour::Green, "All is well.");
    }
    paint(Colour::Yellow, "Some components are not running yet.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::types::{AnchorView, CheckpointView, PeerView},
        cli::record::fixtures,
    };
    use streembit_primitives::{AccountId, LogId};

    fn status(chain: ComponentState) -> StatusView {
        let checkpoint = CheckpointView { size: 1200, root: "0xab".into(), time: 0 };
        StatusView {
            name: "anna".into(),
            account: "5Grw".into(),
            account_hex: "0xd4".into(),
            version: "0.1.0".into(),
            started: 0,
            log: Some(LogView {
                epoch: 0,
                size: 1234,
                root: "0xcd".into(),
                checkpoint: Some(checkpoint.clone()),
                anchor: Some(AnchorView { checkpoint, block: 77 }),
                verifier_key: None,
            }),
            devices: vec![DeviceView {
                name: "car".into(),
                id: "0x01".into(),
                signer: "gateway".into(),
                key: "5Grw".into(),
                key_from: 0,
                log: Some(LogId::first(AccountId([1; 32])).into()),
                state: Some("active".into()),
                owner: Some(PartyId([0xab; 32]).to_string()),
                owner_since: Some(1_700_000_000_000),
                events: 1234,
                last: None,
                forked: false,
            }],
            peer: PeerView { id: "12D3".into(), addresses: vec!["/ip4/127.0.0.1/tcp/1/p2p/12D3".into()] },
            components: vec![Component { name: "chain".into(), state: chain, since: 0 }],
        }
    }

    fn screen(status: &StatusView) -> String {
        super::screen(status, AddressBook::empty())
    }

    #[test]
    fn a_device_is_shown_with_its_key_its_gateway_and_its_owner() {
        let [gateway, next] = fixtures::GATEWAYS;
        let (account, names) = (account::show(&gateway), fixtures::names());
        let mut device = status(ComponentState::Starting).devices.remove(0);
        device.key = account.clone();
        device.log = Some(LogId { gateway, epoch: 2 }.into());
        device.owner = Some(fixtures::OWNERS[1].to_string());
        let owner = "bob (0xb2b2b2b2…) since 2023-11-14 22:13:20Z";
        let signer = "gateway garage (0xc3c3c3c3…) since event 0";
        let row = |device: &DeviceView| device_row(device, &account, &names);
        let expected = ["car", "1234", signer, "here, log 2", owner, "active", "0x01"];
        assert_eq!(row(&device), expected);
        // It has a key of its own from event 9 on, and another gateway keeps it.
        let key = format!("ed25519:{}", "e5".repeat(32));
        let moved = DeviceView {
            signer: "device".into(),
            key,
            key_from: 9,
            log: Some(LogId::first(next).into()),
            ..device.clone()
        };
        let signer = "device ed25519:e5e5e5e5… since event 9";
        let kept = "gateway shop (0xd4d4d4d4…), log 0";
        assert_eq!(row(&moved), ["car", "1234", signer, kept, owner, "active", "0x01"]);
        // The chain does not know it.
        let unknown = DeviceView { log: None, state: None, owner: None, ..moved };
        assert_eq!(row(&unknown)[3..6], ["-", "-", "not registered"]);
    }

    #[test]
    fn the_screen_names_the_gateway_and_the_party_that_it_acts_for() {
        let mut status = status(ComponentState::running(format!("acts for party {}", fixtures::OWNERS[0])));
        status.account = account::show(&fixtures::GATEWAYS[0]);
        let text = super::screen(&status, &fixtures::names());
        for part in ["account     garage (0xc3c3c3c3…)", "acts for party anna (0xa1a1a1a1…)"] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(screen(&status).contains(&fixtures::OWNERS[0].to_string()), "{}", screen(&status));
    }

    #[test]
    fn what_a_component_quotes_cannot_forge_the_screen() {
        let forged = "no\n\nAll is well.\u{1b}[8m";
        let text = screen(&status(ComponentState::retrying(forged, forged)));
        assert!(!text.contains("\nAll is well.") && !text.contains("\u{1b}[8m"), "{text}");
    }

    #[test]
    fn the_screen_shows_the_state_and_the_remedies() {
        let text = screen(&status(ComponentState::retrying("no node at ws://a", "start streembit-node")));
        for part in
            ["anna", "1234 events", "1200 events, in finalized block 77; 34 newer", "car", "/p2p/12D3"]
        {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(text.contains("no node at ws://a") && text.contains("chain: start streembit-node"), "{text}");
        let mut copied = status(ComponentState::running("ws://a"));
        let text = screen(&copied);
        assert!(text.ends_with("All is well."), "{text}");
        copied.devices[0].forked = true;
        let text = screen(&copied);
        assert!(
            text.contains("a copied key!") && text.contains("car: the device's key was copied"),
            "{text}"
        );
        assert!(text.contains("streembit audit forks") && text.contains("new key"), "{text}");
        let text =
            screen(&status(ComponentState::alarm("two blocks in one slot", "stop one of the two nodes")));
        assert!(text.contains("two blocks in one slot") && text.contains("stop one of the two"), "{text}");
        let text = screen(&status(ComponentState::Starting));
        assert!(text.ends_with("Some components are not running yet."), "{text}");
        assert!(text.lines().count() < 24, "more than one screen:\n{text}");
    }
}
