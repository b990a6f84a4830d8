//! Several validators on one machine.

use crate::{Node, Scene};
use anyhow::{Context, Result};
use serde_json::Value;
use std::ffi::OsStr;

/// The chain of the preset `four`: Alice, Bob, Charlie and Dave validate, the first three are the council; and whatever nodes
/// were added.
pub struct Network<'s> {
    /// Where it all happens.
    pub scene: &'s Scene,
    /// The nodes, Alice's first.
    pub nodes: Vec<Node>,
}

/// Who validates from the genesis on.
const FOUNDERS: [&str; 4] = ["alice", "bob", "charlie", "dave"];

impl Scene {
    /// A network of four validators that finalizes.
    pub fn network(&self) -> Result<Network<'_>> {
        let mut network = self.network_with(|_| Vec::new())?;
        network.node("alice")?.finalizes(2, 90)?;
        Ok(network)
    }

    /// The same with more arguments for some of the nodes, by their names; its first block is final.
    pub fn network_with(&self, more: impl Fn(&str) -> Vec<String>) -> Result<Network<'_>> {
        let mut network = Network { scene: self, nodes: Vec::new() };
        for name in FOUNDERS {
            let mut arguments = vec![format!("--{name}")];
            arguments.extend(more(name));
            let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
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

impl Network<'_> {
    /// A node by its name.
    pub fn node(&mut self, name: &str) -> Result<&mut Node> {
        self.nodes.iter_mut().find(|node| node.name() == name).with_context(|| format!("no node {name}"))
    }

    /// Starts one more node of this chain, connected to the first where there is one, and does not wait for it.
    pub fn launch(&mut self, name: &str, arguments: &[&str]) -> Result<()> {
        let bootnode = self.nodes.first().map(Node::address).transpose()?;
        let bootnode = bootnode.iter().flat_map(|address| ["--bootnodes", address]);
        let common = std::iter::once("--chain=four").chain(bootnode);
        let mut node = Node::new(self.scene, name, common.chain(arguments.iter().copied()))?;
        node.launch()?;
        self.nodes.push(node);
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
