//! The runtime API about quotas.

use streembit_primitives::{consortium::QuotaStatus, AccountId};

sp_api::decl_runtime_apis! {
    /// Quotas.
    pub trait QuotasApi {
        /// Returns what an account has left to spend, together with all accounts of its party. `None` if it may not
        /// submit.
        fn quota(account: AccountId) -> Option<QuotaStatus>;
    }
}
