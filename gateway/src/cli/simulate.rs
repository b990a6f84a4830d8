//! `streembit simulate`: simulated devices.

use super::common::{CommandResult, Context};
use crate::simulate::{
    serve::{Drive, SerialEnd, TcpEnd},
    vehicle::Vehicle,
};
use anyhow::{bail, Context as _};
use clap::{Args, Subcommand};
use serde_json::json;
use std::{io, net::SocketAddr, path::PathBuf, process::ExitCode};
use tokio::signal::unix::{signal, SignalKind};

/// The subcommands of `streembit simulate`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Simulate a driving vehicle with an ELM327 adapter on a pseudo-terminal. Runs until interrupted.
    Vehicle(VehicleArgs),
}

/// The arguments of `simulate vehicle`.
#[derive(Clone, Debug, Args)]
pub struct VehicleArgs {
    /// The path of the symbolic link to the serial port, such as /tmp/vehicle. It is removed at the end.
    #[arg(long, value_name = "PATH")]
    link: PathBuf,
    /// A TCP address that serves the same vehicle, such as 127.0.0.1:35000. Port 0 selects a free port.
    #[arg(long, value_name = "ADDR")]
    tcp: Option<SocketAddr>,
    /// The initial value of the odometer, in km.
    #[arg(long, value_name = "KM", default_value_t = 12_000.0)]
    odometer: f64,
    /// The speed, in km/h.
    #[arg(long, value_name = "KMH", default_value_t = 60)]
    speed: u8,
    /// The factor by which the odometer runs faster than real time.
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    time_scale: f64,
    /// The vehicle identification number.
    #[arg(long, default_value = "WVWZZZ1JZ3W386752", value_parser = parse_vin)]
    vin: String,
    /// A stored diagnostic trouble code, such as P0133. May be repeated.
    #[arg(long = "fault", value_name = "CODE", value_parser = parse_fault)]
    faults: Vec<[u8; 2]>,
}

/// Runs the command.
pub async fn run(command: Command, context: &Context) -> CommandResult {
    let Command::Vehicle(args) = command;
    simulate_vehicle(args, context).await?;
    Ok(ExitCode::SUCCESS)
}

async fn simulate_vehicle(args: VehicleArgs, context: &Context) -> anyhow::Result<()> {
    if !(0.0..=10_000_000.0).contains(&args.odometer) {
        bail!("--odometer {} is out of range: give 0 to 10000000 km", args.odometer);
    }
    if !(0.0..=1_000_000.0).contains(&args.time_scale) {
        bail!("--time-scale {} is out of range: give a factor from 0 to 1000000", args.time_scale);
    }
    let drive = Drive::begin(Vehicle {
        vin: args.vin,
        odometer_km: args.odometer,
        speed_kmh: args.speed,
        time_scale: args.time_scale,
        faults: args.faults,
    });
    let link = args.link.display();
    let mut serial = SerialEnd::open(&args.link)
        .with_context(|| format!("creating the serial port at {link} (choose another --link)"))?;
    let mut tcp = match args.tcp {
        Some(address) => {
            Some(TcpEnd::open(address).await.with_context(|| format!("listening on {address}"))?)
        }
        None => None,
    };
    let address = tcp.as_ref().map(TcpEnd::address).transpose()?;
    let view = json!({ "link": args.link, "device": serial.device(), "tcp": address });
    context.print(&view, |_| {
        let over_tcp = address.map_or_else(String::new, |address| format!(" and tcp://{address}"));
        format!("Simulating a vehicle on {link}{over_tcp}; press Ctrl-C to stop.")
    })?;
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        end = serial.serve(&drive) => end.context("serving the serial port"),
        end = serve_tcp(tcp.as_mut(), &drive) => end.context("serving TCP"),
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    }
}

async fn serve_tcp(tcp: Option<&mut TcpEnd>, drive: &Drive) -> io::Result<()> {
    match tcp {
        Some(tcp) => tcp.serve(drive).await,
        None => std::future::pending().await,
    }
}

fn parse_vin(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_digit() || (c.is_ascii_uppercase() && !"IOQ".contains(c));
    if text.len() == 17 && text.chars().all(allowed) {
        Ok(text.to_owned())
    } else {
        Err("expected 17 digits and capital letters without I, O and Q".into())
    }
}

/// Parses a code such as `P0133` into its two bytes (SAE J2012).
fn parse_fault(text: &str) -> Result<[u8; 2], String> {
    let error = || {
        "expected a trouble code such as P0133: P, C, B or U, a digit from 0 to 3, three hexadecimal digits"
    };
    let (letter, digits) = text.split_at_checked(1).ok_or_else(error)?;
    let letter = "PCBU".find(letter).and_then(|place| u16::try_from(place).ok()).ok_or_else(error)?;
    let number = u16::from_str_radix(digits, 16).map_err(|_| error())?;
    if digits.len() != 4 || digits.starts_with('+') || number > 0x3fff {
        return Err(error().into());
    }
    Ok((letter << 14 | number).to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use streembit_adapters::obd::dtc;

    #[test]
    fn trouble_codes_are_parsed_in_the_form_in_which_they_are_shown() {
        for text in ["P0133", "C04AB", "B1234", "U0100", "U3FFF"] {
            let [high, low] = parse_fault(text).unwrap();
            assert_eq!(dtc::code(high, low), text);
        }
        for text in ["", "P", "X0133", "P013", "P01333", "P4000", "P+123", "PC123", "é0133"] {
            assert!(parse_fault(text).is_err(), "{text}");
        }
    }
}
