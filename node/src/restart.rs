//! Restarts of the node by itself: it stops cleanly and replaces its process by a new one with the same arguments.
//!
//! Some changes around a running node can be followed only by a new start, such as an address that appears after the
//! network has started. The process id stays the same, so whoever supervises the process notices nothing.

use std::{io, os::unix::process::CommandExt as _, path::PathBuf, process::Command};
use tokio::sync::mpsc;

/// Asks for a restart. Clones ask the same node.
#[derive(Clone, Debug)]
pub struct RestartSender(mpsc::Sender<String>);

/// Receives the reason of a restart.
pub type RestartReceiver = mpsc::Receiver<String>;

/// Creates a channel for requests of a restart.
pub fn channel() -> (RestartSender, RestartReceiver) {
    let (sender, receiver) = mpsc::channel(1);
    (RestartSender(sender), receiver)
}

impl RestartSender {
    /// Asks for a restart. The reason completes the sentence "the node restarts, because ...".
    pub async fn request(&self, reason: String) {
        // Without a receiver the node is stopping already.
        let _ = self.0.send(reason).await;
    }

    /// Asks for a restart and does not wait. If a restart was asked for already, its reason stays.
    pub fn request_now(&self, reason: String) {
        let _ = self.0.try_send(reason);
    }
}

/// Replaces this process by a new one with the same arguments. Returns only if this fails.
pub fn replace_process() -> io::Error {
    let program = std::env::current_exe()
        .ok()
        .filter(|path| path.is_file())
        // The file was replaced by another release, but the kernel still has it.
        .unwrap_or_else(|| PathBuf::from("/proc/self/exe"));
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_else(|| "streembit-node".into());
    Command::new(program).arg0(name).args(arguments).exec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_request_is_received_and_later_ones_do_not_fail() {
        let (sender, mut receiver) = channel();
        sender.clone().request("an address appeared".into()).await;
        assert_eq!(receiver.recv().await.as_deref(), Some("an address appeared"));
        drop(receiver);
        sender.request("too late".into()).await;
    }
}
