//! `system_dryRun(transaction, block)` (also `system_dryRunAt`), which wallets call before they submit: applies a signed
//! transaction after a block, the best one if `block` is absent, and forgets the result. Returns SCALE of
//! `ApplyExtrinsicResult`.
//!
//! Substrate's method of this name applies the transaction to the state of the block itself. That state does not have
//! the block's own hash yet, so it refuses mortal transactions that were signed for the newest block. This one begins
//! the next block first. It costs as much as `state_call`, and like it is served to every caller.

use crate::types::{Block, FullClient};
use codec::{DecodeAll as _, Encode as _};
use jsonrpsee::{
    core::RegisterMethodError,
    types::{ErrorObject, ErrorObjectOwned},
    RpcModule,
};
use sp_api::{Core as _, ProvideRuntimeApi as _};
use sp_block_builder::BlockBuilder as _;
use sp_blockchain::HeaderBackend as _;
use sp_core::Bytes;
use sp_runtime::{traits::Block as BlockT, Digest};
use std::{fmt::Display, sync::Arc};
use streembit_runtime::{Hash, Header};

/// The name of the method and its alias.
const NAMES: [&str; 2] = ["system_dryRun", "system_dryRunAt"];

/// Error code, as Substrate's: the transaction could not be applied at all.
const RUNTIME_ERROR: i32 = 1;
/// Error code, as Substrate's: the transaction cannot be decoded.
const DECODE_ERROR: i32 = 2;

/// Replaces Substrate's method in `module`.
pub fn replace_in(module: &mut RpcModule<()>, client: Arc<FullClient>) -> Result<(), RegisterMethodError> {
    for name in NAMES {
        module.remove_method(name);
    }
    let [name, alias] = NAMES;
    let mut own = RpcModule::new(client);
    // Blocking, because it runs a whole transaction.
    own.register_blocking_method(name, |params, client, _| {
        let mut params = params.sequence();
        dry_run(&client, &params.next::<Bytes>()?, params.optional_next()?)
    })?;
    own.register_alias(alias, name)?;
    module.merge(own.remove_context())
}

fn dry_run(client: &FullClient, transaction: &[u8], at: Option<Hash>) -> Result<Bytes, ErrorObjectOwned> {
    let transaction = <Block as BlockT>::Extrinsic::decode_all(&mut &*transaction)
        .map_err(|error| rpc_error(DECODE_ERROR, &"the transaction cannot be decoded", &error))?;
    let at = at.unwrap_or_else(|| client.info().best_hash);
    let failed = |error: &dyn Display| rpc_error(RUNTIME_ERROR, &format!("a dry run after {at:?}"), error);
    let parent = client.header(at).map_err(|error| failed(&error))?.ok_or_else(|| {
        failed(&"the node does not have this block: omit it, or name one of the newest blocks")
    })?;
    let unknown = Hash::default();
    let next = Header {
        parent_hash: at,
        number: parent.number.saturating_add(1),
        state_root: unknown,
        extrinsics_root: unknown,
        digest: Digest::default(),
    };
    // The changes of the first call are visible to the second one, and are dropped with `api`.
    let api = client.runtime_api();
    api.initialize_block(at, &next).map_err(|error| failed(&error))?;
    let result = api.apply_extrinsic(at, transaction).map_err(|error| failed(&error))?;
    Ok(result.encode().into())
}

fn rpc_error(code: i32, what: &dyn Display, problem: &dyn Display) -> ErrorObjectOwned {
    ErrorObject::owned(code, format!("{what}: {problem}"), None::<()>)
}
