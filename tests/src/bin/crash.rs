//! Runs the crash campaigns: `make crash CYCLES=n SEED=s` and `make crash-node CYCLES=n SEED=s`.

use anyhow::{bail, ensure, Context, Result};
use streembit_tests::{
    crash::{gateway, node, Options},
    program::print_help_if_asked,
    TestEnv,
};

const HELP: &str = "
Breaks a gateway under load, or the database of a validator, in every way, and counts what is lost. As root with
strace, all faults run.

Usage: streembit-crash [--subject gateway|node] [--cycles N] [--seed S] [--only FAULT]
";

/// The program that is broken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Subject {
    Gateway,
    Node,
}

impl Subject {
    /// The target of the Makefile.
    fn target(self) -> &'static str {
        match self {
            Self::Gateway => "crash",
            Self::Node => "crash-node",
        }
    }

    fn kinds(self) -> &'static [&'static str] {
        match self {
            Self::Gateway => &gateway::Fault::KINDS,
            Self::Node => &node::Fault::KINDS,
        }
    }
}

fn main() -> Result<()> {
    print_help_if_asked(HELP);
    let (subject, options) = options(std::env::args().skip(1))?;
    let env = TestEnv::open("campaign")?;
    env.clean_up_on_signal()?;
    println!("seed {}, {} cycles", options.seed, options.cycles);
    if let Err(error) = run(&env, subject, &options) {
        env.show_logs();
        bail!("{error:#}\n\nto repeat: {}", options.command(subject.target()));
    }
    Ok(())
}

fn run(env: &TestEnv, subject: Subject, options: &Options) -> Result<()> {
    match subject {
        Subject::Gateway => println!("\n{}", gateway::run(env, options)?),
        Subject::Node => {
            let summary = node::run(env, options)?;
            println!("\n{summary}");
            let violations = summary.violations().len();
            ensure!(violations == 0, "{violations} violations, which the table above lists");
        }
    }
    Ok(())
}

fn options(mut words: impl Iterator<Item = String>) -> Result<(Subject, Options)> {
    let mut options = Options { cycles: 20, seed: rand::random::<u32>().into(), only: None };
    let (mut subject, mut only) = (Subject::Gateway, None);
    while let Some(word) = words.next() {
        let value = words.next().with_context(|| format!("{word} needs a value"))?;
        match (word.as_str(), value.as_str()) {
            ("--subject", "gateway") => subject = Subject::Gateway,
            ("--subject", "node") => subject = Subject::Node,
            ("--subject", _) => bail!("--subject needs gateway or node"),
            ("--cycles", _) => options.cycles = value.parse().context("--cycles needs a number")?,
            ("--seed", _) => options.seed = value.parse().context("--seed needs a number")?,
            ("--only", _) => only = Some(value),
            _ => bail!(
                "unknown option {word}; the options are --subject gateway|node, --cycles N, --seed S and --only FAULT"
            ),
        }
    }
    if let Some(only) = only {
        let known = subject.kinds().iter().copied().find(|kind| kind.contains(&only));
        options.only = Some(known.with_context(|| format!("no kind of fault contains {only:?}"))?);
    }
    Ok((subject, options))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<(Subject, Options)> {
        options(text.split_whitespace().map(String::from))
    }

    #[test]
    fn a_fault_is_looked_up_among_those_of_the_subject() {
        let (subject, options) = parse("--only torn --subject node --cycles 3 --seed 7").unwrap();
        assert_eq!((subject, options.cycles, options.seed), (Subject::Node, 3, 7));
        assert_eq!(options.only, Some("torn file"));
        assert_eq!(parse("--only torn").unwrap().1.only, Some("torn and flipped bytes"));
        assert!(parse("--only clock --subject node").is_err());
        assert!(parse("--subject car").is_err() && parse("--cycles").is_err() && parse("--car 1").is_err());
    }
}
