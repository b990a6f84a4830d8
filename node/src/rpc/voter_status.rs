//! `streembit_voters()` returns the voters as this node sees them: `{ "set", "total", "needed", "online" }`. `online`
//! is null until a vote was seen. The result is null if the node does not follow the votes.

use crate::consensus::voter_status::VoterStatus;
use jsonrpsee::{core::RegisterMethodError, RpcModule};
use tokio::sync::watch;

/// Returns the method.
pub fn methods(status: watch::Receiver<Option<VoterStatus>>) -> Result<RpcModule<()>, RegisterMethodError> {
    let mut module = RpcModule::new(status);
    module.register_method("streembit_voters", |_, status, _| *status.borrow())?;
    Ok(module.remove_context())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonrpsee::core::EmptyServerParams;

    #[tokio::test]
    async fn the_answer_is_the_latest_status() {
        let (sender, status) = watch::channel(None);
        let module = methods(status).unwrap();
        let call = || module.call::<_, serde_json::Value>("streembit_voters", EmptyServerParams::new());
        assert_eq!(call().await.unwrap(), serde_json::Value::Null);
        sender.send_replace(Some(VoterStatus { set: 1, total: 4, needed: 3, online: None }));
        let answer = serde_json::json!({ "set": 1, "total": 4, "needed": 3, "online": null });
        assert_eq!(call().await.unwrap(), answer);
    }
}
