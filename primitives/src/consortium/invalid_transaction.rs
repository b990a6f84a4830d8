//! Why the transaction pool rejects a transaction: the codes of `InvalidTransaction::Custom`.

/// The execution time exceeds what is left of the quota.
pub const QUOTA_TIME: u8 = 1;
/// The length exceeds what is left of the quota.
pub const QUOTA_BYTES: u8 = 2;
/// Only members of the council may make this call, and the signer is not one.
pub const NOT_IN_COUNCIL: u8 = 3;
/// The motion does not exist, or is closed.
pub const NO_SUCH_MOTION: u8 = 4;
/// The member of the council has cast the same vote already.
pub const ALREADY_VOTED: u8 = 5;
/// The council has not authorized this runtime code, or the chain has been upgraded to it already.
pub const NOT_AUTHORIZED: u8 = 6;
