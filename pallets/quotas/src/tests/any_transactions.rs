//! Any sequence of transactions keeps to the quotas.

use super::*;
use crate::SetQuota;
use proptest::prelude::*;
use streembit_primitives::party::Role;

/// An event that changes what is left of a quota.
#[derive(Clone, Debug)]
enum Step {
    /// A transaction of one of the accounts: the time by its weight, the time that it needs, and its length.
    Spend(usize, u64, u64, usize),
    /// The council sets another quota, or the default.
    Set(AccountId, Option<(u64, u64)>),
    /// Time passes, in milliseconds.
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let party = prop_oneof![Just(OWNER), Just(WORKSHOP)];
    let quota = prop::option::of((0u64..200, 0u64..2_000));
    prop_oneof![
        6 => (0usize..3, 0u64..130, 0u64..130, 0usize..1_300).prop_map(|(by, weighed, needed, bytes)| {
            Step::Spend(by, weighed, needed.min(weighed), bytes)
        }),
        1 => (party, quota).prop_map(|(party, quota)| Step::Set(party, quota)),
        2 => (0u64..1_500).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// A transaction is accepted if and only if it fits into what is left. Nobody spends the quota of another party,
    /// and the state does not grow with time.
    #[test]
    fn no_sequence_of_transactions_spends_more_than_the_quota(steps in prop::collection::vec(step(), 1..80)) {
        Now::set(5_000);
        chain().execute_with(|| {
            Parties::take_in(GATEWAY, OWNER, Role::Gateway);
            let accounts = [(OWNER, OWNER), (GATEWAY, OWNER), (WORKSHOP, WORKSHOP)];
            let mut spent = [(OWNER, Quota::default()), (WORKSHOP, Quota::default())];
            let mut whole = spent.map(|(party, _)| (party, DefaultQuota::get()));
            for step in steps {
                match step.clone() {
                    Step::Wait(milliseconds) => {
                        let period = Now::get() / 1_000;
                        Now::set(Now::get() + milliseconds);
                        if Now::get() / 1_000 > period {
                            spent = spent.map(|(party, _)| (party, Quota::default()));
                        }
                    }
                    Step::Set(party, new) => {
                        let new = new.map(|(microseconds, bytes)| quota(microseconds, bytes));
                        <Quotas as SetQuota>::set(self::party(party), new).unwrap();
                        whole = whole.map(|(of, old)| {
                            (of, if of == party { new.unwrap_or(DefaultQuota::get()) } else { old })
                        });
                    }
                    Step::Spend(by, weighed, needed, bytes) => {
                        let (account, payer) = accounts[by];
                        let before = left(payer);
                        let fits = weighed <= before.microseconds && bytes as u64 <= before.bytes;
                        let taken = carry_out(account, remark(), (weighed, needed), bytes, || ());
                        prop_assert_eq!(taken.is_ok(), fits, "{:?} of {:?}", step, before);
                        if fits {
                            let cost = quota(needed, bytes as u64);
                            spent = spent.map(|(of, all)| {
                                (of, if of == payer { all.saturating_add(&cost) } else { all })
                            });
                        }
                    }
                }
                for ((party, all), (_, whole)) in spent.iter().zip(whole) {
                    prop_assert_eq!(left(*party), whole.saturating_sub(all), "after {:?}", step);
                }
                prop_assert!(crate::Spent::<Test>::iter().count() <= 2);
            }
            prop_assert_eq!(Quotas::check_state(), Ok(()));
            Ok(())
        })?;
    }
}
