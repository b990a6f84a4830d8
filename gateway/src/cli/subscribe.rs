//! `streembit subscribe`: receiving a device's events from its gateway, peer to peer, and verifying each one.

use super::{
    common::{connect, CommandResult, Context, KeyArg, NodeArg},
    output,
    resolver::{ParseReferenceError, Reference},
};
use crate::remedies::explain;
use anyhow::Context as _;
use serde_json::{json, Value};
use std::{path::PathBuf, process::ExitCode, str::FromStr, sync::Arc};
use streembit_chain::ChainClient;
use streembit_clock as clock;
use streembit_delivery::{
    random_identity, Cursor, DeliveryConfig, Limits, Peer, Position, Received, Subscriber, SubscriberEvent,
    Subscription, Target,
};
use streembit_keystore::account;
use streembit_primitives::{contract::MAX_NAMES, reading::Name, BoundedVec, ConstU32, Shown};
use tokio::signal::unix::{signal, SignalKind};

/// The arguments of `subscribe`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The device: its id or the beginning of it, or its name in the address book.
    #[arg(long, value_name = "DEVICE")]
    device: Reference,
    /// The gateway's address, ending in /p2p/PEER_ID, or its account or name to find it on the local network.
    #[arg(long, value_name = "ADDRESS")]
    gateway: GatewayArg,
    #[command(flatten)]
    key: KeyArg,
    #[command(flatten)]
    node: NodeArg,
    /// Receive only readings with this name. May be repeated. The default is all granted readings.
    #[arg(long = "name", value_name = "NAME", value_parser = parse_name)]
    names: Vec<Name>,
    /// A file that stores the position after each event, so that the next run continues there.
    #[arg(long, value_name = "FILE")]
    cursor: Option<PathBuf>,
    /// Stop after this many events.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

/// The gateway to subscribe to.
#[derive(Clone, Debug)]
enum GatewayArg {
    /// It is at an address.
    Address(Target),
    /// It has an account.
    Account(Reference),
}

impl FromStr for GatewayArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with('/') {
            return text.parse().map(Self::Address);
        }
        text.parse().map(Self::Account).map_err(|error: ParseReferenceError| {
            format!("{error}; an address is written as /ip4/192.168.0.7/tcp/4001/p2p/12D3Koo…")
        })
    }
}

fn parse_name(text: &str) -> Result<Name, String> {
    Name::try_from(text).map_err(|error| error.to_string())
}

/// Runs the command: prints events until `--count` is reached, a signal arrives, or an error occurs.
pub async fn run(args: Args, context: &Context) -> CommandResult {
    let keys = args.key.open(context)?;
    let names: BoundedVec<_, ConstU32<MAX_NAMES>> = BoundedVec::try_from(args.names).map_err(|names| {
        anyhow::anyhow!("--name is given {} times: give at most {MAX_NAMES} names", names.len())
    })?;
    let chain = connect(args.node.or_local()).await.context("looking up the device on the chain (--node)")?;
    let device = context.resolver().chain(&chain).device(&args.device).await?;
    let target = match args.gateway {
        GatewayArg::Address(target) => target,
        GatewayArg::Account(account) => {
            Target::Account(context.resolver().chain(&chain).account(&account).await?)
        }
    };
    let (cursor, position) = match &args.cursor {
        Some(path) => {
            let (cursor, position) = Cursor::open(path, chain.genesis(), device)?;
            (Some(cursor), position)
        }
        None => (None, Position::START),
    };
    let discover = matches!(target, Target::Account(_));
    let subscription = Subscription { device, target, names };
    let subscriber = Subscriber::new(start_peer(discover)?, keys, chain, subscription, position);
    follow(subscriber, cursor, args.count, context).await
}

/// Starts a peer that does not listen. Its identity is random, because the gateway authenticates the account instead.
fn start_peer(discover: bool) -> anyhow::Result<Arc<Peer>> {
    let config = DeliveryConfig { listen: Vec::new(), mdns: discover };
    let peer = Peer::start(random_identity(), &config, &Limits::default())?;
    for problem in peer.problems().borrow().iter() {
        tracing::warn!(%problem, "gateways on the local network may not be found");
    }
    Ok(Arc::new(peer))
}

async fn follow(
    mut subscriber: Subscriber<ChainClient>,
    cursor: Option<Cursor>,
    count: Option<u64>,
    context: &Context,
) -> CommandResult {
    let mut interrupt = signal(SignalKind::interrupt()).context("registering the handler of SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("registering the handler of SIGTERM")?;
    let mut left = count;
    while left != Some(0) {
        // Stop only between two events, so that the position of a printed event is always stored.
        let event = tokio::select! {
            event = subscriber.next() => event.map_err(explain)?,
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
        };
        match event {
            SubscriberEvent::Connected { gateway } => {
                let gateway = account::show(&gateway);
                let event = json!({ "connected": gateway });
                let text = context.names().label(&format!("connected to gateway {gateway}"));
                notice(context, &event, &text);
            }
            SubscriberEvent::Interrupted { problem, pause } => {
                let seconds = pause.as_secs_f32();
                let event = json!({ "interrupted": problem, "again_in_seconds": seconds });
                notice(
                    context,
                    &event,
                    &format!("interrupted: {}; trying again in {seconds:.1} s", Shown(&problem)),
                );
            }
            SubscriberEvent::Event(event) => {
                if context.json {
                    output::print_json(&event.to_json().to_string())?;
                } else {
                    output::print_text(&describe(&event))?;
                }
                if let Some(cursor) = &cursor {
                    cursor.save(subscriber.position())?;
                }
                left = left.map(|left| left - 1);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Reports a change of the connection on standard error.
fn notice(context: &Context, event: &Value, text: &str) {
    if context.json {
        output::note_json(&event.to_string());
    } else {
        output::note_text(text);
    }
}

/// Describes an event in one line.
fn describe(event: &Received) -> String {
    let header = &event.entry.event.header;
    let parts = event.parts.iter().map(|(_, part)| part.to_string());
    let shown = parts.collect::<Vec<_>>().join(", ");
    let rest = match (event.complete, event.erased) {
        (true, _) => "",
        (false, true) => "(erased)",
        (false, false) => " (the rest is not granted)",
    };
    let anchored = if event.anchored.is_some() { "anchored" } else { "not yet anchored" };
    format!("{:>6}  {}  {anchored}  {shown}{rest}", header.sequence, clock::show(header.time))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct TestCommand {
        #[command(flatten)]
        args: Args,
    }

    const DEVICE: &str = "0x0101010101010101010101010101010101010101010101010101010101010101";
    const PEER: &str = "/ip4/127.0.0.1/tcp/1/p2p/12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp";

    fn parse(device: &str, gateway: &str, more: &[&str]) -> Result<Args, String> {
        let line = ["subscribe", "--device", device, "--gateway", gateway, "--key", "w.key"];
        let line = line.iter().chain(more);
        TestCommand::try_parse_from(line).map(|command| command.args).map_err(|error| error.to_string())
    }

    #[test]
    fn arguments_are_parsed() {
        let args = parse(DEVICE, PEER, &["--count", "3", "--name", "a", "--name", "b"]).unwrap();
        assert_eq!((args.count, args.names.len()), (Some(3), 2));
        assert!(matches!(args.gateway, GatewayArg::Address(Target::Address { .. })));
        let named = parse("car", "0x12ab", &[]).unwrap();
        assert_eq!(named.device.name(), Some("car"));
        assert!(matches!(named.gateway, GatewayArg::Account(Reference::Beginning(_))));
    }

    #[test]
    fn a_status_text_cannot_forge_a_line() {
        use streembit_primitives::{
            event::{EventHeader, EventKind, VERSION},
            AccountId, DeviceId, Hash, LogEntry, Part, Signature, SignedEvent, Signer, Text,
        };
        let text = "ok\n     9  2026-01-01 00:00:00Z  anchored  Vehicle.TraveledDistance 5 km\u{1b}[8m";
        let header = EventHeader {
            version: VERSION,
            device: DeviceId([1; 32]),
            sequence: 8,
            previous: Hash::ZERO,
            time: 0,
            kind: EventKind::Status,
            body_hash: Hash::ZERO,
        };
        let signer = Signer::Gateway(AccountId([2; 32]));
        let event = SignedEvent { header, signer, signature: Signature::Sr25519([0; 64]) };
        let received = Received {
            index: 8,
            entry: LogEntry { event, received: 0 },
            parts: vec![(0, Part::Status(Text::try_from(text).unwrap()))],
            complete: true,
            erased: false,
            anchored: None,
            skipped: None,
        };
        let line = describe(&received);
        assert!(line.lines().count() == 1 && !line.contains('\u{1b}'), "{line}");
        assert!(line.contains("not yet anchored") && line.contains("\\u{a}"), "{line}");
    }

    #[test]
    fn the_error_of_an_invalid_argument_says_what_is_expected() {
        let long = "x".repeat(97);
        for (device, gateway, more, problem) in [
            ("0x12", PEER, vec![], "64 hexadecimal digits"),
            (DEVICE, "/ip4/127.0.0.1/tcp/1", vec![], "peer id"),
            (DEVICE, "no body", vec![], "/p2p/"),
            (DEVICE, PEER, vec!["--count", "0"], "--count"),
            (DEVICE, PEER, vec!["--name", &long], "97 bytes"),
        ] {
            let error = parse(device, gateway, &more).unwrap_err();
            assert!(error.contains(problem), "{error}");
        }
    }
}
