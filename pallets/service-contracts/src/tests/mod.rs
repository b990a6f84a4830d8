mod agreeing;
mod grants;
mod proofs;
mod service;
