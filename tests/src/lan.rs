//! A network that can be cut in two: each node in a network namespace of its own, all of them on one switch.
//!
//! The switch is a namespace too, with two bridges. A cable (a veth pair) goes from each node to a port of the first
//! bridge; a partition moves some of the ports to the second one. Nothing of this machine's own network is touched, no route
//! leads out of a namespace, and nothing leaves them but what a test asks a node through its [`Door`]. Needs root.

use crate::process::{bound_command_in, run};
use anyhow::{Context, Result};
use rustix::thread::{move_into_link_name_space, LinkNameSpaceType};
use std::{
    ffi::OsStr,
    fs::{self, File},
    net::{Ipv4Addr, TcpListener},
    os::fd::AsFd as _,
    path::Path,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};
use tokio::sync::oneshot;

/// What the names of our namespaces begin with; the id of the process that made them follows.
const PREFIX: &str = "streembit-";

/// Where `ip` keeps the namespaces that have a name.
const NAMESPACES: &str = "/var/run/netns";

/// The bridge that joins the nodes.
const TOGETHER: &str = "together";

/// The bridge for those that are cut off from them.
const APART: &str = "apart";

/// A switch and what is plugged in.
pub struct Lan {
    id: String,
    /// The names of the nodes; the cable of the first is in port 1.
    plugged: Vec<String>,
}

/// Where a node is.
#[derive(Clone, Debug)]
pub struct Namespace {
    name: String,
    address: Ipv4Addr,
}

impl Lan {
    /// Whether this user may make one here; says on standard error why not.
    pub fn available() -> bool {
        if !rustix::process::geteuid().is_root() {
            eprintln!("network namespaces need root");
            return false;
        }
        match Self::new().and_then(|mut lan| lan.plug("try").map(|_| ())) {
            Ok(()) => true,
            Err(error) => {
                eprintln!("no network namespaces can be made here, though this is root: {error:#}");
                false
            }
        }
    }

    /// A switch with nothing plugged in.
    pub fn new() -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        remove_leftovers();
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let lan = Self { id: format!("{PREFIX}{}-{number}", std::process::id()), plugged: Vec::new() };
        ip(["netns", "add", &lan.switch()])?;
        for bridge in [TOGETHER, APART] {
            ip(["-n", &lan.switch(), "link", "add", bridge, "type", "bridge"])?;
            ip(["-n", &lan.switch(), "link", "set", bridge, "up"])?;
        }
        Ok(lan)
    }

    /// A namespace for a node, plugged in with the others.
    pub fn plug(&mut self, node: &str) -> Result<Namespace> {
        let name = format!("{}-{node}", self.id);
        let switch = self.switch();
        // Counted before anything is made: whatever follows, it is removed.
        self.plugged.push(node.to_owned());
        let number = u8::try_from(self.plugged.len()).context("as many nodes as addresses")?;
        let address = Ipv4Addr::new(10, 77, 0, number);
        let (cable, place) = (port(number.into()), format!("{address}/24"));
        ip(["netns", "add", &name])?;
        ip(["-n", &switch, "link", "add", &cable, "type", "veth", "peer", "name", "eth0", "netns", &name])?;
        ip(["-n", &switch, "link", "set", &cable, "master", TOGETHER, "up"])?;
        ip(["-n", &name, "address", "add", &place, "dev", "eth0"])?;
        ip(["-n", &name, "link", "set", "eth0", "up"])?;
        ip(["-n", &name, "link", "set", "lo", "up"])?;
        Ok(Namespace { name, address })
    }

    /// Cuts these nodes off from all others; they still reach each other.
    pub fn cut(&self, nodes: &[&str]) -> Result<()> {
        for (number, node) in (1..).zip(&self.plugged) {
            let bridge = if nodes.contains(&node.as_str()) { APART } else { TOGETHER };
            ip(["-n", &self.switch(), "link", "set", &port(number), "master", bridge])?;
        }
        Ok(())
    }

    /// Joins all of them again.
    pub fn heal(&self) -> Result<()> {
        self.cut(&[])
    }

    fn switch(&self) -> String {
        format!("{}-switch", self.id)
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        // The cables go with the namespaces.
        let nodes = self.plugged.iter().map(|node| format!("{}-{node}", self.id));
        for namespace in nodes.chain([self.switch()]) {
            if Path::new(NAMESPACES).join(&namespace).exists() {
                remove(&namespace);
            }
        }
    }
}

impl Namespace {
    /// The multiaddress of a TCP port, for the other nodes.
    pub fn multiaddress(&self, port: u16) -> String {
        format!("/ip4/{}/tcp/{port}", self.address)
    }

    /// A command that runs in it and does not outlive this thread.
    pub(crate) fn bound_command(&self, program: impl AsRef<OsStr>) -> Command {
        bound_command_in(&self.name, program)
    }
}

/// The way from here to one port of a namespace's loopback: whoever connects to the same port of ours gets there.
pub struct Door {
    /// Dropped, it ends the thread.
    _open: oneshot::Sender<()>,
}

impl Door {
    /// Opens it.
    pub fn open(namespace: &Namespace, port: u16) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .with_context(|| format!("opening a door to {}", namespace.name))?;
        listener.set_nonblocking(true)?;
        let path = Path::new(NAMESPACES).join(&namespace.name);
        let inside = File::open(&path).with_context(|| format!("opening {}", path.display()))?;
        let (open, closed) = oneshot::channel();
        std::thread::Builder::new().name(format!("door to {}", namespace.name)).spawn(move || {
            if let Err(error) = keep_open(listener, &inside, port, closed) {
                eprintln!("the door to {}: {error:#}", path.display());
            }
        })?;
        Ok(Self { _open: open })
    }
}

/// Serves until the other end of `closed` is dropped.
fn keep_open(listener: TcpListener, inside: &File, port: u16, closed: oneshot::Receiver<()>) -> Result<()> {
    // A socket belongs to the namespace of the thread that makes it: the listener to ours, all others to the node's.
    move_into_link_name_space(inside.as_fd(), Some(LinkNameSpaceType::Network))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        tokio::select! {
            served = serve(listener, port) => served,
            _ = closed => Ok(()),
        }
    })
}

async fn serve(listener: TcpListener, port: u16) -> Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (mut outside, _) = listener.accept().await?;
        tokio::spawn(async move {
            // Where the node is down this ends at once, and with it the connection from outside.
            let mut inside = tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
            tokio::io::copy_bidirectional(&mut outside, &mut inside).await
        });
    }
}

/// The switch's end of a cable.
fn port(number: u32) -> String {
    format!("port{number}")
}

/// Removes the namespaces of test processes that were killed.
fn remove_leftovers() {
    let Ok(entries) = fs::read_dir(NAMESPACES) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let process = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        if process.is_some_and(|id| !Path::new("/proc").join(id).exists()) {
            remove(&name);
        }
    }
}

fn remove(namespace: &str) {
    if let Err(error) = ip(["netns", "delete", namespace]) {
        eprintln!("{namespace} stays: {error:#}");
    }
}

fn ip<const N: usize>(arguments: [&str; N]) -> Result<()> {
    run("ip", arguments)
}
