//! Readings that leave their limits.

use crate::{evidence::Wanted, types::StoredContract, Config, Error, Pallet};
use frame_support::ensure;
use sp_runtime::DispatchError;
use streembit_primitives::{
    contract::{evaluate::is_breach, state::ProvenPoint, BoundClause},
    reading_proof::ReadingProof,
};

impl<T: Config> Pallet<T> {
    /// Returns the readings of a breach, which stands unless one in between refutes it.
    pub(crate) fn breach(
        contract: &StoredContract,
        bound: &BoundClause,
        first: ReadingProof,
        last: Option<ReadingProof>,
    ) -> Result<(ProvenPoint, Option<ProvenPoint>), DispatchError> {
        let wanted = Wanted { device: bound.device, name: &bound.reading, unit: Some(&bound.unit) };
        let first = Self::prove(contract, &wanted, first)?;
        let last = last.map(|last| Self::prove(contract, &wanted, last)).transpose()?;
        ensure!(is_breach(bound, &first, last.as_ref()), Error::<T>::NoBreach);
        Ok((first, last))
    }
}
