//! `streembit status`: the status of a running gateway on one screen.

use super::{
    common::{CommandResult, ConfigArg, Context},
    output::{paint, render, table, Colour},
};
use crate::{
    address_book::AddressBook,
    api::{
        client::Client,
        types::{DeviceView, LogView, StatusView},
    },
    status::{Component, ComponentState},
};
use std::process::ExitCode;
use streembit_clock as clock;
use streembit_primitives::{PartyId, Shown};

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
        parts.push(devices(&status.devices, names));
    }
    parts.push(components(&status.components));
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

fn devices(devices: &[DeviceView], names: &AddressBook) -> String {
    let mut table = table(["device", "events", "signed by", "owner", "state", "id"]);
    for device in devices {
        let signer = if device.forked { paint(Colour::Red, "a copied key!") } else { device.signer.clone() };
        let signer =
            if device.key_from > 0 { format!("{signer} since event {}", device.key_from) } else { signer };
        let state = device.state.clone().unwrap_or_else(|| "not registered".into());
        let (name, events, id) = (device.name.clone(), device.events.to_string(), names.label(&device.id));
        table.add_row([name, events, signer, owner(device, names), state, id]);
    }
    render(&table)
}

/// Returns the owner of a device in short, and since when it is the owner.
fn owner(device: &DeviceView, names: &AddressBook) -> String {
    let party = device.owner.as_ref().and_then(|owner| owner.parse::<PartyId>().ok());
    let Some(party) = party else { return "-".into() };
    let since = device.owner_since.map_or_else(String::new, |since| format!(" since {}", clock::show(since)));
    format!("{}{since}", names.short(party.into()))
}

fn components(components: &[Component]) -> String {
    let mut table = table(["component", "state", "since", "detail"]);
    for Component { name, state, since } in components {
        let (colour, word, detail) = match state {
            ComponentState::Starting => (Colour::Yellow, "starting", ""),
            ComponentState::Running { detail } => (Colour::Green, "running", detail.as_str()),
            ComponentState::Retrying { problem, .. } => (Colour::Red, "retrying", problem.as_str()),
            ComponentState::Alarm { problem, .. } => (Colour::Red, "alarm", problem.as_str()),
            ComponentState::Stopped => (Colour::Yellow, "stopped", ""),
        };
        let detail = Shown(detail).to_string();
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
    use crate::api::types::{AnchorView, CheckpointView, PeerView};

    fn status(chain: ComponentState) -> StatusView {
        let checkpoint = CheckpointView { size: 1200, root: "0xab".into(), time: 0 };
        StatusView {
            name: "anna".into(),
            account: "5Grw".into(),
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
                log: Some("0x01/0".into()),
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
    fn the_screen_names_the_gateway_the_device_and_its_owner() {
        let status = status(ComponentState::running("ws://a"));
        assert!(screen(&status).contains("0xabababab… since 2023-11-14"), "{}", screen(&status));
        let mut names = AddressBook::new();
        names.add("anna".parse().unwrap(), PartyId([0xab; 32]).into()).unwrap();
        let text = super::screen(&status, &names);
        assert!(text.contains("anna (0xabababab…) since 2023-11-14"), "{text}");
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
