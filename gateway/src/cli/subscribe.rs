//! `streembit subscribe`: a device's events, peer to peer from its gateway, each verified before it is printed.

use super::{output::print_line, Context, KeyArg, NodeArg, Outcome};
use crate::remedies::explain;
use anyhow::Context as _;
use serde_json::{json, Value};
use std::{path::PathBuf, process::ExitCode, sync::Arc};
use streembit_chain::{ChainClient, NodeConnection};
use streembit_clock as clock;
use streembit_delivery::{
    random_identity, Cursor, DeliveryConfig, Limits, Peer, Position, Received, Subscriber, SubscriberEvent,
    Subscription, Target,
};
use streembit_keystore::account;
use streembit_primitives::{contract::MAX_NAMES, reading::Name, BoundedVec, ConstU32, DeviceId, Part};
use tokio::signal::unix::{signal, SignalKind};

/// What to subscribe to.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The device, by its id.
    #[arg(long, value_name = "ID")]
    device: DeviceId,
    /// The gateway's address, ending in /p2p/ and its peer id; or its account, to find it on the local network.
    #[arg(long, value_name = "ADDRESS")]
    gateway: Target,
    #[command(flatten)]
    key: KeyArg,
    #[command(flatten)]
    node: NodeArg,
    /// Only readings of this name, of those that are granted; may be given several times.
    #[arg(long = "name", value_name = "NAME", value_parser = parse_name)]
    names: Vec<Name>,
    /// The file that remembers how far this has come, to go on there the next time.
    #[arg(long, value_name = "FILE")]
    cursor: Option<PathBuf>,
    /// Ends after so many events.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

fn parse_name(text: &str) -> Result<Name, String> {
    Name::try_from(text).map_err(|error| error.to_string())
}

/// Prints events until there were enough, somebody ends it, or something is wrong.
pub async fn run(args: Args, context: &Context) -> Outcome {
    let keys = args.key.open(context)?;
    let names: BoundedVec<_, ConstU32<MAX_NAMES>> = BoundedVec::try_from(args.names).map_err(|names| {
        anyhow::anyhow!("--name is given {} times, {MAX_NAMES} are the most", names.len())
    })?;
    let url = args.node.or_local();
    let chain = ChainClient::connect(NodeConnection::Url(url))
        .await
        .context("asking the chain which gateway and key the device has (--node)")?;
    let (cursor, position) = match &args.cursor {
        Some(path) => {
            let (cursor, position) = Cursor::open(path, chain.genesis(), args.device)?;
            (Some(cursor), position)
        }
        None => (None, Position::START),
    };
    let discover = matches!(args.gateway, Target::Account(_));
    let subscription = Subscription { device: args.device, target: args.gateway, names };
    let subscriber = Subscriber::new(start_peer(discover)?, keys, chain, subscription, position);
    follow(subscriber, cursor, args.count, context).await
}

/// A peer that listens to nobody and is new each time: what counts is the account that it proves.
fn start_peer(discover: bool) -> anyhow::Result<Arc<Peer>> {
    let config = DeliveryConfig { listen: Vec::new(), mdns: discover };
    Ok(Arc::new(Peer::start(random_identity(), &config, &Limits::default())?))
}

async fn follow(
    mut subscriber: Subscriber<ChainClient>,
    cursor: Option<Cursor>,
    count: Option<u64>,
    context: &Context,
) -> Outcome {
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for interrupts")?;
    let mut terminate = signal(SignalKind::terminate()).context("listening for the signal to end")?;
    let mut left = count;
    while left != Some(0) {
        // Between two events only: what is printed is remembered.
        let event = tokio::select! {
            event = subscriber.next() => event.map_err(explain)?,
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
        };
        match event {
            SubscriberEvent::Connected { gateway } => {
                let gateway = account::show(&gateway);
                let event = json!({ "connected": gateway });
                notice(context, &event, &format!("connected to gateway {gateway}"));
            }
            SubscriberEvent::Interrupted { problem, pause } => {
                let seconds = pause.as_secs_f32();
                let event = json!({ "interrupted": problem, "again_in_seconds": seconds });
                notice(context, &event, &format!("interrupted: {problem}; again in {seconds:.1} s"));
            }
            SubscriberEvent::Event(event) => {
                print_line(&if context.json { event.to_json().to_string() } else { describe(&event) })?;
                if let Some(cursor) = &cursor {
                    cursor.save(subscriber.position())?;
                }
                left = left.map(|left| left - 1);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Tells on standard error how the connection is.
fn notice(context: &Context, event: &Value, text: &str) {
    if context.json {
        eprintln!("{event}");
    } else {
        eprintln!("{text}");
    }
}

/// An event on one line.
fn describe(event: &Received) -> String {
    let header = &event.entry.event.header;
    let parts = event.parts.iter().map(|(_, part)| match part {
        Part::Reading(reading) => {
            format!("{} {} {}", reading.name, reading.value, reading.unit).trim().to_owned()
        }
        Part::Status(text) => text.to_string(),
    });
    let shown = parts.collect::<Vec<_>>().join(", ");
    let rest = match (event.complete, event.erased) {
        (true, _) => "",
        (false, true) => "(erased)",
        (false, false) => " (the rest is not granted)",
    };
    let anchored = if event.anchored.is_some() { "anchored" } else { "not anchored yet" };
    format!("{:>6}  {}  {anchored}  {shown}{rest}", header.sequence, clock::show(header.time))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    const DEVICE: &str = "0x0101010101010101010101010101010101010101010101010101010101010101";
    const PEER: &str = "/ip4/127.0.0.1/tcp/1/p2p/12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp";

    fn parse(device: &str, gateway: &str, more: &[&str]) -> Result<Args, String> {
        let line = ["subscribe", "--device", device, "--gateway", gateway, "--key", "w.key"];
        let line = line.iter().chain(more);
        Line::try_parse_from(line).map(|line| line.args).map_err(|error| error.to_string())
    }

    #[test]
    fn arguments_are_read() {
        let args = parse(DEVICE, PEER, &["--count", "3", "--name", "a", "--name", "b"]).unwrap();
        assert_eq!((args.count, args.names.len()), (Some(3), 2));
        assert!(matches!(args.gateway, Target::Address { .. }));
    }

    #[test]
    fn a_bad_argument_is_named_with_what_would_be_right() {
        let long = "x".repeat(97);
        for (device, gateway, more, problem) in [
            ("car", PEER, vec![], "64 hexadecimal digits"),
            (DEVICE, "/ip4/127.0.0.1/tcp/1", vec![], "peer id"),
            (DEVICE, "nobody", vec![], "/p2p/"),
            (DEVICE, PEER, vec!["--count", "0"], "--count"),
            (DEVICE, PEER, vec!["--name", &long], "97 bytes"),
        ] {
            let error = parse(device, gateway, &more).unwrap_err();
            assert!(error.contains(problem), "{error}");
        }
    }
}
