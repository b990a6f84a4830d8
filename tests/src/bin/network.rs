//! `make network`: runs a consortium of four validators on this machine. It is set up like a real one: session keys
//! on each node, a TOML file, a chain spec, four nodes. Runs until Ctrl-C and then stops everything.

use anyhow::{ensure, Context, Result};
use std::{fs, path::PathBuf};
use streembit_tests::{
    binary, path_str, program::print_help_if_asked, streembit_node, wait_until, Node, TestEnv,
};
use tokio::signal::unix::{signal, Signal, SignalKind};

/// The founding parties, named after their development keys. Each runs a validator.
const PARTIES: [&str; 4] = ["alice", "bob", "charlie", "dave"];

const HELP: &str = "
Runs a consortium of four validators on this machine until Ctrl-C or SIGTERM, then stops them and removes their folder.

Usage: streembit-network
";

fn main() -> Result<()> {
    print_help_if_asked(HELP);
    let env = TestEnv::open("network")?;
    // The terminal sends Ctrl-C to the nodes too. From here on, this process stays alive to clean up after them.
    let signals = env.block_on(async {
        anyhow::Ok((signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?))
    })?;
    let mut nodes = Vec::new();
    let result =
        start_consortium(&env, &mut nodes).and_then(|()| run_until_signal(&env, &mut nodes, signals));
    if result.is_err() {
        // The folder with the logs is removed at the end.
        env.show_logs();
    }
    // Stop all validators at the same time: a single one could not finalize the last blocks.
    for node in &mut nodes {
        if let Ok(process) = node.process() {
            process.terminate()?;
        }
    }
    for node in &mut nodes {
        let ended = node.process()?.wait_for_exit(60)?;
        ensure!(ended.success() || result.is_err(), "{} exited with {ended}", node.name());
    }
    result?;
    println!("All four nodes have stopped. Removing {}.", env.dir().display());
    Ok(())
}

/// Creates the keys, the consortium file and the chain spec, starts the nodes and waits until they finalize.
fn start_consortium(env: &TestEnv, nodes: &mut Vec<Node>) -> Result<()> {
    println!("Setting up a consortium in {}", env.dir().display());
    let file = env.dir().join("consortium.toml");
    fs::write(&file, consortium_file(env)?).context("writing the consortium file")?;
    let spec = env.dir().join("spec.json");
    let files = ["--consortium", path_str(&file)?, "--out", path_str(&spec)?];
    run(&[["chain-spec", "--allow-development-keys"].as_slice(), files.as_slice()].concat())?;
    println!("  {}\n  {}\n", file.display(), spec.display());

    for name in PARTIES {
        let mut arguments = vec!["--chain".to_owned(), path_str(&spec)?.to_owned(), "--validator".into()];
        arguments.extend(["--keystore-path".to_owned(), path_str(&keystore(env, name))?.to_owned()]);
        // The default, which is longer than that of the tests.
        arguments.push("--heartbeat=300".into());
        if let Some(first) = nodes.first() {
            arguments.extend(["--bootnodes".to_owned(), first.address()?]);
        }
        let mut node = Node::new(env, name, arguments)?;
        node.start()?;
        println!("  {name:<8} RPC {}  P2P {}", node.url(), node.address()?);
        nodes.push(node);
    }
    wait_and_print_instructions(nodes.first().context("no node")?)
}

/// Waits until the validators finalize, and prints what to try.
fn wait_and_print_instructions(first: &Node) -> Result<()> {
    println!("\nThe logs are in the same folder, as NAME.log. Waiting for the first finalized block");
    wait_until("the validators finalize", 120, || {
        let number = first.finalized()?;
        ensure!(number > 0, "nothing is finalized yet");
        Ok(number)
    })?;
    let (node, streembit) = (first.url(), binary("streembit")?);
    println!(
        "\nThe four validators finalize blocks. Try in another terminal:\n
  alias streembit={}
  export STREEMBIT_NODE={node}
  streembit consortium show
  streembit key dev alice --out alice.key        # Alice and Bob are on the council, where two of three votes decide
  streembit key dev bob --out bob.key
  streembit key new --out newcomer.key           # prints the new party's ACCOUNT
  streembit consortium propose-party ACCOUNT --key alice.key
  streembit consortium vote MOTION yes --key bob.key
\nWallets and other Substrate clients can connect to {node} too. Press Ctrl-C to stop everything.",
        streembit.display()
    );
    Ok(())
}

/// Creates session keys in the nodes' keystores, and returns the consortium file.
fn consortium_file(env: &TestEnv) -> Result<String> {
    let mut parties = String::new();
    let mut validators = String::new();
    for name in PARTIES {
        parties.push_str(&format!("{name} = \"{}\"\n", env.dev_account(name)?));
        let keys = run(&["session-keys", "--keystore-path", path_str(&keystore(env, name))?])?;
        validators.push_str(&format!("\n[validators.{name}]\n{keys}"));
    }
    Ok(format!(
        "name = \"A network on one machine\"\nid = \"one_machine\"\n\n[parties]\n{parties}\n[council]\nmembers = [\"alice\", \
         \"bob\", \"charlie\"]\n{validators}"
    ))
}

fn keystore(env: &TestEnv, name: &str) -> PathBuf {
    env.dir().join(format!("{name}-keys"))
}

/// Waits for Ctrl-C or SIGTERM. Fails if a node exits before.
fn run_until_signal(
    env: &TestEnv,
    nodes: &mut [Node],
    (mut interrupt, mut terminate): (Signal, Signal),
) -> Result<()> {
    env.block_on(async {
        loop {
            tokio::select! {
                _ = interrupt.recv() => return Ok(()),
                _ = terminate.recv() => return Ok(()),
                () = tokio::time::sleep(std::time::Duration::from_secs(2)) => {
                    for node in nodes.iter_mut() {
                        node.process()?.check_running()?;
                    }
                }
            }
        }
    })
}

/// Runs `streembit-node` to completion and returns its standard output.
fn run(arguments: &[&str]) -> Result<String> {
    let output = streembit_node(arguments)?;
    ensure!(output.code == 0, "{}", output.stderr);
    Ok(output.stdout)
}
