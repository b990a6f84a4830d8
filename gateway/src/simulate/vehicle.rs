//! A vehicle that drives.

use std::time::Duration;

/// What the vehicle is and how it drives.
#[derive(Clone, PartialEq, Debug)]
pub struct Vehicle {
    /// Its identification number, 17 characters.
    pub vin: String,
    /// What the odometer reads at the start, in kilometres.
    pub odometer_km: f64,
    /// How fast it drives, in kilometres an hour; 0 to 255, which is what OBD-II can say.
    pub speed_kmh: u8,
    /// How many times faster than the clock the vehicle's time passes: the odometer rises so much faster.
    pub time_scale: f64,
    /// Stored fault codes, two bytes each (SAE J2012).
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
    /// Tenths of kilometres on the odometer after driving for so long by the clock.
    pub fn odometer_tenths(&self, driven: Duration) -> u32 {
        let hours = driven.as_secs_f64() / 3_600.0 * self.time_scale;
        // A cast from float to integer saturates: the odometer stops at its last value.
        ((self.odometer_km + f64::from(self.speed_kmh) * hours) * 10.0 + 1e-6) as u32
    }

    /// Quarters of engine turns a minute: idling at 800, in the gear that keeps it below 3,000 or so.
    pub fn engine_quarters(&self) -> u16 {
        let speed = f64::from(self.speed_kmh);
        let per_kmh = [110.0, 65.0, 42.0, 31.0, 24.0, 11.0];
        let turns = per_kmh.iter().map(|ratio| ratio * speed).find(|turns| *turns < 2_600.0);
        (turns.unwrap_or(2_805.0).max(800.0) * 4.0) as u16
    }

    /// Degrees Celsius of the coolant: warms from 20 to 90 in five minutes of the vehicle's time.
    pub fn coolant_celsius(&self, driven: Duration) -> u8 {
        (20.0 + 70.0 * (driven.as_secs_f64() * self.time_scale / 300.0).min(1.0)) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_odometer_is_speed_times_time_times_scale() {
        let vehicle = Vehicle { odometer_km: 1_000.0, speed_kmh: 90, time_scale: 10.0, ..Vehicle::default() };
        assert_eq!(vehicle.odometer_tenths(Duration::ZERO), 10_000);
        assert_eq!(vehicle.odometer_tenths(Duration::from_secs(360)), 10_900);
        let standing = Vehicle { speed_kmh: 0, ..vehicle };
        assert_eq!(standing.odometer_tenths(Duration::from_secs(3_600)), 10_000);
        assert_eq!(standing.engine_quarters(), 3_200);
    }

    #[test]
    fn the_engine_keeps_within_its_turns() {
        for speed_kmh in 0..=255 {
            let turns = Vehicle { speed_kmh, ..Vehicle::default() }.engine_quarters() / 4;
            assert!((800..=3_000).contains(&turns), "{speed_kmh}: {turns}");
        }
    }

    #[test]
    fn the_coolant_warms_and_stays() {
        let vehicle = Vehicle::default();
        let at = |seconds| vehicle.coolant_celsius(Duration::from_secs(seconds));
        assert_eq!((at(0), at(150), at(300), at(3_000)), (20, 55, 90, 90));
    }
}
