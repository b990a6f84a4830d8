mod agreeing;
mod any_calls;
mod grants;
mod proofs;
mod service;
