//! Remarks for the sender of a pack about the readings taken from it.

use streembit_primitives::{reading::Unit, Decimal};

/// A remark on a pack that was read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Remark {
    /// A number has more digits than a reading holds.
    #[error("record {record}, field {field:?}: the number has more digits than a reading holds; it is rounded to {value}")]
    Rounded {
        /// The number of the record, from 1.
        record: usize,
        /// The name of the field.
        field: &'static str,
        /// The rounded value.
        value: Decimal,
    },
    /// The sum of a base value and a value has more digits than a reading holds.
    #[error(
        "record {record}: the sum of bv and v has more digits than a reading holds; it is rounded to {value}"
    )]
    SumRounded {
        /// The number of the record, from 1.
        record: usize,
        /// The rounded value.
        value: Decimal,
    },
    /// A unit is secondary, but the pack does not declare the feature.
    #[error("{name:?} is a secondary unit (RFC 8798): a pack with it has \"bver\":26 in its first record (RFC 9100)", name = .unit.as_str())]
    SecondaryUnit {
        /// The unit.
        unit: Unit,
    },
    /// The gateway's clock has not been set.
    #[error("the gateway's clock has not been set, so the times of these readings are wrong unless they are absolute")]
    ClockUnset,
}
