//! `streembit subscribe`: receiving a device's events from its gateway, peer to peer, and verifying each one.

use super::{
    common::{connect, CommandResult, Context, KeyArg, NodeArg, OptionalConfigArg},
    output,
    resolver::{ParseReferenceError, Reference},
};
use crate::{event_view::EventView, remedies::explain};
use anyhow::Context as _;
use serde::Serialize;
use serde_json::json;
use std::{path::PathBuf, process::ExitCode, str::FromStr, sync::Arc};
use streembit_chain::ChainClient;
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
    /// The device: its id or the beginning of it, or its name in the address book or in a gateway's configuration.
    #[arg(long, value_name = "DEVICE", value_parser = Reference::of_device)]
    device: Reference,
    #[command(flatten)]
    config: OptionalConfigArg,
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
    let own = args.config.load_with_ids(context)?;
    let device = {
        let resolver = context.resolver().chain(&chain);
        match &own {
            Some((config, account)) => resolver.gateway(config, *account).device(&args.device).await?,
            None => resolver.device(&args.device).await?,
        }
    };
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
                context.notice(&event, &text);
            }
            SubscriberEvent::Interrupted { problem, pause } => {
                let seconds = pause.as_secs_f32();
                let event = json!({ "interrupted": problem, "again_in_seconds": seconds });
                let text = format!("interrupted: {}; trying again in {seconds:.1} s", Shown(&problem));
                context.notice(&event, &text);
            }
            SubscriberEvent::Event(event) => {
                let view = DeliveredView::of(&event);
                if context.json {
                    output::print_json(&context.to_json(&view)?)?;
                } else {
                    output::print_text(&view.describe())?;
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

/// A delivered event: the JSON of one line.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct DeliveredView {
    #[serde(flatten)]
    event: EventView,
    /// The anchored size of the log for which inclusion was proven, or null.
    anchored: Option<u64>,
    /// The anchored size that the gateway names, if the node does not know the log's root at this size, or null.
    unknown_anchor: Option<u64>,
    /// The sequences before this event that were not delivered, or null.
    skipped: Option<SkippedView>,
}

/// Sequences that were not delivered, because they are declared lost or are in logs that the device has left.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct SkippedView {
    /// The first sequence.
    from: u64,
    /// The sequence after the last one.
    until: u64,
}

impl DeliveredView {
    fn of(received: &Received) -> Self {
        let skipped = received.skipped.as_ref();
        Self {
            event: EventView::of_received(received),
            anchored: received.anchored,
            unknown_anchor: received.unknown_anchor,
            skipped: skipped.map(|skipped| SkippedView { from: skipped.start, until: skipped.end }),
        }
    }

    /// Describes the event in one line.
    fn describe(&self) -> String {
        let Self { event, anchored, unknown_anchor, .. } = self;
        let anchored = match (anchored, unknown_anchor) {
            (Some(_), _) => "anchored",
            (None, Some(_)) => "anchor unknown",
            (None, None) => "not yet anchored",
        };
        format!("{:>6}  {}  {anchored}  {}", event.sequence, event.times(), event.content())
    }
}

#[cfg(test)]
impl DeliveredView {
    /// Returns a delivered event for tests.
    pub(super) fn example() -> Self {
        let skipped = Some(SkippedView { from: 1, until: 3 });
        Self { event: crate::event_view::example(), anchored: Some(9), unknown_anchor: None, skipped }
    }
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
            AccountId, DeviceId, Hash, LogEntry, LogId, Part, Signature, SignedEvent, Signer, Text,
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
            log: LogId::first(AccountId([2; 32])),
            index: 8,
            entry: LogEntry { event, received: 0 },
            parts: vec![(0, Part::Status(Text::try_from(text).unwrap()))],
            complete: true,
            erased: false,
            anchored: None,
            unknown_anchor: None,
            skipped: None,
        };
        let line = DeliveredView::of(&received).describe();
        assert!(line.lines().count() == 1 && !line.contains('\u{1b}'), "{line}");
        assert!(line.contains("not yet anchored") && line.contains("\\u{a}"), "{line}");
    }

    #[test]
    fn an_anchor_that_the_node_does_not_know_is_not_an_anchor_to_come() {
        let mut delivered = DeliveredView::example();
        for (anchored, unknown_anchor, words) in [
            (Some(9), None, "  anchored  "),
            (None, Some(9), "  anchor unknown  "),
            (None, None, "  not yet anchored  "),
        ] {
            (delivered.anchored, delivered.unknown_anchor) = (anchored, unknown_anchor);
            let line = delivered.describe();
            assert!(line.contains(words), "{line}");
        }
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
