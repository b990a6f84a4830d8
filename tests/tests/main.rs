//! The end-to-end tests: one topic per file, all in one executable so that several tests can run at the same time.

mod anchoring;
mod chain_spec;
mod clock_skew;
mod crash_campaign;
mod delivery;
mod equivocation;
mod erasure;
mod evidence;
mod finality_halt;
mod flood;
mod forks;
mod idle_chain;
mod invalid_input;
mod kill_and_restart;
mod log_tampering;
mod metrics;
mod network_partition;
mod obd_to_audit;
mod outages;
mod refounding;
mod service_contract;
mod substrate_client;
mod upgrade;
mod validator_changes;
mod validator_key_restore;
mod validator_power_cut;
