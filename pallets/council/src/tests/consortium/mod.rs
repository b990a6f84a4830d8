//! The four pallets of the consortium put together, as in the runtime.

mod any_calls;
mod leaving;
mod mock;
