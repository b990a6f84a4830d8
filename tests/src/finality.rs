//! The one thing that must never be: two final blocks at one height.

use crate::{node::number_of, rpc, Node, Scene};
use anyhow::{bail, ensure, Context, Result};
use serde_json::json;
use std::{
    collections::BTreeMap,
    sync::{
        atomic::{AtomicBool, Ordering},
        Arc, Mutex, MutexGuard, PoisonError,
    },
    thread::JoinHandle,
    time::Duration,
};

/// How long between two looks at all nodes.
const PAUSE: Duration = Duration::from_millis(300);

/// Every block that any node ever called final, by its height, and who called it so first.
#[derive(Debug, Default)]
struct Finals(BTreeMap<u64, (String, String)>);

impl Finals {
    /// Notes what a node calls final; an error where another block was called so before, by whomever.
    fn note(&mut self, node: &str, number: u64, hash: &str) -> Result<()> {
        let (known, by) = self.0.entry(number).or_insert_with(|| (hash.to_owned(), node.to_owned()));
        ensure!(
            known == hash,
            "TWO FINALIZED FORKS: block {number} is {known} to {by}, and {hash} to {node}"
        );
        Ok(())
    }
}

/// A thread that keeps asking nodes for their final blocks, and compares them all.
pub struct FinalityWatch {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    nodes: Mutex<Vec<Watched>>,
    finals: Mutex<Finals>,
    contradiction: Mutex<Option<String>>,
    ended: AtomicBool,
    runtime: tokio::runtime::Handle,
}

/// A node that is watched.
#[derive(Clone)]
struct Watched {
    name: String,
    port: u16,
    /// The first block that is not noted.
    next: u64,
}

impl FinalityWatch {
    /// Watches these nodes, whether they run or not.
    pub fn start(scene: &Scene, nodes: &[Node]) -> Self {
        let shared = Arc::new(Shared {
            nodes: Mutex::new(nodes.iter().map(Watched::new).collect()),
            finals: Mutex::default(),
            contradiction: Mutex::default(),
            ended: AtomicBool::new(false),
            runtime: scene.handle(),
        });
        let watching = shared.clone();
        let thread = std::thread::spawn(move || {
            while !watching.ended.load(Ordering::Relaxed) {
                watching.look();
                std::thread::sleep(PAUSE);
            }
        });
        Self { shared, thread: Some(thread) }
    }

    /// Watches one more.
    pub fn add(&self, node: &Node) {
        lock(&self.shared.nodes).push(Watched::new(node));
    }

    /// Fails where two blocks of one height were ever called final.
    pub fn check(&self) -> Result<()> {
        match &*lock(&self.shared.contradiction) {
            None => Ok(()),
            Some(contradiction) => bail!("{contradiction}"),
        }
    }

    /// Compares every final block of every node once more, from the genesis on: none may have gone back on its word. Gives
    /// the highest block that all have. A node that does not run is left out.
    pub fn finish(&self) -> Result<u64> {
        self.check()?;
        let mut common = None::<u64>;
        let nodes = lock(&self.shared.nodes).clone();
        for node in nodes {
            let next = self.shared.walk(&Watched { next: 0, ..node });
            self.check()?;
            if let Ok(next) = next {
                let reached = next.saturating_sub(1);
                common = Some(common.map_or(reached, |common| common.min(reached)));
            }
        }
        common.context("no node that is watched runs")
    }
}

impl Drop for FinalityWatch {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It has nothing to say that is not in `contradiction`.
            thread.join().ok();
        }
    }
}

impl Shared {
    /// Notes what every node calls final since the last look. One that is down is looked at again later.
    fn look(&self) {
        let nodes = lock(&self.nodes).clone();
        for node in nodes {
            let Ok(next) = self.walk(&node) else { continue };
            let mut all = lock(&self.nodes);
            if let Some(watched) = all.iter_mut().find(|watched| watched.name == node.name) {
                watched.next = next;
            }
        }
    }

    /// Notes a node's final blocks from its next one on, each of them; gives the one after the last.
    fn walk(&self, node: &Watched) -> Result<u64> {
        let ask = |method, parameters| self.runtime.block_on(rpc(node.port, method, parameters));
        let head = ask("chain_getFinalizedHead", json!([]))?;
        let last = number_of(&ask("chain_getHeader", json!([head]))?)?;
        for number in node.next..=last {
            let hash =
                if number == last { head.clone() } else { ask("chain_getBlockHash", json!([number]))? };
            let hash = hash.as_str().with_context(|| format!("{} has no block {number}", node.name))?;
            let noted = lock(&self.finals).note(&node.name, number, hash);
            if let Err(contradiction) = noted {
                lock(&self.contradiction).get_or_insert(contradiction.to_string());
                return Err(contradiction);
            }
        }
        Ok(last.saturating_add(1))
    }
}

impl Watched {
    fn new(node: &Node) -> Self {
        Self { name: node.name().to_owned(), port: node.rpc_port(), next: 0 }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_blocks_are_no_contradiction_two_at_one_height_are() {
        let mut finals = Finals::default();
        for node in ["alice", "bob"] {
            finals.note(node, 1, "0xaa").unwrap();
            finals.note(node, 2, "0xbb").unwrap();
        }
        let error = finals.note("charlie", 2, "0xcc").unwrap_err().to_string();
        for word in ["TWO FINALIZED FORKS", "block 2", "alice", "0xbb", "charlie", "0xcc"] {
            assert!(error.contains(word), "no {word:?} in {error}");
        }
        assert!(finals.note("alice", 1, "0xdd").is_err(), "a node that goes back on its word");
    }

    /// A node that answers as a fork would: a whole watch has to see it, not only its book.
    #[test]
    fn a_watch_fails_where_two_nodes_finalize_two_forks() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let watched = ["0xaa", "0xbb"].map(|hash| {
            let port = runtime.block_on(pretend(hash));
            Watched { name: format!("node with {hash}"), port, next: 1 }
        });
        let shared = Shared {
            nodes: Mutex::new(watched.to_vec()),
            finals: Mutex::default(),
            contradiction: Mutex::default(),
            ended: AtomicBool::new(false),
            runtime: runtime.handle().clone(),
        };
        let watch = FinalityWatch { shared: Arc::new(shared), thread: None };
        watch.check().unwrap();
        watch.shared.look();
        let error = watch.check().unwrap_err().to_string();
        assert!(error.contains("block 1") && error.contains("0xaa") && error.contains("0xbb"), "{error}");
        assert!(watch.finish().is_err());
    }

    /// Serves the RPC of a node whose block 1 has this hash and is final; gives its port.
    async fn pretend(hash: &'static str) -> u16 {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = vec![0; 4096];
                let mut length = 0;
                while !request[..length].ends_with(b"}") {
                    let read = stream.read(&mut request[length..]).await.unwrap();
                    assert!(read > 0, "half a request");
                    length += read;
                }
                let asked = String::from_utf8_lossy(&request[..length]).into_owned();
                let result = match asked.contains("chain_getHeader") {
                    true => json!({ "number": "0x1" }),
                    false => json!(hash),
                };
                let body = json!({ "jsonrpc": "2.0", "id": 1, "result": result }).to_string();
                let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";
                let answer = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        port
    }
}
