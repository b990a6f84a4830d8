//! The calls that the gateway and the command line submit, and what the chain has to take for each.

use codec::Encode;
use scale_info::{meta_type, MetaType};
use streembit_primitives::{
    checkpoint::Anchor,
    consortium::{Change, Consortium, Equivocation, Membership, QuotaStatus, SessionKeys},
    contract::{Contract, ContractId},
    contract_state::{ContractView, Grant, ServiceDue},
    device::DeviceRecord,
    merkle::ConsistencyProof,
    reading_proof::ReadingProof,
    AccountId, Checkpoint, DeviceId, DeviceKey, Hash, LogId, Signature,
};

/// What can be submitted to the chain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Call {
    /// A party takes a gateway into its possession; from then on the gateway may submit.
    AddGateway {
        /// The gateway's account.
        gateway: AccountId,
        /// The gateway's signature over [`streembit_primitives::device::GatewayConsent`].
        consent: Signature,
    },
    /// A party, a gateway or a member of the council asks the council for a change.
    ProposeChange {
        /// The change.
        change: Change,
    },
    /// A member of the council votes on a motion.
    Vote {
        /// The motion.
        motion: Hash,
        /// Whether it is for it.
        approve: bool,
    },
    /// Anyone who belongs brings in the code of the runtime that the council decided on.
    ApplyUpgrade {
        /// The code, compressed as it may be.
        code: Vec<u8>,
    },
    /// A validator leaves the validators.
    LeaveValidators,
    /// A party leaves the consortium, with its gateways.
    LeaveConsortium,
    /// An account sets the session keys that it validates with.
    SetSessionKeys {
        /// The public keys.
        keys: SessionKeys,
        /// The signatures of both keys over the account.
        proof: Vec<u8>,
    },
    /// A party registers a device that it owns.
    RegisterDevice {
        /// The device's key.
        key: DeviceKey,
        /// The gateway that is to keep its log.
        gateway: AccountId,
        /// The signature over [`streembit_primitives::device::RegistrationConsent`].
        consent: Signature,
    },
    /// A gateway anchors its log.
    Anchor {
        /// The state of the log.
        checkpoint: Checkpoint,
        /// That it extends what is anchored.
        proof: ConsistencyProof,
    },
    /// A party proposes a contract, and so accepts it.
    Propose {
        /// The content.
        contract: Contract,
    },
    /// A party accepts a proposed contract.
    Accept {
        /// Which.
        id: ContractId,
    },
    /// A party proves what a clause's meter reads.
    Report {
        /// Which contract.
        id: ContractId,
        /// The clause, by its place in the contract.
        clause: u32,
        /// The meter.
        proof: ReadingProof,
    },
    /// A provider claims that a service was done.
    Record {
        /// Which contract.
        id: ContractId,
        /// The clause, by its place in the contract.
        clause: u32,
        /// The meter when it was done.
        proof: ReadingProof,
        /// The hash of what else is to be said.
        details: Hash,
    },
    /// A customer confirms a service record.
    Confirm {
        /// Which contract.
        id: ContractId,
        /// The record's number.
        number: u32,
    },
}

impl Call {
    /// The pallet, as the runtime names it.
    pub fn pallet(&self) -> &'static str {
        match self {
            Self::AddGateway { .. } | Self::LeaveConsortium => "Parties",
            Self::ProposeChange { .. } | Self::Vote { .. } => "Council",
            Self::LeaveValidators => "Validators",
            Self::ApplyUpgrade { .. } => "System",
            Self::SetSessionKeys { .. } => "Session",
            Self::RegisterDevice { .. } => "Devices",
            Self::Anchor { .. } => "Anchors",
            _ => "ServiceContracts",
        }
    }

    /// The call, as the pallet names it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::AddGateway { .. } => "add_gateway",
            Self::ProposeChange { .. } => "propose",
            Self::Vote { .. } => "vote",
            Self::ApplyUpgrade { .. } => "apply_authorized_upgrade",
            Self::LeaveValidators | Self::LeaveConsortium => "leave",
            Self::SetSessionKeys { .. } => "set_keys",
            Self::RegisterDevice { .. } => "register",
            Self::Anchor { .. } => "anchor",
            Self::Propose { .. } => "propose",
            Self::Accept { .. } => "accept",
            Self::Report { .. } => "report",
            Self::Record { .. } => "record",
            Self::Confirm { .. } => "confirm",
        }
    }

    /// The arguments, SCALE encoded one after the other.
    pub(super) fn arguments(&self) -> Vec<u8> {
        match self {
            Self::AddGateway { gateway, consent } => (gateway, consent).encode(),
            Self::ProposeChange { change } => change.encode(),
            Self::Vote { motion, approve } => (motion, approve).encode(),
            Self::ApplyUpgrade { code } => code.encode(),
            Self::LeaveValidators | Self::LeaveConsortium => Vec::new(),
            Self::SetSessionKeys { keys, proof } => (keys, proof).encode(),
            Self::RegisterDevice { key, gateway, consent } => (key, gateway, consent).encode(),
            Self::Anchor { checkpoint, proof } => (checkpoint, proof).encode(),
            Self::Propose { contract } => contract.encode(),
            Self::Accept { id } => id.encode(),
            Self::Report { id, clause, proof } => (id, clause, proof).encode(),
            Self::Record { id, clause, proof, details } => (id, clause, proof, details).encode(),
            Self::Confirm { id, number } => (id, number).encode(),
        }
    }
}

/// A call of the runtime as this program knows it.
pub(super) struct CallShape {
    /// The pallet.
    pub pallet: &'static str,
    /// The call.
    pub call: &'static str,
    /// The types of its arguments.
    pub arguments: Vec<MetaType>,
}

impl CallShape {
    /// `Anchors.anchor`.
    pub fn name(&self) -> String {
        format!("{}.{}", self.pallet, self.call)
    }
}

/// Every call that [`Call`] can make.
pub(super) fn calls() -> Vec<CallShape> {
    let call = |pallet, call, arguments| CallShape { pallet, call, arguments };
    let (account, signature) = (meta_type::<AccountId>(), meta_type::<Signature>());
    let (id, number, proof) = (meta_type::<ContractId>(), meta_type::<u32>(), meta_type::<ReadingProof>());
    vec![
        call("Parties", "add_gateway", vec![account, signature]),
        call("Council", "propose", vec![meta_type::<Change>()]),
        call("Council", "vote", vec![meta_type::<Hash>(), meta_type::<bool>()]),
        call("System", "apply_authorized_upgrade", vec![meta_type::<Vec<u8>>()]),
        call("Validators", "leave", Vec::new()),
        call("Parties", "leave", Vec::new()),
        call("Session", "set_keys", vec![meta_type::<SessionKeys>(), meta_type::<Vec<u8>>()]),
        call("Devices", "register", vec![meta_type::<DeviceKey>(), account, signature]),
        call("Anchors", "anchor", vec![meta_type::<Checkpoint>(), meta_type::<ConsistencyProof>()]),
        call("ServiceContracts", "propose", vec![meta_type::<Contract>()]),
        call("ServiceContracts", "accept", vec![id]),
        call("ServiceContracts", "report", vec![id, number, proof]),
        call("ServiceContracts", "record", vec![id, number, proof, meta_type::<Hash>()]),
        call("ServiceContracts", "confirm", vec![id, number]),
    ]
}

/// A question to the runtime as this program knows it.
pub(super) struct QuestionShape {
    /// The runtime API.
    pub api: &'static str,
    /// The method.
    pub method: &'static str,
    /// The types of its inputs.
    pub inputs: Vec<MetaType>,
    /// The type of its answer.
    pub answer: MetaType,
}

impl QuestionShape {
    /// `AnchorsApi_latest`, as the RPC names it.
    pub fn name(&self) -> String {
        format!("{}_{}", self.api, self.method)
    }
}

/// Every question that [`super::ChainView`] asks.
pub(super) fn questions() -> Vec<QuestionShape> {
    let question = |api, method, inputs, answer| QuestionShape { api, method, inputs, answer };
    let (account, device) = (meta_type::<AccountId>(), meta_type::<DeviceId>());
    let (log, contract) = (meta_type::<LogId>(), meta_type::<ContractId>());
    vec![
        question("PartiesApi", "is_party", vec![account], meta_type::<bool>()),
        question("PartiesApi", "gateways", vec![account], meta_type::<Vec<AccountId>>()),
        question("PartiesApi", "party_of", vec![account], meta_type::<Option<AccountId>>()),
        question("ConsortiumApi", "consortium", vec![], meta_type::<Consortium>()),
        question("PartiesApi", "memberships", vec![], meta_type::<Vec<(AccountId, Membership)>>()),
        question("ValidatorsApi", "equivocations", vec![], meta_type::<Vec<Equivocation>>()),
        question("QuotasApi", "quota", vec![account], meta_type::<Option<QuotaStatus>>()),
        question("DevicesApi", "device", vec![device], meta_type::<Option<DeviceRecord>>()),
        question("DevicesApi", "devices_of_gateway", vec![account], meta_type::<Vec<DeviceId>>()),
        question("DevicesApi", "devices_of_owner", vec![account], meta_type::<Vec<DeviceId>>()),
        question("AnchorsApi", "latest", vec![log], meta_type::<Option<Anchor>>()),
        question("AnchorsApi", "anchored_root", vec![log, meta_type::<u64>()], meta_type::<Option<Hash>>()),
        question("ServiceContractsApi", "contract", vec![contract], meta_type::<Option<ContractView>>()),
        question("ServiceContractsApi", "contracts_of", vec![account], meta_type::<Vec<ContractId>>()),
        question("ServiceContractsApi", "due", vec![contract], meta_type::<Option<Vec<ServiceDue>>>()),
        question("ServiceContractsApi", "grants", vec![device], meta_type::<Vec<Grant>>()),
    ]
}
