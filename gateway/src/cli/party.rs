//! `streembit party`: the accounts and the encryption key of a party, and the replacement of lost accounts.

use super::{
    common::{connect, find_party, submitted_json, CommandResult, Context, KeyArg, NodeArg},
    consortium::{
        council,
        view::{account_text, party_json},
    },
    resolver::Reference,
};
use crate::{keys::open_key, remedies::explain};
use anyhow::{bail, Context as _};
use clap::{Args, Subcommand};
use serde_json::json;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};
use streembit_chain::{account_consent, Call, ChainClient};
use streembit_clock::PeriodEnd;
use streembit_keystore::account;
use streembit_primitives::{
    consortium::Change,
    party::{AccountConsent, PartyRecord},
    AccountId, EncryptionKey, PartyId, Scope, Signature,
};

/// The subcommands of `streembit party`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show a party: its id, its accounts and its encryption key.
    Show(PartyArgs),
    /// List, add and remove the accounts of a party.
    #[command(subcommand)]
    Account(AccountCommand),
    /// Propose to the council to replace all accounts of a party, whose keys are lost or stolen, with a new one.
    ///
    /// The party keeps its gateways, devices and contracts. An account that validates has to be removed from the
    /// validators first.
    Recover(RecoverArgs),
    /// Set the key that others encrypt to for the party: an X25519 public key.
    EncryptionKey {
        /// The key: 64 hexadecimal digits.
        #[arg(value_name = "KEY")]
        encryption_key: EncryptionKey,
        /// An account of the party that may do everything.
        #[command(flatten)]
        key: KeyArg,
        /// The node to ask.
        #[command(flatten)]
        node: NodeArg,
    },
}

/// The subcommands of `streembit party account`.
#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// List the accounts of a party.
    List(PartyArgs),
    /// Sign an account's consent to act for a party, with the account's key. Prints the consent for `add`.
    Consent(ConsentArgs),
    /// Add an account to the party of the key that signs. The account has to consent.
    Add(AddArgs),
    /// Remove an account from its party. Signed by an account that may do everything, or by the account itself.
    Remove {
        /// The account, or its name.
        #[arg(value_name = "ACCOUNT")]
        account: Reference,
        /// The key that signs.
        #[command(flatten)]
        key: KeyArg,
        /// The node to ask.
        #[command(flatten)]
        node: NodeArg,
    },
}

/// The arguments that name a party.
#[derive(Debug, Args)]
pub struct PartyArgs {
    /// The party: its id, one of its accounts, or its name.
    #[arg(value_name = "PARTY")]
    party: Reference,
    #[command(flatten)]
    node: NodeArg,
}

/// What an account may do, and for how long.
#[derive(Debug, Args)]
pub struct TermsArgs {
    /// What the account may do: all, contracts, devices, commands or gateway.
    #[arg(long, value_name = "SCOPE")]
    scope: Scope,
    /// The last day (UTC) of the account, such as 2027-06-30, or an exact time. Without it, the account does not end.
    #[arg(long, value_name = "DATE")]
    until: Option<PeriodEnd>,
}

/// The arguments of `party account consent`.
#[derive(Debug, Args)]
pub struct ConsentArgs {
    /// The party that the account will act for: its id, one of its accounts, or its name.
    #[arg(long, value_name = "PARTY")]
    party: Reference,
    #[command(flatten)]
    terms: TermsArgs,
    #[command(flatten)]
    key: KeyArg,
    #[command(flatten)]
    node: NodeArg,
}

/// The arguments of `party account add`.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// The account, or its name.
    #[arg(value_name = "ACCOUNT")]
    account: Reference,
    #[command(flatten)]
    terms: TermsArgs,
    /// The file with the consent that `party account consent` printed.
    #[arg(long, value_name = "FILE", required_unless_present = "account_key")]
    consent: Option<PathBuf>,
    /// The keystore of the account, instead of --consent.
    #[arg(long, value_name = "FILE", conflicts_with = "consent")]
    account_key: Option<PathBuf>,
    #[command(flatten)]
    key: KeyArg,
    #[command(flatten)]
    node: NodeArg,
}

/// The arguments of `party recover`.
#[derive(Debug, Args)]
pub struct RecoverArgs {
    /// The party: its id, one of its lost accounts, or its name.
    #[arg(value_name = "PARTY")]
    party: Reference,
    /// The new account, or its name.
    #[arg(value_name = "ACCOUNT")]
    account: Reference,
    #[command(flatten)]
    key: KeyArg,
    #[command(flatten)]
    node: NodeArg,
}

/// Runs the command.
pub async fn run(command: Command, context: &Context) -> CommandResult {
    match command {
        Command::Show(args) => show(&args, context).await?,
        Command::Account(AccountCommand::List(args)) => list(&args, context).await?,
        Command::Account(AccountCommand::Consent(args)) => consent(&args, context).await?,
        Command::Account(AccountCommand::Add(args)) => add(&args, context).await?,
        Command::Account(AccountCommand::Remove { account, key, node }) => {
            remove(&account, &key, &node, context).await?;
        }
        Command::Recover(args) => recover(&args, context).await?,
        Command::EncryptionKey { encryption_key, key, node } => {
            set_encryption_key(encryption_key, &key, &node, context).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Finds a party of the chain with its record.
async fn find(args: &PartyArgs, context: &Context) -> anyhow::Result<(PartyId, PartyRecord)> {
    let chain = connect(args.node.or_local()).await?;
    let id = find_party(context, &chain, &args.party).await?;
    let record = chain.view().await.map_err(explain)?.party(id).await.map_err(explain)?;
    let record = record.with_context(|| {
        format!("there is no party {id} on this chain: `streembit consortium show` lists the parties")
    })?;
    Ok((id, record))
}

async fn show(args: &PartyArgs, context: &Context) -> anyhow::Result<()> {
    let (id, party) = find(args, context).await?;
    context.print_named(&party_json(&id, &party), |_| {
        let since = party.since.map_or_else(|| "not recorded".to_owned(), |block| block.to_string());
        let key = party.encryption_key.map_or_else(|| "none".to_owned(), |key| key.to_string());
        let mut lines = vec![
            format!("party           {id}"),
            format!("since block     {since}"),
            format!("encryption key  {key}"),
        ];
        lines.extend(party.accounts.iter().map(|entry| format!("account         {}", account_text(entry))));
        lines.join("\n")
    })
}

async fn list(args: &PartyArgs, context: &Context) -> anyhow::Result<()> {
    let (id, party) = find(args, context).await?;
    let accounts = party_json(&id, &party).get("accounts").cloned().unwrap_or_default();
    context.print_named(&accounts, |_| party.accounts.iter().map(account_text).collect::<Vec<_>>().join("\n"))
}

/// Builds the consent that an account has to sign.
async fn agreement(
    chain: &ChainClient,
    party: PartyId,
    account: AccountId,
    terms: &TermsArgs,
) -> anyhow::Result<AccountConsent> {
    let until = terms.until.map(|end| end.0);
    chain.account_agreement(party, account, terms.scope, until).await.map_err(explain)
}

async fn consent(args: &ConsentArgs, context: &Context) -> anyhow::Result<()> {
    let keys = args.key.open(context)?;
    let chain = connect(args.node.or_local()).await?;
    let party = find_party(context, &chain, &args.party).await?;
    let agreed = agreement(&chain, party, keys.account(), &args.terms).await?;
    let consent = format!("{:?}", account_consent(&agreed, &keys));
    let view = json!({
        "party": party, "account": account::show(&agreed.account), "scope": agreed.scope,
        "until": agreed.until, "nonce": agreed.nonce, "consent": consent,
    });
    context.print(&view, |_| consent.clone())
}

async fn add(args: &AddArgs, context: &Context) -> anyhow::Result<()> {
    let signer = args.key.signer(context).await?;
    let chain = connect(args.node.or_local()).await?;
    let party = chain.party_of(signer.account()).await.map_err(explain)?;
    let account = context.resolver().chain(&chain).account(&args.account).await?;
    let agreed = agreement(&chain, party, account, &args.terms).await?;
    let consent = match (&args.consent, &args.account_key) {
        (Some(file), _) => read_consent(file)?,
        (None, Some(file)) => account_consent(&agreed, &open_key(file, context.passphrase_file.as_deref())?),
        (None, None) => bail!("the account has to consent: give --consent FILE or --account-key FILE"),
    };
    ensure_valid(&agreed, &consent)?;
    let submitted = chain.add_account(&signer, agreed, consent).await.map_err(explain)?;
    let account = account::show(&account);
    let view = submitted_json(
        &submitted,
        [
            ("party", json!(party)),
            ("account", json!(account)),
            ("scope", json!(args.terms.scope)),
            ("until", json!(args.terms.until.map(|end| end.0))),
        ],
    );
    context
        .print(&view, |_| format!("{account} acts for party {party}, finalized in block {}", submitted.block))
}

fn read_consent(file: &Path) -> anyhow::Result<Signature> {
    let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    text.trim().parse().ok().with_context(|| {
        format!(
            "{} does not contain a consent: expected what `streembit party account consent` prints",
            file.display()
        )
    })
}

/// Verifies a consent before it is submitted.
fn ensure_valid(agreed: &AccountConsent, consent: &Signature) -> anyhow::Result<()> {
    if !agreed.verify(consent) {
        bail!(
            "the consent is not the signature of {} for party {} on this chain, the scope {}, this end and the nonce \
             {}: sign it again with `streembit party account consent`",
            account::show(&agreed.account),
            agreed.party,
            agreed.scope,
            agreed.nonce
        );
    }
    Ok(())
}

async fn remove(account: &Reference, key: &KeyArg, node: &NodeArg, context: &Context) -> anyhow::Result<()> {
    let keys = key.signer(context).await?;
    let chain = connect(node.or_local()).await?;
    let account = context.resolver().chain(&chain).account(account).await?;
    let submitted = chain.submit(&keys, Call::RemoveAccount { account }).await.map_err(explain)?;
    let account = account::show(&account);
    let view = submitted_json(&submitted, [("account", json!(account))]);
    context.print(&view, |_| {
        format!("{account} no longer acts for its party, finalized in block {}", submitted.block)
    })
}

async fn recover(args: &RecoverArgs, context: &Context) -> anyhow::Result<()> {
    let keys = args.key.signer(context).await?;
    let chain = connect(args.node.or_local()).await?;
    let party = find_party(context, &chain, &args.party).await?;
    let account = context.resolver().chain(&chain).account(&args.account).await?;
    let change = Change::Recover { party, account };
    council::propose_and_print(&chain, &keys, change, context).await
}

async fn set_encryption_key(
    encryption_key: EncryptionKey,
    key: &KeyArg,
    node: &NodeArg,
    context: &Context,
) -> anyhow::Result<()> {
    let keys = key.signer(context).await?;
    let chain = connect(node.or_local()).await?;
    let party = chain.party_of(keys.account()).await.map_err(explain)?;
    let call = Call::SetEncryptionKey { key: encryption_key };
    let submitted = chain.submit(&keys, call).await.map_err(explain)?;
    let fields = [("party", json!(party)), ("encryption_key", json!(encryption_key))];
    context.print(&submitted_json(&submitted, fields), |_| {
        format!(
            "the encryption key of party {party} is {encryption_key}, finalized in block {}",
            submitted.block
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use streembit_keystore::KeyPair;
    use streembit_primitives::Hash;

    #[test]
    fn a_consent_is_checked_before_it_is_submitted() {
        let (keys, dir) = (KeyPair::from_seed([5; 32]), tempfile::tempdir().unwrap());
        let agreed = AccountConsent {
            genesis: Hash([1; 32]),
            party: PartyId([2; 32]),
            account: keys.account(),
            scope: Scope::Contracts,
            until: None,
            nonce: 0,
        };
        let file = dir.path().join("consent");
        std::fs::write(&file, format!("{:?}\n", account_consent(&agreed, &keys))).unwrap();
        let consent = read_consent(&file).unwrap();
        assert!(ensure_valid(&agreed, &consent).is_ok());
        let later = AccountConsent { nonce: 1, ..agreed };
        let error = ensure_valid(&later, &consent).unwrap_err().to_string();
        assert!(error.contains("nonce 1") && error.contains("sign it again"), "{error}");
        std::fs::write(&file, "sr25519:00").unwrap();
        assert!(read_consent(&file).unwrap_err().to_string().contains("party account consent"));
    }
}
