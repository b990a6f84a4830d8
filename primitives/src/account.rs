//! Accounts of the chain.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// An account of the chain: an sr25519 public key.
///
/// It has the encoding of `sp_core::crypto::AccountId32` and, in the metadata, also its name: clients recognise an account
/// by that name, and then display it and accept it as an SS58 address.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
#[scale_info(
    replace_segment("streembit_primitives", "sp_core"),
    replace_segment("account", "crypto"),
    replace_segment("AccountId", "AccountId32")
)]
pub struct AccountId(pub [u8; 32]);

crate::hex_id::impl_hex_text!(AccountId, 32);

impl From<[u8; 32]> for AccountId {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metadata_calls_it_account_id_32() {
        assert_eq!(AccountId::type_info().path.segments, ["sp_core", "crypto", "AccountId32"]);
    }
}
