//! Why the transaction pool rejects a transaction: the codes of `InvalidTransaction::Custom`.

/// The execution time exceeds what is left of the quota.
pub const QUOTA_TIME: u8 = 1;
/// The length exceeds what is left of the quota.
pub const QUOTA_BYTES: u8 = 2;
/// Only accounts of the council's parties may make this call, and the signer is not one.
pub const NOT_IN_COUNCIL: u8 = 3;
/// The motion does not exist, or is closed, or the time to vote on it is over.
pub const NO_SUCH_MOTION: u8 = 4;
/// The party has cast the same vote already.
pub const ALREADY_VOTED: u8 = 5;
/// The council has not authorized this runtime code, or the chain has been upgraded to it already.
pub const NOT_AUTHORIZED: u8 = 6;
/// The account has ended.
pub const ACCOUNT_ENDED: u8 = 7;
/// The account's scope does not include the call.
pub const OUT_OF_SCOPE: u8 = 8;
