//! The runtime API about validators.

use alloc::vec::Vec;
use streembit_primitives::consortium::Equivocation;

sp_api::decl_runtime_apis! {
    /// Validators that contradicted themselves.
    pub trait ValidatorsApi {
        /// Returns the validators that contradicted themselves and were not made validators again, oldest first.
        fn equivocations() -> Vec<Equivocation>;
        /// Submits a report to the node's own pool if the author of two headers made two blocks in one slot and was not
        /// reported yet. Returns `None` if the headers prove nothing as of this block.
        fn submit_block_report(first: Block::Header, second: Block::Header) -> Option<()>;
    }
}
