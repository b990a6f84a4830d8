//! Remedies for the errors of the pallets.

use super::contracts;

/// Returns the remedy for an error given as `Pallet::Error`, or for an error text of the runtime itself.
pub(super) fn remedy_of(error: &str) -> &'static str {
    all().find(|(name, _)| *name == error).map_or(UNKNOWN, |(_, remedy)| remedy)
}

/// All errors and their remedies.
fn all() -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    TABLE.iter().chain(contracts::TABLE)
}

const UNKNOWN: &str = "look the error up in the documentation of the pallet";

const TABLE: &[(&str, &str)] = &[
    (
        "Parties::NotAParty",
        "sign with the key of an account of a party, or name a party of this chain: `streembit consortium show` lists \
         the parties and their accounts",
    ),
    ("Quotas::NotAParty", "name a party of this chain: `streembit consortium show` lists the parties"),
    (
        "Parties::IsAParty",
        "use another account: the party that this one founded still belongs to the consortium",
    ),
    (
        "Parties::IsAnAccount",
        "use a key that acts for no party: make one with `streembit key new` or `streembit gateway init`",
    ),
    (
        "Parties::AccountEnded",
        "sign with another account of the party, or let the party remove this one and add it again with \
         `streembit party account add`",
    ),
    (
        "Parties::OutOfScope",
        "sign with an account of the party whose scope includes the call: `streembit party account list` shows the \
         scopes",
    ),
    (
        "Parties::NotYourAccount",
        "name an account of the party that signs: `streembit party account list` lists them",
    ),
    (
        "Parties::LastAccount",
        "add another account with the scope `all` and without an end first: `streembit party account add`",
    ),
    (
        "Parties::TooManyAccounts",
        "remove an account that has ended or is not needed: `streembit party account remove`",
    ),
    (
        "Parties::WrongPartyId",
        "propose a new party with its first account alone: its id follows from it",
    ),
    (
        "Parties::NotAFormerAccount",
        "name an account that the party had when it left, with the scope `all` and without an end",
    ),
    (
        "Parties::TooManyGateways",
        "remove a gateway that the party does not use: `streembit gateway remove`",
    ),
    (
        "Parties::TooManyKeys",
        "use a key again that the party had before: it has taken in as many different keys as a party can",
    ),
    ("Parties::EndInPast", "give an end that is still to come: --until DATE"),
    (
        "Parties::OutlivesSender",
        "give an earlier end with --until DATE, or sign with an account that does not end",
    ),
    ("Parties::GatewayKnown", "nothing: the gateway already belongs to a party"),
    (
        "Parties::BadConsent",
        "get a new consent: register the gateway with `streembit gateway register`, or sign again with \
         `streembit party account consent`; each consent is good for one chain, one party and one time",
    ),
    (
        "Parties::BadLogKey",
        "register the gateway with `streembit gateway register`, which derives a valid log key from the gateway's \
         key",
    ),
    ("Parties::NotYourGateway", "sign with the key of the gateway's party, or of the gateway itself"),
    ("Council::BadMembers", "name at least one party, and each party once"),
    (
        "Council::UnknownMember",
        "name parties of this chain: `streembit consortium show` lists the parties",
    ),
    (
        "Validators::NotAMember",
        "use a party's gateway, or an account of a party with the scope `all` and without an end: `streembit consortium \
         show` lists them",
    ),
    ("Council::NotInCouncil", "only the council votes: `streembit consortium show` lists its members"),
    (
        "Council::NoMotion",
        "see `streembit consortium show` for the open motions: this one is already decided, or its time is over; propose the \
         change again if it is still wanted",
    ),
    ("Parties::IsAGateway", "create a separate key with `streembit key new`"),
    ("Council::InCouncil", "remove the party from the council first"),
    (
        "Validators::NotAValidator",
        "nothing: the account is not a validator; `streembit consortium show` lists the validators",
    ),
    (
        "Validators::IsAValidator",
        "if the account has to leave its party or be replaced, run `streembit consortium leave` or `remove-validator` first; \
         otherwise nothing: it is already a validator",
    ),
    (
        "Validators::NoSessionKeys",
        "create session keys in the validator's own node with `streembit consortium join`",
    ),
    ("Validators::LastValidator", "add another validator first: this is the last one"),
    (
        "Validators::StillInForce",
        "wait until `streembit consortium show` no longer lists the account as leaving, then try again",
    ),
    ("Validators::TooManyValidators", "wait until another validator has left"),
    (
        "Validators::NoEquivocation",
        "report two different votes or blocks of one validator, each with its valid signature",
    ),
    ("Validators::NotAnAuthority", "report only an account that was a validator at that time"),
    ("Validators::TooOld", "nothing: the chain no longer knows the validators of that time"),
    (
        "Validators::NotOfThisChain",
        "check that the node is of the right chain: the block is from another one",
    ),
    (
        "Validators::AlreadyReported",
        "nothing: the validator is already reported; `streembit consortium show` lists the reports",
    ),
    (
        "Collective::DuplicateProposal",
        "vote on the open motion with `streembit consortium vote`: the change is already proposed",
    ),
    ("Collective::DuplicateVote", "nothing: the vote is already counted"),
    (
        "Collective::TooManyProposals",
        "wait until the council has decided on the open motions, which `streembit consortium show` lists",
    ),
    (
        "Session::InvalidProof",
        "create the keys in the validator's own node with `streembit consortium join` or `rotate-keys`",
    ),
    ("Session::DuplicatedKey", "create new session keys: another validator already uses these"),
    (
        "Session::NoAssociatedValidatorId",
        "use a party's gateway, or an account of a party with the scope `all` and without an end",
    ),
    (
        "System::NothingAuthorized",
        "propose it with `streembit consortium propose-upgrade`; `streembit consortium show` tells if it \
         is already applied",
    ),
    ("System::Unauthorized", "submit the file whose hash the council voted on"),
    ("System::CallFiltered", "use another call: this chain allows nobody to make this one"),
    ("Devices::NotAGateway", "register the gateway first: `streembit gateway register`"),
    (
        "Devices::HostedElsewhere",
        "register the device with the configuration of the gateway that signs for it; a device that cannot sign needs a \
         key of the gateway that keeps its log (`streembit device admit`)",
    ),
    (
        "Devices::Registered",
        "nothing: the device is already registered; `streembit device show` shows its owner",
    ),
    (
        "Devices::BadConsent",
        "get a new consent with `streembit device consent` or `key-consent`; each consent is good for one chain, device, \
         owner, key and log, and one time",
    ),
    ("Devices::UnknownDevice", "register the device first: `streembit device register`"),
    (
        "Devices::NotYourDevice",
        "sign with an account of the device's owner: `streembit device show` shows the owner",
    ),
    ("Devices::KeyInUse", "make a new key: no two devices can have one key, and no device the same key twice"),
    ("Devices::EpochNotOpen", "open the next log of the gateway with `streembit gateway epoch open`"),
    (
        "Devices::NoLogConsent",
        "let the gateway agree with `streembit device admit`, and give the file that it writes with --admission",
    ),
    (
        "Devices::BadLogConsent",
        "let the gateway agree again with `streembit device admit`: each consent is good for one device, owner, key and \
         log, and until the gateway's next one is used",
    ),
    ("Devices::NotHosted", "give a host key only for a device that cannot sign, before and after"),
    (
        "Devices::UnknownParty",
        "name a party of this chain: `streembit consortium show` lists the parties",
    ),
    ("Devices::NotOffered", "let the owner offer the device to the party first: `streembit device transfer`"),
    (
        "Devices::OtherOwner",
        "name the party that offers the device: `streembit device show` shows the owner",
    ),
    ("Devices::Retired", "register the device anew with a new key: a retired device stays retired"),
    (
        "Devices::AnchoredHistory",
        "begin later: `streembit device last-anchored` shows the last anchored event",
    ),
    (
        "Devices::RecordChanged",
        "look at the device again with `streembit device show`, and accept it as it is now",
    ),
    (
        "Devices::NotAllowed",
        "give a proof of the last anchored event (`streembit device last-anchored`), or let the council allow the change: \
         `streembit consortium allow-device-change`",
    ),
    ("Devices::TooFar", "begin earlier: a change cannot skip more than 2^40 events"),
    (
        "Devices::ReservedForOwner",
        "sign with an account of the device's owner: the last places of the record are kept for it",
    ),
    (
        "Devices::HeadProof",
        "make the proof again, because the log was anchored in the meantime: `streembit device last-anchored`",
    ),
    (
        "Devices::RecordFull",
        "retire the device with `streembit device retire`, and register it with a new key; what is proven stays proven",
    ),
    ("Devices::SameLog", "nothing: the device is in this log already"),
    ("Devices::SameOwner", "nothing: the party owns the device already"),
    ("Devices::NothingLost", "give a sequence after the last anchored event"),
    ("Devices::TooManyOfOwner", "retire devices that are out of use, or transfer some to another party"),
    ("Devices::TooManyOfGateway", "set up another gateway for further devices"),
    ("Anchors::NotYourLog", "only the log's own gateway can anchor it: use its key"),
    ("Anchors::NotAGateway", "register the gateway with `streembit gateway register --key PARTY.key`"),
    (
        "Anchors::EpochNotOpen",
        "this log is closed: open the next one with `streembit gateway epoch open`, and start the gateway with an empty \
         data_dir; `streembit gateway epoch show` shows the epoch",
    ),
    ("Anchors::EpochOpen", "close the log first with `streembit gateway epoch close`"),
    ("Anchors::TooManyEpochs", "set up a gateway with a new key: `streembit gateway init`"),
    (
        "Anchors::NotYourGateway",
        "sign with the gateway's key, or with an account of its party with the scope `gateway`",
    ),
    (
        "Anchors::NotLarger",
        "nothing, if the log is already anchored at this size; otherwise restore the data folder from \
         a backup",
    ),
    ("Anchors::TooLarge", "check the size of the checkpoint: no log has that many entries"),
    (
        "Anchors::Inconsistent",
        "restore the data folder from a backup: this log is not the one that was anchored before",
    ),
    ("Bad origin.", "use an account that may make this call"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use codec::Decode as _;
    use frame_metadata::{RuntimeMetadata, RuntimeMetadataPrefixed};
    use scale_info::TypeDef;

    /// The pallets of this repository.
    const OURS: [&str; 7] =
        ["Parties", "Validators", "Quotas", "Council", "Devices", "Anchors", "ServiceContracts"];

    #[test]
    fn every_error_of_our_pallets_has_a_remedy() {
        let bytes = include_bytes!("../../../runtime/metadata.scale");
        let RuntimeMetadataPrefixed(_, metadata) = RuntimeMetadataPrefixed::decode(&mut &bytes[..]).unwrap();
        let RuntimeMetadata::V15(metadata) = metadata else { panic!("the metadata has another version") };
        let errors_of = |pallet: &str| {
            let pallet = metadata.pallets.iter().find(|found| found.name == pallet).unwrap();
            let Some(error) = &pallet.error else { return Vec::new() };
            let TypeDef::Variant(errors) = &metadata.types.resolve(error.ty.id).unwrap().type_def else {
                panic!("the errors of {} are not an enum", pallet.name)
            };
            errors.variants.iter().map(|error| format!("{}::{}", pallet.name, error.name)).collect()
        };
        let errors: Vec<String> = OURS.into_iter().flat_map(errors_of).collect();
        assert!(errors.iter().any(|error| error == "Anchors::Inconsistent"), "{errors:?}");
        let missing: Vec<_> = errors.iter().filter(|error| remedy_of(error) == UNKNOWN).collect();
        assert!(missing.is_empty(), "no remedy for {missing:?}");
    }

    #[test]
    fn every_error_has_exactly_one_remedy() {
        for (at, (name, remedy)) in all().enumerate() {
            assert_eq!(remedy_of(name), *remedy);
            assert!(all().skip(at + 1).all(|(other, _)| other != name), "{name} twice");
        }
        assert_eq!(remedy_of("System::NonZeroRefCount"), UNKNOWN);
    }
}
