//! The node's parts, put together: client, pool, network, Aura for blocks, GRANDPA for finality.

use crate::{
    clock::ClockWatch,
    condition,
    equivocation::{self, Reporter, Watched},
    idle::{AuthorWhenNeeded, VoteWhenNeeded},
    keys, rpc, voters,
};
use sc_client_api::BlockBackend;
use sc_consensus::BasicQueue;
use sc_consensus_aura::{
    BuildVerifierParams, CheckForEquivocation, CompatibilityMode, SlotProportion, StartAuraParams,
};
use sc_consensus_grandpa::{
    FinalityProofProvider, GrandpaParams, GrandpaPruningFilter, SharedVoterState, VotingRulesBuilder,
};
use sc_executor::{HeapAllocStrategy, DEFAULT_HEAP_ALLOC_STRATEGY};
use sc_network::{
    config::FullNetworkConfiguration,
    service::traits::{NetworkService, NotificationService},
    Litep2pNetworkBackend, NetworkBackend, NotificationMetrics, ProtocolName,
};
use sc_network_sync::{strategy::warp::WarpSyncProvider, SyncingService};
use sc_service::{
    config::PrometheusConfig, error::Error as ServiceError, BuildNetworkParams, Configuration,
    PartialComponents, RpcHandlers, SpawnTasksParams, TFullBackend, TFullClient, TaskManager, WarpSyncConfig,
};
use sc_telemetry::{Telemetry, TelemetryHandle, TelemetryWorker};
use sc_transaction_pool_api::OffchainTransactionPoolFactory;
use sp_consensus_aura::{
    inherents::InherentDataProvider as AuraInherent, sr25519::AuthorityPair, SlotDuration,
};
use sp_keystore::KeystorePtr;
use sp_runtime::{generic, traits::Block as BlockT, OpaqueExtrinsic};
use sp_timestamp::InherentDataProvider as TimestampInherent;
use std::{path::Path, sync::Arc, time::Duration};
use streembit_runtime::{apis::RuntimeApi, Header};
use tokio::sync::{mpsc, watch};

/// A block whose extrinsics are bytes: only the chain's own Wasm knows what they mean, and it may change.
pub type Block = generic::Block<Header, OpaqueExtrinsic>;
/// Runs the chain's Wasm with the host functions that every Substrate runtime may use.
type Executor = sc_executor::WasmExecutor<sp_io::SubstrateHostFunctions>;
/// The chain as this node knows it.
pub type FullClient = TFullClient<Block, RuntimeApi, Executor>;
/// Where it is stored.
pub type FullBackend = TFullBackend<Block>;
/// What waits to be put in a block.
pub type FullPool = sc_transaction_pool::TransactionPoolHandle<Block, FullClient>;
type FullSelectChain = sc_consensus::LongestChain<FullBackend, Block>;
type BlockImport =
    Watched<sc_consensus_grandpa::GrandpaBlockImport<FullBackend, Block, FullClient, VoteWhenNeeded>>;
type VoterLink = sc_consensus_grandpa::LinkHalf<Block, FullClient, VoteWhenNeeded>;
type Network = Litep2pNetworkBackend;

/// Every how many blocks, at the latest, the justification of a finalized block is kept with it and taken over from
/// others when blocks are synced. 1: of each block that a round of votes ended with.
///
/// Evidence itself does not need it. GRANDPA keeps the newest justification apart, and those of the last blocks of each
/// authority set whatever the period, and warp proofs are made of these two. But a node that syncs takes blocks
/// for final only where it is given a justification: with a period of 32 up to 31 blocks, and the anchors in them, wait
/// until enough voters are online again. A justification is some 130 bytes a voter, and blocks are rare where there is
/// nothing to put in them. The price: where an operator prunes blocks, those with a justification stay.
const JUSTIFICATION_PERIOD: u32 = 1;

/// How long GRANDPA expects a message to take to all voters; it prevotes at twice and precommits at four times this,
/// or as soon as it has heard enough. Both counts from when the round began: to a chain that has idled since they are no
/// delay. A third of the 1 s that public networks use makes a block final within two seconds where none has.
const GOSSIP_DURATION: Duration = Duration::from_millis(333);

/// The parts that commands on the database need too.
pub type Parts = PartialComponents<
    FullClient,
    FullBackend,
    FullSelectChain,
    sc_consensus::DefaultImportQueue<Block>,
    FullPool,
    (BlockImport, VoterLink, Option<Telemetry>, mpsc::Receiver<equivocation::Pair>),
>;

/// A node that runs.
pub struct Node {
    /// Its tasks; they end when this is dropped.
    pub tasks: TaskManager,
    /// Its RPC, for whoever is in the same process.
    pub rpc: RpcHandlers,
}

/// Opens the database and builds what needs no network. The compiled runtime is kept in `runtime_cache`, in the base path unless
/// given.
pub fn parts(config: &Configuration, runtime_cache: Option<&Path>) -> Result<Parts, ServiceError> {
    let telemetry = telemetry(config)?;
    let (client, backend, keystore_container, task_manager) = sc_service::new_full_parts(
        config,
        telemetry.as_ref().map(Telemetry::handle),
        executor(config, runtime_cache),
        // Where blocks are pruned, those with a justification stay: they prove the others.
        vec![Arc::new(GrandpaPruningFilter)],
    )?;
    let client = Arc::new(client);
    let select_chain = sc_consensus::LongestChain::new(backend.clone());
    let transaction_pool = Arc::from(
        sc_transaction_pool::Builder::new(
            task_manager.spawn_essential_handle(),
            client.clone(),
            config.role.is_authority().into(),
        )
        .with_options(config.transaction_pool.clone())
        .with_prometheus(config.prometheus_registry())
        .build(),
    );
    let (grandpa_import, voter_link) = sc_consensus_grandpa::block_import(
        client.clone(),
        JUSTIFICATION_PERIOD,
        &client,
        VoteWhenNeeded::new(client.clone(), select_chain.clone()),
        telemetry.as_ref().map(Telemetry::handle),
    )?;
    let (block_import, double_blocks) = Watched::new(grandpa_import.clone());
    let slot_duration = sc_consensus_aura::slot_duration(&*client)?;
    let verifier = sc_consensus_aura::build_verifier::<AuthorityPair, _, _, Block>(BuildVerifierParams {
        client: client.clone(),
        create_inherent_data_providers: move |_, ()| inherents(slot_duration),
        // It would write every header to the disk, and only log: the block import looks itself.
        check_for_equivocation: CheckForEquivocation::No,
        telemetry: telemetry.as_ref().map(Telemetry::handle),
        compatibility_mode: CompatibilityMode::None,
    });
    let import_queue = BasicQueue::new(
        ClockWatch::new(verifier, client.clone()),
        Box::new(block_import.clone()),
        Some(Box::new(grandpa_import)),
        &task_manager.spawn_essential_handle(),
        config.prometheus_registry(),
    );
    Ok(PartialComponents {
        client,
        backend,
        task_manager,
        keystore_container,
        select_chain,
        import_queue,
        transaction_pool,
        other: (block_import, voter_link, telemetry, double_blocks),
    })
}

/// What runs the chain's Wasm: as `sc_service` makes it, but that the next start finds it compiled. On a Raspberry Pi that
/// takes longer than all the rest of a start.
fn executor(config: &Configuration, cache: Option<&Path>) -> Executor {
    let settings = &config.executor;
    let pages = settings.default_heap_pages.and_then(|pages| u32::try_from(pages).ok());
    let heap =
        pages.map_or(DEFAULT_HEAP_ALLOC_STRATEGY, |extra_pages| HeapAllocStrategy::Static { extra_pages });
    let in_base_path = || config.base_path.config_dir(config.chain_spec.id()).join("runtime-cache");
    Executor::builder()
        .with_execution_method(settings.wasm_method)
        .with_onchain_heap_alloc_strategy(heap)
        .with_offchain_heap_alloc_strategy(heap)
        .with_max_runtime_instances(settings.max_runtime_instances)
        .with_runtime_cache_size(settings.runtime_cache_size)
        .with_cache_path(cache.map_or_else(in_base_path, Path::to_owned))
        .build()
}

/// Starts a validator or a full node, as the configuration says. An idle validator makes a block every `heartbeat`; for
/// `runtime_cache` see [`parts`].
pub fn start(
    config: Configuration,
    heartbeat: Duration,
    runtime_cache: Option<&Path>,
) -> Result<Node, ServiceError> {
    let PartialComponents {
        client,
        backend,
        mut task_manager,
        keystore_container,
        select_chain,
        import_queue,
        transaction_pool,
        other: (block_import, voter_link, mut telemetry, double_blocks),
    } = parts(&config, runtime_cache)?;
    let settings = Settings::of(&config, heartbeat);
    let voter_name = voter_protocol(&config, &client)?;
    let (net_config, metrics, voter_notifications) = network_config(&config, voter_name.clone());
    let authorities = voter_link.shared_authority_set().clone();
    let warp_proofs: Arc<dyn WarpSyncProvider<Block>> =
        Arc::new(sc_consensus_grandpa::warp_proof::NetworkProvider::new(
            backend.clone(),
            authorities.clone(),
            Vec::new(),
        ));
    let (network, system_rpc_tx, tx_handler_controller, sync, _bitswap) =
        sc_service::build_network(BuildNetworkParams {
            config: &config,
            net_config,
            client: client.clone(),
            transaction_pool: transaction_pool.clone(),
            spawn_handle: task_manager.spawn_handle(),
            spawn_essential_handle: task_manager.spawn_essential_handle(),
            import_queue,
            block_announce_validator_builder: None,
            warp_sync_config: Some(WarpSyncConfig::WithProvider(warp_proofs.clone())),
            block_relay: None,
            metrics,
            gap_sync_body_policy: None,
        })?;

    let held_votes = keys::held::HeldVotes::of(&config)?;
    let voting_keys = settings
        .authority
        .then(|| keys::synced::for_voter(keystore_container.keystore(), &config.database))
        .transpose()?;
    let voter_state = SharedVoterState::empty();
    let gauges = config.prometheus_registry().map(voters::Gauges::register).transpose()?;
    let (tell, voters) = watch::channel(None);
    let following = voters::follow(client.clone(), authorities.clone(), voter_state.clone(), gauges, tell);
    let finality = rpc::Finality {
        voter_state: voter_state.clone(),
        proofs: FinalityProofProvider::new_for_service(backend.clone(), Some(authorities.clone())),
        authorities,
        voters: voters.clone(),
        justifications: voter_link.justification_stream(),
        warp_proofs,
        spec: Arc::from(config.chain_spec.cloned_box()),
    };
    let reporter = Reporter {
        client: client.clone(),
        pool: transaction_pool.clone(),
        keystore: keystore_container.keystore(),
        seen: equivocation::Seen::default(),
    };
    let rpc_builder = {
        let (client, pool, seen) = (client.clone(), transaction_pool.clone(), reporter.seen.clone());
        move |executor| {
            rpc::methods(client.clone(), pool.clone(), &finality, seen.clone(), executor)
                .map_err(|error| ServiceError::Application(Box::new(error)))
        }
    };
    let rpc = sc_service::spawn_tasks(SpawnTasksParams {
        config,
        client: client.clone(),
        backend,
        task_manager: &mut task_manager,
        keystore: keystore_container.keystore(),
        transaction_pool: transaction_pool.clone(),
        rpc_builder: Box::new(rpc_builder),
        network: network.clone(),
        system_rpc_tx,
        tx_handler_controller,
        sync_service: sync.clone(),
        telemetry: telemetry.as_mut(),
        tracing_execute_block: None,
    })?;
    task_manager.spawn_handle().spawn("voters", None, following);
    let logging = condition::log(client.clone(), sync.clone(), voters);
    task_manager.spawn_handle().spawn("condition", None, logging);
    task_manager.spawn_handle().spawn("double-blocks", None, reporter.run(double_blocks));
    if let Some(votes) = held_votes {
        let released = votes.release_when_safe(client.clone(), sync.clone(), voter_state.clone());
        task_manager.spawn_essential_handle().spawn("held-votes", None, released);
    }

    let telemetry = telemetry.as_ref().map(Telemetry::handle);
    let keystore = keystore_container.keystore();
    let consensus = Consensus {
        client,
        select_chain,
        transaction_pool,
        keystore,
        voting_keys,
        network,
        sync,
        telemetry,
        settings,
    };
    if consensus.settings.authority {
        consensus.author(&task_manager, block_import)?;
    }
    if consensus.settings.grandpa {
        consensus.vote(&task_manager, voter_link, voter_notifications, voter_name, voter_state)?;
    }
    Ok(Node { tasks: task_manager, rpc })
}

/// What is needed of the configuration after `spawn_tasks` took it.
struct Settings {
    role: sc_service::Role,
    authority: bool,
    force_authoring: bool,
    heartbeat: Duration,
    grandpa: bool,
    name: String,
    prometheus: Option<PrometheusConfig>,
}

impl Settings {
    fn of(config: &Configuration, heartbeat: Duration) -> Self {
        Self {
            role: config.role,
            authority: config.role.is_authority(),
            force_authoring: config.force_authoring,
            heartbeat,
            grandpa: !config.disable_grandpa,
            name: config.network.node_name.clone(),
            prometheus: config.prometheus_config.clone(),
        }
    }
}

/// What authoring and voting work with.
struct Consensus {
    client: Arc<FullClient>,
    select_chain: FullSelectChain,
    transaction_pool: Arc<FullPool>,
    keystore: KeystorePtr,
    /// Those that the voter signs with; a validator has them.
    voting_keys: Option<KeystorePtr>,
    network: Arc<dyn NetworkService>,
    sync: Arc<SyncingService<Block>>,
    telemetry: Option<TelemetryHandle>,
    settings: Settings,
}

impl Consensus {
    /// Makes blocks in the slots that are this validator's.
    fn author(&self, tasks: &TaskManager, block_import: BlockImport) -> Result<(), ServiceError> {
        let slot_duration = sc_consensus_aura::slot_duration(&*self.client)?;
        let proposer_factory = sc_basic_authorship::ProposerFactory::new(
            tasks.spawn_handle(),
            self.client.clone(),
            self.transaction_pool.clone(),
            self.settings.prometheus.as_ref().map(|config| &config.registry),
            self.telemetry.clone(),
        );
        let worker =
            sc_consensus_aura::start_aura::<AuthorityPair, _, _, _, _, _, _, _, _, _, _>(StartAuraParams {
                slot_duration,
                client: self.client.clone(),
                select_chain: self.select_chain.clone(),
                block_import,
                proposer_factory,
                sync_oracle: self.sync.clone(),
                justification_sync_link: self.sync.clone(),
                create_inherent_data_providers: move |_, ()| inherents(slot_duration),
                force_authoring: self.settings.force_authoring,
                backoff_authoring_blocks: Some(AuthorWhenNeeded::new(
                    self.client.clone(),
                    self.transaction_pool.clone(),
                    self.settings.heartbeat,
                )),
                keystore: self.keystore.clone(),
                block_proposal_slot_portion: SlotProportion::new(2f32 / 3f32),
                max_block_proposal_slot_portion: None,
                telemetry: self.telemetry.clone(),
                compatibility_mode: CompatibilityMode::None,
            })?;
        tasks.spawn_essential_handle().spawn_blocking("aura", Some("block-authoring"), worker);
        Ok(())
    }

    /// Votes where this is a validator, follows the votes where it is not.
    fn vote(
        self,
        tasks: &TaskManager,
        link: VoterLink,
        notification_service: Box<dyn NotificationService>,
        protocol_name: ProtocolName,
        shared_voter_state: SharedVoterState,
    ) -> Result<(), ServiceError> {
        let voter = sc_consensus_grandpa::run_grandpa_voter(GrandpaParams {
            config: sc_consensus_grandpa::Config {
                gossip_duration: GOSSIP_DURATION,
                justification_generation_period: JUSTIFICATION_PERIOD,
                name: Some(self.settings.name),
                observer_enabled: false,
                keystore: self.voting_keys,
                local_role: self.settings.role,
                telemetry: self.telemetry.clone(),
                protocol_name,
            },
            link,
            network: self.network,
            sync: self.sync,
            notification_service,
            // Substrate's default rules vote two blocks and a quarter of the chain behind the best, for networks of
            // hundreds of voters where the tip may still change. With few validators taking turns it rarely does, and
            // a vote for a block that loses costs one round, never safety: vote for the best block.
            voting_rule: VotingRulesBuilder::new().build(),
            prometheus_registry: self.settings.prometheus.map(|config| config.registry),
            shared_voter_state,
            telemetry: self.telemetry,
            offchain_tx_pool_factory: OffchainTransactionPoolFactory::new(self.transaction_pool),
        })?;
        tasks.spawn_essential_handle().spawn_blocking("grandpa-voter", None, voter);
        Ok(())
    }
}

/// Every block carries the time, and with it the slot.
async fn inherents(
    slot_duration: SlotDuration,
) -> Result<(AuraInherent, TimestampInherent), Box<dyn std::error::Error + Send + Sync>> {
    let timestamp = TimestampInherent::from_system_time();
    Ok((AuraInherent::from_timestamp_and_slot_duration(*timestamp, slot_duration), timestamp))
}

fn voter_protocol(config: &Configuration, client: &FullClient) -> Result<ProtocolName, ServiceError> {
    let genesis: <Block as BlockT>::Hash = client.block_hash(0)?.ok_or_else(|| {
        ServiceError::Other("the database has no genesis block; purge-chain removes it".into())
    })?;
    Ok(sc_consensus_grandpa::protocol_standard_name(&genesis, &config.chain_spec))
}

type NetworkParts = (
    FullNetworkConfiguration<Block, <Block as BlockT>::Hash, Network>,
    NotificationMetrics,
    Box<dyn NotificationService>,
);

fn network_config(config: &Configuration, voter_name: ProtocolName) -> NetworkParts {
    let registry = config.prometheus_registry().cloned();
    let mut net_config = FullNetworkConfiguration::new(&config.network, registry.clone());
    let metrics = <Network as NetworkBackend<Block, <Block as BlockT>::Hash>>::register_notification_metrics(
        registry.as_ref(),
    );
    let (voter_config, notifications) = sc_consensus_grandpa::grandpa_peers_set_config::<Block, Network>(
        voter_name,
        metrics.clone(),
        net_config.peer_store_handle(),
    );
    net_config.add_notification_protocol(voter_config);
    (net_config, metrics, notifications)
}

/// Off unless the chain spec or the command line names where to report to.
fn telemetry(config: &Configuration) -> Result<Option<Telemetry>, ServiceError> {
    let Some(endpoints) = config.telemetry_endpoints.clone().filter(|endpoints| !endpoints.is_empty()) else {
        return Ok(None);
    };
    let worker = TelemetryWorker::new(16)?;
    let telemetry = worker.handle().new_telemetry(endpoints);
    config.tokio_handle.spawn(worker.run());
    Ok(Some(telemetry))
}
