//! `make network`: a consortium of four validators on this machine, founded as a real one is: keys made on each node, a TOML
//! file, a chain spec, four nodes. Runs until Ctrl-C, and leaves nothing running.

use anyhow::{ensure, Context, Result};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use streembit_tests::{binary, wait_until, Node, TestEnv};
use tokio::signal::unix::{signal, Signal, SignalKind};

/// The founding parties, by the names that development keys know them by; each validates.
const PARTIES: [&str; 4] = ["alice", "bob", "charlie", "dave"];

fn main() -> Result<()> {
    let env = TestEnv::open("network")?;
    // From here on Ctrl-C ends the nodes, which have it from the terminal too, and this cleans up after them.
    let signals = env.block_on(async {
        anyhow::Ok((signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?))
    })?;
    let mut nodes = Vec::new();
    let result = found(&env, &mut nodes).and_then(|()| stay(&env, &mut nodes, signals));
    if result.is_err() {
        // Their folder goes.
        env.show_logs();
    }
    // The validators end together: alone none of them would finalize what the others still do.
    for node in &mut nodes {
        if let Ok(process) = node.process() {
            process.terminate()?;
        }
    }
    for node in &mut nodes {
        let ended = node.process()?.wait_for_exit(60)?;
        ensure!(ended.success() || result.is_err(), "{} ended with {ended}", node.name());
    }
    result?;
    println!("All four have ended, and {} is removed.", env.dir().display());
    Ok(())
}

/// From keys to a chain that finalizes.
fn found(env: &TestEnv, nodes: &mut Vec<Node>) -> Result<()> {
    println!("Founding a consortium in {}", env.dir().display());
    let file = env.dir().join("consortium.toml");
    fs::write(&file, consortium(env)?).context("writing the consortium's file")?;
    let spec = env.dir().join("spec.json");
    run(&["chain-spec", "--consortium", path(&file)?, "--out", path(&spec)?])?;
    println!("  {}\n  {}\n", file.display(), spec.display());

    for name in PARTIES {
        let mut arguments = vec!["--chain".to_owned(), path(&spec)?.to_owned(), "--validator".into()];
        arguments.extend(["--keystore-path".to_owned(), path(&keystore(env, name))?.to_owned()]);
        // As it is by default, which is not that of the tests.
        arguments.push("--heartbeat=300".into());
        if let Some(first) = nodes.first() {
            arguments.extend(["--bootnodes".to_owned(), first.address()?]);
        }
        let mut node = Node::new(env, name, arguments)?;
        node.start()?;
        println!("  {name:<8} RPC {}  peers {}", node.url(), node.address()?);
        nodes.push(node);
    }
    println!("\nThe logs are beside: NAME.log. Waiting until the four agree on a block");
    let first = nodes.first().context("no node")?;
    wait_until("the four finalize", 120, || {
        let number = first.finalized()?;
        ensure!(number > 0, "nothing is finalized yet");
        Ok(number)
    })?;
    let (node, streembit) = (first.url(), binary("streembit")?);
    println!(
        "\nThe four finalize blocks. In another terminal:\n
  alias streembit={}
  export STREEMBIT_NODE={node}
  streembit consortium show
  streembit key dev alice --out alice.key        # founding parties, and in the council: two of its three votes decide
  streembit key dev bob --out bob.key
  streembit key new --out newcomer.key           # says the newcomer's ACCOUNT
  streembit consortium propose-party ACCOUNT --key alice.key
  streembit consortium vote MOTION yes --key bob.key
\nWallets and other clients of Substrate chains connect to {node} too. Ctrl-C ends all of it.",
        streembit.display()
    );
    Ok(())
}

/// The consortium's file, with session keys that the nodes' keystores hold.
fn consortium(env: &TestEnv) -> Result<String> {
    let mut parties = String::new();
    let mut validators = String::new();
    for name in PARTIES {
        parties.push_str(&format!("{name} = \"{}\"\n", env.dev_account(name)?));
        let keys = run(&["session-keys", "--keystore-path", path(&keystore(env, name))?])?;
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

/// Waits for Ctrl-C or SIGTERM; fails where a node ends before.
fn stay(env: &TestEnv, nodes: &mut [Node], (mut interrupt, mut terminate): (Signal, Signal)) -> Result<()> {
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

/// Runs `streembit-node` to its end; gives what it printed.
fn run(arguments: &[&str]) -> Result<String> {
    let output = Command::new(binary("streembit-node")?).args(arguments).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

fn path(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}
