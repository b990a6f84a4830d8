//! `streembit_voters()` returns the voters as this node sees them: `{ "set", "total", "needed", "online", "missing" }`.
//! `online` is null until a vote was seen. `missing` lists the voters that are not online, each with its `key` and, if it
//! is known, its `account`. The result is null if the node does not follow the votes.
//!
//! `streembit_notices()` returns the conditions that the operator should know about, as texts.

use crate::{consensus::voter_status::VoterStatus, notices::Notices};
use jsonrpsee::{core::RegisterMethodError, RpcModule};
use tokio::sync::watch;

/// Returns the methods.
pub fn methods(
    status: watch::Receiver<Option<VoterStatus>>,
    notices: Notices,
) -> Result<RpcModule<()>, RegisterMethodError> {
    let mut module = RpcModule::new((status, notices));
    module.register_method("streembit_voters", |_, (status, _), _| status.borrow().clone())?;
    module.register_method("streembit_notices", |_, (_, notices), _| notices.texts())?;
    Ok(module.remove_context())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonrpsee::core::EmptyServerParams;

    #[tokio::test]
    async fn the_answer_is_the_latest_status() {
        let (sender, status) = watch::channel(None);
        let notices = Notices::default();
        let module = methods(status, notices.clone()).unwrap();
        let call = || module.call::<_, serde_json::Value>("streembit_voters", EmptyServerParams::new());
        assert_eq!(call().await.unwrap(), serde_json::Value::Null);
        sender.send_replace(Some(VoterStatus {
            set: 1,
            total: 4,
            needed: 3,
            online: None,
            missing: Vec::new(),
        }));
        let answer = serde_json::json!({ "set": 1, "total": 4, "needed": 3, "online": null, "missing": [] });
        assert_eq!(call().await.unwrap(), answer);
        notices.set("disk", Some("the disk is nearly full".into()));
        let texts: Vec<String> = module.call("streembit_notices", EmptyServerParams::new()).await.unwrap();
        assert_eq!(texts, ["the disk is nearly full"]);
    }
}
