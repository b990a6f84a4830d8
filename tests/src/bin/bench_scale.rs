//! Measures four validators with a large state, for `docs/benchmarks.md`. Each argument is `NAME=NUMBER`:
//! - `gateways`, `devices`, `contracts`: what is in the state, by default 10,000, 100,000 and 20,000;
//! - `minutes`: how long the validators are idle, by default 30;
//! - `heartbeat`: the interval of empty blocks in seconds, by default 300;
//! - `calls`: how often each runtime API is called, by default 50.

use anyhow::{bail, Context, Result};
use streembit_tests::{
    bench::chain::scale::{run, ScaleSettings},
    program::print_help_if_asked,
    TestEnv,
};

const HELP: &str = "
Benchmarks four validators with a large state on this machine, and prints tables for docs/benchmarks.md.

Usage: streembit-bench-scale [gateways=N] [devices=N] [contracts=N] [minutes=N] [heartbeat=N] [calls=N]
";

fn main() -> Result<()> {
    print_help_if_asked(HELP);
    let settings = std::env::args().skip(1).try_fold(ScaleSettings::default(), with)?;
    let env = TestEnv::open("bench-scale")?;
    env.clean_up_on_signal()?;
    run(&env, settings)
}

/// Returns the settings with one of them changed.
fn with(mut settings: ScaleSettings, argument: String) -> Result<ScaleSettings> {
    let usage = "usage: streembit-bench-scale [gateways=N] [devices=N] [contracts=N] [minutes=N] [heartbeat=N] [calls=N]";
    let (name, number) = argument.split_once('=').with_context(|| format!("{argument}: {usage}"))?;
    let number = number.replace('_', "");
    let failed = || format!("{argument}: not a number");
    match name {
        "gateways" => settings.gateways = number.parse().with_context(failed)?,
        "devices" => settings.devices = number.parse().with_context(failed)?,
        "contracts" => settings.contracts = number.parse().with_context(failed)?,
        "minutes" => settings.minutes = number.parse().with_context(failed)?,
        "heartbeat" => settings.heartbeat = number.parse().with_context(failed)?,
        "calls" => settings.calls = number.parse().with_context(failed)?,
        _ => bail!("{argument}: {usage}"),
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(arguments: &[&str]) -> Result<ScaleSettings> {
        arguments.iter().map(|argument| (*argument).to_owned()).try_fold(ScaleSettings::default(), with)
    }

    #[test]
    fn arguments_replace_the_defaults() {
        let settings = settings(&["gateways=10", "devices=1_00", "minutes=1"]).unwrap();
        assert_eq!((settings.gateways, settings.devices, settings.contracts), (10, 100, 20_000));
        assert_eq!(settings.minutes, 1);
    }

    #[test]
    fn other_arguments_are_refused_with_the_usage() {
        for argument in ["gateways", "cars=1", "gateways=many"] {
            let error = format!("{:#}", settings(&[argument]).unwrap_err());
            assert!(error.contains(argument), "{error}");
        }
    }
}
