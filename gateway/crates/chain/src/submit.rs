//! Submitting: sign, send, and wait until the chain has finalized what became of it.
//!
//! A transaction is sent again as the very same bytes as long as it can still be included, so that a lost connection,
//! a node that restarts or a pool that forgets cannot make the call happen twice. A new one is signed only when the
//! finalized chain shows that the old one cannot be included any more: with the nonce of the finalized state, so that
//! one of the two at most goes through.

use super::{
    refusal::PoolRefusal,
    rpc::PoolError,
    runtime::{label, Signed, SigningPoint, MORTALITY},
    Call, ChainClient, ChainError, Submitted,
};
use futures::StreamExt as _;
use std::{future::Future, time::Duration};
use streembit_keystore::KeyPair;
use streembit_primitives::{consortium::invalid_transaction, Hash};
use subxt::config::substrate::H256;
use subxt_rpcs::methods::legacy::TransactionStatus;
use tokio::time::Instant;

/// How long a call may take to become final, all attempts together.
const PATIENCE: Duration = Duration::from_secs(180);
/// The pause before a broken attempt is taken up again.
const PAUSE: Duration = Duration::from_secs(1);
/// How many transactions are signed for one call.
const ATTEMPTS: u32 = 3;

/// What the node's pool said last about a transaction.
enum PoolOutcome {
    /// It is in this finalized block.
    Finalized(H256),
    /// The pool has given it up, or never took it.
    Dropped(Dropped),
}

/// Why a pool does not have a transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Dropped {
    /// It was dropped; a new one can be tried once it is out of the way.
    Lost(String),
    /// It is not valid any more: its nonce is used, it is too old, or it is signed for another runtime.
    Outdated(String),
    /// It will never be taken.
    Refused(ChainError),
}

impl ChainClient {
    /// Submits a call and waits until it is final. The error of the call itself comes in the words of its pallet.
    pub async fn submit(&self, signer: &KeyPair, call: Call) -> Result<Submitted, ChainError> {
        let turn = self.turn_of(signer.account());
        let _turn = turn.lock().await;
        let deadline = Instant::now() + PATIENCE;
        let mut lost = String::new();
        for attempt in 0..ATTEMPTS {
            let signed = self.sign(signer, &call, attempt == 0).await?;
            match self.carry(&signed, deadline).await? {
                Ok(submitted) => return Ok(submitted),
                Err(problem) => {
                    tracing::debug!(call = label(&call), problem, attempt, "transaction lost");
                    lost = problem;
                }
            }
        }
        Err(ChainError::Lost { call: label(&call), problem: lost })
    }

    /// Signs at the finalized head, for the runtime of the best block, which makes the next one. The first time what waits in
    /// the pool is counted; later the finalized state alone, so that a transaction of ours that still lurks somewhere and the
    /// new one exclude each other.
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

    /// Carries one transaction until it is final (the outer `Ok`, then the inner), refused (`Err`) or lost (the
    /// inner `Err`, why).
    async fn carry(
        &self,
        signed: &Signed,
        deadline: Instant,
    ) -> Result<Result<Submitted, String>, ChainError> {
        let mut last = None;
        let mut pool = PoolHistory::default();
        loop {
            let watched = match within(deadline, self.watch(signed)).await {
                Some(Ok(PoolOutcome::Finalized(hash))) => return self.verdict(signed, hash).await.map(Ok),
                Some(Ok(PoolOutcome::Dropped(gone))) => Some(gone),
                Some(Err(error)) if error.is_transient() => {
                    last = Some(error);
                    None
                }
                Some(Err(error)) => return Err(error),
                None => return Err(last.unwrap_or_else(|| unfinalized(signed))),
            };
            // Also where the chain cannot be asked below: the transaction was sent.
            let next = pool.judge(watched);
            // Whatever the pool says: what counts is the finalized chain.
            match within(deadline, self.search(signed)).await {
                Some(Ok(Inclusion::In(hash))) => return self.verdict(signed, hash).await.map(Ok),
                Some(Ok(Inclusion::TooLate)) => return Ok(Err("its time to be included has passed".into())),
                Some(Ok(Inclusion::NotYet)) => match next {
                    NextStep::Ends(error) => return Err(error),
                    NextStep::Lost(problem) => return Ok(Err(problem)),
                    NextStep::Waits(why) => last = why.or(last),
                },
                Some(Err(error)) if error.is_transient() => last = Some(error),
                Some(Err(error)) => return Err(error),
                None => return Err(last.unwrap_or_else(|| unfinalized(signed))),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Sends a transaction and follows what the node's pool says about it, to the end.
    async fn watch(&self, signed: &Signed) -> Result<PoolOutcome, ChainError> {
        let statuses = match self.inner.rpc.send(&signed.bytes).await? {
            Ok(statuses) => statuses,
            Err(refusal) => return self.after_refusal(signed, refusal).await,
        };
        let mut statuses = std::pin::pin!(statuses);
        while let Some(status) = statuses.next().await {
            let gone = match status? {
                TransactionStatus::Finalized(hash) => return Ok(PoolOutcome::Finalized(hash)),
                TransactionStatus::Usurped(_) => "another transaction of the account took its place",
                TransactionStatus::Dropped => "the node's pool is full and dropped it",
                TransactionStatus::Invalid => "it became invalid while it waited",
                TransactionStatus::FinalityTimeout(_) => return Err(unfinalized(signed)),
                _ => continue,
            };
            return Ok(PoolOutcome::Dropped(Dropped::Lost(gone.into())));
        }
        Err(ChainError::Away {
            node: self.node().into(),
            problem: "it stopped saying what becomes of a transaction".into(),
        })
    }

    async fn after_refusal(&self, signed: &Signed, refusal: PoolError) -> Result<PoolOutcome, ChainError> {
        match judge(&refusal) {
            RefusalKind::Known => Err(ChainError::Away {
                node: self.node().into(),
                problem: "the transaction waits in its pool since before a break".into(),
            }),
            RefusalKind::Retry => Ok(PoolOutcome::Dropped(Dropped::Lost(words(&refusal)))),
            RefusalKind::Outdated => Ok(PoolOutcome::Dropped(Dropped::Outdated(words(&refusal)))),
            RefusalKind::Stranger => {
                Ok(PoolOutcome::Dropped(Dropped::Refused(ChainError::Stranger { account: signed.account })))
            }
            RefusalKind::OverQuota => {
                Ok(PoolOutcome::Dropped(Dropped::Refused(self.over_quota(signed).await?)))
            }
            RefusalKind::WouldFail(reason) => {
                let call = signed.label.clone();
                Ok(PoolOutcome::Dropped(Dropped::Refused(ChainError::WouldFail { call, reason })))
            }
            RefusalKind::Refuse => Ok(PoolOutcome::Dropped(Dropped::Refused(ChainError::Refused {
                call: signed.label.clone(),
                message: words(&refusal),
            }))),
        }
    }

    /// How much is left of the quota that did not suffice.
    async fn over_quota(&self, signed: &Signed) -> Result<ChainError, ChainError> {
        Ok(match self.view().await?.quota(signed.account).await? {
            None => ChainError::Stranger { account: signed.account },
            Some(quota) => ChainError::OverQuota {
                call: signed.label.clone(),
                payer: quota.payer,
                left: super::quota::words(&quota),
            },
        })
    }

    /// Looks for a transaction in the finalized blocks that it can be in.
    async fn search(&self, signed: &Signed) -> Result<Inclusion, ChainError> {
        let rpc = &self.inner.rpc;
        let head = self.finalized().await?;
        let last_chance = signed.birth.saturating_add(MORTALITY as u32);
        for number in signed.birth.saturating_add(1)..=head.number.min(last_chance) {
            let Some(hash) = rpc.hash_of(number).await? else { continue };
            if rpc.extrinsics(hash).await?.contains(&signed.bytes) {
                return Ok(Inclusion::In(hash));
            }
        }
        Ok(if head.number >= last_chance { Inclusion::TooLate } else { Inclusion::NotYet })
    }

    /// What the finalized block says about the transaction.
    async fn verdict(&self, signed: &Signed, hash: H256) -> Result<Submitted, ChainError> {
        let rpc = &self.inner.rpc;
        let block = rpc.extrinsics(hash).await?;
        let index = block.iter().position(|bytes| *bytes == signed.bytes);
        let index = index.and_then(|index| u32::try_from(index).ok()).ok_or_else(|| ChainError::Answer {
            question: "the block of a transaction".into(),
            problem: "the transaction is not in it".into(),
        })?;
        // The block was made by the runtime of the state before it, also where it brings in another one.
        let (block, parent) = rpc.place_of(hash).await?;
        self.runtime_at(parent).await?.outcome(rpc.events(hash).await?, index, &signed.label)?;
        Ok(Submitted { block, hash: Hash(hash.0) })
    }
}

/// What pools have said so far of a transaction that is in no final block.
#[derive(Default)]
struct PoolHistory {
    /// It was sent at least once.
    is_sent: bool,
    /// Refused after it was sent: it may be in a block that is not final yet, and be refused because of what it did there.
    /// A pool does not look again at what it has refused, and says for half an hour that it is banned.
    may_be_included: bool,
}

/// What follows from the last word of a pool.
#[derive(PartialEq, Eq, Debug)]
enum NextStep {
    /// It will never be taken.
    Ends(ChainError),
    /// A new one is to be signed.
    Lost(String),
    /// The finalized chain will tell. With what to say should it never do so.
    Waits(Option<ChainError>),
}

impl PoolHistory {
    fn judge(&mut self, gone: Option<Dropped>) -> NextStep {
        let is_first = !std::mem::replace(&mut self.is_sent, true);
        match gone {
            None => NextStep::Waits(None),
            Some(Dropped::Refused(error)) if is_first => NextStep::Ends(error),
            Some(Dropped::Outdated(problem)) if is_first => NextStep::Lost(problem),
            Some(Dropped::Lost(problem)) if !self.may_be_included => NextStep::Lost(problem),
            Some(Dropped::Lost(_)) => NextStep::Waits(None),
            Some(gone) => {
                self.may_be_included = true;
                NextStep::Waits(match gone {
                    Dropped::Refused(error) => Some(error),
                    Dropped::Lost(_) | Dropped::Outdated(_) => None,
                })
            }
        }
    }
}

/// Where a transaction is in the finalized chain.
enum Inclusion {
    In(H256),
    NotYet,
    TooLate,
}

/// A future's result, or `None` once the deadline is reached.
async fn within<T>(deadline: Instant, future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout_at(deadline, future).await.ok()
}

fn unfinalized(signed: &Signed) -> ChainError {
    ChainError::Unfinalized { call: signed.label.clone(), seconds: PATIENCE.as_secs() }
}

/// What a refusal of the pool means for a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum RefusalKind {
    /// The pool has it already.
    Known,
    /// Another one may go through.
    Retry,
    /// It is not valid any more, or was not lately.
    Outdated,
    /// The account has no right to submit.
    Stranger,
    /// The quota of the account's party is spent.
    OverQuota,
    /// The call would fail.
    WouldFail(PoolRefusal),
    /// It will not be taken.
    Refuse,
}

/// The codes are those of Substrate's `author` RPC; the reasons under 1010 are `InvalidTransaction` in words.
fn judge(refused: &PoolError) -> RefusalKind {
    const INVALID: i32 = 1010;
    const ALREADY_IMPORTED: i32 = 1013;
    const PRIORITY_TOO_LOW: i32 = 1014;
    const IMMEDIATELY_DROPPED: i32 = 1016;
    // Banned for a while: it was in a block of a fork, or became invalid.
    const BANNED: i32 = 1012;
    match refused.code {
        ALREADY_IMPORTED => RefusalKind::Known,
        PRIORITY_TOO_LOW | IMMEDIATELY_DROPPED => RefusalKind::Retry,
        BANNED => RefusalKind::Outdated,
        INVALID => judge_reason(&refused.data),
        _ => RefusalKind::Refuse,
    }
}

fn judge_reason(reason: &str) -> RefusalKind {
    let code: Option<u8> = reason.strip_prefix("Custom error: ").and_then(|code| code.parse().ok());
    if let Some(code) = code {
        return match code {
            invalid_transaction::QUOTA_TIME | invalid_transaction::QUOTA_BYTES => RefusalKind::OverQuota,
            code => PoolRefusal::from_code(code).map_or(RefusalKind::Refuse, RefusalKind::WouldFail),
        };
    }
    // `CheckNonce` refuses accounts without a provider as if they could not pay; nobody pays here.
    if reason.contains("Inability to pay") {
        return RefusalKind::Stranger;
    }
    // Another process used the nonce, the birth block went away, or the runtime changed in between.
    let passing = ["outdated", "ancient birth block", "bad signature", "future"];
    if passing.iter().any(|passing| reason.contains(passing)) {
        RefusalKind::Outdated
    } else {
        RefusalKind::Refuse
    }
}

fn words(refusal: &PoolError) -> String {
    if refusal.data.is_empty() {
        refusal.message.clone()
    } else {
        format!("{}: {}", refusal.message, refusal.data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_apart() {
        let refusal = |code, data: &str| PoolError { code, message: "no".into(), data: data.into() };
        for (refusal, expected) in [
            (refusal(1013, ""), RefusalKind::Known),
            (refusal(1014, "(10 > 10)"), RefusalKind::Retry),
            (refusal(1016, ""), RefusalKind::Retry),
            (refusal(1010, "Transaction is outdated"), RefusalKind::Outdated),
            (refusal(1010, "Transaction has a bad signature"), RefusalKind::Outdated),
            (
                refusal(1010, "Inability to pay some fees (e.g. account balance too low)"),
                RefusalKind::Stranger,
            ),
            (refusal(1010, "Custom error: 1"), RefusalKind::OverQuota),
            (refusal(1010, "Custom error: 2"), RefusalKind::OverQuota),
            (refusal(1010, "Custom error: 3"), RefusalKind::WouldFail(PoolRefusal::NotInCouncil)),
            (refusal(1010, "Custom error: 255"), RefusalKind::Refuse),
            (refusal(1010, "Transaction call is not expected"), RefusalKind::Refuse),
            (refusal(1002, "Verification Error: Runtime error"), RefusalKind::Refuse),
        ] {
            assert_eq!(judge(&refusal), expected, "{refusal:?}");
        }
    }

    #[test]
    fn what_is_refused_after_it_was_sent_may_be_in_a_block() {
        let refused = || ChainError::Refused { call: "vote".into(), message: "voted already".into() };
        let (lost, outdated) =
            (|| Some(Dropped::Lost("full".into())), || Some(Dropped::Outdated("old".into())));
        let judge = |answers: Vec<Option<Dropped>>| {
            let mut judged = PoolHistory::default();
            answers.into_iter().map(|gone| judged.judge(gone)).collect::<Vec<_>>()
        };
        let new = || NextStep::Lost("full".into());
        assert_eq!(judge(vec![Some(Dropped::Refused(refused()))]), [NextStep::Ends(refused())]);
        assert_eq!(judge(vec![outdated()]), [NextStep::Lost("old".into())]);
        assert_eq!(judge(vec![lost()]), [new()]);
        // A break of the connection, and the pool that took it asked for room meanwhile.
        assert_eq!(judge(vec![None, lost()]), [NextStep::Waits(None), new()]);
        // It is in a block: refused for what it did there, and then for having been refused.
        let waits = judge(vec![None, Some(Dropped::Refused(refused())), lost(), outdated()]);
        let said = NextStep::Waits(Some(refused()));
        assert_eq!(waits, [NextStep::Waits(None), said, NextStep::Waits(None), NextStep::Waits(None)]);
        assert_eq!(judge(vec![None, outdated()]), [NextStep::Waits(None), NextStep::Waits(None)]);
    }
}
