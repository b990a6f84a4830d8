//! Additions to Aura and GRANDPA: rules for an idle chain, and checks of what the other validators do.

pub mod clock_skew;
pub mod equivocation;
pub mod idle;
pub mod voter_status;
