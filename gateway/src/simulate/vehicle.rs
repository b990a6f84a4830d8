//! The simulated vehicle.

use std::time::Duration;

/// A simulated vehicle that drives at a constant speed.
#[derive(Clone, PartialEq, Debug)]
pub struct Vehicle {
    /// The vehicle identification number, of 17 characters.
    pub vin: String,
    /// The odometer at the start, in kilometres.
    pub odometer_km: f64,
    /// The speed, in kilometres per hour. OBD-II reports it in one byte.
    pub speed_kmh: u8,
    /// The speed of the vehicle's time relative to the clock. A factor of 10 makes the odometer rise ten times as fast.
    pub time_scale: f64,
    /// The stored fault codes, two bytes each (SAE J2012).
    pub faults: Vec<[u8; 2]>,
}

impl Default for Vehicle {
    fn default() -> Self {
        Self {
            vin: "WVWZZZ1JZ3W386752".into(),
            odometer_km: 12_000.0,
            speed_kmh: 60,
            time_scale: 1.0,
            faults: vec![[0x01, 0x33]],
        }
    }
}

impl Vehicle {
    /// Returns the odometer in tenths of a kilometre after driving for the time `driven` by the clock.
    pub fn odometer_tenths(&self, driven: Duration) -> u32 {
        let hours = driven.as_secs_f64() / 3_600.0 * self.time_scale;
        // A cast from float to integer saturates, so the odometer stops at its highest value.
        ((self.odometer_km + f64::from(self.speed_kmh) * hours) * 10.0 + 1e-6) as u32
    }

    /// Returns the engine speed in quarters of a revolution per minute, the unit of OBD-II. The engine idles at 800 rpm
    /// and shifts gears to stay below 3,000 rpm.
    pub fn engine_quarters(&self) -> u16 {
        let speed = f64::from(self.speed_kmh);
        let per_kmh = [110.0, 65.0, 42.0, 31.0, 24.0, 11.0];
        let turns = per_kmh.iter().map(|ratio| ratio * speed).find(|turns| *turns < 2_600.0);
        (turns.unwrap_or(2_805.0).max(800.0) * 4.0) as u16
    }

    /// Returns the coolant temperature in degrees Celsius. It rises from 20 to 90 within five minutes of the vehicle's
    /// time.
    pub fn coolant_celsius(&self, driven: Duration) -> u8 {
        (20.0 + 70.0 * (driven.as_secs_f64() * self.time_scale / 300.0).min(1.0)) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_odometer_rises_by_speed_times_time_times_scale() {
        let vehicle = Vehicle { odometer_km: 1_000.0, speed_kmh: 90, time_scale: 10.0, ..Vehicle::default() };
        assert_eq!(vehicle.odometer_tenths(Duration::ZERO), 10_000);
        assert_eq!(vehicle.odometer_tenths(Duration::from_secs(360)), 10_900);
        let standing = Vehicle { speed_kmh: 0, ..vehicle };
        assert_eq!(standing.odometer_tenths(Duration::from_secs(3_600)), 10_000);
        assert_eq!(standing.engine_quarters(), 3_200);
    }

    #[test]
    fn the_engine_speed_stays_between_idle_and_3000_rpm() {
        for speed_kmh in 0..=255 {
            let turns = Vehicle { speed_kmh, ..Vehicle::default() }.engine_quarters() / 4;
            assert!((800..=3_000).contains(&turns), "{speed_kmh}: {turns}");
        }
    }

    #[test]
    fn the_coolant_warms_up_and_stays_warm() {
        let vehicle = Vehicle::default();
        let at = |seconds| vehicle.coolant_celsius(Duration::from_secs(seconds));
        assert_eq!((at(0), at(150), at(300), at(3_000)), (20, 55, 90, 90));
    }
}
