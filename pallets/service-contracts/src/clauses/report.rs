//! Readings that do not come.

use crate::{evidence::Wanted, types::StoredContract, Config, Error, Pallet};
use frame_support::ensure;
use sp_runtime::DispatchError;
use streembit_primitives::{
    contract::{evaluate::is_gap, state::ProvenPoint, ReportClause},
    reading_proof::ReadingProof,
};

impl<T: Config> Pallet<T> {
    /// Returns the readings around a gap, which stands unless one in between refutes it.
    pub(crate) fn gap(
        contract: &StoredContract,
        report: &ReportClause,
        before: ReadingProof,
        after: ReadingProof,
    ) -> Result<(ProvenPoint, ProvenPoint), DispatchError> {
        let wanted = Wanted { device: report.device, name: &report.reading, unit: None };
        let before = Self::prove(contract, &wanted, before)?;
        let after = Self::prove(contract, &wanted, after)?;
        ensure!(is_gap(report, &before, &after), Error::<T>::NoGap);
        Ok((before, after))
    }
}
