//! The status of the daemon's components, and the remedies for their problems.

use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use streembit_clock::now_ms;
use utoipa::ToSchema;

/// The state of a component.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum ComponentState {
    /// The component is starting.
    Starting,
    /// The component works.
    Running {
        /// A short description of its work or connection.
        detail: String,
    },
    /// The component cannot work now and retries by itself.
    Retrying {
        /// The problem.
        problem: String,
        /// The remedy that the operator can apply.
        remedy: String,
    },
    /// The component works, but has a problem that only a person can solve.
    Alarm {
        /// The problem.
        problem: String,
        /// The remedy that the operator can apply.
        remedy: String,
    },
    /// The component has ended because the daemon shuts down.
    Stopped,
}

impl ComponentState {
    /// Returns [`ComponentState::Running`].
    pub fn running(detail: impl ToString) -> Self {
        Self::Running { detail: detail.to_string() }
    }

    /// Returns [`ComponentState::Retrying`].
    pub fn retrying(problem: impl ToString, remedy: impl ToString) -> Self {
        Self::Retrying { problem: problem.to_string(), remedy: remedy.to_string() }
    }

    /// Returns [`ComponentState::Alarm`].
    pub fn alarm(problem: impl ToString, remedy: impl ToString) -> Self {
        Self::Alarm { problem: problem.to_string(), remedy: remedy.to_string() }
    }

    /// Returns true if the component works without a problem.
    pub fn is_running(&self) -> bool {
        matches!(self, Self::Running { .. })
    }
}

/// A component of the daemon and its state.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Component {
    /// The name, such as `log`, `chain`, `clock`, `node`, `validators`, `anchor`, `delivery`, `evidence`, `api`, `api/tcp`,
    /// `configuration` or `device/NAME`.
    pub name: String,
    /// The state.
    #[serde(flatten)]
    pub state: ComponentState,
    /// When the component entered this kind of state, in milliseconds since 1970-01-01 UTC.
    pub since: u64,
}

/// The board on which components report their state. Clones share one board.
#[derive(Clone, Debug, Default)]
pub struct StatusBoard {
    components: Arc<Mutex<BTreeMap<String, Component>>>,
}

impl StatusBoard {
    /// Returns an empty board.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a component's state, and logs it if it has changed.
    pub fn report(&self, component: &str, state: ComponentState) {
        let mut components = self.lock();
        let before = components.get(component);
        let same_kind = before
            .is_some_and(|before| std::mem::discriminant(&before.state) == std::mem::discriminant(&state));
        if before.is_none_or(|before| before.state != state) {
            log_state(component, &state, same_kind);
        }
        let since = before.filter(|_| same_kind).map_or_else(now_ms, |before| before.since);
        components.insert(component.to_owned(), Component { name: component.to_owned(), state, since });
    }

    /// Removes a component that no longer exists.
    pub fn remove(&self, component: &str) {
        self.lock().remove(component);
    }

    /// Returns all components, sorted by name.
    pub fn snapshot(&self) -> Vec<Component> {
        self.lock().values().cloned().collect()
    }

    /// Returns the state of a component, or `None` if it has not reported.
    pub fn get(&self, component: &str) -> Option<ComponentState> {
        self.lock().get(component).map(|found| found.state.clone())
    }

    /// Ignores poisoning: each insert replaces a whole entry, so a panic cannot leave the board inconsistent.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Component>> {
        self.components.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn log_state(component: &str, state: &ComponentState, same_kind: bool) {
    match state {
        ComponentState::Running { detail } if same_kind => tracing::debug!(component, detail, "running"),
        ComponentState::Running { detail } => tracing::info!(component, detail, "running"),
        ComponentState::Retrying { problem, remedy } => {
            tracing::warn!(component, problem, remedy, "retrying")
        }
        ComponentState::Alarm { problem, remedy } => tracing::error!(component, problem, remedy, "alarm"),
        ComponentState::Starting => tracing::debug!(component, "starting"),
        ComponentState::Stopped => tracing::info!(component, "stopped"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_last_state_of_each_component() {
        let board = StatusBoard::new();
        let same = board.clone();
        board.report("chain", ComponentState::Starting);
        same.report("chain", ComponentState::retrying("no node", "start one"));
        same.report("api", ComponentState::running("gateway.sock"));
        let names: Vec<_> = board.snapshot().into_iter().map(|component| component.name).collect();
        assert_eq!(names, ["api", "chain"]);
        assert_eq!(board.get("chain"), Some(ComponentState::retrying("no node", "start one")));
        assert_eq!(board.get("log"), None);
    }

    #[test]
    fn since_changes_only_with_the_kind_of_state() {
        let board = StatusBoard::new();
        board.report("chain", ComponentState::running("block 1"));
        let first = board.snapshot()[0].since;
        std::thread::sleep(std::time::Duration::from_millis(3));
        board.report("chain", ComponentState::running("block 2"));
        assert_eq!(board.snapshot()[0].since, first);
        board.report("chain", ComponentState::Stopped);
        assert!(board.snapshot()[0].since > first);
    }

    #[test]
    fn json_has_the_name_and_the_state_in_one_object() {
        let board = StatusBoard::new();
        board.report("chain", ComponentState::retrying("no node", "start one"));
        let json = serde_json::to_value(&board.snapshot()[0]).unwrap();
        assert_eq!(json["name"], "chain");
        assert_eq!(json["state"], "retrying");
        assert_eq!(json["remedy"], "start one");
        assert_eq!(serde_json::from_value::<Component>(json).unwrap(), board.snapshot()[0]);
    }
}
