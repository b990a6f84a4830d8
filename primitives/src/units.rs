//! The units that contracts count in, and their conversion: one table. Units that are not in it are refused.
//!
//! The symbols are those of SenML (RFC 8428, RFC 8798) and COVESA VSS. Where the two name one unit differently, both are in
//! the table. `F` is the degree Fahrenheit, as people write it, and not SenML's farad.

use crate::{contract::evaluate::Rounding, reading::Unit, Decimal};
use core::fmt;

/// The number of decimal places that a converted value is rounded to.
pub const PLACES: u8 = 9;

/// What a unit measures. Units of one quantity can be converted into each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UnitQuantity {
    /// A number without a unit.
    Number,
    /// A length.
    Length,
    /// A time.
    Time,
    /// An energy.
    Energy,
    /// A power.
    Power,
    /// A temperature.
    Temperature,
    /// A speed.
    Speed,
    /// A mass.
    Mass,
    /// A volume.
    Volume,
    /// A pressure.
    Pressure,
    /// A part of a whole.
    Ratio,
    /// A relative humidity.
    Humidity,
    /// A voltage.
    Voltage,
    /// An electric current.
    Current,
    /// An electric charge.
    ElectricCharge,
    /// A frequency of rotation.
    Rotation,
    /// An angle.
    Angle,
    /// A concentration in air.
    Concentration,
}

/// A unit of the table: a value in it, plus `offset`, times `numerator / denominator`, is the value in the base unit of
/// the quantity.
struct KnownUnit {
    symbols: &'static [&'static str],
    quantity: UnitQuantity,
    numerator: i64,
    denominator: i64,
    /// Added before the multiplication, in hundredths of the unit.
    offset: i64,
}

const fn unit(
    symbols: &'static [&'static str],
    quantity: UnitQuantity,
    numerator: i64,
    denominator: i64,
) -> KnownUnit {
    KnownUnit { symbols, quantity, numerator, denominator, offset: 0 }
}

const fn degrees(
    symbols: &'static [&'static str],
    numerator: i64,
    denominator: i64,
    offset: i64,
) -> KnownUnit {
    KnownUnit { symbols, quantity: UnitQuantity::Temperature, numerator, denominator, offset }
}

/// The units. The first one of each quantity is its base.
#[rustfmt::skip]
static UNITS: &[KnownUnit] = &[
    unit(&[""], UnitQuantity::Number, 1, 1),
    unit(&["m"], UnitQuantity::Length, 1, 1),
    unit(&["km"], UnitQuantity::Length, 1_000, 1),
    unit(&["cm"], UnitQuantity::Length, 1, 100),
    unit(&["mm"], UnitQuantity::Length, 1, 1_000),
    unit(&["mi", "mile"], UnitQuantity::Length, 1_609_344, 1_000),
    unit(&["ft"], UnitQuantity::Length, 3_048, 10_000),
    unit(&["s"], UnitQuantity::Time, 1, 1),
    unit(&["ms"], UnitQuantity::Time, 1, 1_000),
    unit(&["min"], UnitQuantity::Time, 60, 1),
    unit(&["h"], UnitQuantity::Time, 3_600, 1),
    unit(&["d", "day"], UnitQuantity::Time, 86_400, 1),
    unit(&["Wh"], UnitQuantity::Energy, 1, 1),
    unit(&["kWh"], UnitQuantity::Energy, 1_000, 1),
    unit(&["MWh"], UnitQuantity::Energy, 1_000_000, 1),
    unit(&["J"], UnitQuantity::Energy, 1, 3_600),
    unit(&["kJ"], UnitQuantity::Energy, 1_000, 3_600),
    unit(&["MJ"], UnitQuantity::Energy, 1_000_000, 3_600),
    unit(&["W"], UnitQuantity::Power, 1, 1),
    unit(&["kW"], UnitQuantity::Power, 1_000, 1),
    unit(&["MW"], UnitQuantity::Power, 1_000_000, 1),
    degrees(&["K"], 1, 1, 0),
    degrees(&["Cel", "celsius"], 1, 1, 27_315),
    degrees(&["F", "degF", "fahrenheit"], 5, 9, 45_967),
    unit(&["m/s"], UnitQuantity::Speed, 1, 1),
    unit(&["km/h"], UnitQuantity::Speed, 10, 36),
    unit(&["mi/h", "mph"], UnitQuantity::Speed, 1_609_344, 3_600_000),
    unit(&["kg"], UnitQuantity::Mass, 1, 1),
    unit(&["g"], UnitQuantity::Mass, 1, 1_000),
    unit(&["t"], UnitQuantity::Mass, 1_000, 1),
    unit(&["lb"], UnitQuantity::Mass, 45_359_237, 100_000_000),
    unit(&["l"], UnitQuantity::Volume, 1, 1),
    unit(&["ml"], UnitQuantity::Volume, 1, 1_000),
    unit(&["m3"], UnitQuantity::Volume, 1_000, 1),
    unit(&["gal"], UnitQuantity::Volume, 3_785_411_784, 1_000_000_000),
    unit(&["Pa"], UnitQuantity::Pressure, 1, 1),
    unit(&["hPa", "mbar"], UnitQuantity::Pressure, 100, 1),
    unit(&["kPa"], UnitQuantity::Pressure, 1_000, 1),
    unit(&["bar"], UnitQuantity::Pressure, 100_000, 1),
    unit(&["/"], UnitQuantity::Ratio, 1, 1),
    unit(&["%", "percent", "/100", "%EL"], UnitQuantity::Ratio, 1, 100),
    unit(&["/1000"], UnitQuantity::Ratio, 1, 1_000),
    unit(&["%RH"], UnitQuantity::Humidity, 1, 1),
    unit(&["V"], UnitQuantity::Voltage, 1, 1),
    unit(&["mV"], UnitQuantity::Voltage, 1, 1_000),
    unit(&["kV"], UnitQuantity::Voltage, 1_000, 1),
    unit(&["A"], UnitQuantity::Current, 1, 1),
    unit(&["mA"], UnitQuantity::Current, 1, 1_000),
    unit(&["Ah"], UnitQuantity::ElectricCharge, 1, 1),
    unit(&["mAh"], UnitQuantity::ElectricCharge, 1, 1_000),
    unit(&["rpm"], UnitQuantity::Rotation, 1, 1),
    unit(&["degrees", "deg"], UnitQuantity::Angle, 1, 1),
    unit(&["ppm"], UnitQuantity::Concentration, 1, 1),
    unit(&["ppb"], UnitQuantity::Concentration, 1, 1_000),
];

/// Why a value is not converted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum UnitError {
    /// The table does not have the unit.
    Unknown(Unit),
    /// The units measure different quantities.
    Differ {
        /// The unit of the value.
        from: Unit,
        /// The unit that is asked for.
        to: Unit,
    },
    /// The converted value does not fit into a decimal.
    OutOfRange,
}

impl fmt::Display for UnitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(unit) if unit.as_str().is_empty() => f.write_str("the reading has no unit"),
            Self::Unknown(unit) => write!(f, "contracts do not know the unit {unit}"),
            Self::Differ { from, to } => {
                write!(f, "{:?} cannot be converted to {:?}", from.as_str(), to.as_str())
            }
            Self::OutOfRange => f.write_str("the converted value is out of range"),
        }
    }
}

impl core::error::Error for UnitError {}

fn known(unit: &Unit) -> Result<&'static KnownUnit, UnitError> {
    let found = UNITS.iter().find(|known| known.symbols.contains(&unit.as_str()));
    found.ok_or_else(|| UnitError::Unknown(unit.clone()))
}

/// Returns what a unit measures, or an error if the table does not have it.
pub fn quantity(unit: &Unit) -> Result<UnitQuantity, UnitError> {
    known(unit).map(|known| known.quantity)
}

/// Converts a value, rounded to [`PLACES`] decimal places, half to even. A value that needs no conversion
/// is rounded too: two values with many digits could otherwise not be compared with others.
pub fn convert(value: Decimal, from: &Unit, to: &Unit) -> Result<Decimal, UnitError> {
    let (source, target) = (known(from)?, known(to)?);
    if source.quantity != target.quantity {
        return Err(UnitError::Differ { from: from.clone(), to: to.clone() });
    }
    if core::ptr::eq(source, target) {
        // A value with fewer places fits as it is.
        if i16::from(value.exponent()) >= -i16::from(PLACES) {
            return Ok(value);
        }
        let one = Decimal::from(1);
        return value.mul_div(&one, &one, PLACES, Rounding::HalfEven).ok_or(UnitError::OutOfRange);
    }
    scale(value, source, target).ok_or(UnitError::OutOfRange)
}

fn scale(value: Decimal, source: &KnownUnit, target: &KnownUnit) -> Option<Decimal> {
    let hundredths = |number: i64| Decimal::new(number, -2).ok();
    let whole = |number: i64| Decimal::new(number, 0).ok();
    let factor = whole(source.numerator.checked_mul(target.denominator)?)?;
    let divisor = whole(source.denominator.checked_mul(target.numerator)?)?;
    let shifted = value.checked_add(&hundredths(source.offset)?)?;
    let scaled = shifted.mul_div(&factor, &divisor, PLACES, Rounding::HalfEven)?;
    scaled.checked_sub(&hundredths(target.offset)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unit(text: &str) -> Unit {
        text.parse().unwrap()
    }

    fn converted(value: &str, from: &str, to: &str) -> String {
        convert(value.parse().unwrap(), &unit(from), &unit(to)).unwrap().to_string()
    }

    #[test]
    fn values_are_converted_exactly_or_rounded() {
        for (value, from, to, expected) in [
            ("47000000", "m", "km", "47000"),
            ("48000", "km", "m", "48000000"),
            ("100", "mi", "km", "160.9344"),
            ("1", "km", "mi", "0.621371192"),
            ("90", "min", "h", "1.5"),
            ("2", "d", "h", "48"),
            ("1500", "Wh", "kWh", "1.5"),
            ("3.6", "MJ", "kWh", "1"),
            ("0", "Cel", "K", "273.15"),
            ("-40", "F", "Cel", "-40"),
            ("98.6", "F", "Cel", "37"),
            ("37", "celsius", "fahrenheit", "98.6"),
            ("36", "km/h", "m/s", "10"),
            ("50", "%", "/", "0.5"),
            ("12.345678901234", "km", "km", "12.345678901"),
            ("0.30000000000000004", "Cel", "Cel", "0.3"),
            ("7", "", "", "7"),
        ] {
            assert_eq!(converted(value, from, to), expected, "{value} {from} in {to}");
        }
    }

    #[test]
    fn other_units_are_refused() {
        let one = Decimal::from(1);
        for (from, to) in [("km", "kWh"), ("", "km"), ("km", ""), ("%RH", "%"), ("s", "m")] {
            assert!(
                matches!(convert(one, &unit(from), &unit(to)), Err(UnitError::Differ { .. })),
                "{from} {to}"
            );
        }
        assert_eq!(convert(one, &unit("lightyear"), &unit("km")), Err(UnitError::Unknown(unit("lightyear"))));
        let huge = Decimal::new(i64::MAX, 18).unwrap();
        assert_eq!(convert(huge, &unit("km"), &unit("mm")), Err(UnitError::OutOfRange));
    }

    #[test]
    fn each_symbol_is_listed_once_and_no_factor_is_zero() {
        let mut symbols: Vec<_> = UNITS.iter().flat_map(|known| known.symbols).collect();
        let count = symbols.len();
        symbols.sort();
        symbols.dedup();
        assert_eq!(symbols.len(), count);
        assert!(UNITS.iter().all(|known| known.numerator > 0 && known.denominator > 0));
        // Every symbol fits the grammar of units.
        symbols.iter().for_each(|symbol| assert_eq!(unit(symbol).as_str(), **symbol));
    }

    proptest! {
        /// Converting there and back loses no more than the rounding.
        #[test]
        fn a_conversion_can_be_undone(thousandths in -1_000_000_000i64..1_000_000_000) {
            let value = Decimal::new(thousandths, -3).unwrap();
            let most = Decimal::new(1, -3).unwrap();
            for (source, target) in UNITS.iter().flat_map(|source| UNITS.iter().map(move |target| (source, target))) {
                let ratio = |a: &KnownUnit, b: &KnownUnit| {
                    i128::from(a.numerator) * i128::from(b.denominator)
                        / (i128::from(a.denominator) * i128::from(b.numerator))
                };
                // The difference is below a thousandth as long as one unit is less than 10^5 of the other.
                let is_near = ratio(source, target) < 100_000 && ratio(target, source) < 100_000;
                if source.quantity != target.quantity || !is_near {
                    continue;
                }
                let (from, to) = (unit(source.symbols[0]), unit(target.symbols[0]));
                let back = convert(convert(value, &from, &to).unwrap(), &to, &from).unwrap();
                let error = back.checked_sub(&value).unwrap();
                let least = Decimal::ZERO.checked_sub(&most).unwrap();
                prop_assert!(error <= most && error >= least, "{} {} in {}: {}", value, from, to, back);
            }
        }
    }
}
