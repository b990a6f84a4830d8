//! A client of the node's RPC without a socket, for the gateway in the node's process.
//!
//! Requests and notifications are the same JSON-RPC texts as on a WebSocket, so that the gateway uses the same client
//! code for both. Unsafe methods are allowed, because code in the process needs no permission.

use futures::{FutureExt, Stream};
use jsonrpsee::{
    types::{
        response::{SubscriptionError, SubscriptionResponse},
        ErrorObject, Id, Request, Response, ResponsePayload,
    },
    RpcModule,
};
use sc_service::RpcHandlers;
use serde_json::value::RawValue;
use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use subxt_rpcs::{
    client::{RawRpcFuture, RawRpcSubscription, RpcClientT},
    Error, UserError,
};
use tokio::sync::mpsc;

/// The number of notifications of one subscription that can wait for a slow reader. If the reader falls further
/// behind, the node ends the subscription, as it does on a socket, and the reader subscribes again.
const BUFFERED_NOTIFICATIONS: usize = 256;

/// An RPC client of the node in this process.
#[derive(Clone)]
pub struct InProcessRpc {
    module: Arc<RpcModule<()>>,
}

impl InProcessRpc {
    /// Creates a client of the given handlers.
    pub fn new(handlers: &RpcHandlers) -> Self {
        Self { module: handlers.handle() }
    }

    async fn call(
        &self,
        method: &str,
        params: Option<Box<RawValue>>,
    ) -> Result<(Box<RawValue>, mpsc::Receiver<String>), Error> {
        let request = encode_request(method, params.as_deref()).map_err(Error::Serialization)?;
        let (answer, notifications) = self
            .module
            .raw_json_request(&request, BUFFERED_NOTIFICATIONS)
            .await
            .map_err(Error::Serialization)?;
        Ok((decode_result(&answer)?, notifications))
    }
}

impl RpcClientT for InProcessRpc {
    fn request_raw<'a>(
        &'a self,
        method: &'a str,
        params: Option<Box<RawValue>>,
    ) -> RawRpcFuture<'a, Box<RawValue>> {
        Box::pin(async move { Ok(self.call(method, params).await?.0) })
    }

    fn subscribe_raw<'a>(
        &'a self,
        sub: &'a str,
        params: Option<Box<RawValue>>,
        unsub: &'a str,
    ) -> RawRpcFuture<'a, RawRpcSubscription> {
        Box::pin(async move {
            let (id, notifications) = self.call(sub, params).await?;
            let text = id.get().trim_matches('"').to_owned();
            let subscription = Subscription {
                module: self.module.clone(),
                unsubscribe: encode_request(unsub, Some(&*in_array(&id)?)).map_err(Error::Serialization)?,
                notifications,
            };
            Ok(RawRpcSubscription { stream: Box::pin(subscription), id: Some(text) })
        })
    }
}

/// The notifications of a subscription. Dropping it unsubscribes.
struct Subscription {
    module: Arc<RpcModule<()>>,
    unsubscribe: String,
    notifications: mpsc::Receiver<String>,
}

impl Stream for Subscription {
    type Item = Result<Box<RawValue>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.notifications.poll_recv(context).map(|text| text.map(|text| decode_item(&text)))
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        // The unsubscribe methods are synchronous, so one poll completes them, and this works outside of a runtime.
        if self.module.raw_json_request(&self.unsubscribe, 1).now_or_never().is_none() {
            tracing::debug!(request = self.unsubscribe, "unsubscribing did not complete immediately");
        }
    }
}

/// The node ended a subscription for the given reason.
#[derive(Debug)]
struct SubscriptionEndedError(String);

impl fmt::Display for SubscriptionEndedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the node ended the subscription: {}", self.0)
    }
}

impl std::error::Error for SubscriptionEndedError {}

fn encode_request(method: &str, params: Option<&RawValue>) -> Result<String, serde_json::Error> {
    serde_json::to_string(&Request::new(method.into(), params, Id::Number(0)))
}

fn in_array(value: &RawValue) -> Result<Box<RawValue>, Error> {
    RawValue::from_string(format!("[{}]", value.get())).map_err(Error::Serialization)
}

fn decode_result(answer: &str) -> Result<Box<RawValue>, Error> {
    let answer: Response<'_, Box<RawValue>> = serde_json::from_str(answer).map_err(Error::Deserialization)?;
    match answer.payload {
        ResponsePayload::Success(result) => Ok(result.into_owned()),
        ResponsePayload::Error(error) => Err(Error::User(user_error(&error))),
    }
}

fn decode_item(notification: &str) -> Result<Box<RawValue>, Error> {
    match serde_json::from_str::<SubscriptionResponse<'_, Box<RawValue>>>(notification) {
        Ok(item) => Ok(item.params.result),
        Err(error) => Err(match serde_json::from_str::<SubscriptionError<'_, Box<RawValue>>>(notification) {
            Ok(end) => Error::Client(Box::new(SubscriptionEndedError(end.params.error.get().to_owned()))),
            Err(_) => Error::Deserialization(error),
        }),
    }
}

fn user_error(error: &ErrorObject<'_>) -> UserError {
    UserError {
        code: error.code(),
        message: error.message().to_owned(),
        data: error.data().map(ToOwned::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt;
    use jsonrpsee::{
        types::{error::INVALID_PARAMS_CODE, ErrorObjectOwned},
        SubscriptionMessage,
    };
    use std::time::Duration;
    use subxt_rpcs::{client::rpc_params, RpcClient};

    const TIMEOUT: Duration = Duration::from_secs(10);

    /// Returns a client of a module with a method and several subscriptions. The receiver gets the first number of
    /// each `count` subscription that was closed.
    fn client() -> (RpcClient, mpsc::UnboundedReceiver<u64>) {
        let (closed_tx, closed_rx) = mpsc::unbounded_channel();
        let mut module = RpcModule::new(());
        module
            .register_method("sum", |params, _, _| -> Result<u64, ErrorObjectOwned> {
                Ok(params.parse::<Vec<u64>>()?.iter().sum())
            })
            .unwrap();
        module
            .register_subscription("count", "counted", "uncount", move |params, pending, _, _| {
                let closed = closed_tx.clone();
                async move {
                    let (from, to) = params.parse::<(u64, u64)>().unwrap();
                    let sink = pending.accept().await.unwrap();
                    for n in from..to {
                        if sink.send(SubscriptionMessage::from_json(&n).unwrap()).await.is_err() {
                            break;
                        }
                    }
                    if to == u64::MAX {
                        sink.closed().await;
                    }
                    closed.send(from).unwrap();
                }
            })
            .unwrap();
        module
            .register_subscription("fail", "failed", "unfail", |_, pending, _, _| async move {
                let _sink = pending.accept().await?;
                Err("the chain ended".into())
            })
            .unwrap();
        module
            .register_subscription("nothing", "nothings", "unnothing", |_, pending, _, _| async move {
                pending.accept().await?.send(SubscriptionMessage::from_json(&())?).await?;
                Ok(())
            })
            .unwrap();
        let handlers = RpcHandlers::new(Arc::new(module), vec![]);
        (RpcClient::new(InProcessRpc::new(&handlers)), closed_rx)
    }

    #[tokio::test]
    async fn a_request_returns_its_result() {
        let (client, _) = client();
        assert_eq!(client.request::<u64>("sum", rpc_params![2, 3]).await.unwrap(), 5);
    }

    #[tokio::test]
    async fn errors_of_the_node_are_returned_as_user_errors() {
        let (client, _) = client();
        let error = client.request::<u64>("sum", rpc_params!["two"]).await.unwrap_err();
        assert!(matches!(error, Error::User(UserError { code: INVALID_PARAMS_CODE, .. })), "{error}");
        let error = client.request::<u64>("no_such_method", rpc_params![]).await.unwrap_err();
        assert!(matches!(error, Error::User(UserError { code: -32601, .. })), "{error}");
        let error = client.subscribe::<u64>("no_such_method", rpc_params![], "none").await.err().unwrap();
        assert!(matches!(error, Error::User(UserError { code: -32601, .. })), "{error}");
    }

    #[tokio::test]
    async fn a_subscription_yields_everything_in_order_and_ends() {
        let (client, _closed) = client();
        // More notifications than the buffer holds: the node waits, and nothing is lost.
        let upto = BUFFERED_NOTIFICATIONS as u64 * 3;
        let subscription = client.subscribe::<u64>("count", rpc_params![0, upto], "uncount").await.unwrap();
        assert!(subscription.subscription_id().is_some_and(|id| id.parse::<u64>().is_ok()));
        let all = tokio::time::timeout(TIMEOUT, subscription.map(Result::unwrap).collect::<Vec<_>>());
        assert_eq!(all.await.unwrap(), (0..upto).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn subscriptions_are_independent() {
        let (client, _closed) = client();
        let mut one = client.subscribe::<u64>("count", rpc_params![10, 12], "uncount").await.unwrap();
        let mut two = client.subscribe::<u64>("count", rpc_params![20, 22], "uncount").await.unwrap();
        assert_ne!(one.subscription_id(), two.subscription_id());
        for offset in 0..2 {
            assert_eq!(one.next().await.unwrap().unwrap(), 10 + offset);
            assert_eq!(two.next().await.unwrap().unwrap(), 20 + offset);
        }
    }

    #[tokio::test]
    async fn dropping_a_subscription_unsubscribes_only_this_one() {
        let (client, mut closed) = client();
        let first = client.subscribe::<u64>("count", rpc_params![1, u64::MAX], "uncount").await.unwrap();
        let mut second = client.subscribe::<u64>("count", rpc_params![2, u64::MAX], "uncount").await.unwrap();
        drop(first);
        assert_eq!(tokio::time::timeout(TIMEOUT, closed.recv()).await.unwrap(), Some(1));
        for n in 2..BUFFERED_NOTIFICATIONS as u64 * 2 {
            assert_eq!(second.next().await.unwrap().unwrap(), n);
        }
        assert!(closed.try_recv().is_err());
    }

    #[tokio::test]
    async fn null_is_an_item_and_not_an_error() {
        let (client, _) = client();
        let mut subscription =
            client.subscribe::<Option<u64>>("nothing", rpc_params![], "unnothing").await.unwrap();
        assert_eq!(subscription.next().await.unwrap().unwrap(), None);
        assert!(subscription.next().await.is_none());
    }

    #[tokio::test]
    async fn the_reason_for_an_ended_subscription_is_returned() {
        let (client, _) = client();
        let mut subscription = client.subscribe::<u64>("fail", rpc_params![], "unfail").await.unwrap();
        let error = subscription.next().await.unwrap().unwrap_err();
        assert!(error.to_string().contains("the chain ended"), "{error}");
        assert!(subscription.next().await.is_none());
    }
}
