//! The due points of services. The chain, the gateway and every program that checks a contract compute them with the
//! same functions.

use crate::{contract::ServiceClause, Decimal};

/// Returns the meter value at which a service falls due next, or `None` if a decimal cannot hold it.
///
/// `served` is the meter value of the last confirmed service. The interval counts from there, or from the start that
/// the clause names if no service is confirmed yet.
pub fn due_at(service: &ServiceClause, served: Option<Decimal>) -> Option<Decimal> {
    served.unwrap_or(service.from).checked_add(&service.every)
}

/// Returns true if the meter has reached the due point. Without a reading nothing is due.
pub fn is_due(due_at: Decimal, meter: Option<Decimal>) -> bool {
    meter.is_some_and(|meter| meter >= due_at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{reading::Name, AccountId, DeviceId, Text};

    fn oil_change(from: u32, every: u32) -> ServiceClause {
        ServiceClause {
            what: Text::try_from("oil change").unwrap(),
            device: DeviceId([3; 32]),
            meter: Name::try_from("Vehicle.TraveledDistance").unwrap(),
            from: Decimal::from(from),
            every: Decimal::from(every),
            provider: AccountId([1; 32]),
            customer: AccountId([2; 32]),
        }
    }

    #[test]
    fn the_interval_counts_from_the_start_and_then_from_the_last_service() {
        let service = oil_change(10_000, 15_000);
        assert_eq!(due_at(&service, None), Some(Decimal::from(25_000)));
        assert_eq!(due_at(&service, Some(Decimal::from(24_000))), Some(Decimal::from(39_000)));
    }

    #[test]
    fn a_due_point_that_no_decimal_holds_is_none() {
        let mut service = oil_change(0, 1);
        service.from = Decimal::new(i64::MAX, 0).unwrap();
        service.every = service.from;
        assert_eq!(due_at(&service, None), None);
    }

    #[test]
    fn a_service_is_due_from_the_due_point_on() {
        let due_at = Decimal::from(25_000);
        assert!(!is_due(due_at, None));
        assert!(!is_due(due_at, Some(Decimal::from(24_999))));
        assert!(is_due(due_at, Some(Decimal::from(25_000))));
    }
}
