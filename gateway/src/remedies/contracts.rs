//! Remedies for the errors of the contracts pallet.

/// The errors and their remedies.
pub(super) const TABLE: &[(&str, &str)] = &[
    ("ServiceContracts::Parties", "name two or more parties in [[party]], each once"),
    ("ServiceContracts::Arbiter", "name an arbiter that is not one of the parties, or none"),
    ("ServiceContracts::Devices", "name at least one device, each once"),
    ("ServiceContracts::ClauseNumbers", "give the contract at least one clause, with numbers that rise"),
    ("ServiceContracts::ClauseTwice", "remove one of the two clauses, or change it"),
    ("ServiceContracts::EndsBeforeStart", "give an end that comes after the start of the contract"),
    ("ServiceContracts::Deadline", "give deadlines above zero and of at most 400 days"),
    ("ServiceContracts::Documents", "list each document once"),
    ("ServiceContracts::ClauseParty", "name in each clause two different parties of the contract"),
    ("ServiceContracts::ClauseDevice", "list the clause's device among the contract's devices"),
    ("ServiceContracts::ClauseRole", "name a role that a party has, or list a party with this role"),
    ("ServiceContracts::Interval", "give a period or an interval above zero and of at most 20 years"),
    (
        "ServiceContracts::NoInterval",
        "give the service an interval of the calendar, or a meter with its interval",
    ),
    ("ServiceContracts::Unit", "use a unit of the table in docs/contracts/files.md, such as km, h or kWh"),
    ("ServiceContracts::Limits", "give a lower or an upper limit, the lower one below the upper one"),
    ("ServiceContracts::Negative", "give a number above zero"),
    ("ServiceContracts::OutOfRange", "use smaller numbers, or numbers with fewer digits"),
    ("ServiceContracts::Names", "name at least one reading or command, each once"),
    ("ServiceContracts::HandoverTwice", "hand over each device in one clause only"),
    ("ServiceContracts::InThePast", "write the contract again with an end that is still to come"),
    (
        "ServiceContracts::UnknownParty",
        "name parties of this chain: check the parties in the contract's file",
    ),
    ("ServiceContracts::UnknownDevice", "register the device first: `streembit device register`"),
    ("ServiceContracts::ForeignDevice", "make the device's owner a party to the contract"),
    ("ServiceContracts::RetiredDevice", "name a device that is in use: this one is retired"),
    (
        "ServiceContracts::Exists",
        "write the contract again with `streembit contract new`, which draws another nonce",
    ),
    (
        "ServiceContracts::UnknownContract",
        "check the contract's id: `streembit contract list --party PARTY`; `streembit contract history --config \
         FILE` shows contracts that are pruned",
    ),
    ("ServiceContracts::NotPartyToContract", "sign with an account of a party that the contract names"),
    (
        "ServiceContracts::SeatLost",
        "propose a new contract: the party left the consortium after it had accepted this one",
    ),
    (
        "ServiceContracts::OtherContent",
        "ask for the file of the pending version, and compare its hash with `streembit contract show`",
    ),
    (
        "ServiceContracts::AcceptedAlready",
        "nothing: this party has already accepted; `streembit contract show` shows who has not",
    ),
    ("ServiceContracts::Lapsed", "propose the contract or the amendment again"),
    (
        "ServiceContracts::TooManyOfParty",
        "prune contracts that have ended with `streembit contract prune`: the party has as many as the chain \
         allows",
    ),
    (
        "ServiceContracts::TooManyProposals",
        "withdraw a proposal with `streembit contract withdraw`, or prune those that lapsed with `streembit \
         contract prune`",
    ),
    (
        "ServiceContracts::TooManyOfDevice",
        "prune contracts about the device that have ended with `streembit contract prune`: it has as many as the \
         chain allows",
    ),
    (
        "ServiceContracts::NotActive",
        "wait until every party has accepted; `streembit contract show` shows who has not",
    ),
    ("ServiceContracts::Ended", "propose a new contract: this one has ended"),
    (
        "ServiceContracts::NotProposed",
        "nothing: the contract is already in force; use `streembit contract terminate` to end it",
    ),
    (
        "ServiceContracts::NotTheProposer",
        "sign with an account of the party that proposed it, or reject it with `streembit contract reject`",
    ),
    ("ServiceContracts::AmendmentPending", "accept, reject or withdraw the pending amendment first"),
    (
        "ServiceContracts::NoAmendment",
        "nothing: no amendment is pending; `streembit contract show` shows the content in force",
    ),
    ("ServiceContracts::SameContent", "change something: this content is in force"),
    (
        "ServiceContracts::ClauseReplaced",
        "give the clause a number above all that the contract has had: a clause keeps its number only if its kind, \
         its device, and the name and unit of its meter stay the same. Write the file with `streembit contract new \
         --amends FILE`, which keeps the salts of the texts",
    ),
    (
        "ServiceContracts::ClauseHasClaims",
        "keep the clause, or remove its decided records first with `streembit contract prune --record N`",
    ),
    ("ServiceContracts::NoticeGiven", "nothing: the notice of this party is noted"),
    ("ServiceContracts::NothingToPrune", "nothing: the contract goes on"),
    (
        "ServiceContracts::PrunedTooEarly",
        "wait until claims can no longer be made or disputed: `streembit contract show` shows the time",
    ),
    ("ServiceContracts::UnknownClause", "use the number of a clause, as listed by `streembit contract show`"),
    (
        "ServiceContracts::OtherClauseKind",
        "use the number of a clause of the right kind, as listed by `streembit contract show`",
    ),
    (
        "ServiceContracts::NoMeter",
        "use the number of a clause with a meter, as listed by `streembit contract show`",
    ),
    ("ServiceContracts::OtherLog", "use the log of the gateway that the device is assigned to"),
    ("ServiceContracts::LostEvent", "prove another event: this one is declared lost"),
    (
        "ServiceContracts::NotAnchored",
        "make a new proof: this one is older than the anchors that the chain stores, or its log is not anchored \
         yet",
    ),
    ("ServiceContracts::NotInLog", "make a new proof from the gateway's log: this one was changed"),
    ("ServiceContracts::OtherDevice", "prove a reading of the clause's own device"),
    ("ServiceContracts::BadEvent", "prove an event that is signed with the key that the device has for it"),
    ("ServiceContracts::OtherKind", "prove a reading in an event of readings"),
    (
        "ServiceContracts::ImpossibleSequence",
        "prove another event: the log has too few entries before this one for its sequence",
    ),
    ("ServiceContracts::NotInEvent", "make a new proof: this one was changed"),
    ("ServiceContracts::NotAReading", "prove an event that contains the clause's reading"),
    ("ServiceContracts::OtherReading", "prove the reading that the clause names"),
    ("ServiceContracts::NotANumber", "prove a reading whose value is a number"),
    (
        "ServiceContracts::OtherUnit",
        "prove a reading in a unit that can be converted to the clause's unit: docs/contracts/files.md lists them",
    ),
    (
        "ServiceContracts::GatewaySigned",
        "prove a reading that the device itself signed, or agree on an amendment with signers = \"gateway-too\"",
    ),
    (
        "ServiceContracts::OutsideContract",
        "prove a reading from the time between the start and the end of the contract",
    ),
    (
        "ServiceContracts::ImplausibleTime",
        "check the clocks of the device and the gateway: the event's time does not fit the anchors around it",
    ),
    (
        "ServiceContracts::DeviceSold",
        "agree on an amendment that names the new owner, if the contract waits for a successor",
    ),
    (
        "ServiceContracts::NotNewer",
        "nothing, if there is no newer reading; otherwise wait until it is anchored (see `streembit status`)",
    ),
    (
        "ServiceContracts::Irregular",
        "report the reading first with `streembit contract report`, and decide on the irregularity with `streembit \
         contract settle`",
    ),
    (
        "ServiceContracts::IrregularityOpen",
        "decide on the irregularity first, with `streembit contract settle` by both sides or `streembit contract \
         rule` by the arbiter",
    ),
    ("ServiceContracts::NotTheClaimant", "sign with an account of the party that the clause lets claim"),
    (
        "ServiceContracts::ReadingNeeded",
        "give a proof with --config FILE or --proof FILE if the clause has a meter, and none if it has not",
    ),
    ("ServiceContracts::RecordOpen", "let the other side confirm or contest the open record first"),
    ("ServiceContracts::TooManyClaims", "remove decided records with `streembit contract prune --record N`"),
    (
        "ServiceContracts::NoBreach",
        "prove readings outside of the limits at both ends of a time longer than is tolerated",
    ),
    ("ServiceContracts::NoGap", "prove the readings before and after a gap that is longer than agreed"),
    (
        "ServiceContracts::WrongPeriod",
        "claim a period that is over and that is not claimed yet, with readings in it",
    ),
    (
        "ServiceContracts::WrongRange",
        "charge a range that starts where the last charge ended, and that ends before now and before the end of \
         the contract",
    ),
    (
        "ServiceContracts::ChargedAlready",
        "nothing: the amount is charged; `streembit contract show` lists it",
    ),
    ("ServiceContracts::UnknownClaim", "use the number of a record, as listed by `streembit contract show`"),
    ("ServiceContracts::NotTheRespondent", "sign with an account of the other side of the record"),
    (
        "ServiceContracts::NotOpen",
        "nothing: the record is decided or disputed; `streembit contract show` shows which",
    ),
    ("ServiceContracts::NotDisputed", "contest the record first with `streembit contract contest`"),
    ("ServiceContracts::NotContrary", "prove a reading between those of the record that contradicts it"),
    ("ServiceContracts::NotASide", "sign with an account of a side of the dispute"),
    ("ServiceContracts::NoAnswerDue", "nothing: the dispute is answered, or this party raised it"),
    ("ServiceContracts::NotTheArbiter", "sign with an account of the arbiter that the contract names"),
    (
        "ServiceContracts::WrongOutcome",
        "give another --outcome: an amount is for charges, a reading for irregular meters",
    ),
    ("ServiceContracts::NotRetractable", "settle the irregularity with `streembit contract settle`"),
    (
        "ServiceContracts::NotACharge",
        "use the number of a charge that stands, as listed by `streembit contract show`",
    ),
    ("ServiceContracts::PaidAlready", "nothing: the payment is noted"),
    ("ServiceContracts::NotPaid", "nothing: chains of this version confirm it also then"),
    ("ServiceContracts::NotASideOfClause", "sign with an account of a party that the clause names"),
    (
        "ServiceContracts::NotTheOwner",
        "let the present owner of the device hand it over, or amend the contract",
    ),
    (
        "ServiceContracts::HandedOverAlready",
        "nothing: this side has confirmed the handover, or the device has passed",
    ),
    (
        "ServiceContracts::NothingToRevoke",
        "nothing: the clause gives no right, or the right is revoked; `streembit grant list` lists the rights in \
         force",
    ),
    ("ServiceContracts::ClaimNeeded", "decide on the record first, and pay it if it is a charge"),
];
