//! The end-to-end tests: one file for each promise, one executable for all, so that two scenes can run at once.

mod bad_input;
mod campaign;
mod chain;
mod clock;
mod consortium;
mod contract;
mod crash;
mod delivery;
mod disaster;
mod emulator_to_audit;
mod equivocation;
mod erase;
mod evidence;
mod flood;
mod forks;
mod founding;
mod halting;
mod idle;
mod metrics;
mod outages;
mod partition;
mod power_cut;
mod reimaging;
mod standard_clients;
mod tampering;
mod upgrade;
