//! Finding contracts, clauses and texts.

use super::{
    args::{ClauseArgs, ContractArgs, FilesArg},
    prove::wanted_of,
};
use crate::{
    cli::{
        common::{connect, Context},
        resolver::Reference,
    },
    contracts::{self, Draft, PartiesByName, Texts},
    remedies::explain,
};
use anyhow::{anyhow, bail, Context as _};
use std::{collections::BTreeSet, fs, path::Path};
use streembit_chain::{ChainClient, ChainView};
use streembit_primitives::{
    contract::{state::ContractView, Clause, ClauseKind, ClauseNumber, ContractId, NumberedClause, Terms},
    PartyId,
};

/// A contract on the chain, and the connection.
pub(super) struct Found {
    pub chain: ChainClient,
    pub view: ContractView,
}

impl Found {
    /// Connects to the node and finds the contract.
    pub async fn find(args: &ContractArgs, context: &Context) -> anyhow::Result<Self> {
        let chain = connect(args.node.or_local()).await?;
        let view = find_contract(context, &chain, &args.id).await?;
        Ok(Self { chain, view })
    }

    /// The contract's id.
    pub fn id(&self) -> ContractId {
        self.view.id
    }

    /// The terms in force, or of the proposal.
    pub fn terms(&self) -> &Terms {
        self.view.content.terms()
    }

    /// Finds the clause that the arguments name, or the only one that `fits`.
    pub fn clause(
        &self,
        args: &ClauseArgs,
        what: &str,
        fits: impl Fn(&Clause) -> bool,
    ) -> anyhow::Result<NumberedClause> {
        let fitting: Vec<_> = self.terms().clauses.iter().filter(|numbered| fits(&numbered.clause)).collect();
        let found = match (args.clause, fitting.as_slice()) {
            (Some(asked), fitting) => fitting.iter().find(|numbered| numbered.number == asked).copied(),
            (None, [only]) => Some(*only),
            (None, _) => None,
        };
        let numbers: Vec<_> = fitting.iter().map(|numbered| numbered.number.to_string()).collect();
        match found {
            Some(numbered) => Ok(numbered.clone()),
            None => bail!(
                "choose {what} of contract {} with --clause N; there are {}",
                self.id(),
                if numbers.is_empty() { "none".to_owned() } else { numbers.join(", ") }
            ),
        }
    }

    /// Reads the contract again, as it is after a call.
    pub async fn reload(&self) -> anyhow::Result<Option<ContractView>> {
        self.chain.view().await.map_err(explain)?.contract(self.id()).await.map_err(explain)
    }
}

/// Returns the clause of a record.
pub(super) fn clause_of(terms: &Terms, number: ClauseNumber) -> anyhow::Result<&Clause> {
    terms.clause(number).with_context(|| format!("the contract in force has no clause {number}"))
}

/// Finds a contract by its id, by the beginning of its id, or by its name.
pub(in crate::cli) async fn find_contract(
    context: &Context,
    chain: &ChainClient,
    contract: &Reference,
) -> anyhow::Result<ContractView> {
    let id = context.resolver().chain(chain).contract(contract).await?;
    let state = chain.view().await.map_err(explain)?;
    state.contract(id).await.map_err(explain)?.ok_or_else(|| {
        anyhow!(
            "there is no contract {id} on this chain: `streembit contract list --party PARTY` lists a party's contracts"
        )
    })
}

/// Returns the parties that the names in a draft stand for. Names of nobody are left out.
pub(super) async fn find_parties(chain: &ChainClient, draft: &Draft) -> anyhow::Result<PartiesByName> {
    let state = chain.view().await.map_err(explain)?;
    let mut found = PartiesByName::new();
    for name in draft.names()? {
        let party = state.find_party(&name).await.map_err(explain)?;
        found.extend(party.map(|party| (name, party)));
    }
    Ok(found)
}

/// Returns an error if a party of the terms does not belong to the consortium.
pub(super) async fn ensure_members(state: &ChainView, terms: &Terms) -> anyhow::Result<()> {
    let parties = terms.parties.iter().map(|holder| holder.party).chain(terms.arbiter);
    for party in parties.collect::<Vec<PartyId>>() {
        if state.party(party).await.map_err(explain)?.is_none() {
            bail!(
                "party {party} does not belong to the consortium of this chain: `streembit consortium show` lists the \
                 parties. If the contract was written from an account that is not the first one of its party, write it \
                 again with --node URL"
            );
        }
    }
    Ok(())
}

impl FilesArg {
    /// Reads the texts of the contract files. Files in the folder that cannot be read are skipped with a warning.
    pub(super) fn texts(&self) -> anyhow::Result<Texts> {
        let mut texts = Texts::default();
        if let Some(file) = &self.file {
            texts.extend(contracts::read(file)?.texts());
        }
        if let Some(folder) = &self.contracts {
            read_folder(folder, &mut texts)?;
        }
        Ok(texts)
    }
}

fn read_folder(folder: &Path, texts: &mut Texts) -> anyhow::Result<()> {
    let reading = || format!("reading the folder {}", folder.display());
    for entry in fs::read_dir(folder).with_context(reading)? {
        let path = entry.with_context(reading)?.path();
        if path.extension().is_none_or(|extension| extension != "contract") {
            continue;
        }
        match contracts::read(&path) {
            Ok(file) => texts.extend(file.texts()),
            Err(error) => tracing::warn!(%error, "a contract file is skipped"),
        }
    }
    Ok(())
}

/// Returns the title of terms, if a file has it.
pub(super) fn title(terms: &Terms, texts: &Texts) -> Option<String> {
    let document = terms.documents.first().and_then(|hash| texts.get(hash))?;
    document.text.as_str().lines().next().map(str::to_owned)
}

/// Returns the kinds of the clauses, as a short description of terms without a title.
pub(super) fn kinds(terms: &Terms) -> String {
    let kinds: BTreeSet<_> = terms.clauses.iter().map(|numbered| numbered.clause.kind().name()).collect();
    kinds.into_iter().collect::<Vec<_>>().join(", ")
}

/// Returns true if a clause is about a meter that the parties report.
pub(super) fn has_meter(clause: &Clause) -> bool {
    match clause {
        Clause::Service(service) => service.meter.is_some(),
        Clause::Usage(_) => true,
        Clause::Charge(_) => wanted_of(clause).is_some(),
        _ => false,
    }
}

/// Returns true if a party can claim something under a clause of this kind with `contract claim`.
pub(super) fn is_claimable(clause: &Clause) -> bool {
    matches!(clause.kind(), ClauseKind::Bound | ClauseKind::Usage | ClauseKind::Report | ClauseKind::Charge)
}
