//! The runtime as a node uses it: blocks and extrinsics through the executive.

mod equivocations;
mod founding;
mod limits;
mod no_text;
mod quotas;
mod refounding;
mod session_rotation;
mod submissions;
mod support;
mod upgrades;
