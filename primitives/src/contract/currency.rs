//! Currencies (ISO 4217).

use codec::{Decode, DecodeWithMemTracking, Encode, Error, Input, MaxEncodedLen};
use core::{fmt, str::FromStr};
use scale_info::TypeInfo;

/// The code of a currency (ISO 4217).
#[derive(Clone, Copy, PartialEq, Eq, Encode, MaxEncodedLen, TypeInfo)]
pub struct Currency([u8; 3]);

/// A text is not the code of a currency.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CurrencyError;

impl fmt::Display for CurrencyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the code of a currency in use (ISO 4217), such as EUR")
    }
}

impl core::error::Error for CurrencyError {}

/// The currencies in use whose minor unit is a hundredth.
const HUNDREDTHS: &str = "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD \
CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR \
ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN \
NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC \
SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG";
/// The currencies in use without a minor unit.
const WHOLE: &str = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF";
/// The currencies in use whose minor unit is a thousandth.
const THOUSANDTHS: &str = "BHD IQD JOD KWD LYD OMR TND";

/// Returns the number of decimal places of a currency's minor unit, or `None` if it is no currency in use.
fn places(code: &str) -> Option<u8> {
    let has = |list: &str| list.split(' ').any(|known| known == code);
    match code {
        _ if has(HUNDREDTHS) => Some(2),
        _ if has(WHOLE) => Some(0),
        _ if has(THOUSANDTHS) => Some(3),
        _ => None,
    }
}

impl Currency {
    /// Returns the code.
    pub fn code(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Returns the number of decimal places of the minor unit: 2 for EUR, 0 for JPY.
    pub fn places(&self) -> u8 {
        // Never the default: only known codes are constructed.
        places(self.code()).unwrap_or(2)
    }
}

impl FromStr for Currency {
    type Err = CurrencyError;

    fn from_str(text: &str) -> Result<Self, CurrencyError> {
        places(text).ok_or(CurrencyError)?;
        text.as_bytes().try_into().map(Self).map_err(|_| CurrencyError)
    }
}

impl Decode for Currency {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        let bytes = <[u8; 3]>::decode(input)?;
        let text = core::str::from_utf8(&bytes).map_err(|_| Error::from("not the code of a currency"))?;
        text.parse().map_err(|_| "not the code of a currency in use".into())
    }
}

impl DecodeWithMemTracking for Currency {}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <alloc::string::String as serde::Deserialize>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_currencies_in_use_are_known() {
        for (code, places) in [("EUR", 2), ("JPY", 0), ("KWD", 3), ("CHF", 2)] {
            let currency: Currency = code.parse().unwrap();
            assert_eq!((currency.code(), currency.places()), (code, places));
            assert_eq!(Currency::decode(&mut &currency.encode()[..]), Ok(currency));
        }
        for unknown in ["", "eur", "DEM", "XXX", "EU", "EUR ", "ARS AUD", "RS "] {
            assert_eq!(unknown.parse::<Currency>(), Err(CurrencyError), "{unknown}");
        }
        assert!(
            Currency::decode(&mut &b"DEM"[..]).is_err() && Currency::decode(&mut &[0xff; 3][..]).is_err()
        );
    }

    #[test]
    fn each_code_is_listed_once() {
        let mut codes: Vec<_> =
            [HUNDREDTHS, WHOLE, THOUSANDTHS].iter().flat_map(|list| list.split(' ')).collect();
        assert!(codes.iter().all(|code| code.len() == 3));
        let count = codes.len();
        codes.sort();
        codes.dedup();
        assert_eq!(codes.len(), count);
    }
}
