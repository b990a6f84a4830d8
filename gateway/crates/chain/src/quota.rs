//! The quota of a party as text.

use streembit_clock as clock;
use streembit_primitives::consortium::QuotaStatus;

/// Describes the rest of a quota, its size and the time of the next refill.
pub fn describe(quota: &QuotaStatus) -> String {
    format!(
        "{} of {} of block time and {} of {} left until {}",
        time(quota.left.microseconds),
        time(quota.quota.microseconds),
        bytes(quota.left.bytes),
        bytes(quota.quota.bytes),
        clock::show(quota.refills)
    )
}

/// The rest of a quota in percent, rounded down; the smaller value of time and bytes.
pub fn percent(quota: &QuotaStatus) -> u64 {
    let part = |left: u64, of: u64| left.saturating_mul(100).checked_div(of).unwrap_or_default();
    let (left, of) = (quota.left, quota.quota);
    part(left.microseconds, of.microseconds).min(part(left.bytes, of.bytes))
}

fn time(microseconds: u64) -> String {
    match microseconds {
        0..10_000 => format!("{microseconds} us"),
        10_000..10_000_000 => format!("{} ms", microseconds / 1_000),
        _ => format!("{} s", microseconds / 1_000_000),
    }
}

fn bytes(bytes: u64) -> String {
    match bytes {
        0..10_240 => format!("{bytes} bytes"),
        10_240..10_485_760 => format!("{} KiB", bytes / 1_024),
        _ => format!("{} MiB", bytes / 1_048_576),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use streembit_primitives::{consortium::Quota, PartyId};

    #[test]
    fn the_text_has_time_and_bytes_and_the_percentage_is_the_smaller_one() {
        let quota = Quota { microseconds: 28_000_000, bytes: 50_000_000 };
        let left = Quota { microseconds: 1_400_000, bytes: 5_000 };
        let quota = QuotaStatus { party: PartyId([1; 32]), quota, left, refills: 1_700_000_000_000 };
        let text = describe(&quota);
        for part in ["1400 ms of 28 s", "5000 bytes of 47 MiB", "2023-11-14"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert_eq!(percent(&quota), 0);
        assert_eq!(percent(&QuotaStatus { left: quota.quota, ..quota }), 100);
        assert_eq!(percent(&QuotaStatus { quota: Quota::default(), ..quota }), 0);
    }
}
