//! The calls about contracts.

use super::call::CallShape;
use codec::Encode;
use scale_info::{meta_type, MetaType};
use streembit_primitives::{
    contract::{
        state::{ClaimEvidence, Outcome},
        ClaimNumber, ClauseNumber, ContentHash, ContractContent, ContractId, Documents,
    },
    reading_proof::ReadingProof,
};

/// The name of the pallet in the runtime.
pub(super) const PALLET: &str = "ServiceContracts";

/// A call about one contract, or the proposal of one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ContractCall {
    /// Proposes a contract. The signing party accepts it by proposing it.
    Propose(Box<ContractContent>),
    /// Any other call, which names the contract.
    About(ContractId, ContractAction),
}

/// What is done about a contract.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ContractAction {
    /// Accepts the proposal or the pending amendment with this content.
    Accept(ContentHash),
    /// Rejects the proposal or the pending amendment with this content.
    Reject(ContentHash),
    /// Withdraws the own proposal or amendment with this content.
    Withdraw(ContentHash),
    /// Proposes another content for a contract in force.
    Amend {
        /// The content in force.
        current: ContentHash,
        /// The new content.
        content: Box<ContractContent>,
    },
    /// Gives notice of termination.
    Terminate,
    /// Has the chain note an end, and removes what has ended.
    Prune,
    /// Proves a meter.
    Report {
        /// The clause.
        clause: ClauseNumber,
        /// The proof of the reading.
        proof: Box<ReadingProof>,
    },
    /// Claims that a service was done.
    Record {
        /// The clause.
        clause: ClauseNumber,
        /// The proof of the reading at the time of the service, if the clause has a meter.
        proof: Option<Box<ReadingProof>>,
        /// Details: parts, invoices, photos.
        documents: Documents,
    },
    /// Claims a breach, a usage, a gap or a charge.
    Claim {
        /// The clause.
        clause: ClauseNumber,
        /// What proves it.
        evidence: Box<ClaimEvidence>,
        /// Documents that belong to it.
        documents: Documents,
    },
    /// Confirms a claim.
    Confirm(ClaimNumber),
    /// Contests a claim.
    Contest(ClaimNumber, Documents),
    /// Takes the own claim back.
    Retract(ClaimNumber),
    /// Refutes a claim with a contrary reading.
    Refute(ClaimNumber, Box<ReadingProof>),
    /// Answers a dispute.
    Answer(ClaimNumber, Documents),
    /// Offers to settle a dispute, or agrees to the other side's offer.
    Settle(ClaimNumber, Outcome),
    /// Rules on a dispute.
    Rule(ClaimNumber, Outcome, Documents),
    /// Offers a later reading that an irregular meter can be set to.
    OfferReading(ClaimNumber, Box<ReadingProof>),
    /// Says that a charge is paid.
    Pay(ClaimNumber, Documents),
    /// Confirms the payment of a charge.
    ConfirmPayment(ClaimNumber),
    /// Confirms a handover.
    HandOver {
        /// The clause.
        clause: ClauseNumber,
        /// The content in force.
        hash: ContentHash,
        /// The proof of the reading at the handover, if the clause has a meter.
        proof: Option<Box<ReadingProof>>,
    },
    /// Revokes the right of an access, control or custody clause.
    Revoke(ClauseNumber),
    /// Removes a claim that is decided and not needed any more.
    PruneClaim(ClaimNumber),
}

impl ContractCall {
    /// The call's name in the pallet.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Propose(_) => "propose",
            Self::About(_, action) => action.name(),
        }
    }

    /// The arguments, SCALE-encoded one after the other.
    pub(super) fn arguments(&self) -> Vec<u8> {
        match self {
            Self::Propose(content) => content.encode(),
            Self::About(id, action) => [id.encode(), action.arguments()].concat(),
        }
    }
}

impl ContractAction {
    /// The call's name in the pallet.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Accept(_) => "accept",
            Self::Reject(_) => "reject",
            Self::Withdraw(_) => "withdraw",
            Self::Amend { .. } => "amend",
            Self::Terminate => "terminate",
            Self::Prune => "prune",
            Self::Report { .. } => "report",
            Self::Record { .. } => "record",
            Self::Claim { .. } => "claim",
            Self::Confirm(_) => "confirm",
            Self::Contest(..) => "contest",
            Self::Retract(_) => "retract",
            Self::Refute(..) => "refute",
            Self::Answer(..) => "answer",
            Self::Settle(..) => "settle",
            Self::Rule(..) => "rule",
            Self::OfferReading(..) => "offer_reading",
            Self::Pay(..) => "pay",
            Self::ConfirmPayment(_) => "confirm_payment",
            Self::HandOver { .. } => "hand_over",
            Self::Revoke(_) => "revoke",
            Self::PruneClaim(_) => "prune_claim",
        }
    }

    /// The arguments after the contract's id.
    fn arguments(&self) -> Vec<u8> {
        match self {
            Self::Accept(hash) | Self::Reject(hash) | Self::Withdraw(hash) => hash.encode(),
            Self::Amend { current, content } => (current, content).encode(),
            Self::Terminate | Self::Prune => Vec::new(),
            Self::Report { clause, proof } => (clause, proof).encode(),
            Self::Record { clause, proof, documents } => (clause, proof, documents).encode(),
            Self::Claim { clause, evidence, documents } => (clause, evidence, documents).encode(),
            Self::Confirm(number)
            | Self::Retract(number)
            | Self::ConfirmPayment(number)
            | Self::PruneClaim(number) => number.encode(),
            Self::Contest(number, documents)
            | Self::Answer(number, documents)
            | Self::Pay(number, documents) => (number, documents).encode(),
            Self::Refute(number, proof) | Self::OfferReading(number, proof) => (number, proof).encode(),
            Self::Settle(number, outcome) => (number, outcome).encode(),
            Self::Rule(number, outcome, documents) => (number, outcome, documents).encode(),
            Self::HandOver { clause, hash, proof } => (clause, hash, proof).encode(),
            Self::Revoke(clause) => clause.encode(),
        }
    }
}

/// The calls about contracts that this program expects in the runtime.
pub(super) fn calls() -> Vec<CallShape> {
    let (id, hash, content) =
        (meta_type::<ContractId>(), meta_type::<ContentHash>(), meta_type::<ContractContent>());
    let (clause, number) = (meta_type::<ClauseNumber>(), meta_type::<ClaimNumber>());
    let (proof, documents) = (meta_type::<ReadingProof>(), meta_type::<Documents>());
    let optional_proof = meta_type::<Option<ReadingProof>>();
    let (evidence, outcome) = (meta_type::<ClaimEvidence>(), meta_type::<Outcome>());
    let call =
        |call, arguments: &[MetaType]| CallShape { pallet: PALLET, call, arguments: arguments.to_vec() };
    vec![
        call("propose", &[content]),
        call("accept", &[id, hash]),
        call("reject", &[id, hash]),
        call("withdraw", &[id, hash]),
        call("amend", &[id, hash, content]),
        call("terminate", &[id]),
        call("prune", &[id]),
        call("report", &[id, clause, proof]),
        call("record", &[id, clause, optional_proof, documents]),
        call("claim", &[id, clause, evidence, documents]),
        call("confirm", &[id, number]),
        call("contest", &[id, number, documents]),
        call("retract", &[id, number]),
        call("refute", &[id, number, proof]),
        call("answer", &[id, number, documents]),
        call("settle", &[id, number, outcome]),
        call("rule", &[id, number, outcome, documents]),
        call("offer_reading", &[id, number, proof]),
        call("pay", &[id, number, documents]),
        call("confirm_payment", &[id, number]),
        call("hand_over", &[id, clause, hash, optional_proof]),
        call("revoke", &[id, clause]),
        call("prune_claim", &[id, number]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_has_a_shape_with_its_name() {
        let id = ContractId([1; 32]);
        let actions = [
            ContractAction::Accept(ContentHash([2; 32])),
            ContractAction::Terminate,
            ContractAction::Confirm(3),
            ContractAction::Contest(3, Documents::default()),
            ContractAction::Settle(3, Outcome::Void),
            ContractAction::Revoke(4),
            ContractAction::PruneClaim(3),
        ];
        let names: Vec<_> = calls().iter().map(|shape| shape.call).collect();
        for action in actions {
            assert!(names.contains(&action.name()), "{}", action.name());
            let encoded = ContractCall::About(id, action).arguments();
            assert!(encoded.starts_with(&id.0));
        }
        assert_eq!(names.len(), 23);
    }
}
