//! The validators of a campaign: four real processes. The last one is the validator under test, with its base path on
//! the campaign's disk. The others go on without it, because three of four can finalize.

use super::way_back;
use crate::{
    crash::{output::Output, Disk},
    insert_dave_session_key_into, u64_at, wait_until, FinalityMonitor, Node, TestEnv, ValidatorNetwork,
};
use anyhow::{ensure, Context, Result};
use serde_json::{json, Value};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use streembit_primitives::consortium::ValidatorState;

/// The validators that no fault is injected into.
pub const OTHERS: [&str; 3] = ["alice", "bob", "charlie"];

/// The validator under test.
const SUBJECT: &str = "dave";

/// The folder of the chain in a base path.
const CHAIN_FOLDER: &str = "chains/streembit_four";

/// The seconds in which the validator must be back after a start.
const RETURN_TIMEOUT: u64 = 120;

/// The seconds in which the others must finalize the next block.
const FINALITY_TIMEOUT: u64 = 60;

/// What the node logs when it begins a new database.
const NEW_DATABASE: &str = "Initializing Genesis block/state";

/// What a node logs when a validator contradicts itself.
const EQUIVOCATIONS: [&str; 3] = ["equivocation", "two blocks in slot", "another node makes blocks"];

/// How the validator returned after a start.
pub enum Return {
    /// It finalizes and votes again.
    Back {
        /// The last block that was final to it when it answered for the first time.
        first: u64,
        /// True if it began a new database.
        began_anew: bool,
    },
    /// The process ended with this output.
    Ended(String),
    /// The process runs, but the validator does not finalize or does not vote.
    Stuck(String),
}

/// The files of the keys by name, with their contents.
type Keys = BTreeMap<String, Vec<u8>>;

/// Four validators, one of them under test.
pub struct Validators<'s> {
    network: ValidatorNetwork<'s>,
    monitor: FinalityMonitor,
    /// The base paths of the others.
    folder: PathBuf,
    output: Output,
    /// The length of the output at the last start or the last fault.
    output_before: u64,
    keys: Keys,
    cycles: u64,
}

impl<'s> Validators<'s> {
    /// Starts a chain. The validator under test is killed `delay` after its very first start, and must come back.
    pub fn start(env: &'s TestEnv, disk: &Disk, number: u64, delay: Duration) -> Result<Self> {
        let folder = env.dir().join(format!("network{number}"));
        let mut network = ValidatorNetwork::of(env, Vec::new());
        for name in OTHERS {
            let mut arguments = vec!["--chain=four".to_owned(), format!("--{name}")];
            arguments.extend(bootnodes(&network.nodes)?);
            let mut node = Node::new(env, name, arguments)?.with_base_path(folder.join(name));
            node.start()?;
            network.nodes.push(node);
        }
        network.node(OTHERS[0])?.wait_until_finalized(1, 90)?;

        let base = disk.folder().join(format!("{SUBJECT}{number}"));
        for (key_type, scheme) in [("aura", "sr25519"), ("gran", "ed25519")] {
            insert_dave_session_key_into(&base, key_type, scheme)?;
        }
        // Substrate's `key insert` does not sync.
        disk.sync()?;
        let mut arguments =
            vec!["--chain=four".to_owned(), "--validator".to_owned(), "--min-free-disk=64".to_owned()];
        arguments.extend(bootnodes(&network.nodes)?);
        let subject = Node::new(env, SUBJECT, arguments)?.with_base_path(base);
        let output = Output::new(subject.output_file());
        network.nodes.push(subject);
        let monitor = network.monitor_finality();
        let mut validators =
            Self { network, monitor, folder, output, output_before: 0, keys: Keys::new(), cycles: 0 };
        validators.launch()?;
        std::thread::sleep(delay);
        validators.subject()?.kill()?;
        validators.launch()?;
        let context = || format!("after the very first start was killed after {} ms", delay.as_millis());
        validators.must_return().with_context(context)?;
        validators.keys = validators.read_keys()?;
        ensure!(validators.keys.len() == 3, "expected two session keys and the network key");
        Ok(validators)
    }

    /// The number of cycles so far.
    pub fn cycles(&self) -> u64 {
        self.cycles
    }

    /// Returns the validator under test.
    pub fn subject(&mut self) -> Result<&mut Node> {
        self.network.node(SUBJECT)
    }

    /// Returns true if the process of the validator under test has ended.
    pub fn has_ended(&mut self) -> Result<bool> {
        Ok(self.subject()?.process()?.check_running().is_err())
    }

    /// Starts the validator under test and does not wait.
    pub fn launch(&mut self) -> Result<()> {
        self.forget_output();
        self.subject()?.launch()
    }

    /// The output of the validator under test since its last start, or since it was forgotten.
    pub fn output(&self) -> String {
        self.output.since(self.output_before)
    }

    /// Forgets the output so far, so that it is not taken for the consequence of a fault.
    pub fn forget_output(&mut self) {
        self.output_before = self.output.length();
    }

    /// The folder of the chain in the base path of the validator under test.
    pub fn chain_folder(&mut self) -> Result<PathBuf> {
        Ok(self.subject()?.base_path().join(CHAIN_FOLDER))
    }

    /// The folder of the database of the validator under test.
    pub fn database(&mut self) -> Result<PathBuf> {
        Ok(self.chain_folder()?.join("db/full"))
    }

    /// Returns the last block that is final to one of the others.
    pub fn finalized(&mut self) -> Result<u64> {
        self.network.node(OTHERS[0])?.finalized()
    }

    /// Waits until all others have finalized a block after block `number`.
    pub fn wait_for_others(&mut self, number: u64) -> Result<()> {
        for name in OTHERS {
            let node = self.network.node(name)?;
            node.wait_until_finalized(number.saturating_add(1), FINALITY_TIMEOUT)
                .context("the others do not finalize")?;
        }
        Ok(())
    }

    /// Waits until the validator under test, which was started, finalizes a block that is newer than this call, and votes.
    pub fn wait_for_return(&mut self) -> Result<Return> {
        let target = self.finalized()?.saturating_add(1);
        let mut first = None;
        let returned = wait_until("the validator finalizes and votes again", RETURN_TIMEOUT, || {
            let node = self.subject()?;
            node.process()?.check_running()?;
            let finalized = node.finalized()?;
            first.get_or_insert(finalized);
            ensure!(finalized >= target, "block {finalized} is final to it, waiting for {target}");
            ensure_votes(&node.rpc("streembit_voters", json!([]))?)
        });
        if self.has_ended()? {
            return Ok(Return::Ended(self.output()));
        }
        if let Err(error) = returned {
            return Ok(Return::Stuck(format!("{error:#}")));
        }
        let names = [OTHERS[0], SUBJECT];
        self.network.wait_for_agreement(&names, target, FINALITY_TIMEOUT)?;
        let began_anew = self.output().contains(NEW_DATABASE);
        Ok(Return::Back { first: first.context("it has not answered")?, began_anew })
    }

    /// Waits until the validator under test is back. It must not end.
    pub fn must_return(&mut self) -> Result<()> {
        match self.wait_for_return()? {
            Return::Back { .. } => Ok(()),
            Return::Ended(output) => anyhow::bail!("it ended:\n{output}"),
            Return::Stuck(reason) => anyhow::bail!("{reason}"),
        }
    }

    /// Removes the database of the validator under test and keeps its keys, in the way that the documents tell. It does
    /// not run then.
    pub fn remove_database(&mut self) -> Result<()> {
        let (env, chain) = (self.network.env, self.chain_folder()?);
        let subject = self.subject()?;
        if subject.process().is_ok() {
            subject.kill()?;
        }
        way_back::follow(env, subject.base_path(), &chain)?;
        self.ensure_keys_are_kept()
    }

    /// Checks what must be true after each cycle. An error ends the campaign.
    pub fn check(&mut self) -> Result<()> {
        self.cycles = self.cycles.saturating_add(1);
        self.monitor.check()?;
        self.ensure_keys_are_kept()?;
        for node in &mut self.network.nodes {
            let process = node.process()?;
            process.check_running()?;
            let log = process.log().to_lowercase();
            let seen = EQUIVOCATIONS.into_iter().find(|text| log.contains(text));
            ensure!(seen.is_none(), "{} has seen an equivocation", node.name());
        }
        let consortium = self.network.node(OTHERS[0])?.consortium_at(None)?;
        let active = consortium.validators.iter().filter(|one| one.state == ValidatorState::Active);
        ensure!(active.count() == OTHERS.len() + 1, "a validator is removed: {:?}", consortium.validators);
        Ok(())
    }

    /// Runs the last checks, stops the validators and removes their data.
    pub fn finish(mut self) -> Result<()> {
        let finalized = self.finalized()?;
        self.wait_for_others(finalized)?;
        let shown = self.network.consortium_show(OTHERS[0])?;
        ensure!(shown.get("equivocations") == Some(&json!([])), "equivocations on chain: {shown}");
        self.monitor.finish()?;
        let status = self.subject()?.process()?.stop()?;
        ensure!(status.success(), "the validator exited with {status} on SIGTERM");
        let base = self.subject()?.base_path().to_owned();
        let folder = self.folder.clone();
        // Ends the other processes.
        drop(self);
        fs::remove_dir_all(&base).with_context(|| format!("removing {}", base.display()))?;
        fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))
    }

    fn ensure_keys_are_kept(&mut self) -> Result<()> {
        let keys = self.read_keys()?;
        let names = |keys: &Keys| keys.keys().cloned().collect::<Vec<_>>();
        ensure!(
            keys == self.keys,
            "keys are lost or changed: {:?} instead of {:?}",
            names(&keys),
            names(&self.keys)
        );
        Ok(())
    }

    /// Reads the session keys and the network key. A session key that does not vote yet counts under its final name.
    fn read_keys(&mut self) -> Result<Keys> {
        let chain = self.chain_folder()?;
        let mut keys = Keys::new();
        for entry in fs::read_dir(chain.join("keystore")).context("reading the keystore")? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            keys.insert(name.trim_end_matches(".held").to_owned(), read(&path)?);
        }
        keys.insert("network key".into(), read(&chain.join("network/secret_ed25519"))?);
        Ok(keys)
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("reading {}", path.display()))
}

/// Returns the options that name these nodes as boot nodes.
fn bootnodes(nodes: &[Node]) -> Result<Vec<String>> {
    nodes.iter().map(|node| Ok(format!("--bootnodes={}", node.address()?))).collect()
}

/// Checks that a node has seen the votes of all voters since its start, its own among them.
fn ensure_votes(voters: &Value) -> Result<()> {
    let (online, total) = (u64_at(voters, "/online")?, u64_at(voters, "/total")?);
    ensure!(online == total, "{online} of {total} voters vote");
    Ok(())
}
