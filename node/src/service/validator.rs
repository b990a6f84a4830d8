//! Block production with Aura and voting with GRANDPA.

use super::{
    components::{inherents, BlockImport, ChainHandles, VoterLink, JUSTIFICATION_PERIOD},
    network::GrandpaProtocol,
};
use crate::{
    consensus::idle::AuthorWhenNeeded, keys::synced_keystore::voter_keystore, restart::RestartSender,
    types::Block,
};
use sc_consensus_aura::{CompatibilityMode, SlotProportion, StartAuraParams};
use sc_consensus_grandpa::{GrandpaParams, SharedVoterState, VotingRulesBuilder};
use sc_network::service::traits::NetworkService;
use sc_network_sync::SyncingService;
use sc_service::{error::Error as ServiceError, Configuration, Role, TaskManager};
use sc_telemetry::TelemetryHandle;
use sc_transaction_pool_api::OffchainTransactionPoolFactory;
use sp_consensus_aura::sr25519::AuthorityPair;
use sp_keystore::KeystorePtr;
use std::{sync::Arc, time::Duration};
use substrate_prometheus_endpoint::Registry;

/// The time in which GRANDPA expects a message to reach all voters. A voter prevotes after twice and precommits after
/// four times this time, or as soon as it has heard enough votes. Both count from the start of the round, so they
/// cause no delay when the chain was idle. Public networks use 1 s; with a third of it, a block is final within two
/// seconds.
const GOSSIP_DURATION: Duration = Duration::from_millis(333);

/// The parts of the configuration that block production and voting use. `sc_service::spawn_tasks` takes the rest.
pub struct ValidatorSettings {
    role: Role,
    force_authoring: bool,
    heartbeat: Duration,
    grandpa_enabled: bool,
    node_name: String,
    registry: Option<Registry>,
    /// The keystore that the voter signs with; `None` if this node is not a validator.
    voter_keystore: Option<KeystorePtr>,
}

impl ValidatorSettings {
    /// Takes the settings from the configuration. The database must be open.
    pub fn new(
        config: &Configuration,
        keystore: &KeystorePtr,
        heartbeat: Duration,
        restart: RestartSender,
    ) -> Result<Self, ServiceError> {
        let voter_keystore = if config.role.is_authority() {
            Some(voter_keystore(keystore.clone(), config, restart)?)
        } else {
            None
        };
        Ok(Self {
            role: config.role,
            force_authoring: config.force_authoring,
            heartbeat,
            grandpa_enabled: !config.disable_grandpa,
            node_name: config.network.node_name.clone(),
            registry: config.prometheus_registry().cloned(),
            voter_keystore,
        })
    }
}

/// Produces blocks and votes if the node is a validator, and only follows the votes if it is not.
pub struct Validator {
    pub chain: ChainHandles,
    pub network: Arc<dyn NetworkService>,
    pub sync: Arc<SyncingService<Block>>,
    pub telemetry: Option<TelemetryHandle>,
    pub settings: ValidatorSettings,
}

impl Validator {
    /// Spawns the tasks.
    pub fn spawn(
        self,
        tasks: &TaskManager,
        block_import: BlockImport,
        voter_link: VoterLink,
        grandpa_protocol: GrandpaProtocol,
        voter_state: SharedVoterState,
    ) -> Result<(), ServiceError> {
        if self.settings.role.is_authority() {
            self.spawn_block_production(tasks, block_import)?;
        }
        if self.settings.grandpa_enabled {
            self.spawn_voter(tasks, voter_link, grandpa_protocol, voter_state)?;
        }
        Ok(())
    }

    fn spawn_block_production(
        &self,
        tasks: &TaskManager,
        block_import: BlockImport,
    ) -> Result<(), ServiceError> {
        let client = &self.chain.client;
        let slot_duration = sc_consensus_aura::slot_duration(&**client)?;
        let proposer_factory = sc_basic_authorship::ProposerFactory::new(
            tasks.spawn_handle(),
            client.clone(),
            self.chain.pool.clone(),
            self.settings.registry.as_ref(),
            self.telemetry.clone(),
        );
        let author_when_needed =
            AuthorWhenNeeded::new(client.clone(), self.chain.pool.clone(), self.settings.heartbeat);
        let worker =
            sc_consensus_aura::start_aura::<AuthorityPair, _, _, _, _, _, _, _, _, _, _>(StartAuraParams {
                slot_duration,
                client: client.clone(),
                select_chain: self.chain.select_chain.clone(),
                block_import,
                proposer_factory,
                sync_oracle: self.sync.clone(),
                justification_sync_link: self.sync.clone(),
                create_inherent_data_providers: move |_, ()| inherents(slot_duration),
                force_authoring: self.settings.force_authoring,
                backoff_authoring_blocks: Some(author_when_needed),
                keystore: self.chain.keystore.clone(),
                block_proposal_slot_portion: SlotProportion::new(2f32 / 3f32),
                max_block_proposal_slot_portion: None,
                telemetry: self.telemetry.clone(),
                compatibility_mode: CompatibilityMode::None,
            })?;
        tasks.spawn_essential_handle().spawn_blocking("aura", Some("block-authoring"), worker);
        Ok(())
    }

    fn spawn_voter(
        self,
        tasks: &TaskManager,
        link: VoterLink,
        protocol: GrandpaProtocol,
        voter_state: SharedVoterState,
    ) -> Result<(), ServiceError> {
        let voter = sc_consensus_grandpa::run_grandpa_voter(GrandpaParams {
            config: sc_consensus_grandpa::Config {
                gossip_duration: GOSSIP_DURATION,
                justification_generation_period: JUSTIFICATION_PERIOD,
                name: Some(self.settings.node_name),
                observer_enabled: false,
                keystore: self.settings.voter_keystore,
                local_role: self.settings.role,
                telemetry: self.telemetry.clone(),
                protocol_name: protocol.name,
            },
            link,
            network: self.network,
            sync: self.sync,
            notification_service: protocol.notifications,
            // Vote for the best block. Substrate's default rules vote two blocks or a quarter of the unfinalized
            // chain behind it, because in networks with hundreds of voters the best block often changes. With few
            // validators it rarely does, and a vote for a block that loses costs a round but never safety.
            voting_rule: VotingRulesBuilder::new().build(),
            prometheus_registry: self.settings.registry,
            shared_voter_state: voter_state,
            telemetry: self.telemetry,
            offchain_tx_pool_factory: OffchainTransactionPoolFactory::new(self.chain.pool),
        })?;
        tasks.spawn_essential_handle().spawn_blocking("grandpa-voter", None, voter);
        Ok(())
    }
}
