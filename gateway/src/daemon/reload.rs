//! Reads the configuration of a running gateway again, and applies the changes of its devices.

use crate::{
    config::{Config, ConfigError, DeviceConfig, DeviceList},
    remedies::Remedy,
    status::{ComponentState, StatusBoard},
};
use std::{io::IsTerminal as _, sync::Arc};
use streembit_keystore::KeyPair;
use tokio::{
    signal::unix::{signal, SignalKind},
    sync::{mpsc, oneshot, watch, Mutex},
    task::JoinError,
};
use tokio_util::sync::CancellationToken;

/// The component's name on the status board. It is there only while the file cannot be used.
const COMPONENT: &str = "configuration";

/// The configuration could not be read again. The gateway goes on with the devices that it has.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The file is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The thread that reads the file panicked.
    #[error("reading the configuration: {0}")]
    Panicked(#[from] JoinError),
    /// The gateway is being stopped.
    #[error("the gateway is stopping, so its configuration is not read again")]
    Stopping,
}

impl Remedy for ReloadError {
    fn remedy(&self) -> String {
        match self {
            Self::Config(_) => {
                "correct the file, then run `streembit gateway reload`; until then the gateway keeps its devices".into()
            }
            Self::Panicked(_) | Self::Stopping => String::new(),
        }
    }
}

/// The differences between the configuration that was read and the one that the gateway runs with.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reloaded {
    /// The names of the devices that were added.
    pub added: Vec<String>,
    /// The names of the devices that were changed.
    pub changed: Vec<String>,
    /// The names of the devices that were removed.
    pub removed: Vec<String>,
    /// The sections that differ from those that the gateway started with. They need a restart.
    pub needs_restart: Vec<&'static str>,
}

impl Reloaded {
    fn compare(devices: &[DeviceConfig], started: &Config, read: &Config) -> Self {
        let find =
            |devices: &[DeviceConfig], name: &str| devices.iter().find(|device| device.name == name).cloned();
        let mut reloaded = Self::default();
        for device in &read.devices {
            match find(devices, &device.name) {
                None => reloaded.added.push(device.name.clone()),
                Some(before) if before != *device => reloaded.changed.push(device.name.clone()),
                Some(_) => {}
            }
        }
        let gone = devices.iter().filter(|device| find(&read.devices, &device.name).is_none());
        reloaded.removed = gone.map(|device| device.name.clone()).collect();
        let sections = [
            ("gateway", started.gateway != read.gateway),
            ("node", started.node != read.node),
            ("api", started.api != read.api),
            ("anchor", started.anchor != read.anchor),
            ("delivery", started.delivery != read.delivery),
        ];
        reloaded.needs_restart =
            sections.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect();
        reloaded
    }

    fn has_new_devices(&self) -> bool {
        !(self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty())
    }
}

/// A new list of devices, which the adapters have not taken yet.
pub(super) struct DeviceChange {
    /// The devices.
    pub devices: DeviceList,
    /// Told when the gateway has taken the devices.
    pub done: oneshot::Sender<()>,
}

/// Reads the configuration of a running gateway again. Clones belong to the same gateway.
#[derive(Clone)]
pub struct Reloader(Arc<Inner>);

struct Inner {
    /// The configuration that the gateway started with.
    started: Config,
    keys: KeyPair,
    devices: watch::Receiver<DeviceList>,
    changes: mpsc::Sender<DeviceChange>,
    /// Held while the file is read and applied, so that a slow reload does not undo a later one.
    turn: Mutex<()>,
}

impl Reloader {
    /// Returns a reloader of the gateway that started with `started` and has the devices `devices` now. It sends changes
    /// of the devices to `changes`.
    pub(super) fn new(
        started: Config,
        keys: KeyPair,
        devices: watch::Receiver<DeviceList>,
        changes: mpsc::Sender<DeviceChange>,
    ) -> Self {
        Self(Arc::new(Inner { started, keys, devices, changes, turn: Mutex::new(()) }))
    }

    /// Returns a reloader of a gateway that has stopped.
    #[cfg(test)]
    pub(crate) fn stopped(started: Config, keys: KeyPair) -> Self {
        let devices = watch::channel(DeviceList::default()).1;
        Self::new(started, keys, devices, mpsc::channel(1).0)
    }

    /// Reads the file again. Resolves when the gateway has taken the devices in it.
    pub async fn reload(&self) -> Result<Reloaded, ReloadError> {
        let inner = &self.0;
        let _turn = inner.turn.lock().await;
        let (path, keys) = (inner.started.file.clone(), inner.keys.clone());
        let read = move || {
            let mut config = Config::load(&path)?;
            super::resolve_labels(&mut config, &keys);
            Ok::<_, ConfigError>(config)
        };
        let read = tokio::task::spawn_blocking(read).await??;
        let reloaded = Reloaded::compare(&inner.devices.borrow(), &inner.started, &read);
        if reloaded.has_new_devices() {
            let (done, taken) = oneshot::channel();
            let change = DeviceChange { devices: Arc::new(read.devices), done };
            inner.changes.send(change).await.map_err(|_| ReloadError::Stopping)?;
            taken.await.map_err(|_| ReloadError::Stopping)?;
        }
        Ok(reloaded)
    }

    /// Reads the file again, and shows in the status if it cannot be used.
    pub async fn reload_and_report(&self, status: &StatusBoard) -> Result<Reloaded, ReloadError> {
        let reloaded = self.reload().await;
        match &reloaded {
            Ok(Reloaded { added, changed, removed, needs_restart }) => {
                status.remove(COMPONENT);
                tracing::info!(?added, ?changed, ?removed, "the configuration was read again");
                if !needs_restart.is_empty() {
                    tracing::warn!(sections = ?needs_restart, "these sections of the configuration need a restart");
                }
            }
            Err(error) => status.report(COMPONENT, ComponentState::alarm(error, error.remedy())),
        }
        reloaded
    }

    /// Reads the file again at every SIGHUP until `shutdown` is cancelled. If the signal says that the terminal of the
    /// program was closed, the program is stopped, as it would be without this.
    pub(super) async fn follow_signals(self, status: StatusBoard, shutdown: CancellationToken) {
        let mut hangups = match signal(SignalKind::hangup()) {
            Ok(hangups) => hangups,
            Err(error) => {
                tracing::warn!(%error, "cannot wait for SIGHUP; `streembit gateway reload` reads the configuration again");
                return;
            }
        };
        let had_terminal = std::io::stdin().is_terminal();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                hangup = hangups.recv() => if hangup.is_none() { return },
            }
            if had_terminal && !std::io::stdin().is_terminal() {
                // Both programs that run a gateway stop cleanly at SIGTERM.
                let own = rustix::process::getpid();
                if let Err(error) = rustix::process::kill_process(own, rustix::process::Signal::TERM) {
                    tracing::error!(%error, "the terminal was closed, but the program cannot be stopped");
                }
                return;
            }
            // The status shows an error.
            let _ = self.reload_and_report(&status).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn config(text: &str) -> Config {
        Config::parse(text, Path::new("/nonexistent/gateway.toml"), []).unwrap()
    }

    #[test]
    fn devices_are_compared_by_name_and_other_sections_need_a_restart() {
        let before = config("[[device]]\nname = \"a\"\n[[device]]\nname = \"b\"\n[[device]]\nname = \"c\"");
        let after = config(
            "[api]\ntlog = true\n[anchor]\nevery_events = 7\n[[device]]\nname = \"c\"\n[[device]]\nname = \"b\"\n\
             label = \"new\"\n[[device]]\nname = \"d\"",
        );
        let reloaded = Reloaded::compare(&before.devices, &before, &after);
        assert_eq!((reloaded.added.join(","), reloaded.changed.join(",")), ("d".into(), "b".into()));
        assert_eq!((reloaded.removed.join(","), reloaded.needs_restart), ("a".into(), vec!["api", "anchor"]));
        assert!(!Reloaded::compare(&before.devices, &before, &before).has_new_devices());
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_used_changes_nothing_and_is_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gateway.toml");
        let started = Config::parse("", &path, []).unwrap();
        let reloader = Reloader::stopped(started, KeyPair::from_seed([7; 32]));
        let status = StatusBoard::new();
        std::fs::write(&path, "[[device]]\nnome = \"a\"").unwrap();
        let error = reloader.reload_and_report(&status).await.unwrap_err();
        assert!(error.to_string().contains("gateway.toml:2"), "{error}");
        let Some(ComponentState::Alarm { remedy, .. }) = status.get(COMPONENT) else { panic!() };
        assert!(remedy.contains("gateway reload"), "{remedy}");
        std::fs::write(&path, "").unwrap();
        assert_eq!(reloader.reload_and_report(&status).await.unwrap(), Reloaded::default());
        assert_eq!(status.get(COMPONENT), None);
    }
}
