//! Runs the crash campaign: `make crash CYCLES=n SEED=s`.

use anyhow::{bail, Context, Result};
use streembit_tests::{crash, program::print_help_if_asked, TestEnv};

const HELP: &str = "
Breaks a gateway under load in every way, and counts what is lost. As root with strace, all faults run.

Usage: streembit-crash [--cycles N] [--seed S] [--only FAULT]
";

fn main() -> Result<()> {
    print_help_if_asked(HELP);
    let options = options()?;
    let env = TestEnv::open("campaign")?;
    env.clean_up_on_signal()?;
    println!("seed {}, {} cycles", options.seed, options.cycles);
    let outcome = crash::run(&env, &options);
    match outcome {
        Ok(summary) => println!("\n{summary}"),
        Err(error) => {
            env.show_logs();
            bail!("{error:#}\n\nto repeat: make crash CYCLES={} SEED={}", options.cycles, options.seed);
        }
    }
    Ok(())
}

fn options() -> Result<crash::Options> {
    let mut options = crash::Options { cycles: 20, seed: rand::random::<u32>().into(), only: None };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().with_context(|| format!("{word} needs a value"))?;
        match word.as_str() {
            "--cycles" => options.cycles = value.parse().context("--cycles needs a number")?,
            "--seed" => options.seed = value.parse().context("--seed needs a number")?,
            "--only" => {
                let known = crash::Fault::KINDS.into_iter().find(|kind| kind.contains(&value));
                options.only = Some(known.with_context(|| format!("no kind of fault contains {value:?}"))?);
            }
            _ => bail!("unknown option {word}; the options are --cycles N, --seed S and --only FAULT"),
        }
    }
    Ok(options)
}
