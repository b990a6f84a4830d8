//! Equivocations of validators: those proven on the chain, and those that only the node has seen.

use super::{rpc::BlockEquivocation, ChainClient, ChainError};
use streembit_clock::now_ms;
use streembit_keystore::account;
use streembit_primitives::{
    consortium::{Equivocation, Offence, Validator},
    evidence::SLOT_MILLISECONDS,
};

/// How long an equivocation without a proof on the chain raises an alarm: one day, in milliseconds.
const ALARM_PERIOD: u64 = 24 * 60 * 60 * 1_000;

/// The validators of the chain and their equivocations.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ValidatorsReport {
    /// The number of validators.
    pub count: usize,
    /// One sentence for each validator that equivocated.
    pub offences: Vec<String>,
}

impl ChainClient {
    /// Fetches the validators and their equivocations.
    pub(super) async fn validators(&self) -> Result<ValidatorsReport, ChainError> {
        let view = self.view().await?;
        let (validators, proven) = (view.consortium().await?.validators, view.equivocations().await?);
        let seen = self.inner.rpc.block_equivocations().await?;
        Ok(report(&validators, &proven, &seen, now_ms()))
    }
}

/// Describes an equivocation that is proven on the chain.
pub fn describe_equivocation(equivocation: &Equivocation) -> String {
    format!(
        "validator {} {}; proven in block {}",
        account::show(&equivocation.account),
        describe_offence(&equivocation.offence),
        equivocation.block
    )
}

fn describe_offence(offence: &Offence) -> String {
    match offence {
        Offence::Votes { set, round } => format!("voted for two blocks in round {round} of voter set {set}"),
        Offence::Blocks { slot } => format!("made two blocks in slot {slot}"),
    }
}

fn report(
    validators: &[Validator],
    proven: &[Equivocation],
    seen: &[BlockEquivocation],
    now: u64,
) -> ValidatorsReport {
    let mut offences: Vec<_> = proven.iter().map(describe_equivocation).collect();
    offences.extend(validators.iter().filter_map(|validator| {
        if proven.iter().any(|proven| proven.account == validator.account) {
            return None;
        }
        let is_recent = |seen: &&BlockEquivocation| {
            seen.slot.saturating_mul(SLOT_MILLISECONDS).saturating_add(ALARM_PERIOD) > now
        };
        let is_author = |seen: &&BlockEquivocation| seen.author == validator.keys.aura;
        let last = seen.iter().filter(is_author).rfind(is_recent)?;
        let what = describe_offence(&Offence::Blocks { slot: last.slot });
        Some(format!("validator {} {what}; the chain has no proof of it", account::show(&validator.account)))
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

    const NOW: u64 = 100 * ALARM_PERIOD;

    fn four_validators() -> Vec<Validator> {
        let validator = |number| {
            let keys = SessionKeys { aura: SessionKey([number; 32]), grandpa: SessionKey([9; 32]) };
            Validator { account: AccountId([number; 32]), party: None, state: ValidatorState::Active, keys }
        };
        (1..=4).map(validator).collect()
    }

    fn problem(proven: &[Equivocation], seen: &[BlockEquivocation]) -> String {
        report(&four_validators(), proven, seen, NOW).offences.join("; ")
    }

    #[test]
    fn an_equivocation_proven_on_the_chain_raises_an_alarm() {
        assert_eq!(
            report(&four_validators(), &[], &[], NOW),
            ValidatorsReport { count: 4, offences: vec![] }
        );
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
    fn an_equivocation_seen_only_by_the_node_raises_one_alarm_for_a_day() {
        let slot = NOW / SLOT_MILLISECONDS;
        let seen = |author, ago| BlockEquivocation { author: SessionKey([author; 32]), slot: slot - ago };
        let problem_of = problem(&[], &[seen(4, 9), seen(4, 5), seen(8, 1)]);
        assert!(problem_of.contains(&format!("slot {}", slot - 5)), "{problem_of}");
        assert!(problem_of.contains("no proof") && !problem_of.contains("; validator"), "{problem_of}");
        let old = [seen(4, ALARM_PERIOD / SLOT_MILLISECONDS + 1)];
        assert_eq!(report(&four_validators(), &[], &old, NOW).offences, [""; 0]);
        let (account, offence) = (AccountId([4; 32]), Offence::Blocks { slot });
        let proven = [Equivocation { account, offence, block: 12 }];
        assert!(!problem(&proven, &[seen(4, 5)]).contains("no proof"));
    }

    #[test]
    fn the_nodes_response_is_decoded() {
        let key = format!("0x{}", "ab".repeat(32));
        let answer = serde_json::json!([{ "author": key, "slot": 17, "blocks": ["0x01", "0x02"] }]);
        let read: Vec<BlockEquivocation> = serde_json::from_value(answer).unwrap();
        assert_eq!(read, [BlockEquivocation { author: SessionKey([0xab; 32]), slot: 17 }]);
    }
}
