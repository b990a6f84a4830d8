//! Fixed-point decimals, which represent sensor values exactly on every machine and on chain.

use crate::contract::evaluate::Rounding;
use alloc::string::String;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::{cmp::Ordering, fmt, str::FromStr};
use scale_info::TypeInfo;

/// The maximum absolute value of an exponent.
const MAX_EXPONENT: i8 = 18;

/// A decimal number, `mantissa * 10^exponent`. It is always in lowest terms, so equal values have equal encodings.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Encode, MaxEncodedLen, TypeInfo)]
pub struct Decimal {
    mantissa: i64,
    exponent: i8,
}

/// Why a text or a pair of numbers is not a [`Decimal`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DecimalError {
    /// The text is not a JSON number.
    NotANumber,
    /// The number has more than 18 digits, or an exponent outside of -18 to 18.
    OutOfRange,
}

impl fmt::Display for DecimalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotANumber => "not a decimal number such as 12.5 or -3e2",
            Self::OutOfRange => {
                "the number is out of range: at most 18 digits and exponents from -18 to 18 are allowed"
            }
        })
    }
}

impl core::error::Error for DecimalError {}

impl Decimal {
    /// Zero.
    pub const ZERO: Self = Self { mantissa: 0, exponent: 0 };

    /// Returns `mantissa * 10^exponent` in lowest terms.
    pub fn new(mantissa: i64, exponent: i8) -> Result<Self, DecimalError> {
        let (mut mantissa, mut exponent) = (mantissa, i32::from(exponent));
        if mantissa == 0 {
            return Ok(Self::ZERO);
        }
        while mantissa % 10 == 0 {
            mantissa /= 10;
            exponent += 1;
        }
        let exponent = i8::try_from(exponent).map_err(|_| DecimalError::OutOfRange)?;
        if exponent.unsigned_abs() > MAX_EXPONENT.unsigned_abs() {
            return Err(DecimalError::OutOfRange);
        }
        Ok(Self { mantissa, exponent })
    }

    /// Returns the digits without the decimal point.
    pub fn mantissa(&self) -> i64 {
        self.mantissa
    }

    /// Returns the power of ten that the mantissa is multiplied by.
    pub fn exponent(&self) -> i8 {
        self.exponent
    }

    /// Returns the sum, or `None` if it is out of range.
    pub fn checked_add(&self, other: &Self) -> Option<Self> {
        let exponent = self.exponent.min(other.exponent);
        let sum = self.scaled_to(exponent).checked_add(other.scaled_to(exponent))?;
        Self::from_wide(sum, exponent)
    }

    /// Returns the difference, or `None` if it is out of range.
    pub fn checked_sub(&self, other: &Self) -> Option<Self> {
        let exponent = self.exponent.min(other.exponent);
        let difference = self.scaled_to(exponent).checked_sub(other.scaled_to(exponent))?;
        Self::from_wide(difference, exponent)
    }

    /// Returns `self * factor / divisor`, rounded once to a number of decimal places, or `None` if the result or a step is
    /// out of range, or if the divisor is not above zero.
    pub fn mul_div(&self, factor: &Self, divisor: &Self, places: u8, rounding: Rounding) -> Option<Self> {
        let exponent = i32::from(self.exponent) + i32::from(factor.exponent) - i32::from(divisor.exponent);
        let shift = exponent.checked_add(i32::from(places))?;
        let power = 10i128.checked_pow(shift.unsigned_abs())?;
        // Two mantissas of 64 bits fit into 128 bits.
        let product = i128::from(self.mantissa).checked_mul(factor.mantissa.into())?;
        let mantissa = if shift >= 0 {
            rounding.divide(product.checked_mul(power)?, divisor.mantissa.into())?
        } else {
            rounding.divide(product, i128::from(divisor.mantissa).checked_mul(power)?)?
        };
        Self::from_wide(mantissa, 0i8.checked_sub_unsigned(places)?)
    }

    /// Returns the mantissa at a smaller exponent. A mantissa of 19 digits shifted by 36 digits can exceed 128 bits. It
    /// then saturates, which preserves the order and makes sums fail as out of range.
    fn scaled_to(&self, exponent: i8) -> i128 {
        let shift = u32::from(self.exponent.saturating_sub(exponent).unsigned_abs());
        i128::from(self.mantissa).saturating_mul(10i128.saturating_pow(shift))
    }

    fn from_wide(mut mantissa: i128, mut exponent: i8) -> Option<Self> {
        while mantissa != 0 && mantissa % 10 == 0 && exponent < MAX_EXPONENT {
            mantissa /= 10;
            exponent += 1;
        }
        Self::new(i64::try_from(mantissa).ok()?, exponent).ok()
    }
}

impl From<u32> for Decimal {
    fn from(value: u32) -> Self {
        // Always in range: at most ten digits, and an exponent of at most nine.
        Self::new(i64::from(value), 0).unwrap_or(Self::ZERO)
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let exponent = self.exponent.min(other.exponent);
        self.scaled_to(exponent).cmp(&other.scaled_to(exponent))
    }
}

impl Decode for Decimal {
    fn decode<I: codec::Input>(input: &mut I) -> Result<Self, codec::Error> {
        let (mantissa, exponent) = <(i64, i8)>::decode(input)?;
        let decimal =
            Self::new(mantissa, exponent).map_err(|_| codec::Error::from("decimal out of range"))?;
        if (decimal.mantissa, decimal.exponent) != (mantissa, exponent) {
            return Err("decimal not in lowest terms".into());
        }
        Ok(decimal)
    }
}

impl DecodeWithMemTracking for Decimal {}

impl FromStr for Decimal {
    type Err = DecimalError;

    /// Parses the number syntax of JSON (RFC 8259, section 6) without rounding. Leading zeros are allowed.
    fn from_str(text: &str) -> Result<Self, DecimalError> {
        let (number, exponent) = match text.split_once(['e', 'E']) {
            Some((number, exponent)) => (number, parse_exponent(exponent)?),
            None => (text, 0),
        };
        let (is_negative, digits) = match number.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, number),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty()
            || !is_digits(whole)
            || !is_digits(fraction)
            || (digits.contains('.') && fraction.is_empty())
        {
            return Err(DecimalError::NotANumber);
        }
        let fraction = fraction.trim_end_matches('0');
        // Count trailing zeros as part of the exponent: there may be more of them than fit in a mantissa.
        let significant = if fraction.is_empty() { whole.trim_end_matches('0') } else { whole };
        let zeros = whole.len().saturating_sub(significant.len());
        let mut mantissa: i64 = 0;
        for byte in significant.bytes().chain(fraction.bytes()) {
            let digit = i64::from(byte - b'0');
            mantissa = mantissa
                .checked_mul(10)
                .and_then(
                    |value| if is_negative { value.checked_sub(digit) } else { value.checked_add(digit) },
                )
                .ok_or(DecimalError::OutOfRange)?;
        }
        let exponent = exponent
            .checked_add_unsigned(u32::try_from(zeros).map_err(|_| DecimalError::OutOfRange)?)
            .and_then(|exponent| exponent.checked_sub_unsigned(u32::try_from(fraction.len()).ok()?))
            .and_then(|exponent| i8::try_from(exponent).ok())
            .ok_or(DecimalError::OutOfRange)?;
        Self::new(mantissa, exponent)
    }
}

/// Parses the part of a number after the `e`.
fn parse_exponent(text: &str) -> Result<i32, DecimalError> {
    use core::num::IntErrorKind::{NegOverflow, PosOverflow};
    text.parse::<i32>().map_err(|error| match error.kind() {
        PosOverflow | NegOverflow => DecimalError::OutOfRange,
        _ => DecimalError::NotANumber,
    })
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = alloc::format!("{}", self.mantissa.unsigned_abs());
        if self.exponent >= 0 {
            digits.extend(core::iter::repeat_n('0', usize::from(self.exponent.unsigned_abs())));
        } else {
            let places = usize::from(self.exponent.unsigned_abs());
            if digits.len() <= places {
                let zeros: String = core::iter::repeat_n('0', places + 1 - digits.len()).collect();
                digits.insert_str(0, &zeros);
            }
            digits.insert(digits.len() - places, '.');
        }
        f.pad_integral(self.mantissa >= 0, "", &digits)
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Decimal {
    /// Serializes as text, because many JSON parsers would round a number.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Decimal {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn parses_and_displays() {
        for (text, shown) in [
            ("0", "0"),
            ("-0.0", "0"),
            ("12.50", "12.5"),
            ("-0.05", "-0.05"),
            ("3e2", "300"),
            ("1E-2", "0.01"),
            ("12e18", "12000000000000000000"),
            ("12000000000000000000", "12000000000000000000"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("123456.7", "123456.7"),
        ] {
            assert_eq!(decimal(text).to_string(), shown, "{text}");
        }
        for text in
            ["", "-", ".5", "5.", "1e", "0x10", "1 ", "NaN", "--1", "+1", "1e400", "99999999999999999999"]
        {
            assert!(text.parse::<Decimal>().is_err(), "{text}");
        }
    }

    #[test]
    fn only_lowest_terms_decode() {
        assert!(Decimal::decode(&mut &(10i64, 0i8).encode()[..]).is_err());
        assert!(Decimal::decode(&mut &(1i64, 100i8).encode()[..]).is_err());
        assert!(Decimal::decode(&mut &(0i64, 1i8).encode()[..]).is_err());
    }

    #[test]
    fn invalid_numbers_and_out_of_range_numbers_are_distinguished() {
        for text in
            ["1e400", "1e99999999999", "1e-99999999999", "99999999999999999999", "9223372036854775808"]
        {
            assert_eq!(text.parse::<Decimal>(), Err(DecimalError::OutOfRange), "{text}");
        }
        for text in ["1e", "1e+", "1e1.5", "e5"] {
            assert_eq!(text.parse::<Decimal>(), Err(DecimalError::NotANumber), "{text}");
        }
    }

    proptest! {
        #[test]
        fn text_and_codec_round_trip(mantissa in any::<i64>(), exponent in -18i8..=18) {
            let Ok(value) = Decimal::new(mantissa, exponent) else { return Ok(()) };
            prop_assert_eq!(decimal(&value.to_string()), value);
            prop_assert_eq!(Decimal::decode(&mut &value.encode()[..]).unwrap(), value);
        }

        #[test]
        fn order_and_sum_agree_with_integers(a in -1_000_000i64..1_000_000, b in -1_000_000i64..1_000_000) {
            let (x, y) = (Decimal::new(a, -3).unwrap(), Decimal::new(b, -3).unwrap());
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
            prop_assert_eq!(x.checked_add(&y), Decimal::new(a + b, -3).ok());
            prop_assert_eq!(x.checked_sub(&y), Decimal::new(a - b, -3).ok());
        }

        #[test]
        fn never_panics(text in ".{0,30}", a in any::<i64>(), b in any::<i64>(), e in -18i8..=18, g in -18i8..=18) {
            let _ = text.parse::<Decimal>();
            if let (Ok(x), Ok(y)) = (Decimal::new(a, e), Decimal::new(b, g)) {
                let _ = (x.cmp(&y), x.checked_add(&y), x.checked_sub(&y), x.to_string());
            }
        }
    }
}
