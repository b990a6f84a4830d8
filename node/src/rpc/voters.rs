//! `streembit_voters()`: the voters as this node sees them, `{ "set", "total", "needed", "online" }`, where `online` is null
//! before a vote was seen; null where the node does not follow the votes.

use crate::voters::Voters;
use jsonrpsee::{core::RegisterMethodError, RpcModule};
use tokio::sync::watch;

/// The method.
pub fn methods(voters: watch::Receiver<Option<Voters>>) -> Result<RpcModule<()>, RegisterMethodError> {
    let mut module = RpcModule::new(voters);
    module.register_method("streembit_voters", |_, voters, _| *voters.borrow())?;
    Ok(module.remove_context())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonrpsee::core::EmptyServerParams;

    #[tokio::test]
    async fn the_answer_is_what_was_seen_last() {
        let (tell, voters) = watch::channel(None);
        let module = methods(voters).unwrap();
        let ask = || module.call::<_, serde_json::Value>("streembit_voters", EmptyServerParams::new());
        assert_eq!(ask().await.unwrap(), serde_json::Value::Null);
        tell.send_replace(Some(Voters { set: 1, total: 4, needed: 3, online: None }));
        let answer = serde_json::json!({ "set": 1, "total": 4, "needed": 3, "online": null });
        assert_eq!(ask().await.unwrap(), answer);
    }
}
