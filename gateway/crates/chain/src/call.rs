//! The calls that this crate can submit, and the calls, runtime API methods and storage that the runtime has to offer.

use super::{
    contract_call::{self, ContractCall},
    devices::{AllowedChange, Reassignment},
};
use codec::Encode;
use scale_info::{meta_type, MetaType};
use streembit_primitives::{
    checkpoint::{Anchor, AnchoredRoot, EpochState},
    consortium::{Change, Consortium, Equivocation, QuotaStatus, SessionKeys},
    contract::{
        state::{ClaimView, ClauseView, ContractView, Grant},
        ContractId,
    },
    device::{DeviceRecord, DeviceState, LastAnchored},
    merkle::ConsistencyProof,
    party::{AccountRole, PartyRecord},
    AccountId, Checkpoint, DeviceId, DeviceKey, EncryptionKey, GatewayRecord, Hash, LogId, LogKey, PartyId,
    PublicKey, Scope, Signature,
};

/// A call that can be submitted to the chain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Call {
    /// Registers a gateway with the signer's party. The gateway may submit transactions from then on.
    AddGateway {
        /// The gateway's account.
        gateway: AccountId,
        /// The key that the gateway signs the notes of its log's checkpoints with.
        log_key: LogKey,
        /// The gateway's signature over [`streembit_primitives::gateway::GatewayConsent`].
        consent: Signature,
    },
    /// Removes a gateway from the signer's party. It may no longer submit.
    RemoveGateway {
        /// The gateway's account.
        gateway: AccountId,
    },
    /// Adds an account to the signer's party.
    AddAccount {
        /// The account.
        account: AccountId,
        /// The calls that it may make.
        scope: Scope,
        /// When it ends (exclusive), in milliseconds since 1970-01-01 UTC. `None` if it does not end.
        until: Option<u64>,
        /// The account's signature over [`streembit_primitives::party::AccountConsent`].
        consent: Signature,
    },
    /// Removes an account from the signer's party.
    RemoveAccount {
        /// The account.
        account: AccountId,
    },
    /// Sets the key that keys for the signer's party are encrypted to.
    SetEncryptionKey {
        /// The key.
        key: EncryptionKey,
    },
    /// Proposes a change to the council. Signed by an account of a party that may do everything, or by a gateway.
    ProposeChange {
        /// The proposed change.
        change: Change,
    },
    /// Casts the vote of the signer's party on a motion.
    Vote {
        /// The motion's hash.
        motion: Hash,
        /// True to approve, false to reject.
        approve: bool,
    },
    /// Applies the runtime code that the council has authorized. Any account that may submit can sign it.
    ApplyUpgrade {
        /// The runtime code, possibly compressed.
        code: Vec<u8>,
    },
    /// Removes the signer from the validators.
    LeaveValidators,
    /// Removes the signer's party with its accounts and gateways from the consortium.
    LeaveConsortium,
    /// Sets the session keys that the signer validates with.
    SetSessionKeys {
        /// The public keys.
        keys: SessionKeys,
        /// The signatures of both keys over the account.
        proof: Vec<u8>,
    },
    /// Registers a device that the signer's party owns.
    RegisterDevice {
        /// The device's key.
        key: DeviceKey,
        /// The gateway that keeps the device's log.
        gateway: AccountId,
        /// The signature over [`streembit_primitives::device::RegistrationConsent`].
        consent: Signature,
        /// The gateway's signature over [`streembit_primitives::device::LogConsent`], if the device signs its own events.
        log_consent: Option<Signature>,
    },
    /// Gives a device a new key, to which the key before it agrees.
    RotateKey {
        /// The device.
        device: DeviceId,
        /// The new key.
        key: DeviceKey,
        /// The sequence of the first event that it signs.
        from: u64,
        /// The proof of the device's last anchored event.
        last: Box<LastAnchored>,
        /// The old key's signature over [`streembit_primitives::device::KeyConsent`].
        old_consent: Signature,
        /// The new key's signature over the same.
        new_consent: Signature,
    },
    /// Gives a device a new key, because the key before it is lost.
    RecoverKey {
        /// The device.
        device: DeviceId,
        /// The new key.
        key: DeviceKey,
        /// The sequence of the first event that it signs.
        from: u64,
        /// The proof of the device's last anchored event.
        last: Box<LastAnchored>,
        /// The new key's signature over [`streembit_primitives::device::KeyConsent`].
        consent: Signature,
    },
    /// Assigns a device to another log.
    Reassign(Box<Reassignment>),
    /// Declares events of a device lost.
    DeclareLost {
        /// The device.
        device: DeviceId,
        /// The sequence after the last lost event.
        until: u64,
        /// The proof of the device's last anchored event.
        last: Box<LastAnchored>,
    },
    /// Offers a device to another party, or withdraws the offer.
    Transfer {
        /// The device.
        device: DeviceId,
        /// The party; `None` to withdraw the offer.
        to: Option<PartyId>,
    },
    /// Accepts a device that is offered to the signer's party.
    AcceptDevice {
        /// The device.
        device: DeviceId,
        /// The party that owns it until now.
        owner: PartyId,
        /// The hash of the record that the signer was shown.
        shown: Hash,
    },
    /// Records what the owner says about a device.
    SetDeviceState {
        /// The device.
        device: DeviceId,
        /// The state.
        state: DeviceState,
    },
    /// Closes the log of a gateway for good.
    CloseEpoch {
        /// The gateway.
        gateway: AccountId,
    },
    /// Opens the next log of a gateway.
    OpenEpoch {
        /// The gateway.
        gateway: AccountId,
    },
    /// Anchors the signing gateway's log.
    Anchor {
        /// The log's checkpoint.
        checkpoint: Checkpoint,
        /// The proof that the checkpoint extends the last anchor.
        proof: ConsistencyProof,
    },
    /// A call about contracts.
    Contract(ContractCall),
}

impl Call {
    /// The pallet's name in the runtime.
    pub fn pallet(&self) -> &'static str {
        match self {
            Self::AddGateway { .. }
            | Self::RemoveGateway { .. }
            | Self::AddAccount { .. }
            | Self::RemoveAccount { .. }
            | Self::SetEncryptionKey { .. }
            | Self::LeaveConsortium => "Parties",
            Self::ProposeChange { .. } | Self::Vote { .. } => "Council",
            Self::LeaveValidators => "Validators",
            Self::ApplyUpgrade { .. } => "System",
            Self::SetSessionKeys { .. } => "Session",
            Self::RegisterDevice { .. }
            | Self::RotateKey { .. }
            | Self::RecoverKey { .. }
            | Self::Reassign(_)
            | Self::DeclareLost { .. }
            | Self::Transfer { .. }
            | Self::AcceptDevice { .. }
            | Self::SetDeviceState { .. } => "Devices",
            Self::Anchor { .. } | Self::CloseEpoch { .. } | Self::OpenEpoch { .. } => "Anchors",
            Self::Contract(_) => contract_call::PALLET,
        }
    }

    /// The call's name in the pallet.
    pub fn name(&self) -> &'static str {
        match self {
            Self::AddGateway { .. } => "add_gateway",
            Self::RemoveGateway { .. } => "remove_gateway",
            Self::AddAccount { .. } => "add_account",
            Self::RemoveAccount { .. } => "remove_account",
            Self::SetEncryptionKey { .. } => "set_encryption_key",
            Self::ProposeChange { .. } => "propose",
            Self::Vote { .. } => "vote",
            Self::ApplyUpgrade { .. } => "apply_authorized_upgrade",
            Self::LeaveValidators | Self::LeaveConsortium => "leave",
            Self::SetSessionKeys { .. } => "set_keys",
            Self::RegisterDevice { .. } => "register",
            Self::RotateKey { .. } => "rotate_key",
            Self::RecoverKey { .. } => "recover_key",
            Self::Reassign(_) => "reassign",
            Self::DeclareLost { .. } => "declare_lost",
            Self::Transfer { .. } => "transfer",
            Self::AcceptDevice { .. } => "accept",
            Self::SetDeviceState { .. } => "set_state",
            Self::CloseEpoch { .. } => "close_epoch",
            Self::OpenEpoch { .. } => "open_epoch",
            Self::Anchor { .. } => "anchor",
            Self::Contract(call) => call.name(),
        }
    }

    /// The arguments, SCALE-encoded one after the other.
    pub(super) fn arguments(&self) -> Vec<u8> {
        match self {
            Self::AddGateway { gateway, log_key, consent } => (gateway, log_key, consent).encode(),
            Self::AddAccount { account, scope, until, consent } => (account, scope, until, consent).encode(),
            Self::RemoveGateway { gateway } => gateway.encode(),
            Self::RemoveAccount { account } => account.encode(),
            Self::SetEncryptionKey { key } => key.encode(),
            Self::ProposeChange { change } => change.encode(),
            Self::Vote { motion, approve } => (motion, approve).encode(),
            Self::ApplyUpgrade { code } => code.encode(),
            Self::LeaveValidators | Self::LeaveConsortium => Vec::new(),
            Self::SetSessionKeys { keys, proof } => (keys, proof).encode(),
            Self::RegisterDevice { key, gateway, consent, log_consent } => {
                (key, gateway, consent, log_consent).encode()
            }
            Self::RotateKey { device, key, from, last, old_consent, new_consent } => {
                (device, key, from, last, old_consent, new_consent).encode()
            }
            Self::RecoverKey { device, key, from, last, consent } => {
                (device, key, from, last, consent).encode()
            }
            Self::Reassign(reassignment) => {
                let Reassignment { device, gateway, host_key, from, last, consent } = &**reassignment;
                (device, gateway, host_key, from, last, consent).encode()
            }
            Self::DeclareLost { device, until, last } => (device, until, last).encode(),
            Self::Transfer { device, to } => (device, to).encode(),
            Self::AcceptDevice { device, owner, shown } => (device, owner, shown).encode(),
            Self::SetDeviceState { device, state } => (device, state).encode(),
            Self::CloseEpoch { gateway } | Self::OpenEpoch { gateway } => gateway.encode(),
            Self::Anchor { checkpoint, proof } => (checkpoint, proof).encode(),
            Self::Contract(call) => call.arguments(),
        }
    }
}

/// A call that this program expects in the runtime.
pub(super) struct CallShape {
    /// The pallet.
    pub pallet: &'static str,
    /// The call.
    pub call: &'static str,
    /// The types of the arguments.
    pub arguments: Vec<MetaType>,
}

impl CallShape {
    /// The qualified name, such as `Anchors.anchor`.
    pub fn name(&self) -> String {
        format!("{}.{}", self.pallet, self.call)
    }
}

/// The calls that [`Call`] can represent.
pub(super) fn calls() -> Vec<CallShape> {
    let call = |pallet, call, arguments| CallShape { pallet, call, arguments };
    let (account, signature) = (meta_type::<AccountId>(), meta_type::<Signature>());
    let (device, key) = (meta_type::<DeviceId>(), meta_type::<DeviceKey>());
    let (sequence, last) = (meta_type::<u64>(), meta_type::<LastAnchored>());
    let optional_signature = meta_type::<Option<Signature>>();
    let mut all = vec![
        call("Parties", "add_gateway", vec![account, meta_type::<LogKey>(), signature]),
        call("Parties", "remove_gateway", vec![account]),
        call(
            "Parties",
            "add_account",
            vec![account, meta_type::<Scope>(), meta_type::<Option<u64>>(), signature],
        ),
        call("Parties", "remove_account", vec![account]),
        call("Parties", "set_encryption_key", vec![meta_type::<EncryptionKey>()]),
        call("Council", "propose", vec![meta_type::<Change>()]),
        call("Council", "vote", vec![meta_type::<Hash>(), meta_type::<bool>()]),
        call("System", "apply_authorized_upgrade", vec![meta_type::<Vec<u8>>()]),
        call("Validators", "leave", Vec::new()),
        call("Parties", "leave", Vec::new()),
        call("Session", "set_keys", vec![meta_type::<SessionKeys>(), meta_type::<Vec<u8>>()]),
        call("Devices", "register", vec![key, account, signature, optional_signature]),
        call("Devices", "rotate_key", vec![device, key, sequence, last, signature, signature]),
        call("Devices", "recover_key", vec![device, key, sequence, last, signature]),
        call(
            "Devices",
            "reassign",
            vec![device, account, meta_type::<Option<DeviceKey>>(), sequence, last, optional_signature],
        ),
        call("Devices", "declare_lost", vec![device, sequence, last]),
        call("Devices", "transfer", vec![device, meta_type::<Option<PartyId>>()]),
        call("Devices", "accept", vec![device, meta_type::<PartyId>(), meta_type::<Hash>()]),
        call("Devices", "set_state", vec![device, meta_type::<DeviceState>()]),
        call("Anchors", "close_epoch", vec![account]),
        call("Anchors", "open_epoch", vec![account]),
        call("Anchors", "anchor", vec![meta_type::<Checkpoint>(), meta_type::<ConsistencyProof>()]),
    ];
    all.extend(contract_call::calls());
    all
}

/// A runtime API method that this program expects in the runtime.
pub(super) struct MethodShape {
    /// The runtime API.
    pub api: &'static str,
    /// The method.
    pub method: &'static str,
    /// The types of the inputs.
    pub inputs: Vec<MetaType>,
    /// The type of the output.
    pub answer: MetaType,
}

impl MethodShape {
    /// The name that `state_call` takes, such as `AnchorsApi_latest`.
    pub fn name(&self) -> String {
        format!("{}_{}", self.api, self.method)
    }
}

/// The methods that [`super::ChainView`] calls.
pub(super) fn methods() -> Vec<MethodShape> {
    let method = |api, method, inputs, answer| MethodShape { api, method, inputs, answer };
    let (account, device) = (meta_type::<AccountId>(), meta_type::<DeviceId>());
    let (party, log, contract) = (meta_type::<PartyId>(), meta_type::<LogId>(), meta_type::<ContractId>());
    vec![
        method("PartiesApi", "role", vec![account], meta_type::<Option<AccountRole>>()),
        method("PartiesApi", "party", vec![party], meta_type::<Option<PartyRecord>>()),
        method("PartiesApi", "parties", vec![], meta_type::<Vec<(PartyId, PartyRecord)>>()),
        method("PartiesApi", "gateways", vec![party], meta_type::<Vec<AccountId>>()),
        method("PartiesApi", "gateway", vec![account], meta_type::<Option<GatewayRecord>>()),
        method("PartiesApi", "consent_nonce", vec![account], meta_type::<u32>()),
        method("ConsortiumApi", "consortium", vec![], meta_type::<Consortium>()),
        method("ValidatorsApi", "equivocations", vec![], meta_type::<Vec<Equivocation>>()),
        method("QuotasApi", "quota", vec![account], meta_type::<Option<QuotaStatus>>()),
        method("DevicesApi", "device", vec![device], meta_type::<Option<DeviceRecord>>()),
        method("DevicesApi", "devices_of_gateway", vec![account], meta_type::<Vec<DeviceId>>()),
        method("DevicesApi", "devices_of_owner", vec![party], meta_type::<Vec<DeviceId>>()),
        method("DevicesApi", "consent_nonce", vec![meta_type::<PublicKey>()], meta_type::<u32>()),
        method("DevicesApi", "device_of_key", vec![device], meta_type::<Option<DeviceId>>()),
        method("DevicesApi", "offer", vec![device], meta_type::<Option<PartyId>>()),
        method("AnchorsApi", "epoch", vec![account], meta_type::<EpochState>()),
        method("AnchorsApi", "latest", vec![log], meta_type::<Option<Anchor>>()),
        method(
            "AnchorsApi",
            "anchored_root",
            vec![log, meta_type::<u64>()],
            meta_type::<Option<AnchoredRoot>>(),
        ),
        method("AnchorsApi", "anchored_roots", vec![log], meta_type::<Vec<AnchoredRoot>>()),
        method("ServiceContractsApi", "contract", vec![contract], meta_type::<Option<ContractView>>()),
        method("ServiceContractsApi", "contracts_of", vec![party], meta_type::<Vec<ContractId>>()),
        method("ServiceContractsApi", "contracts_about", vec![device], meta_type::<Vec<ContractId>>()),
        method("ServiceContractsApi", "clauses", vec![contract], meta_type::<Option<Vec<ClauseView>>>()),
        method("ServiceContractsApi", "claims", vec![contract], meta_type::<Option<Vec<ClaimView>>>()),
        method("ServiceContractsApi", "grants", vec![device], meta_type::<Vec<Grant>>()),
        method("ServiceContractsApi", "grants_of", vec![contract], meta_type::<Vec<Grant>>()),
        method("ServiceContractsApi", "lineage", vec![], meta_type::<Hash>()),
        method("ServiceContractsApi", "live_time", vec![], meta_type::<u64>()),
    ]
}

/// A map in the runtime's storage that this program reads, because no runtime API method returns its values.
pub(super) struct MapShape {
    /// The pallet.
    pub pallet: &'static str,
    /// The map.
    pub map: &'static str,
    /// The type of the values.
    pub value: MetaType,
}

impl MapShape {
    /// The qualified name, such as `Devices.AllowedChanges`.
    pub fn name(&self) -> String {
        format!("{}.{}", self.pallet, self.map)
    }
}

/// The changes of devices that the council allows, by the device's id.
pub(super) fn allowed_changes() -> MapShape {
    MapShape { pallet: "Devices", map: "AllowedChanges", value: meta_type::<AllowedChange>() }
}
