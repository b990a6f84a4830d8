//! Accounts of the chain, as the formats see them.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// An account of the chain: an sr25519 public key. Encodes like `sp_core::crypto::AccountId32`, and has its name in the
/// metadata: by that name clients know an account, show it with its address and take one.
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

crate::text::hex_text!(AccountId, 32);

impl From<[u8; 32]> for AccountId {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_know_it_for_an_account() {
        assert_eq!(AccountId::type_info().path.segments, ["sp_core", "crypto", "AccountId32"]);
    }
}
