//! Plausibility checks of the odometer's value. They use neither I/O nor a clock.
//!
//! Contracts depend on the odometer, so an implausible value does not become a reading. It is withheld and
//! reported in a status text:
//!
//! - **0 km** is never believed. Control units answer it if they have no value. A new vehicle shows 0.1 km soon.
//! - **More than ten million kilometres** come from a damaged answer, or from a control unit that answers all ones
//!   because it has no value.
//! - **A leap**: a rise of more than [`SLACK_KM`] and what the vehicle can drive in the time since the last value.
//! - **A fall**: a lower value than before. If it is lower by only 0.1 km, the resolution of the answer, it is
//!   withheld without a status text: two control units may round differently.
//! - **A rise of more than 1 km**, and the first value of a connection, must be confirmed by a second request. The
//!   second value must be at least the first and at most 10 km higher. Without this check, one damaged answer would
//!   make every correct value after it look like a fall.
//!
//! A leap or a fall that [`CONSISTENT_CYCLES`] cycles in a row agree on is a **correction**: the earlier value was wrong,
//! or the instrument was replaced. It is accepted and reported, so that one wrong value cannot keep the truth out for
//! good. While the vehicle has not told the VIN that the device is known by, nothing is corrected: it may be another
//! vehicle.
//!
//! An odometer that stands still while the vehicle drives is reported by [`Frozen`], and still read.

mod frozen;

pub use frozen::Frozen;

use streembit_primitives::Decimal;

/// The rise that is believed at any time, in km. It covers clocks that were set, a vehicle that is driven faster than
/// the configured speed for a while, and control units that update the value rarely. A wrong digit in a damaged answer is
/// almost always worth more.
pub const SLACK_KM: u32 = 100;
/// The number of cycles in a row that have to agree on a value that contradicts the last one. At one cycle a second they
/// take five seconds: longer than a disturbance on the bus, and shorter than a trip.
pub const CONSISTENT_CYCLES: u32 = 5;
/// The highest value that is believed, in km. Cars and trucks that reached five million are known by name.
pub const HIGHEST_KM: u32 = 10_000_000;
/// A rise above this value has to be confirmed, in tenths of a kilometre.
const UNCONFIRMED_TENTHS: u32 = 10;
/// The highest rise between a value and its confirmation, in tenths of a kilometre.
const CONFIRMATION_TENTHS: u32 = 100;

/// A value and when it was read, in milliseconds. Earlier runs have negative times.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark {
    /// The value, in km.
    pub value: Decimal,
    /// The time, in milliseconds since the adapter started.
    pub at: i64,
}

/// Checks the values of one vehicle's odometer, in kilometres.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OdometerCheck {
    max_speed_kmh: u32,
    last: Option<Mark>,
    confirmed: bool,
    /// Values that contradict the last one but agree with each other.
    rival: Option<Rival>,
    /// The reason why values are being withheld, or `None` if they are not.
    withheld: Option<Reason>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Rival {
    newest: Mark,
    cycles: u32,
}

/// The result of checking a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Plausibility {
    /// The value is plausible.
    Plausible(Decimal),
    /// The value contradicts the last one, but enough cycles agree on it. The text says so.
    Corrected(Decimal, String),
    /// The value must be requested once more and passed to [`OdometerCheck::confirm`].
    AskAgain,
    /// The value is implausible. The text explains why; it is `None` if it would repeat the previous text.
    Withheld(Option<String>),
}

/// Whether a correction may be accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Corrections {
    /// It is the same vehicle.
    Accepted,
    /// It may be another vehicle.
    Refused,
}

/// The reason why a value is withheld.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reason {
    Zero,
    Fell,
    Leapt,
    TooLarge,
    NotConfirmed,
}

fn tenths(value: u32) -> Decimal {
    Decimal::new(i64::from(value), -1).unwrap_or_default()
}

/// Returns `to - from`, or zero if the difference is out of range.
fn rise(from: &Decimal, to: &Decimal) -> Decimal {
    to.checked_sub(from).unwrap_or_default()
}

/// Returns true if an odometer can show this value: above zero, and no more than any vehicle drives.
pub fn is_possible(value: &Decimal) -> bool {
    *value > Decimal::ZERO && *value <= Decimal::from(HIGHEST_KM)
}

impl OdometerCheck {
    /// Creates a check for a vehicle that drives at most at this speed. It continues from `last`, the last plausible
    /// value of earlier runs, if there is one.
    pub fn new(max_speed_kmh: u32, last: Option<Mark>) -> Self {
        Self { max_speed_kmh, last, confirmed: false, rival: None, withheld: None }
    }

    /// Continues from another value, or from none, by a decision of the operator.
    pub fn reset(&mut self, last: Option<Mark>) {
        *self = Self::new(self.max_speed_kmh, last);
    }

    /// Returns the last plausible value, in kilometres.
    pub fn last(&self) -> Option<Decimal> {
        self.last.map(|mark| mark.value)
    }

    /// Starts a connection: its first value has to be confirmed.
    pub fn connected(&mut self) {
        self.confirmed = false;
        self.rival = None;
    }

    /// Returns true if values are being withheld.
    pub fn is_withholding(&self) -> bool {
        self.withheld.is_some()
    }

    /// Checks a value that was read now.
    pub fn judge(&mut self, now: Mark, corrections: Corrections) -> Plausibility {
        let Mark { value, at } = now;
        if value > Decimal::from(HIGHEST_KM) {
            self.rival = None;
            return self.withhold(Reason::TooLarge, format!("{value} km, more than any vehicle drives"));
        }
        if value == Decimal::ZERO {
            self.rival = None;
            let before = self.last().map_or_else(String::new, |last| format!(", previously {last} km"));
            return self.withhold(Reason::Zero, format!("0 km{before}: is the ignition off?"));
        }
        let Some(last) = self.last else { return Plausibility::AskAgain };
        if value < last.value {
            if rise(&value, &last.value) <= tenths(1) {
                return Plausibility::Withheld(None);
            }
            let what = format!("{value} km, less than the previous {} km", last.value);
            return self.contradict(now, corrections, Reason::Fell, what);
        }
        let risen = rise(&last.value, &value);
        if risen > self.reach(at.saturating_sub(last.at)) {
            let what = format!("{value} km, more than the vehicle can have driven since {} km", last.value);
            return self.contradict(now, corrections, Reason::Leapt, what);
        }
        if !self.confirmed || risen > tenths(UNCONFIRMED_TENTHS) {
            return Plausibility::AskAgain;
        }
        self.accept(now)
    }

    /// Checks `first` against `second`, the answer to the second request, or `None` if there was no answer.
    pub fn confirm(&mut self, first: Decimal, second: Option<Decimal>, at: i64) -> Plausibility {
        match second {
            Some(value)
                if value >= first
                    && rise(&first, &value) <= tenths(CONFIRMATION_TENTHS)
                    && is_possible(&value) =>
            {
                self.accept(Mark { value, at })
            }
            Some(second) => {
                self.withhold(Reason::NotConfirmed, format!("{first} km, and {second} km when asked again"))
            }
            None => self.withhold(Reason::NotConfirmed, format!("{first} km, and nothing when asked again")),
        }
    }

    /// Returns the highest plausible rise in a time, in km.
    fn reach(&self, milliseconds: i64) -> Decimal {
        let kilometres = i128::from(milliseconds.max(0)) * i128::from(self.max_speed_kmh) / 3_600_000;
        Decimal::from(SLACK_KM.saturating_add(u32::try_from(kilometres).unwrap_or(u32::MAX)))
    }

    /// Counts a value that contradicts the last one. Accepts it if enough cycles agree on it.
    fn contradict(
        &mut self,
        now: Mark,
        corrections: Corrections,
        reason: Reason,
        what: String,
    ) -> Plausibility {
        let agreeing =
            self.rival.filter(|rival| self.agree(&rival.newest, &now)).map_or(0, |rival| rival.cycles);
        let cycles = agreeing.saturating_add(1);
        self.rival = Some(Rival { newest: now, cycles });
        if cycles < CONSISTENT_CYCLES || corrections == Corrections::Refused {
            return self.withhold(reason, what);
        }
        let text = match self.last() {
            Some(last) => format!(
                "odometer corrected: it reads {} km in {CONSISTENT_CYCLES} cycles in a row, and read {last} km before",
                now.value
            ),
            None => format!("odometer corrected: it reads {} km", now.value),
        };
        self.accept(now);
        Plausibility::Corrected(now.value, text)
    }

    /// Returns true if one vehicle can have shown both values, except for the rounding of control units.
    fn agree(&self, before: &Mark, now: &Mark) -> bool {
        let reach = self.reach(now.at.saturating_sub(before.at));
        rise(&now.value, &before.value) <= tenths(1) && rise(&before.value, &now.value) <= reach
    }

    fn accept(&mut self, now: Mark) -> Plausibility {
        self.last = Some(now);
        self.confirmed = true;
        self.rival = None;
        self.withheld = None;
        Plausibility::Plausible(now.value)
    }

    /// Withholds a value. Returns a text only if the reason differs from the one in force; a plausible value ends it.
    fn withhold(&mut self, reason: Reason, what: String) -> Plausibility {
        let is_new = self.withheld != Some(reason);
        self.withheld = Some(reason);
        Plausibility::Withheld(is_new.then(|| format!("odometer withheld: it reads {what}")))
    }
}

#[cfg(test)]
mod tests;
