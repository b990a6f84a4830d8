//! The fees of a chain without fees. Wallets ask for them before they let anybody sign.

use codec::{Decode, Encode};
use frame_support::dispatch::{DispatchClass, GetDispatchInfo};
use scale_info::TypeInfo;
use sp_runtime::Weight;

/// An amount of the token that this chain does not have.
pub type Balance = u128;

sp_api::decl_runtime_apis! {
    /// The API of this name of Substrate's pallet of fees, which this chain does not have. Wallets know it by its name and
    /// version, and read the answers as declared there.
    #[api_version(4)]
    pub trait TransactionPaymentApi {
        /// Returns the weight of a transaction, and no fee. `len` is its encoded length.
        fn query_info(uxt: Block::Extrinsic, len: u32) -> RuntimeDispatchInfo;
        /// Returns no fee.
        fn query_fee_details(uxt: Block::Extrinsic, len: u32) -> FeeDetails;
        /// Returns no fee.
        fn query_weight_to_fee(weight: Weight) -> Balance;
        /// Returns no fee.
        fn query_length_to_fee(length: u32) -> Balance;
    }
}

/// What a transaction costs.
#[derive(Encode, Decode, TypeInfo, Clone, Debug, PartialEq, Eq)]
pub struct RuntimeDispatchInfo {
    /// The weight of its call and of its extensions.
    pub weight: Weight,
    /// The class of the call.
    pub class: DispatchClass,
    /// The fee: zero.
    pub partial_fee: Balance,
}

/// The parts of a fee.
#[derive(Encode, Decode, TypeInfo, Clone, Debug, Default, PartialEq, Eq)]
pub struct FeeDetails {
    /// The fee to be included in a block: none, as for a transaction that pays nothing.
    pub inclusion_fee: Option<InclusionFee>,
    /// What the sender adds for priority: zero.
    pub tip: Balance,
}

/// The parts of the fee to be included in a block.
#[derive(Encode, Decode, TypeInfo, Clone, Debug, PartialEq, Eq)]
pub struct InclusionFee {
    /// The fee of every transaction.
    pub base_fee: Balance,
    /// The fee of the length.
    pub len_fee: Balance,
    /// The fee of the weight, adjusted to how full blocks are.
    pub adjusted_weight_fee: Balance,
}

/// Returns the weight and the fee of a transaction.
pub(crate) fn info(transaction: &crate::UncheckedExtrinsic) -> RuntimeDispatchInfo {
    let info = transaction.get_dispatch_info();
    RuntimeDispatchInfo { weight: info.total_weight(), class: info.class, partial_fee: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{UncheckedExtrinsic, VERSION};
    use codec::DecodeAll as _;

    #[test]
    fn wallets_read_the_weight_and_no_fee() {
        let call = frame_system::Call::remark { remark: vec![1; 100] };
        let expected = crate::RuntimeCall::from(call.clone()).get_dispatch_info().call_weight;
        let info = info(&UncheckedExtrinsic::new_bare(call.into())).encode();
        let (weight, class, fee) = <(Weight, DispatchClass, u128)>::decode_all(&mut &*info).unwrap();
        assert!(weight.all_gte(expected), "{weight:?}");
        assert_eq!((class, fee), (DispatchClass::Normal, 0));
        assert_eq!(FeeDetails::default().encode(), [0; 17], "no fee in the block, and no tip");
    }

    #[test]
    fn wallets_know_the_api_by_its_name_and_version() {
        // The first eight bytes of the BLAKE2b hash of `TransactionPaymentApi`.
        let id = [0x37, 0xc8, 0xbb, 0x13, 0x50, 0xa9, 0xa2, 0xa8];
        assert_eq!(VERSION.api_version(&id), Some(4));
    }
}
