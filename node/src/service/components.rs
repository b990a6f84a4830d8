//! The parts of a node that need no network: database, client, transaction pool, block import.

use crate::{
    consensus::{
        clock_skew::ClockSkewVerifier,
        equivocation::{DoubleBlockHeaders, EquivocationDetector},
        idle::VoteWhenNeeded,
    },
    database::{folder::DatabaseFolder, DatabaseError},
    keys::durable_keystore::durable_keystore,
    types::{Block, Executor, FullBackend, FullClient, FullPool, FullSelectChain},
};
use sc_chain_spec::GenesisBlockBuilder;
use sc_client_api::Backend as _;
use sc_consensus::{BasicQueue, DefaultImportQueue};
use sc_consensus_aura::{BuildVerifierParams, CheckForEquivocation, CompatibilityMode};
use sc_consensus_grandpa::GrandpaPruningFilter;
use sc_executor::{HeapAllocStrategy, DEFAULT_HEAP_ALLOC_STRATEGY};
use sc_service::{error::Error as ServiceError, Configuration, TaskManager};
use sc_telemetry::{Telemetry, TelemetryWorker};
use sp_blockchain::{Error as BlockchainError, HeaderBackend as _};
use sp_consensus_aura::{
    inherents::InherentDataProvider as AuraInherent, sr25519::AuthorityPair, SlotDuration,
};
use sp_keystore::KeystorePtr;
use sp_timestamp::InherentDataProvider as TimestampInherent;
use std::{path::Path, sync::Arc};
use tokio::sync::mpsc;

pub type GrandpaBlockImport =
    sc_consensus_grandpa::GrandpaBlockImport<FullBackend, Block, FullClient, VoteWhenNeeded>;
pub type BlockImport = EquivocationDetector<GrandpaBlockImport>;
pub type VoterLink = sc_consensus_grandpa::LinkHalf<Block, FullClient, VoteWhenNeeded>;

/// The number of blocks after which, at the latest, the justification of a finalized block is stored and synced with
/// it. With 1, the block at the end of every round of votes has one.
///
/// Evidence does not need it: GRANDPA stores the newest justification and those at the end of each authority set in
/// any case, and warp proofs are made from these. But a syncing node takes a block as finalized only if it gets a
/// justification. With a period of 32, up to 31 blocks and the anchors in them would wait until enough voters are
/// online again. A justification takes about 130 bytes per voter, and an idle chain has few blocks. The cost: if an
/// operator prunes blocks, those with a justification stay, and answers to light clients have to be filtered
/// ([`super::block_requests`]).
pub const JUSTIFICATION_PERIOD: u32 = 1;

/// Handles to the chain that the tasks of a node share.
#[derive(Clone)]
pub struct ChainHandles {
    pub client: Arc<FullClient>,
    pub backend: Arc<FullBackend>,
    pub pool: Arc<FullPool>,
    pub select_chain: FullSelectChain,
    pub keystore: KeystorePtr,
}

/// The parts of a node that need no network. Some commands on the database use them too.
pub struct Components {
    pub chain: ChainHandles,
    pub tasks: TaskManager,
    pub import_queue: DefaultImportQueue<Block>,
    pub block_import: BlockImport,
    pub voter_link: VoterLink,
    pub telemetry: Option<Telemetry>,
    /// Receives pairs of blocks that one validator made in one slot.
    pub double_blocks: mpsc::Receiver<DoubleBlockHeaders>,
}

impl Components {
    /// Opens the database and builds the parts. The compiled runtime is stored in `runtime_cache`, or in the base
    /// path if it is `None`.
    pub fn new(config: &Configuration, runtime_cache: Option<&Path>) -> Result<Self, ServiceError> {
        let telemetry = start_telemetry(config)?;
        let telemetry_handle = telemetry.as_ref().map(Telemetry::handle);
        let database = DatabaseFolder::of(config);
        let found = database.as_ref().map(DatabaseFolder::prepare).transpose().map_err(database_error)?;
        let executor = executor(config, runtime_cache);
        let mut db_config = config.db_config();
        // If blocks are pruned, keep those with a justification, because they prove the others.
        db_config.pruning_filters = vec![Arc::new(GrandpaPruningFilter)];
        let backend = sc_service::new_db_backend::<Block>(db_config)
            .map_err(|error| open_error(error, database.as_ref()))?;
        if let (Some(database), Some(found)) = (&database, found) {
            let genesis = backend.blockchain().hash(0).map_err(|error| open_error(error, Some(database)))?;
            database.verify_genesis(found, genesis.is_some()).map_err(database_error)?;
        }
        let genesis = GenesisBlockBuilder::new(
            config.chain_spec.as_storage_builder(),
            !config.no_genesis(),
            backend.clone(),
            executor.clone(),
        )?;
        let (client, backend, keystore_container, tasks) = sc_service::new_full_parts_with_genesis_builder(
            config,
            telemetry_handle.clone(),
            executor,
            backend,
            genesis,
            false,
        )?;
        if let Some(database) = &database {
            database.complete().map_err(database_error)?;
        }
        let client = Arc::new(client);
        let select_chain = FullSelectChain::new(backend.clone());
        let pool = transaction_pool(config, &client, &tasks);
        let (grandpa_import, voter_link) = sc_consensus_grandpa::block_import(
            client.clone(),
            JUSTIFICATION_PERIOD,
            &client,
            VoteWhenNeeded::new(client.clone(), select_chain.clone()),
            telemetry_handle.clone(),
        )?;
        let (block_import, double_blocks) = EquivocationDetector::new(grandpa_import.clone());
        let slot_duration = sc_consensus_aura::slot_duration(&*client)?;
        let verifier = sc_consensus_aura::build_verifier::<AuthorityPair, _, _, Block>(BuildVerifierParams {
            client: client.clone(),
            create_inherent_data_providers: move |_, ()| inherents(slot_duration),
            // Aura's own check would write every header to the disk and only log. EquivocationDetector replaces it.
            check_for_equivocation: CheckForEquivocation::No,
            telemetry: telemetry_handle,
            compatibility_mode: CompatibilityMode::None,
        });
        let import_queue = BasicQueue::new(
            ClockSkewVerifier::new(verifier, client.clone()),
            Box::new(block_import.clone()),
            Some(Box::new(grandpa_import)),
            &tasks.spawn_essential_handle(),
            config.prometheus_registry(),
        );
        let keystore = durable_keystore(keystore_container.keystore(), &config.keystore);
        let chain = ChainHandles { client, backend, pool, select_chain, keystore };
        Ok(Self { chain, tasks, import_queue, block_import, voter_link, telemetry, double_blocks })
    }
}

fn database_error(error: DatabaseError) -> ServiceError {
    ServiceError::Application(Box::new(error))
}

/// Adds the folder and the way back to an error of the database.
fn open_error(error: BlockchainError, database: Option<&DatabaseFolder>) -> ServiceError {
    match database {
        Some(database) => database_error(DatabaseError::Open {
            folder: database.path().to_owned(),
            problem: error.to_string(),
        }),
        None => error.into(),
    }
}

fn transaction_pool(config: &Configuration, client: &Arc<FullClient>, tasks: &TaskManager) -> Arc<FullPool> {
    let pool = sc_transaction_pool::Builder::new(
        tasks.spawn_essential_handle(),
        client.clone(),
        config.role.is_authority().into(),
    )
    .with_options(config.transaction_pool.clone())
    .with_prometheus(config.prometheus_registry())
    .build();
    Arc::new(FullPool::new(pool, client.clone()))
}

/// Builds the executor as `sc_service` would, and adds the cache of the compiled runtime. On a Raspberry Pi,
/// compiling the runtime takes longer than the rest of the start.
fn executor(config: &Configuration, runtime_cache: Option<&Path>) -> Executor {
    let settings = &config.executor;
    let pages = settings.default_heap_pages.and_then(|pages| u32::try_from(pages).ok());
    let heap =
        pages.map_or(DEFAULT_HEAP_ALLOC_STRATEGY, |extra_pages| HeapAllocStrategy::Static { extra_pages });
    let default_cache = || config.base_path.config_dir(config.chain_spec.id()).join("runtime-cache");
    let cache = runtime_cache.map_or_else(default_cache, Path::to_owned);
    // The cache takes only absolute paths.
    let cache = std::path::absolute(&cache).unwrap_or(cache);
    Executor::builder()
        .with_execution_method(settings.wasm_method)
        .with_onchain_heap_alloc_strategy(heap)
        .with_offchain_heap_alloc_strategy(heap)
        .with_max_runtime_instances(settings.max_runtime_instances)
        .with_runtime_cache_size(settings.runtime_cache_size)
        .with_cache_path(cache)
        .build()
}

/// Returns the inherents of a block: the time, and the slot that follows from it.
pub async fn inherents(
    slot_duration: SlotDuration,
) -> Result<(AuraInherent, TimestampInherent), Box<dyn std::error::Error + Send + Sync>> {
    let timestamp = TimestampInherent::from_system_time();
    Ok((AuraInherent::from_timestamp_and_slot_duration(*timestamp, slot_duration), timestamp))
}

/// Starts telemetry if the chain spec or the command line names an endpoint.
fn start_telemetry(config: &Configuration) -> Result<Option<Telemetry>, ServiceError> {
    let Some(endpoints) = config.telemetry_endpoints.clone().filter(|endpoints| !endpoints.is_empty()) else {
        return Ok(None);
    };
    let worker = TelemetryWorker::new(16)?;
    let telemetry = worker.handle().new_telemetry(endpoints);
    config.tokio_handle.spawn(worker.run());
    Ok(Some(telemetry))
}
