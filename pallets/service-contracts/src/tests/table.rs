//! The table of the README: every call in every state of a contract by every kind of caller, each refusal with its own
//! error.

use crate::{mock::*, Error};
use frame_support::{assert_ok, storage::with_transaction};
use sp_runtime::{DispatchError, DispatchResult, TransactionOutcome};
use streembit_primitives::{
    contract::{
        evaluate::Rounding,
        state::{ClaimEvidence, Outcome},
        ChargeBasis, ChargeClause, Clause, ContractId, HandoverClause, NumberedClause, Terms,
    },
    reading_proof::ReadingProof,
    Hash, PartyId,
};

type E = Error<Test>;
/// What a call comes to: an error, or `None` if it succeeds.
type Expected = Option<DispatchError>;
/// What a call of each caller comes to.
type Row = [Expected; 4];

const CHARGE: u16 = 3;
const HANDOVER: u16 = 4;
/// The claim of a charge, by the owner, which the workshop contests.
const CONTESTED: u32 = 0;
/// The record of a service, by the workshop.
const CLAIMED: u32 = 1;

/// The callers: two sides, the arbiter, and a party of the consortium that the contract does not name.
const CALLERS: [PartyId; 4] = [OWNER, WORKSHOP, ARBITER, INSURER];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Unknown,
    Proposed,
    Lapsed,
    Active,
    Amended,
    /// The workshop left and came back, so that it is not bound any more.
    Returned,
    /// The end has come, and nobody has noted it.
    Expired,
    /// The end is noted, and claims can still be made.
    Ended,
    /// Claims cannot be made any more, and the open ones are decided on.
    Closed,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Call {
    Propose,
    Accept,
    Reject,
    Withdraw,
    Amend,
    Terminate,
    Prune,
    Report,
    Record,
    Claim,
    Confirm,
    Contest,
    Retract,
    Refute,
    Answer,
    Settle,
    Rule,
    OfferReading,
    Pay,
    ConfirmPayment,
    HandOver,
    Revoke,
    PruneClaim,
}

const STATES: [State; 9] = [
    State::Unknown,
    State::Proposed,
    State::Lapsed,
    State::Active,
    State::Amended,
    State::Returned,
    State::Expired,
    State::Ended,
    State::Closed,
];

const CALLS: [Call; 23] = [
    Call::Propose,
    Call::Accept,
    Call::Reject,
    Call::Withdraw,
    Call::Amend,
    Call::Terminate,
    Call::Prune,
    Call::Report,
    Call::Record,
    Call::Claim,
    Call::Confirm,
    Call::Contest,
    Call::Retract,
    Call::Refute,
    Call::Answer,
    Call::Settle,
    Call::Rule,
    Call::OfferReading,
    Call::Pay,
    Call::ConfirmPayment,
    Call::HandOver,
    Call::Revoke,
    Call::PruneClaim,
];

/// A service book with a charge and a handover.
fn book() -> Terms {
    let charge = ChargeClause {
        subject: None,
        basis: ChargeBasis::Once,
        rate: "500".parse().unwrap(),
        currency: "EUR".parse().unwrap(),
        rounding: Rounding::Down,
        creditor: OWNER,
        debtor: WORKSHOP,
    };
    let handover = HandoverClause { device: car(), from: OWNER, to: WORKSHOP, meter: None };
    let mut book = terms();
    for (number, clause) in [(CHARGE, Clause::Charge(charge)), (HANDOVER, Clause::Handover(handover))] {
        book.clauses.try_push(NumberedClause { number, clause }).unwrap();
    }
    book
}

fn amended() -> Terms {
    Terms { documents: vec![Hash([0xee; 32])].try_into().unwrap(), ..book() }
}

/// A chain with a contract in a state, and a proof that fits its meter.
struct Case {
    state: State,
    proof: Box<ReadingProof>,
}

impl Case {
    fn new(state: State) -> Self {
        let mut gateway = Gateway::new(100);
        let first = gateway.drive(25_000);
        let second = gateway.drive(25_001);
        gateway.anchor();
        let (id, hash) = (id_of(&book()), hash_of(&book()));
        match state {
            State::Unknown => {}
            State::Proposed | State::Lapsed => {
                assert_ok!(ServiceContracts::propose(signed(OWNER), content(book())));
            }
            _ => {
                agree(book());
                let evidence = Box::new(ClaimEvidence::Once);
                assert_ok!(ServiceContracts::claim(signed(OWNER), id, CHARGE, evidence, Default::default()));
                assert_ok!(ServiceContracts::contest(signed(WORKSHOP), id, CONTESTED, Default::default()));
                let proof = Some(gateway.prove(first));
                assert_ok!(ServiceContracts::record(
                    signed(WORKSHOP),
                    id,
                    SERVICE,
                    proof,
                    Default::default()
                ));
            }
        }
        match state {
            State::Lapsed => pass(ACCEPT),
            State::Amended => {
                assert_ok!(ServiceContracts::amend(signed(OWNER), id, hash, content(amended())));
            }
            State::Returned => {
                expel(WORKSHOP);
                readmit(WORKSHOP);
            }
            State::Expired => block_at(END),
            State::Ended | State::Closed => {
                block_at(END);
                assert_ok!(ServiceContracts::prune(signed(INSURER), id));
            }
            _ => {}
        }
        if state == State::Closed {
            pass(RULE);
        }
        Self { state, proof: gateway.prove(second) }
    }

    fn run(&self, call: Call, origin: RuntimeOrigin) -> DispatchResult {
        let id: ContractId = id_of(&book());
        let agreed = if self.state == State::Amended { hash_of(&amended()) } else { hash_of(&book()) };
        let (proof, documents) = (self.proof.clone(), Default::default());
        match call {
            Call::Propose => ServiceContracts::propose(origin, content(book())),
            Call::Accept => ServiceContracts::accept(origin, id, agreed),
            Call::Reject => ServiceContracts::reject(origin, id, agreed),
            Call::Withdraw => ServiceContracts::withdraw(origin, id, agreed),
            Call::Amend => ServiceContracts::amend(origin, id, hash_of(&book()), content(amended())),
            Call::Terminate => ServiceContracts::terminate(origin, id),
            Call::Prune => ServiceContracts::prune(origin, id),
            Call::Report => ServiceContracts::report(origin, id, SERVICE, proof),
            Call::Record => ServiceContracts::record(origin, id, SERVICE, Some(proof), documents),
            Call::Claim => {
                ServiceContracts::claim(origin, id, CHARGE, Box::new(ClaimEvidence::Once), documents)
            }
            Call::Confirm => ServiceContracts::confirm(origin, id, CLAIMED),
            Call::Contest => ServiceContracts::contest(origin, id, CLAIMED, documents),
            Call::Retract => ServiceContracts::retract(origin, id, CLAIMED),
            Call::Refute => ServiceContracts::refute(origin, id, CLAIMED, proof),
            Call::Answer => ServiceContracts::answer(origin, id, CONTESTED, documents),
            Call::Settle => ServiceContracts::settle(origin, id, CONTESTED, Outcome::Void),
            Call::Rule => ServiceContracts::rule(origin, id, CONTESTED, Outcome::Void, documents),
            Call::OfferReading => ServiceContracts::offer_reading(origin, id, CONTESTED, proof),
            Call::Pay => ServiceContracts::pay(origin, id, CONTESTED, documents),
            Call::ConfirmPayment => ServiceContracts::confirm_payment(origin, id, CONTESTED),
            Call::HandOver => ServiceContracts::hand_over(origin, id, HANDOVER, hash_of(&book()), None),
            Call::Revoke => ServiceContracts::revoke(origin, id, ACCESS),
            Call::PruneClaim => ServiceContracts::prune_claim(origin, id, CONTESTED),
        }
    }

    /// Makes a call, checks the state after it, and undoes it.
    fn tried(&self, call: Call, origin: RuntimeOrigin) -> DispatchResult {
        let outcome = with_transaction(|| {
            let result = self.run(call, origin);
            assert_eq!(ServiceContracts::check_state(), Ok(()), "{call:?} in {:?}", self.state);
            TransactionOutcome::Rollback(Ok::<_, DispatchError>(result))
        });
        outcome.unwrap()
    }
}

fn no(error: E) -> Expected {
    Some(error.into())
}

fn all(error: impl Into<DispatchError>) -> Row {
    [Some(error.into()); 4]
}

/// The result for both sides. The others are no parties to the contract.
fn sides(owner: Expected, workshop: Expected) -> Row {
    [owner, workshop, no(E::NotPartyToContract), no(E::NotPartyToContract)]
}

fn only_arbiter(result: Expected) -> Row {
    [no(E::NotTheArbiter), no(E::NotTheArbiter), result, no(E::NotTheArbiter)]
}

/// The result for one caller, and the same refusal of all others.
fn only(caller: PartyId, result: Expected, refusal: E) -> Row {
    let refusal = no(refusal);
    CALLERS.map(|other| if other == caller { result } else { refusal })
}

fn expected(state: State, call: Call) -> Row {
    match state {
        State::Unknown => match call {
            Call::Propose => sides(None, None),
            _ => all(E::UnknownContract),
        },
        State::Proposed | State::Lapsed => proposed(state == State::Lapsed, call),
        State::Active => active(call),
        State::Amended => match call {
            Call::Accept => [no(E::AcceptedAlready), None, None, no(E::NotPartyToContract)],
            Call::Reject => [None, None, None, no(E::NotPartyToContract)],
            Call::Withdraw => only(OWNER, None, E::NotTheProposer),
            Call::Amend => sides(no(E::AmendmentPending), no(E::AmendmentPending)),
            _ => active(call),
        },
        State::Returned => returned(call),
        State::Expired | State::Ended => ended(state == State::Ended, call),
        State::Closed => closed(call),
    }
}

fn proposed(has_lapsed: bool, call: Call) -> Row {
    let over: DispatchError = if has_lapsed { E::Ended.into() } else { E::NotActive.into() };
    match call {
        Call::Propose => sides(no(E::Exists), no(E::Exists)),
        Call::Accept if has_lapsed => {
            [no(E::Lapsed), no(E::Lapsed), no(E::Lapsed), no(E::NotPartyToContract)]
        }
        Call::Accept => [no(E::AcceptedAlready), None, None, no(E::NotPartyToContract)],
        Call::Reject => [None, None, None, no(E::NotPartyToContract)],
        Call::Withdraw => only(OWNER, None, E::NotTheProposer),
        Call::Prune if has_lapsed => [None, None, None, None],
        Call::Prune => all(E::NothingToPrune),
        Call::Amend | Call::Revoke => all(over),
        Call::Terminate => sides(Some(over), Some(over)),
        Call::Report | Call::Record | Call::Claim | Call::HandOver => {
            sides(no(E::NotActive), no(E::NotActive))
        }
        Call::Refute | Call::OfferReading | Call::PruneClaim => sides(no(E::UnknownClaim), no(E::SeatLost)),
        Call::Rule => only_arbiter(no(E::SeatLost)),
        Call::Confirm
        | Call::Contest
        | Call::Retract
        | Call::Answer
        | Call::Settle
        | Call::Pay
        | Call::ConfirmPayment => all(E::UnknownClaim),
    }
}

fn active(call: Call) -> Row {
    match call {
        Call::Propose => sides(no(E::Exists), no(E::Exists)),
        Call::Accept => all(E::NotProposed),
        Call::Reject | Call::Withdraw => all(E::NoAmendment),
        Call::Amend | Call::Terminate | Call::Report | Call::HandOver => sides(None, None),
        Call::Prune => all(E::NothingToPrune),
        Call::Record => sides(no(E::NotTheClaimant), no(E::RecordOpen)),
        Call::Claim => sides(no(E::ChargedAlready), no(E::NotTheClaimant)),
        Call::Confirm | Call::Contest => only(OWNER, None, E::NotTheRespondent),
        Call::Retract => only(WORKSHOP, None, E::NotTheClaimant),
        Call::Refute => sides(no(E::NotContrary), no(E::NotContrary)),
        Call::Answer => [None, no(E::NoAnswerDue), no(E::NotASide), no(E::NotASide)],
        Call::Settle => [None, None, no(E::NotASide), no(E::NotASide)],
        Call::Rule => only_arbiter(None),
        Call::OfferReading => sides(no(E::WrongOutcome), no(E::WrongOutcome)),
        Call::Pay | Call::ConfirmPayment => all(E::NotACharge),
        Call::Revoke => [None, None, no(E::NotASideOfClause), no(E::NotASideOfClause)],
        Call::PruneClaim => sides(no(E::ClaimNeeded), no(E::ClaimNeeded)),
    }
}

fn returned(call: Call) -> Row {
    let lost = |mut row: Row| {
        row[1] = no(E::SeatLost);
        row
    };
    match call {
        // The chain notes that the contract waits for a successor.
        Call::Prune => [None, None, None, None],
        // The party can propose itself as its successor.
        Call::Amend => sides(None, None),
        Call::Terminate
        | Call::Report
        | Call::Record
        | Call::Claim
        | Call::Retract
        | Call::Refute
        | Call::Answer
        | Call::Settle
        | Call::OfferReading
        | Call::HandOver
        | Call::PruneClaim => lost(active(call)),
        _ => active(call),
    }
}

fn ended(is_noted: bool, call: Call) -> Row {
    match call {
        Call::Propose => all(E::InThePast),
        Call::Accept | Call::Reject | Call::Withdraw if is_noted => all(E::Ended),
        Call::Amend | Call::Revoke => all(E::Ended),
        Call::Terminate | Call::HandOver => sides(no(E::Ended), no(E::Ended)),
        Call::Prune if is_noted => all(E::PrunedTooEarly),
        Call::Prune => [None, None, None, None],
        _ => active(call),
    }
}

fn closed(call: Call) -> Row {
    match call {
        Call::Report | Call::Record | Call::Claim => sides(no(E::Ended), no(E::Ended)),
        Call::Confirm | Call::Contest => only(OWNER, no(E::NotOpen), E::NotTheRespondent),
        Call::Retract => only(WORKSHOP, no(E::NotOpen), E::NotTheClaimant),
        Call::Refute => sides(no(E::NotOpen), no(E::NotOpen)),
        Call::Answer | Call::Settle => all(E::NotDisputed),
        Call::Rule => only_arbiter(no(E::NotDisputed)),
        Call::OfferReading => sides(no(E::NotDisputed), no(E::NotDisputed)),
        Call::PruneClaim => sides(None, None),
        _ => ended(true, call),
    }
}

#[test]
fn every_call_in_every_state_by_every_caller_has_its_result() {
    for state in STATES {
        chain().execute_with(|| {
            let case = Case::new(state);
            for call in CALLS {
                for (caller, expected) in CALLERS.into_iter().zip(expected(state, call)) {
                    let result = case.tried(call, signed(caller));
                    let expected = expected.map_or(Ok(()), Err);
                    assert_eq!(result, expected, "{call:?} by {caller} in {state:?}");
                }
            }
        });
    }
}

#[test]
fn strangers_gateways_and_accounts_out_of_scope_are_refused_in_every_state() {
    for state in STATES {
        chain().execute_with(|| {
            let case = Case::new(state);
            for call in CALLS {
                let stranger = case.tried(call, signed(STRANGER));
                assert_eq!(stranger, Err("the account belongs to no party".into()), "{call:?} in {state:?}");
                let beyond = Err("the account's scope does not include this".into());
                // A technician sells devices, but signs no contracts.
                if call != Call::Prune && call != Call::HandOver {
                    assert_eq!(case.tried(call, by(TECHNICIAN)), beyond, "{call:?} in {state:?}");
                }
                if call != Call::Prune {
                    assert_eq!(case.tried(call, by(GATEWAY)), beyond, "{call:?} in {state:?}");
                }
            }
        });
    }
}
