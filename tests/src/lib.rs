//! The harness of the end-to-end tests: real processes, real peers, loopback only.
//!
//! A test is a [`scene`](fn@scene): a folder of its own, a place among the few that run at once, and every log shown
//! when it fails. Nothing waits for a fixed time: [`until`] polls the state itself, with a deadline.
//!
//! The tests are in `tests/tests/`, one file a topic. They need the binaries (`make test` builds them first) and the
//! foreign programs (`tests/setup`).

#![forbid(unsafe_code)]

mod agreement;
pub mod bench;
mod binaries;
mod change;
mod cli;
mod clock;
pub mod crash;
mod crowd;
mod emulator;
mod fake_gateway;
mod finality;
mod gateway;
mod home;
mod lan;
mod meter;
pub mod metrics;
mod network;
mod node;
mod process;
mod python;
mod scene;
mod shed;
mod subscriber;
pub mod transaction;
mod vehicle;
mod wait;

pub use agreement::{dev_key, now_ms};
pub use binaries::{binary, foreign_venv};
pub use change::accounts;
pub use cli::{streembit_node, Command, Output};
pub use clock::WrongClock;
pub use crowd::{web_sockets, Crowd};
pub use emulator::{odometers_of_the_car_scenario, Emulator};
pub use fake_gateway::{FakeGateway, Leaves, Logger};
pub use finality::FinalityWatch;
pub use gateway::{Device, Gateway, LogState, Settings};
pub use home::{number, text, Home};
pub use lan::{Door, Lan, Namespace};
pub use meter::{request_of, Meter};
pub use network::Network;
pub use node::{rpc, Node};
pub use process::Process;
pub use scene::{free_port, scene, Scene};
pub use shed::Shed;
pub use subscriber::{Subscriber, Subscription};
pub use vehicle::Vehicle;
pub use wait::{until, Hopeless};
