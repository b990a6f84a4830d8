//! Submits calls: signs a transaction, sends it, and waits for its result in a finalized block.
//!
//! As long as a transaction can still be included, it is resent byte for byte. A lost connection, a restarted node or
//! a pool that forgets the transaction therefore cannot make the call happen twice. A new transaction is signed only
//! when the finalized chain shows that the old one can no longer be included. The new one uses the nonce of the
//! finalized state, so at most one of the two goes through.

use super::{
    refusal::PoolRefusal,
    rpc::PoolError,
    runtime::{label, Signed, SigningPoint},
    Call, ChainClient, ChainError, SignedTransaction, Submitted, TransactionSigner,
};
use futures::StreamExt as _;
use std::{future::Future, time::Duration};
use streembit_keystore::KeyPair;
use streembit_primitives::{consortium::invalid_transaction, Hash};
use subxt::config::substrate::H256;
use subxt_rpcs::methods::legacy::TransactionStatus;
use tokio::time::Instant;

/// The time limit for a call to become final, over all attempts.
const TIMEOUT: Duration = Duration::from_secs(180);
/// The delay before a failed attempt is repeated.
const RETRY_DELAY: Duration = Duration::from_secs(1);
/// The number of transactions that are signed for one call before giving up.
const ATTEMPTS: u32 = 3;

/// The last status of a transaction in the node's pool.
enum PoolOutcome {
    /// The transaction is in this finalized block.
    Finalized(H256),
    /// The pool dropped the transaction or never accepted it.
    Dropped(Dropped),
}

/// The reason why a transaction is not in the pool.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Dropped {
    /// The pool dropped it. A new one can be signed once this one can no longer be included.
    Lost(String),
    /// It is no longer valid: its nonce is used, it is too old, or it was signed for another runtime version.
    Outdated(String),
    /// It will never be accepted.
    Refused(ChainError),
}

/// The end of one signed transaction.
enum Attempt {
    /// A finalized block includes the transaction, and the call succeeded.
    Finalized(Submitted),
    /// The transaction can no longer be included; the reason.
    Lost(String),
}

impl ChainClient {
    /// Submits a call and waits until it is final. If the call fails, the error contains the pallet's description.
    ///
    /// If this machine does not have the signer's key, returns [`ChainError::NotSigned`] with the prepared transaction.
    pub async fn submit(&self, signer: &impl TransactionSigner, call: Call) -> Result<Submitted, ChainError> {
        let Some(signer) = signer.keys() else {
            let unsigned = self.prepare(signer.account(), &call).await?;
            return Err(ChainError::NotSigned { call: label(&call), unsigned: Box::new(unsigned) });
        };
        let turn = self.submit_lock(signer.account());
        let _turn = turn.lock().await;
        let deadline = Instant::now() + TIMEOUT;
        let mut last_problem = String::new();
        for attempt in 0..ATTEMPTS {
            let signed = self.sign(signer, &call, attempt == 0).await?;
            match self.send_until_final(&signed, deadline).await? {
                Attempt::Finalized(submitted) => return Ok(submitted),
                Attempt::Lost(problem) => {
                    tracing::debug!(call = label(&call), problem, attempt, "transaction lost");
                    last_problem = problem;
                }
            }
        }
        Err(ChainError::Lost { call: label(&call), problem: last_problem })
    }

    /// Submits a transaction that was signed elsewhere and waits until it is final. It may have been submitted before.
    pub async fn submit_signed(&self, transaction: &SignedTransaction) -> Result<Submitted, ChainError> {
        let head = self.finalized().await?;
        let mut signed = Signed {
            bytes: transaction.transaction.clone(),
            birth: transaction.birth.number,
            last_block: transaction.last_block(),
            label: transaction.call.clone(),
            account: transaction.account,
        };
        // A node that has pruned old blocks cannot say whether they include the transaction. The pool then refuses it.
        if let Ok(Inclusion::In(hash)) = self.search(&signed).await {
            if let Attempt::Finalized(submitted) = self.finalized_in(&signed, hash).await? {
                return Ok(submitted);
            }
        }
        signed.birth = head.number;
        match self.send_until_final(&signed, Instant::now() + TIMEOUT).await? {
            Attempt::Finalized(submitted) => Ok(submitted),
            Attempt::Lost(problem) => Err(ChainError::Lost { call: signed.label, problem }),
        }
    }

    /// Signs the call at the finalized head, for the runtime of the best block, which executes the next block.
    ///
    /// The first attempt takes the next nonce after the transactions in the pool. Later attempts take the nonce of the
    /// finalized state, so that the new transaction and an earlier one that may still be in a pool exclude each other.
    async fn sign(&self, signer: &KeyPair, call: &Call, count_pool: bool) -> Result<Signed, ChainError> {
        let head = self.finalized().await?;
        let hash = H256(head.hash.0);
        let runtime = self.runtime_at(self.inner.rpc.best_hash().await?).await?;
        let account = signer.account();
        let nonce = if count_pool {
            self.inner.rpc.next_nonce(&account).await?
        } else {
            self.inner.rpc.nonce_at(&account, hash).await?
        };
        runtime.sign(signer, call, SigningPoint { nonce, number: head.number, hash })
    }

    /// Resends one transaction until it is final or can no longer be included. Returns an error if it is rejected or
    /// the deadline passes.
    async fn send_until_final(&self, signed: &Signed, deadline: Instant) -> Result<Attempt, ChainError> {
        let mut last = None;
        let mut pool = PoolHistory::default();
        loop {
            let watched = match before(deadline, self.watch(signed)).await {
                Some(Ok(PoolOutcome::Finalized(hash))) => return self.finalized_in(signed, hash).await,
                Some(Ok(PoolOutcome::Dropped(dropped))) => Some(dropped),
                Some(Err(error)) if error.is_transient() => {
                    last = Some(error);
                    None
                }
                Some(Err(error)) => return Err(error),
                None => return Err(last.unwrap_or_else(|| unfinalized(signed))),
            };
            // The transaction was sent, even if the requests below fail.
            let next = pool.next_step(watched);
            // The finalized chain decides, whatever the pool says.
            match before(deadline, self.search(signed)).await {
                Some(Ok(Inclusion::In(hash))) => return self.finalized_in(signed, hash).await,
                Some(Ok(Inclusion::TooLate)) => {
                    return Ok(Attempt::Lost("no block included it in time".into()))
                }
                Some(Ok(Inclusion::NotYet)) => match next {
                    NextStep::GiveUp(error) => return Err(error),
                    NextStep::SignAnew(problem) => return Ok(Attempt::Lost(problem)),
                    NextStep::Wait(error) => last = error.or(last),
                },
                Some(Err(error)) if error.is_transient() => last = Some(error),
                Some(Err(error)) => return Err(error),
                None => return Err(last.unwrap_or_else(|| unfinalized(signed))),
            }
            tokio::time::sleep(RETRY_DELAY).await;
        }
    }

    /// Sends a transaction and follows its status in the node's pool to the end.
    async fn watch(&self, signed: &Signed) -> Result<PoolOutcome, ChainError> {
        let statuses = match self.inner.rpc.send(&signed.bytes).await? {
            Ok(statuses) => statuses,
            Err(rejection) => return self.on_rejection(signed, rejection).await,
        };
        let mut statuses = std::pin::pin!(statuses);
        while let Some(status) = statuses.next().await {
            let reason = match status? {
                TransactionStatus::Finalized(hash) => return Ok(PoolOutcome::Finalized(hash)),
                TransactionStatus::Usurped(_) => "another transaction of the account replaced it",
                TransactionStatus::Dropped => "the node's pool is full and dropped it",
                TransactionStatus::Invalid => "it became invalid in the node's pool",
                TransactionStatus::FinalityTimeout(_) => return Err(unfinalized(signed)),
                _ => continue,
            };
            return Ok(PoolOutcome::Dropped(Dropped::Lost(reason.into())));
        }
        Err(ChainError::Unreachable {
            node: self.node().into(),
            problem: "it ended the stream of transaction statuses".into(),
        })
    }

    async fn on_rejection(&self, signed: &Signed, rejection: PoolError) -> Result<PoolOutcome, ChainError> {
        match classify(&rejection) {
            RejectionKind::AlreadyInPool => Err(ChainError::Unreachable {
                node: self.node().into(),
                problem: "the transaction is in its pool, but its status cannot be followed".into(),
            }),
            RejectionKind::Retry => Ok(PoolOutcome::Dropped(Dropped::Lost(describe(&rejection)))),
            RejectionKind::Outdated => Ok(PoolOutcome::Dropped(Dropped::Outdated(describe(&rejection)))),
            RejectionKind::NotPermitted => {
                Ok(PoolOutcome::Dropped(Dropped::Refused(ChainError::NotPermitted {
                    account: signed.account,
                })))
            }
            RejectionKind::OverQuota => {
                Ok(PoolOutcome::Dropped(Dropped::Refused(self.over_quota(signed).await?)))
            }
            RejectionKind::WouldFail(reason) => {
                let call = signed.label.clone();
                Ok(PoolOutcome::Dropped(Dropped::Refused(ChainError::WouldFail { call, reason })))
            }
            RejectionKind::Final => Ok(PoolOutcome::Dropped(Dropped::Refused(ChainError::Refused {
                call: signed.label.clone(),
                message: describe(&rejection),
            }))),
        }
    }

    /// The error for a call that exceeds the quota, with the rest of the quota.
    async fn over_quota(&self, signed: &Signed) -> Result<ChainError, ChainError> {
        Ok(match self.view().await?.quota(signed.account).await? {
            None => ChainError::NotPermitted { account: signed.account },
            Some(quota) => ChainError::OverQuota {
                call: signed.label.clone(),
                party: quota.party,
                left: super::quota::describe(&quota),
            },
        })
    }

    /// Searches for a transaction in the finalized blocks that can include it.
    async fn search(&self, signed: &Signed) -> Result<Inclusion, ChainError> {
        let rpc = &self.inner.rpc;
        let head = self.finalized().await?;
        for number in signed.birth.saturating_add(1)..=head.number.min(signed.last_block) {
            let Some(hash) = rpc.hash_of(number).await? else { continue };
            if rpc.extrinsics(hash).await?.contains(&signed.bytes) {
                return Ok(Inclusion::In(hash));
            }
        }
        Ok(if head.number >= signed.last_block { Inclusion::TooLate } else { Inclusion::NotYet })
    }

    /// Reads the result of the transaction in the finalized block that includes it.
    async fn finalized_in(&self, signed: &Signed, hash: H256) -> Result<Attempt, ChainError> {
        let rpc = &self.inner.rpc;
        let block = rpc.extrinsics(hash).await?;
        let index = block.iter().position(|bytes| *bytes == signed.bytes);
        let index =
            index.and_then(|index| u32::try_from(index).ok()).ok_or_else(|| ChainError::InvalidResponse {
                request: "the block that includes a transaction".into(),
                problem: "the block does not include it".into(),
            })?;
        // The runtime before this block executed it, even if the block itself installs another runtime.
        let (block, parent) = rpc.number_and_parent(hash).await?;
        self.runtime_at(parent).await?.outcome(rpc.events(hash).await?, index, &signed.label)?;
        Ok(Attempt::Finalized(Submitted { block, hash: Hash(hash.0) }))
    }
}

/// The answers of the pool to a transaction that no finalized block includes yet.
#[derive(Default)]
struct PoolHistory {
    /// The transaction was sent at least once.
    is_sent: bool,
    /// The pool rejected the transaction after it had been sent before. It may then be in a block that is not final
    /// yet, and be rejected because of its own effect there. A pool bans a rejected transaction for half an hour
    /// without another look.
    may_be_included: bool,
}

/// The next step after an answer of the pool.
#[derive(PartialEq, Eq, Debug)]
enum NextStep {
    /// Give up: the transaction will never be accepted.
    GiveUp(ChainError),
    /// Sign a new transaction.
    SignAnew(String),
    /// Wait for the finalized chain. Contains the error to report if the deadline passes.
    Wait(Option<ChainError>),
}

impl PoolHistory {
    fn next_step(&mut self, dropped: Option<Dropped>) -> NextStep {
        let is_first = !std::mem::replace(&mut self.is_sent, true);
        match dropped {
            None => NextStep::Wait(None),
            Some(Dropped::Refused(error)) if is_first => NextStep::GiveUp(error),
            Some(Dropped::Outdated(problem)) if is_first => NextStep::SignAnew(problem),
            Some(Dropped::Lost(problem)) if !self.may_be_included => NextStep::SignAnew(problem),
            Some(Dropped::Lost(_)) => NextStep::Wait(None),
            Some(dropped) => {
                self.may_be_included = true;
                NextStep::Wait(match dropped {
                    Dropped::Refused(error) => Some(error),
                    Dropped::Lost(_) | Dropped::Outdated(_) => None,
                })
            }
        }
    }
}

/// The result of a search for a transaction in the finalized chain.
enum Inclusion {
    In(H256),
    NotYet,
    TooLate,
}

/// Returns the future's result, or `None` if the deadline passes first.
async fn before<T>(deadline: Instant, future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout_at(deadline, future).await.ok()
}

fn unfinalized(signed: &Signed) -> ChainError {
    ChainError::Unfinalized { call: signed.label.clone(), seconds: TIMEOUT.as_secs() }
}

/// The class of a rejection by the pool.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum RejectionKind {
    /// The pool contains the transaction already.
    AlreadyInPool,
    /// A new transaction may be accepted.
    Retry,
    /// The transaction is no longer valid, or was not valid a short while ago.
    Outdated,
    /// The account may not submit transactions.
    NotPermitted,
    /// The quota of the account's party has too little left.
    OverQuota,
    /// The call would fail.
    WouldFail(PoolRefusal),
    /// The transaction will never be accepted.
    Final,
}

/// Classifies an error of Substrate's `author` RPC. The reasons for code 1010 are the texts of `InvalidTransaction`.
fn classify(rejection: &PoolError) -> RejectionKind {
    const INVALID: i32 = 1010;
    const ALREADY_IMPORTED: i32 = 1013;
    const PRIORITY_TOO_LOW: i32 = 1014;
    const IMMEDIATELY_DROPPED: i32 = 1016;
    // Banned for a while, because it was in a block of a fork or became invalid.
    const BANNED: i32 = 1012;
    match rejection.code {
        ALREADY_IMPORTED => RejectionKind::AlreadyInPool,
        PRIORITY_TOO_LOW | IMMEDIATELY_DROPPED => RejectionKind::Retry,
        BANNED => RejectionKind::Outdated,
        INVALID => classify_reason(&rejection.data),
        _ => RejectionKind::Final,
    }
}

fn classify_reason(reason: &str) -> RejectionKind {
    let code: Option<u8> = reason.strip_prefix("Custom error: ").and_then(|code| code.parse().ok());
    if let Some(code) = code {
        return match code {
            invalid_transaction::QUOTA_TIME | invalid_transaction::QUOTA_BYTES => RejectionKind::OverQuota,
            code => PoolRefusal::from_code(code).map_or(RejectionKind::Final, RejectionKind::WouldFail),
        };
    }
    // `CheckNonce` rejects an account without providers as unable to pay. This chain has no fees.
    if reason.contains("Inability to pay") {
        return RejectionKind::NotPermitted;
    }
    // Another process used the nonce, the birth block is not known, or the runtime changed in between.
    let transient = ["outdated", "ancient birth block", "bad signature", "future"];
    if transient.iter().any(|text| reason.contains(text)) {
        RejectionKind::Outdated
    } else {
        RejectionKind::Final
    }
}

fn describe(rejection: &PoolError) -> String {
    if rejection.data.is_empty() {
        rejection.message.clone()
    } else {
        format!("{}: {}", rejection.message, rejection.data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pool_rejections_are_classified() {
        let rejection = |code, data: &str| PoolError { code, message: "no".into(), data: data.into() };
        for (rejection, expected) in [
            (rejection(1013, ""), RejectionKind::AlreadyInPool),
            (rejection(1014, "(10 > 10)"), RejectionKind::Retry),
            (rejection(1016, ""), RejectionKind::Retry),
            (rejection(1010, "Transaction is outdated"), RejectionKind::Outdated),
            (rejection(1010, "Transaction has a bad signature"), RejectionKind::Outdated),
            (
                rejection(1010, "Inability to pay some fees (e.g. account balance too low)"),
                RejectionKind::NotPermitted,
            ),
            (rejection(1010, "Custom error: 1"), RejectionKind::OverQuota),
            (rejection(1010, "Custom error: 2"), RejectionKind::OverQuota),
            (rejection(1010, "Custom error: 3"), RejectionKind::WouldFail(PoolRefusal::NotInCouncil)),
            (rejection(1010, "Custom error: 255"), RejectionKind::Final),
            (rejection(1010, "Transaction call is not expected"), RejectionKind::Final),
            (rejection(1002, "Verification Error: Runtime error"), RejectionKind::Final),
        ] {
            assert_eq!(classify(&rejection), expected, "{rejection:?}");
        }
    }

    #[test]
    fn a_transaction_rejected_after_it_was_sent_may_be_in_a_block() {
        let rejected = || ChainError::Refused { call: "vote".into(), message: "voted already".into() };
        let (lost, outdated) =
            (|| Some(Dropped::Lost("full".into())), || Some(Dropped::Outdated("old".into())));
        let steps = |answers: Vec<Option<Dropped>>| {
            let mut pool = PoolHistory::default();
            answers.into_iter().map(|dropped| pool.next_step(dropped)).collect::<Vec<_>>()
        };
        let new = || NextStep::SignAnew("full".into());
        assert_eq!(steps(vec![Some(Dropped::Refused(rejected()))]), [NextStep::GiveUp(rejected())]);
        assert_eq!(steps(vec![outdated()]), [NextStep::SignAnew("old".into())]);
        assert_eq!(steps(vec![lost()]), [new()]);
        // The connection broke, and the pool dropped the transaction to make room.
        assert_eq!(steps(vec![None, lost()]), [NextStep::Wait(None), new()]);
        // It is in a block: rejected first because of its effect there, then because it is banned.
        let waits = steps(vec![None, Some(Dropped::Refused(rejected())), lost(), outdated()]);
        let rejection_error = NextStep::Wait(Some(rejected()));
        assert_eq!(
            waits,
            [NextStep::Wait(None), rejection_error, NextStep::Wait(None), NextStep::Wait(None)]
        );
        assert_eq!(steps(vec![None, outdated()]), [NextStep::Wait(None), NextStep::Wait(None)]);
    }
}
