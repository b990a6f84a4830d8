//! Several validators on one machine.

use crate::{until, Lan, Node, Scene};
use anyhow::{ensure, Context, Result};
use serde_json::Value;
use std::ffi::OsStr;

/// The chain of the preset `four`: Alice, Bob, Charlie and Dave validate, the first three are the council; and whatever nodes
/// were added.
pub struct Network<'s> {
    /// Where it all happens.
    pub scene: &'s Scene,
    /// The nodes, Alice's first.
    pub nodes: Vec<Node>,
    /// What joins them, unless they are all on this machine's loopback. After the nodes: it is removed when they are gone.
    lan: Option<Lan>,
}

/// Who validates from the genesis on.
const FOUNDERS: [&str; 4] = ["alice", "bob", "charlie", "dave"];

impl Scene {
    /// A network of four validators that finalizes.
    pub fn network(&self) -> Result<Network<'_>> {
        self.found(None, |_| Vec::new())
    }

    /// The same, each node in a network namespace of its own where there is a network of them.
    pub fn network_on(&self, lan: Option<Lan>) -> Result<Network<'_>> {
        self.found(lan, |_| Vec::new())
    }

    /// The same with more arguments for some of the nodes, by their names.
    pub fn network_with(&self, more: impl Fn(&str) -> Vec<String>) -> Result<Network<'_>> {
        self.found(None, more)
    }

    fn found(&self, lan: Option<Lan>, more: impl Fn(&str) -> Vec<String>) -> Result<Network<'_>> {
        let mut network = Network { scene: self, nodes: Vec::new(), lan };
        for name in FOUNDERS {
            let mut arguments = vec![format!("--{name}")];
            arguments.extend(more(name));
            network.launch(name, &arguments)?;
            if name == FOUNDERS[0] {
                // The others ask it for its address.
                network.node(name)?.ready()?;
            }
        }
        for node in &mut network.nodes {
            node.ready()?;
        }
        network.node("alice")?.finalizes(1, 90)?;
        Ok(network)
    }
}

impl<'s> Network<'s> {
    /// With these nodes, on this machine's loopback.
    pub fn of(scene: &'s Scene, nodes: Vec<Node>) -> Self {
        Self { scene, nodes, lan: None }
    }

    /// A node by its name.
    pub fn node(&mut self, name: &str) -> Result<&mut Node> {
        self.nodes.iter_mut().find(|node| node.name() == name).with_context(|| format!("no node {name}"))
    }

    /// Starts one more node of this chain, connected to the first where there is one, and does not wait for it.
    pub fn launch<A: AsRef<str>>(&mut self, name: &str, arguments: &[A]) -> Result<()> {
        let bootnode = self.nodes.first().map(Node::address).transpose()?;
        let bootnode = bootnode.iter().flat_map(|address| ["--bootnodes", address]);
        let common = std::iter::once("--chain=four").chain(bootnode);
        let arguments = arguments.iter().map(AsRef::as_ref);
        let mut node = self.node_of(name, common.chain(arguments))?;
        node.launch()?;
        self.nodes.push(node);
        Ok(())
    }

    /// A node that is not yet started, where this network is.
    fn node_of<A: AsRef<str>>(&mut self, name: &str, arguments: impl IntoIterator<Item = A>) -> Result<Node> {
        let node = Node::new(self.scene, name, arguments)?;
        match &mut self.lan {
            None => Ok(node),
            Some(lan) => node.within(lan.plug(name)?),
        }
    }

    /// Waits until every node is connected to every other one.
    pub fn is_connected(&self) -> Result<()> {
        let others = u64::try_from(self.nodes.len())?.saturating_sub(1);
        until("every node is connected to all others", 120, || {
            for node in &self.nodes {
                let peers = node.peers()?;
                ensure!(peers >= others, "{} has {peers} of {others} peers", node.name());
            }
            Ok(())
        })
    }

    /// Cuts some nodes off from the others, in a network of namespaces.
    pub fn cut(&self, nodes: &[&str]) -> Result<()> {
        self.lan.as_ref().context("loopback cannot be cut")?.cut(nodes)
    }

    /// Joins all nodes again.
    pub fn heal(&self) -> Result<()> {
        self.cut(&[])
    }

    /// Waits until all that these nodes call final up to a block is the same, and that block is final for each.
    pub fn agrees(&self, nodes: &[&str], number: u64, seconds: u64) -> Result<()> {
        let mut hashes = Vec::new();
        for node in self.nodes.iter().filter(|node| nodes.contains(&node.name())) {
            node.finalizes(number, seconds)?;
            hashes.push((node.name(), node.block_hash(number)?));
        }
        let same = hashes.windows(2).all(|pair| matches!(pair, [(_, left), (_, right)] if left == right));
        ensure!(same && hashes.len() == nodes.len(), "block {number}: {hashes:?}");
        Ok(())
    }

    /// A command of `streembit` that talks to a node.
    pub fn ask<A: AsRef<OsStr>>(
        &mut self,
        node: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<crate::Command<'_>> {
        let url = self.node(node)?.url();
        Ok(self.scene.streembit(arguments).node(&url))
    }

    /// `streembit consortium COMMAND …` by the keystore of one of the well-known accounts, over a node.
    pub fn consortium(&mut self, by: &str, node: &str, arguments: &[&str]) -> Result<Value> {
        let key = self.scene.key(by)?;
        let command = self.ask(node, ["consortium"].iter().chain(arguments))?;
        command.arg("--key").arg(key).json()
    }

    /// `streembit consortium show`, over a node.
    pub fn shown(&mut self, node: &str) -> Result<Value> {
        self.ask(node, ["consortium", "show"])?.json()
    }
}
