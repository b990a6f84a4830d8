//! What each part of the daemon says about itself, and what somebody should do about it.

use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use streembit_clock::now_ms;
use utoipa::ToSchema;

/// The condition of one part of the daemon.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum ComponentState {
    /// Not yet at work.
    Starting,
    /// At work.
    Running {
        /// What it is connected to or doing, in a few words.
        detail: String,
    },
    /// Cannot work now, tries again by itself.
    Retrying {
        /// What is wrong.
        problem: String,
        /// What somebody can do about it.
        remedy: String,
    },
    /// At work, but somebody has to see to it.
    Alarm {
        /// What is wrong.
        problem: String,
        /// What somebody can do about it.
        remedy: String,
    },
    /// Ended, as asked.
    Stopped,
}

impl ComponentState {
    /// At work.
    pub fn running(detail: impl ToString) -> Self {
        Self::Running { detail: detail.to_string() }
    }

    /// Cannot work now, tries again by itself.
    pub fn retrying(problem: impl ToString, remedy: impl ToString) -> Self {
        Self::Retrying { problem: problem.to_string(), remedy: remedy.to_string() }
    }

    /// At work, but somebody has to see to it.
    pub fn alarm(problem: impl ToString, remedy: impl ToString) -> Self {
        Self::Alarm { problem: problem.to_string(), remedy: remedy.to_string() }
    }

    /// Whether it is at work, and all is well.
    pub fn is_running(&self) -> bool {
        matches!(self, Self::Running { .. })
    }
}

/// One part of the daemon with its condition.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Component {
    /// Its name: `log`, `chain`, `validators`, `anchor`, `delivery`, `api`, `device/NAME`.
    pub name: String,
    /// Its condition.
    #[serde(flatten)]
    pub state: ComponentState,
    /// Since when it has been in a condition of this kind, in milliseconds since 1970-01-01 UTC.
    pub since: u64,
}

/// Where components report; a clone is the same board.
#[derive(Clone, Debug, Default)]
pub struct StatusBoard {
    components: Arc<Mutex<BTreeMap<String, Component>>>,
}

impl StatusBoard {
    /// An empty board.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes a component's condition. A change of its kind, or of the problem, is logged; a repeated one is not.
    pub fn report(&self, component: &str, state: ComponentState) {
        let mut components = self.lock();
        let before = components.get(component);
        let same_kind = before
            .is_some_and(|before| std::mem::discriminant(&before.state) == std::mem::discriminant(&state));
        if before.is_none_or(|before| before.state != state) {
            announce(component, &state, same_kind);
        }
        let since = before.filter(|_| same_kind).map_or_else(now_ms, |before| before.since);
        components.insert(component.to_owned(), Component { name: component.to_owned(), state, since });
    }

    /// All components by name.
    pub fn snapshot(&self) -> Vec<Component> {
        self.lock().values().cloned().collect()
    }

    /// The condition of one component.
    pub fn get(&self, component: &str) -> Option<ComponentState> {
        self.lock().get(component).map(|found| found.state.clone())
    }

    /// The board stays usable where a thread panicked over it: every entry is written whole.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Component>> {
        self.components.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn announce(component: &str, state: &ComponentState, same_kind: bool) {
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
    fn keeps_the_last_word_of_each_component() {
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
    fn since_counts_from_the_change_of_kind() {
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
    fn json_names_the_state_beside_the_name() {
        let board = StatusBoard::new();
        board.report("chain", ComponentState::retrying("no node", "start one"));
        let json = serde_json::to_value(&board.snapshot()[0]).unwrap();
        assert_eq!(json["name"], "chain");
        assert_eq!(json["state"], "retrying");
        assert_eq!(json["remedy"], "start one");
        assert_eq!(serde_json::from_value::<Component>(json).unwrap(), board.snapshot()[0]);
    }
}
