//! The conditions that the operator should know about, for the status line, the RPC and the gateway.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// The current conditions, one for each topic. Clones refer to the same list.
#[derive(Clone, Default, Debug)]
pub struct Notices(Arc<Mutex<BTreeMap<&'static str, String>>>);

impl Notices {
    /// Sets or ends the condition of a topic. Returns true if this changed anything.
    pub fn set(&self, topic: &'static str, text: Option<String>) -> bool {
        let mut notices = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match text {
            Some(text) => notices.insert(topic, text.clone()) != Some(text),
            None => notices.remove(topic).is_some(),
        }
    }

    /// Returns the texts, ordered by topic.
    pub fn texts(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_topic_has_one_text_until_it_ends() {
        let notices = Notices::default();
        assert!(notices.set("disk", Some("nearly full".into())));
        assert!(!notices.set("disk", Some("nearly full".into())), "nothing new");
        assert!(notices.clone().set("keys", Some("missing".into())));
        assert_eq!(notices.texts(), ["nearly full", "missing"]);
        assert!(notices.set("disk", None) && !notices.set("disk", None));
        assert_eq!(notices.texts(), ["missing"]);
    }
}
