//! Validators that contradict themselves: what the chain has seen proven, and what the node has seen and the chain cannot
//! prove.

use super::{rpc::DoubleBlock, ChainClient, ChainError};
use streembit_clock::now_ms;
use streembit_keystore::account;
use streembit_primitives::{
    consortium::{Equivocation, Offence, Validator},
    evidence::SLOT_MILLISECONDS,
};

/// For how long an alarm is raised over what the chain cannot prove, in milliseconds: a day.
const SEEN_LATELY: u64 = 24 * 60 * 60 * 1_000;

/// The validators of the chain, and which of them contradict themselves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ValidatorsReport {
    /// How many validators there are.
    pub count: usize,
    /// Each validator that contradicts itself, and how, in words.
    pub offences: Vec<String>,
}

impl ChainClient {
    /// The validators, and whether one of them contradicts itself.
    pub(super) async fn validators(&self) -> Result<ValidatorsReport, ChainError> {
        let view = self.view().await?;
        let (validators, proven) = (view.consortium().await?.validators, view.equivocations().await?);
        let seen = self.inner.rpc.double_blocks().await?;
        Ok(report(&validators, &proven, &seen, now_ms()))
    }
}

/// What a validator did, in words.
pub fn describe_equivocation(equivocation: &Equivocation) -> String {
    format!(
        "validator {} {}; proven in block {}",
        account::show(&equivocation.account),
        offence(&equivocation.offence),
        equivocation.block
    )
}

fn offence(offence: &Offence) -> String {
    match offence {
        Offence::Votes { set, round } => format!("voted for two blocks in round {round} of voter set {set}"),
        Offence::Blocks { slot } => format!("made two blocks in slot {slot}"),
    }
}

fn report(
    validators: &[Validator],
    proven: &[Equivocation],
    seen: &[DoubleBlock],
    now: u64,
) -> ValidatorsReport {
    let mut offences: Vec<_> = proven.iter().map(describe_equivocation).collect();
    offences.extend(validators.iter().filter_map(|validator| {
        if proven.iter().any(|proven| proven.account == validator.account) {
            return None;
        }
        let late = |seen: &&DoubleBlock| {
            seen.slot.saturating_mul(SLOT_MILLISECONDS).saturating_add(SEEN_LATELY) > now
        };
        let its = |seen: &&DoubleBlock| seen.author == validator.keys.aura;
        let last = seen.iter().filter(its).rfind(late)?;
        let did = offence(&Offence::Blocks { slot: last.slot });
        Some(format!("validator {} {did}; the chain has no proof of it", account::show(&validator.account)))
    }));
    ValidatorsReport { count: validators.len(), offences }
}

#[cfg(test)]
mod tests {
    use super::*;
    use streembit_primitives::{
        consortium::{SessionKey, SessionKeys, ValidatorState},
        AccountId,
    };

    const NOW: u64 = 100 * SEEN_LATELY;

    fn four() -> Vec<Validator> {
        let validator = |number| {
            let keys = SessionKeys { aura: SessionKey([number; 32]), grandpa: SessionKey([9; 32]) };
            Validator { account: AccountId([number; 32]), party: None, state: ValidatorState::Active, keys }
        };
        (1..=4).map(validator).collect()
    }

    fn problem(proven: &[Equivocation], seen: &[DoubleBlock]) -> String {
        report(&four(), proven, seen, NOW).offences.join("; ")
    }

    #[test]
    fn what_the_chain_has_proven_is_an_alarm() {
        assert_eq!(report(&four(), &[], &[], NOW), ValidatorsReport { count: 4, offences: vec![] });
        let account = AccountId([4; 32]);
        for (offence, part) in [
            (Offence::Votes { set: 3, round: 7 }, "voted for two blocks in round 7 of voter set 3"),
            (Offence::Blocks { slot: 11 }, "made two blocks in slot 11"),
        ] {
            let problem = problem(&[Equivocation { account, offence, block: 12 }], &[]);
            for part in [part, &account::show(&account), "block 12"] {
                assert!(problem.contains(part), "{part}: {problem}");
            }
        }
    }

    #[test]
    fn what_only_the_node_has_seen_is_an_alarm_for_a_day_and_once() {
        let slot = NOW / SLOT_MILLISECONDS;
        let seen = |author, ago| DoubleBlock { author: SessionKey([author; 32]), slot: slot - ago };
        let problem_of = problem(&[], &[seen(4, 9), seen(4, 5), seen(8, 1)]);
        assert!(problem_of.contains(&format!("slot {}", slot - 5)), "{problem_of}");
        assert!(problem_of.contains("no proof") && !problem_of.contains("; validator"), "{problem_of}");
        let old = [seen(4, SEEN_LATELY / SLOT_MILLISECONDS + 1)];
        assert_eq!(report(&four(), &[], &old, NOW).offences, [""; 0]);
        let (account, offence) = (AccountId([4; 32]), Offence::Blocks { slot });
        let proven = [Equivocation { account, offence, block: 12 }];
        assert!(!problem(&proven, &[seen(4, 5)]).contains("no proof"));
    }

    #[test]
    fn the_nodes_answer_is_read() {
        let key = format!("0x{}", "ab".repeat(32));
        let answer = serde_json::json!([{ "author": key, "slot": 17, "blocks": ["0x01", "0x02"] }]);
        let read: Vec<DoubleBlock> = serde_json::from_value(answer).unwrap();
        assert_eq!(read, [DoubleBlock { author: SessionKey([0xab; 32]), slot: 17 }]);
    }
}
