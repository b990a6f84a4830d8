//! Versions of SenML as sets of features (RFC 9100), and the units that need a feature (RFC 8798).

use streembit_primitives::Decimal;

/// The features of version 10, which RFC 8428 defines.
const VERSION: u64 = 10;
/// The feature of secondary units.
const SECONDARY_UNITS: u32 = 4;
/// The bits below belong to the version that RFC 8428 defines.
const FIRST_FEATURE: u32 = 4;
/// The version of packs with secondary units.
pub const VERSION_WITH_SECONDARY_UNITS: u64 = VERSION | 1 << SECONDARY_UNITS;
/// The highest version: the features are those of a number that JSON represents exactly.
const HIGHEST: u64 = (1 << 53) - 1;

/// The units of the registry for secondary units.
const UNITS: [&str; 33] = [
    "ms", "min", "h", "MHz", "kW", "kVA", "kvar", "Ah", "Wh", "kWh", "varh", "kvarh", "kVAh", "Wh/km", "KiB",
    "GB", "Mbit/s", "B/s", "MB/s", "mV", "mA", "dBm", "ug/m3", "mm/h", "m/h", "ppm", "/100", "/1000", "hPa",
    "mm", "cm", "km", "km/h",
];

/// Returns true if a unit is secondary: a pack with it must declare the feature.
pub fn is_secondary(unit: &str) -> bool {
    UNITS.contains(&unit)
}

/// The features that a pack declares.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Features(u64);

/// The version of a pack is not supported.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum VersionError {
    /// The number is not a version of SenML.
    #[error(
        "not a version of SenML: use 10, or 26 with secondary units such as km; without it, 10 is meant"
    )]
    Unknown,
    /// The pack needs a feature that is not supported.
    #[error(
        "the pack needs feature {0} of SenML (RFC 9100), which is not supported: use version 10, or 26 with secondary \
         units such as km"
    )]
    Feature(u32),
}

impl Default for Features {
    fn default() -> Self {
        Self(VERSION)
    }
}

impl Features {
    /// Returns the features of a version: the sum of two to the power of each feature.
    pub fn of_version(version: Decimal) -> Result<Self, VersionError> {
        let version = version.to_string().parse::<u64>().map_err(|_| VersionError::Unknown)?;
        if version > HIGHEST || version & ((1 << FIRST_FEATURE) - 1) != VERSION {
            return Err(VersionError::Unknown);
        }
        let unknown = version & !VERSION_WITH_SECONDARY_UNITS;
        if unknown != 0 {
            return Err(VersionError::Feature(unknown.trailing_zeros()));
        }
        Ok(Self(version))
    }

    /// Returns true if the pack may have secondary units.
    pub fn has_secondary_units(self) -> bool {
        self.0 & (1 << SECONDARY_UNITS) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(version: &str) -> Result<bool, VersionError> {
        Features::of_version(version.parse().unwrap()).map(Features::has_secondary_units)
    }

    #[test]
    fn a_version_is_a_set_of_features() {
        assert_eq!(features("10"), Ok(false));
        assert_eq!(features("10.0"), Ok(false));
        assert_eq!(features("26"), Ok(true));
        assert_eq!(features("42"), Err(VersionError::Feature(5)));
        assert_eq!(features("58"), Err(VersionError::Feature(5)));
        for version in ["0", "1", "5", "9", "11", "16", "27", "-10", "10.5", "1e18", "9007199254740992"] {
            assert_eq!(features(version), Err(VersionError::Unknown), "{version}");
        }
    }

    #[test]
    fn the_units_fit_the_grammar_of_units() {
        for unit in UNITS {
            assert!(streembit_primitives::reading::Unit::try_from(unit).is_ok(), "{unit}");
        }
        assert!(is_secondary("km") && !is_secondary("m") && !is_secondary("celsius"));
    }
}
