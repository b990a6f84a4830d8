//! Numbers: read digit by digit, and rounded to what a reading holds.
//!
//! A SenML number is what an IEEE double can represent (RFC 8428, section 4.3 and 5). A reading holds 18 digits and
//! exponents from -18 to 18. Programs that print doubles in full, such as Python's, need up to 17 digits at any exponent.

use streembit_primitives::{decimal::DecimalError, Decimal};

/// The number of digits to which a number is rounded if it does not fit.
const DIGITS: usize = 18;
/// The smallest and the largest exponent of a reading.
const EXPONENTS: std::ops::RangeInclusive<i8> = -18..=18;

/// A number, and whether it is exactly the written one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Number {
    /// The value.
    pub value: Decimal,
    /// False if the value was rounded.
    pub is_exact: bool,
}

/// Reads a JSON number. Rounds it, half away from zero, if it has more digits than a reading holds.
pub fn read(text: &str) -> Result<Number, DecimalError> {
    match text.parse() {
        Ok(value) => Ok(Number { value, is_exact: true }),
        Err(DecimalError::NotANumber) => Err(DecimalError::NotANumber),
        Err(DecimalError::OutOfRange) => round(text),
    }
}

/// Rounds a number that is valid JSON but does not fit.
fn round(text: &str) -> Result<Number, DecimalError> {
    let (number, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (is_negative, number) = number.strip_prefix('-').map_or((false, number), |number| (true, number));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    let exponent = match exponent.parse::<i64>() {
        Ok(exponent) => exponent,
        Err(_) if digits.is_empty() || exponent.starts_with('-') => return Ok(rounded(Decimal::ZERO)),
        Err(_) => return Err(DecimalError::OutOfRange),
    };
    let exponent = exponent.saturating_sub(i64::try_from(fraction.len()).unwrap_or(i64::MAX));
    let lowest = i64::from(*EXPONENTS.start());
    let below = usize::try_from(lowest.saturating_sub(exponent)).unwrap_or(0);
    let dropped = below.max(digits.len().saturating_sub(DIGITS));
    let Some((kept, rest)) = digits.len().checked_sub(dropped).map(|kept| digits.split_at(kept)) else {
        return Ok(rounded(Decimal::ZERO));
    };
    let up = i64::from(rest.starts_with(['5', '6', '7', '8', '9']));
    let mantissa: i64 =
        if kept.is_empty() { 0 } else { kept.parse().map_err(|_| DecimalError::OutOfRange)? };
    let sign = if is_negative { -1 } else { 1 };
    let exponent = exponent.saturating_add(i64::try_from(dropped).unwrap_or(i64::MAX));
    match i8::try_from(exponent) {
        _ if mantissa + up == 0 => Ok(rounded(Decimal::ZERO)),
        // Rounding up may reach a power of ten that is out of range.
        Ok(exponent) => Decimal::new(sign * (mantissa + up), exponent)
            .or_else(|_| Decimal::new(sign * mantissa, exponent))
            .map(rounded),
        Err(_) => Err(DecimalError::OutOfRange),
    }
}

fn rounded(value: Decimal) -> Number {
    Number { value, is_exact: false }
}

/// Adds two numbers. Rounds both to the same decimal place, as fine as possible, if their sum has too many digits.
/// Returns `None` if the sum is out of range.
pub fn add(first: Decimal, second: Decimal) -> Option<Number> {
    if let Some(value) = first.checked_add(&second) {
        return Some(Number { value, is_exact: true });
    }
    EXPONENTS.into_iter().find_map(|place| {
        let value = to_place(first, place)?.checked_add(&to_place(second, place)?)?;
        Some(rounded(value))
    })
}

/// Rounds a number to a multiple of a power of ten, half away from zero.
pub fn to_place(number: Decimal, place: i8) -> Option<Decimal> {
    let dropped = i32::from(place) - i32::from(number.exponent());
    if dropped <= 0 {
        return Some(number);
    }
    let Some(power) = 10i64.checked_pow(dropped.unsigned_abs()) else { return Some(Decimal::ZERO) };
    let (quotient, rest) = (number.mantissa() / power, number.mantissa() % power);
    let up = i64::from(rest.unsigned_abs() >= power.unsigned_abs().div_ceil(2)) * number.mantissa().signum();
    Decimal::new(quotient.checked_add(up)?, place).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str) -> (String, bool) {
        let number = read(text).unwrap();
        (number.value.to_string(), number.is_exact)
    }

    #[test]
    fn what_a_double_prints_is_rounded_to_what_a_reading_holds() {
        for (text, value) in [
            ("0.0033333333333333335", "0.003333333333333334"),
            ("1.2345679012345678e-05", "0.000012345679012346"),
            ("0.0010000000000000002", "0.001"),
            ("-0.0033333333333333335", "-0.003333333333333334"),
            ("3.3333333333333335e-3", "0.003333333333333334"),
            ("1234567890123456789012", "1234567890123456790000"),
            ("9999999999999999999", "9999999999999999990"),
            ("5e-324", "0"),
            ("1e-19", "0"),
            ("5e-19", "0.000000000000000001"),
            ("1e-99999999999999999999", "0"),
        ] {
            assert_eq!(shown(text), (value.to_owned(), false), "{text}");
        }
        for text in ["0.1", "-3.5", "123456789012345678", "0.000000000000000001", "0"] {
            assert_eq!(shown(text), (text.to_owned(), true));
        }
    }

    #[test]
    fn what_no_reading_can_hold_is_out_of_range() {
        for text in ["1e400", "1.7976931348623157e308", "-1e40", "1e99999999999999999999"] {
            assert_eq!(read(text), Err(DecimalError::OutOfRange), "{text}");
        }
        for text in ["", "x", "1.", "NaN"] {
            assert_eq!(read(text), Err(DecimalError::NotANumber), "{text}");
        }
    }

    #[test]
    fn a_sum_is_rounded_if_it_has_too_many_digits() {
        let sum = |first: &str, second: &str| {
            let sum = add(first.parse().unwrap(), second.parse().unwrap()).unwrap();
            (sum.value.to_string(), sum.is_exact)
        };
        assert_eq!(sum("100000", "0.5"), ("100000.5".to_owned(), true));
        assert_eq!(sum("100000", "0.003333333333333334"), ("100000.0033333333333".to_owned(), false));
        assert_eq!(sum("1e18", "1e-18"), ("1000000000000000000".to_owned(), false));
    }

    proptest! {
        #[test]
        fn every_double_of_a_usual_size_is_read_with_an_error_below_one_part_in_a_quadrillion(
            mantissa in -1.0f64..1.0, exponent in -3i32..15,
        ) {
            let written = mantissa * 10f64.powi(exponent);
            let number = read(&format!("{written:?}")).unwrap();
            let back: f64 = number.value.to_string().parse().unwrap();
            prop_assert!((back - written).abs() <= 1e-18 + written.abs() * 1e-15, "{written:?} {back:?}");
        }

        #[test]
        fn any_number_is_handled_without_a_panic(text in "-?[0-9]{1,40}(\\.[0-9]{1,40})?([eE][+-]?[0-9]{1,25})?") {
            if let Ok(number) = read(&text) {
                prop_assert_eq!(number.is_exact, text.parse::<Decimal>().is_ok());
                let _ = add(number.value, number.value);
            }
        }
    }
}
