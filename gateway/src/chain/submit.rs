//! Submitting: sign, send, and wait until the chain has finalized what became of it.
//!
//! A transaction is sent again as the very same bytes as long as it can still be included, so that a lost connection,
//! a node that restarts or a pool that forgets cannot make the call happen twice. A new one is signed only when the
//! finalized chain shows that the old one cannot be included any more: with the nonce of the finalized state, so that
//! one of the two at most goes through.

use super::{
    remedy,
    rpc::PoolError,
    runtime::{label, Moment, Signed, MORTALITY},
    Call, ChainClient, ChainError, Submitted,
};
use crate::keystore::KeyPair;
use futures::StreamExt as _;
use std::{future::Future, time::Duration};
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
enum Watched {
    /// It is in this finalized block.
    Finalized(H256),
    /// The pool has given it up, or never took it.
    Gone(Gone),
}

/// Why a pool does not have a transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Gone {
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
        runtime.sign(signer, call, Moment { nonce, number: head.number, hash })
    }

    /// Carries one transaction until it is final (the outer `Ok`, then the inner), refused (`Err`) or lost (the
    /// inner `Err`, why).
    async fn carry(
        &self,
        signed: &Signed,
        deadline: Instant,
    ) -> Result<Result<Submitted, String>, ChainError> {
        let mut last = None;
        let mut answers = Answers::default();
        loop {
            let watched = match within(deadline, self.watch(signed)).await {
                Some(Ok(Watched::Finalized(hash))) => return self.verdict(signed, hash).await.map(Ok),
                Some(Ok(Watched::Gone(gone))) => Some(gone),
                Some(Err(error)) if error.is_transient() => {
                    last = Some(error);
                    None
                }
                Some(Err(error)) => return Err(error),
                None => return Err(last.unwrap_or_else(|| unfinalized(signed))),
            };
            // Also where the chain cannot be asked below: the transaction was sent.
            let answer = answers.judge(watched);
            // Whatever the pool says: what counts is the finalized chain.
            match within(deadline, self.search(signed)).await {
                Some(Ok(Found::In(hash))) => return self.verdict(signed, hash).await.map(Ok),
                Some(Ok(Found::TooLate)) => return Ok(Err("its time to be included has passed".into())),
                Some(Ok(Found::NotYet)) => match answer {
                    Answer::Ends(error) => return Err(error),
                    Answer::Lost(problem) => return Ok(Err(problem)),
                    Answer::Waits(why) => last = why.or(last),
                },
                Some(Err(error)) if error.is_transient() => last = Some(error),
                Some(Err(error)) => return Err(error),
                None => return Err(last.unwrap_or_else(|| unfinalized(signed))),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Sends a transaction and follows what the node's pool says about it, to the end.
    async fn watch(&self, signed: &Signed) -> Result<Watched, ChainError> {
        let statuses = match self.inner.rpc.send(&signed.bytes).await? {
            Ok(statuses) => statuses,
            Err(refusal) => return self.after_refusal(signed, refusal).await,
        };
        let mut statuses = std::pin::pin!(statuses);
        while let Some(status) = statuses.next().await {
            let gone = match status? {
                TransactionStatus::Finalized(hash) => return Ok(Watched::Finalized(hash)),
                TransactionStatus::Usurped(_) => "another transaction of the account took its place",
                TransactionStatus::Dropped => "the node's pool is full and dropped it",
                TransactionStatus::Invalid => "it became invalid while it waited",
                TransactionStatus::FinalityTimeout(_) => return Err(unfinalized(signed)),
                _ => continue,
            };
            return Ok(Watched::Gone(Gone::Lost(gone.into())));
        }
        Err(ChainError::Away {
            node: self.node().into(),
            problem: "it stopped saying what becomes of a transaction".into(),
        })
    }

    async fn after_refusal(&self, signed: &Signed, refusal: PoolError) -> Result<Watched, ChainError> {
        match judge(&refusal) {
            Judgement::Known => Err(ChainError::Away {
                node: self.node().into(),
                problem: "the transaction waits in its pool since before a break".into(),
            }),
            Judgement::Retry => Ok(Watched::Gone(Gone::Lost(words(&refusal)))),
            Judgement::Outdated => Ok(Watched::Gone(Gone::Outdated(words(&refusal)))),
            Judgement::Stranger => {
                Ok(Watched::Gone(Gone::Refused(ChainError::Stranger { account: signed.account })))
            }
            Judgement::OverQuota => Ok(Watched::Gone(Gone::Refused(self.over_quota(signed).await?))),
            Judgement::Futile { words, remedy } => Ok(Watched::Gone(Gone::Refused(ChainError::Futile {
                call: signed.label.clone(),
                words,
                remedy,
            }))),
            Judgement::Refuse => Ok(Watched::Gone(Gone::Refused(ChainError::Refused {
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
    async fn search(&self, signed: &Signed) -> Result<Found, ChainError> {
        let rpc = &self.inner.rpc;
        let head = self.finalized().await?;
        let last_chance = signed.birth.saturating_add(MORTALITY as u32);
        for number in signed.birth.saturating_add(1)..=head.number.min(last_chance) {
            let Some(hash) = rpc.hash_of(number).await? else { continue };
            if rpc.extrinsics(hash).await?.contains(&signed.bytes) {
                return Ok(Found::In(hash));
            }
        }
        Ok(if head.number >= last_chance { Found::TooLate } else { Found::NotYet })
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

/// What pools have said of a transaction so far that no final block has.
#[derive(Default)]
struct Answers {
    /// It was sent at least once.
    is_sent: bool,
    /// Refused after it was sent: it may be in a block that is not final yet, and be refused because of what it did there.
    /// A pool does not look again at what it has refused, and says for half an hour that it is banned.
    may_be_included: bool,
}

/// What the last word of a pool means.
#[derive(PartialEq, Eq, Debug)]
enum Answer {
    /// It will never be taken.
    Ends(ChainError),
    /// A new one is to be signed.
    Lost(String),
    /// The finalized chain will tell. With what to say should it never do so.
    Waits(Option<ChainError>),
}

impl Answers {
    fn judge(&mut self, gone: Option<Gone>) -> Answer {
        let is_first = !std::mem::replace(&mut self.is_sent, true);
        match gone {
            None => Answer::Waits(None),
            Some(Gone::Refused(error)) if is_first => Answer::Ends(error),
            Some(Gone::Outdated(problem)) if is_first => Answer::Lost(problem),
            Some(Gone::Lost(problem)) if !self.may_be_included => Answer::Lost(problem),
            Some(Gone::Lost(_)) => Answer::Waits(None),
            Some(gone) => {
                self.may_be_included = true;
                Answer::Waits(match gone {
                    Gone::Refused(error) => Some(error),
                    Gone::Lost(_) | Gone::Outdated(_) => None,
                })
            }
        }
    }
}

/// Where a transaction is in the finalized chain.
enum Found {
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
enum Judgement {
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
    /// It could only fail: why, and what to do.
    Futile { words: &'static str, remedy: &'static str },
    /// It will not be taken.
    Refuse,
}

/// The codes are those of Substrate's `author` RPC; the reasons under 1010 are `InvalidTransaction` in words.
fn judge(refused: &PoolError) -> Judgement {
    const INVALID: i32 = 1010;
    const ALREADY_IMPORTED: i32 = 1013;
    const PRIORITY_TOO_LOW: i32 = 1014;
    const IMMEDIATELY_DROPPED: i32 = 1016;
    // Banned for a while: it was in a block of a fork, or became invalid.
    const BANNED: i32 = 1012;
    match refused.code {
        ALREADY_IMPORTED => Judgement::Known,
        PRIORITY_TOO_LOW | IMMEDIATELY_DROPPED => Judgement::Retry,
        BANNED => Judgement::Outdated,
        INVALID => judge_reason(&refused.data),
        _ => Judgement::Refuse,
    }
}

fn judge_reason(reason: &str) -> Judgement {
    let code: Option<u8> = reason.strip_prefix("Custom error: ").and_then(|code| code.parse().ok());
    if let Some(code) = code {
        return match (code, remedy::of_refusal(code)) {
            (invalid_transaction::QUOTA_TIME | invalid_transaction::QUOTA_BYTES, _) => Judgement::OverQuota,
            (_, Some((words, remedy))) => Judgement::Futile { words, remedy },
            (_, None) => Judgement::Refuse,
        };
    }
    // `CheckNonce` refuses accounts without a provider as if they could not pay; nobody pays here.
    if reason.contains("Inability to pay") {
        return Judgement::Stranger;
    }
    // Another process used the nonce, the birth block went away, or the runtime changed in between.
    let passing = ["outdated", "ancient birth block", "bad signature", "future"];
    if passing.iter().any(|passing| reason.contains(passing)) {
        Judgement::Outdated
    } else {
        Judgement::Refuse
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
        let (words, remedy) = remedy::of_refusal(invalid_transaction::NOT_IN_COUNCIL).unwrap();
        let futile = Judgement::Futile { words, remedy };
        for (refusal, expected) in [
            (refusal(1013, ""), Judgement::Known),
            (refusal(1014, "(10 > 10)"), Judgement::Retry),
            (refusal(1016, ""), Judgement::Retry),
            (refusal(1010, "Transaction is outdated"), Judgement::Outdated),
            (refusal(1010, "Transaction has a bad signature"), Judgement::Outdated),
            (refusal(1010, "Inability to pay some fees (e.g. account balance too low)"), Judgement::Stranger),
            (refusal(1010, "Custom error: 1"), Judgement::OverQuota),
            (refusal(1010, "Custom error: 2"), Judgement::OverQuota),
            (refusal(1010, "Custom error: 3"), futile),
            (refusal(1010, "Custom error: 255"), Judgement::Refuse),
            (refusal(1010, "Transaction call is not expected"), Judgement::Refuse),
            (refusal(1002, "Verification Error: Runtime error"), Judgement::Refuse),
        ] {
            assert_eq!(judge(&refusal), expected, "{refusal:?}");
        }
    }

    #[test]
    fn what_is_refused_after_it_was_sent_may_be_in_a_block() {
        let refused = || ChainError::Refused { call: "vote".into(), message: "voted already".into() };
        let (lost, outdated) = (|| Some(Gone::Lost("full".into())), || Some(Gone::Outdated("old".into())));
        let judge = |answers: Vec<Option<Gone>>| {
            let mut judged = Answers::default();
            answers.into_iter().map(|gone| judged.judge(gone)).collect::<Vec<_>>()
        };
        let new = || Answer::Lost("full".into());
        assert_eq!(judge(vec![Some(Gone::Refused(refused()))]), [Answer::Ends(refused())]);
        assert_eq!(judge(vec![outdated()]), [Answer::Lost("old".into())]);
        assert_eq!(judge(vec![lost()]), [new()]);
        // A break of the connection, and the pool that took it asked for room meanwhile.
        assert_eq!(judge(vec![None, lost()]), [Answer::Waits(None), new()]);
        // It is in a block: refused for what it did there, and then for having been refused.
        let waits = judge(vec![None, Some(Gone::Refused(refused())), lost(), outdated()]);
        let said = Answer::Waits(Some(refused()));
        assert_eq!(waits, [Answer::Waits(None), said, Answer::Waits(None), Answer::Waits(None)]);
        assert_eq!(judge(vec![None, outdated()]), [Answer::Waits(None), Answer::Waits(None)]);
    }
}
