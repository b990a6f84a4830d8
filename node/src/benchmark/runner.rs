//! Runs benchmarks in the compiled Wasm runtime.

use codec::{Decode, Encode};
use frame_benchmarking::{
    BenchmarkBatch, BenchmarkConfig, BenchmarkList, BenchmarkParameter, BenchmarkResult,
};
use sc_cli::{Error, Result};
use sc_client_db::BenchmarkingState;
use sc_executor::WasmExecutor;
use sp_core::traits::{CallContext, RuntimeCode, WrappedRuntimeCode};
use sp_runtime::{traits::BlakeTwo256, BuildStorage};
use sp_state_machine::StateMachine;

/// The host functions of a node, and those for benchmarks: a clock and access to the storage.
type HostFunctions = (sp_io::SubstrateHostFunctions, frame_benchmarking::benchmarking::HostFunctions);

/// The values of the components for one run of a benchmark.
pub type Point = Vec<(BenchmarkParameter, u32)>;

/// Identifies a benchmark.
pub struct BenchmarkId<'a> {
    /// The name of the pallet's crate.
    pub pallet: &'a [u8],
    /// The name of the pallet in the runtime.
    pub instance: &'a [u8],
    /// The name of the benchmark.
    pub benchmark: &'a [u8],
}

/// Runs benchmarks on a chain's genesis state. Each run starts from the same state.
pub struct BenchmarkRunner {
    executor: WasmExecutor<HostFunctions>,
    code: &'static [u8],
    /// Counts reads and writes.
    tracking_state: BenchmarkingState<BlakeTwo256>,
    state: BenchmarkingState<BlakeTwo256>,
}

impl BenchmarkRunner {
    /// Creates a runner for the built-in runtime.
    pub fn new() -> Result<Self> {
        let code = streembit_runtime::WASM_BINARY.ok_or_else(|| {
            Error::Input(
                "this node was built without the compiled runtime: build it without SKIP_WASM_BUILD".into(),
            )
        })?;
        let genesis = streembit_runtime::genesis::preset(streembit_runtime::genesis::FOUR_PRESET)
            .ok_or_else(|| Error::Input("the runtime has no preset of four validators".into()))?;
        let storage = genesis.build_storage().map_err(Error::Input)?;
        let state =
            |tracking| BenchmarkingState::new(storage.clone(), None, false, tracking).map_err(Error::Input);
        Ok(Self {
            executor: WasmExecutor::builder().with_max_runtime_instances(2).build(),
            code,
            tracking_state: state(true)?,
            state: state(false)?,
        })
    }

    /// Returns the benchmarks of all pallets.
    pub fn benchmarks(&self) -> Result<Vec<BenchmarkList>> {
        let answer = self.call(&self.state, "Benchmark_benchmark_metadata", &false.encode())?;
        // The answer goes on with a description of the storage, which is not needed.
        Ok(<Vec<BenchmarkList>>::decode(&mut answer.as_slice())?)
    }

    /// Runs a benchmark once, including the assertions at its end.
    pub fn verify(&self, id: &BenchmarkId, point: &Point) -> Result<()> {
        self.dispatch(&self.state, id, point, true, 1).map(drop)
    }

    /// Runs a benchmark once and counts its reads and writes.
    pub fn count_accesses(&self, id: &BenchmarkId, point: &Point) -> Result<Vec<BenchmarkResult>> {
        self.dispatch(&self.tracking_state, id, point, false, 1)
    }

    /// Runs a benchmark `repeat` times and measures its time.
    pub fn measure_time(&self, id: &BenchmarkId, point: &Point, repeat: u32) -> Result<Vec<BenchmarkResult>> {
        self.dispatch(&self.state, id, point, false, repeat)
    }

    fn dispatch(
        &self,
        state: &BenchmarkingState<BlakeTwo256>,
        id: &BenchmarkId,
        point: &Point,
        verify: bool,
        repeat: u32,
    ) -> Result<Vec<BenchmarkResult>> {
        let config = BenchmarkConfig {
            pallet: id.pallet.to_vec(),
            instance: id.instance.to_vec(),
            benchmark: id.benchmark.to_vec(),
            selected_components: point.clone(),
            verify,
            internal_repeats: repeat,
        };
        let answer = self.call(state, "Benchmark_dispatch_benchmark", &config.encode())?;
        let batches = <std::result::Result<Vec<BenchmarkBatch>, String>>::decode(&mut answer.as_slice())?;
        let results = batches.map_err(Error::Input)?.into_iter().flat_map(|batch| batch.results);
        let results: Vec<_> = results.collect();
        if results.is_empty() {
            return Err(Error::Input("the benchmark returned no result".into()));
        }
        Ok(results)
    }

    fn call(&self, state: &BenchmarkingState<BlakeTwo256>, method: &str, data: &[u8]) -> Result<Vec<u8>> {
        let code = WrappedRuntimeCode(self.code.into());
        let code = RuntimeCode {
            code_fetcher: &code,
            heap_pages: None,
            hash: sp_crypto_hashing::blake2_256(self.code).to_vec(),
        };
        let mut changes = Default::default();
        let mut extensions = Default::default();
        let context = CallContext::Offchain;
        let mut machine = StateMachine::<_, BlakeTwo256, _>::new(
            state,
            &mut changes,
            &self.executor,
            method,
            data,
            &mut extensions,
            &code,
            context,
        );
        machine.execute().map_err(|error| Error::Input(format!("{method}: {error}")))
    }
}
