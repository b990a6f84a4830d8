//! The runtime as a node drives it: blocks and extrinsics through the executive.

mod equivocations;
mod founding;
mod limits;
mod quotas;
mod refounding;
mod submitting;
mod support;
mod turning;
mod upgrading;
