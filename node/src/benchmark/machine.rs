//! The compiled runtime with a state that can be wiped: what a benchmark runs in.

use super::Point;
use codec::{Decode, Encode};
use frame_benchmarking::{BenchmarkBatch, BenchmarkConfig, BenchmarkList, BenchmarkResult};
use sc_cli::{Error, Result};
use sc_client_db::BenchmarkingState;
use sc_executor::WasmExecutor;
use sp_core::traits::{CallContext, RuntimeCode, WrappedRuntimeCode};
use sp_runtime::{traits::BlakeTwo256, BuildStorage};
use sp_state_machine::StateMachine;

/// The host functions of a node, and the clock and the storage that benchmarks ask for.
type HostFunctions = (sp_io::SubstrateHostFunctions, frame_benchmarking::benchmarking::HostFunctions);

/// A benchmark by its names.
pub struct Run<'a> {
    /// The pallet's crate.
    pub pallet: &'a [u8],
    /// The pallet in the runtime.
    pub instance: &'a [u8],
    /// The benchmark.
    pub benchmark: &'a [u8],
}

/// The runtime, and a chain's first state with storage that counts and without.
pub struct Machine {
    executor: WasmExecutor<HostFunctions>,
    code: &'static [u8],
    counting: BenchmarkingState<BlakeTwo256>,
    plain: BenchmarkingState<BlakeTwo256>,
}

impl Machine {
    /// Of the runtime that this node was built with.
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
            |counts| BenchmarkingState::new(storage.clone(), None, false, counts).map_err(Error::Input);
        Ok(Self {
            executor: WasmExecutor::builder().with_max_runtime_instances(2).build(),
            code,
            counting: state(true)?,
            plain: state(false)?,
        })
    }

    /// Which benchmarks there are.
    pub fn list(&self) -> Result<Vec<BenchmarkList>> {
        let answer = self.call(&self.plain, "Benchmark_benchmark_metadata", &false.encode())?;
        // What the pallets store comes after it.
        Ok(<Vec<BenchmarkList>>::decode(&mut answer.as_slice())?)
    }

    /// Runs a benchmark once, with what it asserts at its end.
    pub fn verify(&self, run: &Run, point: &Point) -> Result<()> {
        self.dispatch(&self.plain, run, point, true, 1).map(drop)
    }

    /// What a benchmark reads and writes.
    pub fn count(&self, run: &Run, point: &Point) -> Result<Vec<BenchmarkResult>> {
        self.dispatch(&self.counting, run, point, false, 1)
    }

    /// What time a benchmark takes, so many times.
    pub fn time(&self, run: &Run, point: &Point, repeat: u32) -> Result<Vec<BenchmarkResult>> {
        self.dispatch(&self.plain, run, point, false, repeat)
    }

    fn dispatch(
        &self,
        state: &BenchmarkingState<BlakeTwo256>,
        run: &Run,
        point: &Point,
        verify: bool,
        repeat: u32,
    ) -> Result<Vec<BenchmarkResult>> {
        let config = BenchmarkConfig {
            pallet: run.pallet.to_vec(),
            instance: run.instance.to_vec(),
            benchmark: run.benchmark.to_vec(),
            selected_components: point.clone(),
            verify,
            internal_repeats: repeat,
        };
        let answer = self.call(state, "Benchmark_dispatch_benchmark", &config.encode())?;
        let batches = <std::result::Result<Vec<BenchmarkBatch>, String>>::decode(&mut answer.as_slice())?;
        let results = batches.map_err(Error::Input)?.into_iter().flat_map(|batch| batch.results);
        let results: Vec<_> = results.collect();
        if results.is_empty() {
            return Err(Error::Input("it gave no result".into()));
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

/// What processor this machine says that it has.
pub fn processor() -> String {
    let about = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = about.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    model.map_or_else(|| std::env::consts::ARCH.into(), |(_, model)| model.trim().into())
}
