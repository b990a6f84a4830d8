//! A vehicle with its gateway: it drives, logs and anchors, and sometimes something is wrong.

use super::Random;
use crate::mock::*;
use streembit_primitives::{reading_proof::ReadingProof, Decimal, DeviceId, DeviceKey, Value};

/// A vehicle with a gateway of its own. The event with sequence `n` is the entry `n` of the log.
pub struct Vehicle {
    pub gateway: Gateway,
    pub device: DeviceId,
    km: u32,
    /// The number of anchored entries.
    anchored: u64,
    /// The gateway has no network until this time.
    offline_until: u64,
}

impl Vehicle {
    pub fn new(number: u8) -> Self {
        let gateway = Gateway::new(101 + number);
        let device = gateway.hosted("car").device_id();
        Self { gateway, device, km: 1_000 * u32::from(number), anchored: 0, offline_until: 0 }
    }

    pub fn key(&self) -> DeviceKey {
        self.gateway.hosted("car")
    }

    /// Lives for a quarter of a day.
    pub fn live(&mut self, random: &mut Random) {
        if random.is_one_in(4) {
            self.drive(random);
        }
        if random.is_one_in(500) {
            self.offline_until = Now::get() + random.below(20) * DAY;
        }
        let has_news = self.gateway.entries() > self.anchored;
        if has_news && Now::get() >= self.offline_until && random.is_one_in(6) {
            self.gateway.anchor();
            self.anchored = self.gateway.entries();
        }
    }

    /// Drives some kilometres and logs the odometer. The value or its unit may be wrong.
    fn drive(&mut self, random: &mut Random) {
        self.km += random.below(300) as u32;
        if random.is_one_in(400) {
            // The odometer is rolled back, or the cluster replaced.
            self.km = self.km * 2 / 3;
        }
        let decimal = |value: u32| Value::Decimal(Decimal::from(value));
        let part = match random.below(400) {
            0 => reading(ODOMETER, decimal(self.km + 500_000)),
            1 => reading_in(ODOMETER, decimal(self.km), "Cel"),
            2..20 => reading_in(ODOMETER, decimal(self.km * 1_000), "m"),
            _ => reading(ODOMETER, decimal(self.km)),
        };
        self.gateway.log(self.device, vec![part]);
    }

    /// Proves one of the newest readings, or sometimes any. `None` if nothing is anchored.
    pub fn prove(&self, random: &mut Random) -> Option<Box<ReadingProof>> {
        let back = if random.is_one_in(10) { self.anchored } else { 3 };
        let back = random.below(back.max(1)) + 1;
        Some(self.gateway.prove(self.anchored.checked_sub(back)?))
    }
}
