//! `--offline`, `streembit sign` and `streembit submit`: a transaction is prepared on one machine, signed on another and
//! sent from a third.

use super::common::{connect, submitted_json, CommandResult, Context, KeyArg, NodeArg};
use crate::{
    contracts::{self, ContractFile},
    printable::Printable,
    remedies::explain,
};
use anyhow::{bail, ensure, Context as _};
use clap::Args;
use serde::{de::DeserializeOwned, Deserialize, Serialize};
use serde_json::{json, Value};
use std::{
    fs,
    io::{self, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};
use streembit_chain::{ChainError, Review, SignedTransaction, UnsignedTransaction};
use streembit_keystore::{account, files::create_private};

/// The size limit of a transaction file, in bytes. The metadata of a runtime takes a few hundred kilobytes.
const MAX_BYTES: u64 = 8 * 1024 * 1024;
/// The first field of a file with an unsigned transaction.
const UNSIGNED: &str = "unsigned transaction, version 1";
/// The first field of a file with a signed transaction.
const SIGNED: &str = "signed transaction, version 1";

/// The arguments of `streembit sign`.
#[derive(Debug, Args)]
pub struct SignArgs {
    /// The file that another machine wrote with --offline.
    file: PathBuf,
    /// The contract that the transaction agrees to. Its text is shown before signing.
    #[arg(long, value_name = "FILE")]
    contract: Option<PathBuf>,
    /// The file to write. An existing file is never overwritten.
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    key: KeyArg,
    #[command(flatten)]
    confirm: ConfirmArg,
}

/// The arguments of `streembit submit`.
#[derive(Debug, Args)]
pub struct SubmitArgs {
    /// The file that `streembit sign` wrote.
    file: PathBuf,
    #[command(flatten)]
    node: NodeArg,
}

/// The option `--yes`.
#[derive(Clone, Copy, Debug, Args)]
pub struct ConfirmArg {
    /// Sign without asking. Needed if there is no terminal to ask on.
    #[arg(long)]
    yes: bool,
}

impl ConfirmArg {
    /// Shows `text` on standard error and asks whether to sign it. Characters that the terminal acts on are escaped. Returns
    /// an error if the answer is no.
    pub fn ask(self, text: &str) -> anyhow::Result<()> {
        let mut terminal = io::stderr().lock();
        writeln!(terminal, "{}\n", Printable::escaped(text)).context("showing what will be signed")?;
        if self.yes {
            return Ok(());
        }
        if !io::stdin().is_terminal() {
            bail!("nothing was signed: there is no terminal to ask on. Read the text above, and give --yes to sign it");
        }
        write!(terminal, "Sign this? [y/N] ").and_then(|()| terminal.flush()).context("asking")?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).context("reading the answer")?;
        ensure!(matches!(answer.trim(), "y" | "Y" | "yes"), "nothing was signed");
        Ok(())
    }
}

/// A transaction with the kind of its file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TransactionFile<T> {
    streembit: String,
    transaction: T,
}

/// Writes the transaction of a command that ran with `--offline`. Returns `None` if `error` is another error.
pub fn write_prepared(error: &anyhow::Error, context: &Context) -> Option<anyhow::Result<()>> {
    let (call, unsigned) = error.chain().find_map(|cause| match cause.downcast_ref::<ChainError>() {
        Some(ChainError::NotSigned { call, unsigned }) => Some((call, unsigned)),
        _ => None,
    })?;
    Some(write_unsigned(call, unsigned, context))
}

fn write_unsigned(call: &str, unsigned: &UnsignedTransaction, context: &Context) -> anyhow::Result<()> {
    let path = context.offline.as_deref().context("no --offline FILE")?;
    write(path, UNSIGNED, unsigned)?;
    let review = unsigned.review()?;
    let account = account::show(&unsigned.account);
    let result = json!({
        "file": path, "call": call, "account": account, "nonce": unsigned.nonce, "last_block": review.last_block,
    });
    context.print(&result, |_| {
        format!(
            "{}: {call} by {account}, not signed; can be included up to block {}\n\nNext, on the machine with the key:\n  \
             streembit sign {} --key ACCOUNT.key -o SIGNED",
            path.display(),
            review.last_block,
            path.display()
        )
    })
}

/// Runs `streembit sign`.
pub fn sign(args: &SignArgs, context: &Context) -> CommandResult {
    let unsigned: UnsignedTransaction = read(&args.file, UNSIGNED)?;
    let review = unsigned.review()?;
    let contract = args.contract.as_deref().map(contracts::read).transpose()?;
    let mut text = review_text(&unsigned, &review)?;
    if let Some(contract) = &contract {
        text.push_str(&agreed_text(contract, &unsigned, &review)?);
    }
    args.confirm.ask(&text)?;
    let signed = unsigned.sign(&args.key.open(context)?)?;
    write(&args.out, SIGNED, &signed)?;
    let result = json!({
        "file": args.out, "call": review.call, "arguments": review.arguments,
        "account": account::show(&unsigned.account), "last_block": review.last_block,
    });
    context.print(&result, |_| {
        format!(
            "{}: {} is signed\n\nNext, on a machine with a connection to a node:\n  streembit submit {}",
            args.out.display(),
            review.call,
            args.out.display()
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

fn review_text(unsigned: &UnsignedTransaction, review: &Review) -> anyhow::Result<String> {
    Ok(format!(
        "call      {}\naccount   {}\nchain     {}\nruntime   version {}, metadata {}\nnonce     {}\nvalid     up to block \
         {}\narguments {}\n",
        review.call,
        account::show(&unsigned.account),
        unsigned.genesis,
        review.spec_version,
        review.metadata_hash,
        unsigned.nonce,
        review.last_block,
        serde_json::to_string_pretty(&review.arguments)?
    ))
}

/// Returns the text of the contract that the transaction agrees to. Returns an error if it agrees to another content.
fn agreed_text(
    contract: &ContractFile,
    unsigned: &UnsignedTransaction,
    review: &Review,
) -> anyhow::Result<String> {
    let hash = contract.hash().to_string();
    ensure!(
        agrees(&hash, &contract.encoded_content(), &unsigned.call, review),
        "the transaction does not agree to the content of the contract, {hash}: ask for the file of the version that it is \
         about, or prepare the transaction again"
    );
    Ok(format!("\nIt agrees to this contract, content {hash}:\n\n{}", contract.text()))
}

/// Returns true if a call agrees to a content: it holds the content as its last argument, or the hash as the argument of
/// this name.
fn agrees(hash: &str, content: &[u8], call: &[u8], review: &Review) -> bool {
    match review.call.as_str() {
        "ServiceContracts.propose" | "ServiceContracts.amend" => call.ends_with(content),
        "ServiceContracts.accept" | "ServiceContracts.hand_over" => {
            review.arguments.get("hash").and_then(Value::as_str) == Some(hash)
        }
        _ => false,
    }
}

/// Runs `streembit submit`.
pub async fn submit(args: &SubmitArgs, context: &Context) -> CommandResult {
    let signed: SignedTransaction = read(&args.file, SIGNED)?;
    let chain = connect(args.node.or_local()).await?;
    ensure!(
        chain.genesis() == signed.genesis,
        "the transaction is for the chain {}, but the node at {} serves {}: give the node of the right chain with --node",
        signed.genesis,
        chain.node(),
        chain.genesis()
    );
    let submitted = chain.submit_signed(&signed).await.map_err(explain)?;
    let account = account::show(&signed.account);
    let result = submitted_json(&submitted, [("call", json!(signed.call)), ("account", json!(account))]);
    context.print(&result, |_| {
        format!("{} by {account}, finalized in block {}", signed.call, submitted.block)
    })?;
    Ok(ExitCode::SUCCESS)
}

fn read<T: DeserializeOwned>(path: &Path, kind: &str) -> anyhow::Result<T> {
    let reading = || format!("reading {}", path.display());
    let length = fs::metadata(path).with_context(reading)?.len();
    ensure!(length <= MAX_BYTES, "{} is too large for a transaction: it has {length} bytes", path.display());
    let text = fs::read_to_string(path).with_context(reading)?;
    let kind_of: Value = serde_json::from_str(&text)
        .with_context(|| format!("{} does not hold a transaction", path.display()))?;
    let found = kind_of.get("streembit").and_then(Value::as_str).unwrap_or("something else");
    ensure!(found == kind, "{} holds a {found}, but a {kind} is needed", path.display());
    let file: TransactionFile<T> =
        serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))?;
    Ok(file.transaction)
}

/// Creates the file of a transaction. Never overwrites an existing one, and leaves no half file.
fn write<T: Serialize>(path: &Path, kind: &str, transaction: &T) -> anyhow::Result<()> {
    let file = TransactionFile { streembit: kind.to_owned(), transaction };
    let text = serde_json::to_string_pretty(&file)?;
    Ok(create_private(path, format!("{text}\n").as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use streembit_primitives::Hash;

    #[test]
    fn only_calls_that_agree_to_a_content_are_said_to_agree() {
        let review = |call: &str, arguments: Value| Review {
            call: call.into(),
            arguments,
            spec_version: 1,
            metadata_hash: Hash([0; 32]),
            last_block: 9,
        };
        let agrees = |review: &Review| agrees("0x0203", &[5, 6], &[13, 0, 5, 6], review);
        let accept = json!({ "id": "0x01", "hash": "0x0203" });
        assert!(agrees(&review("ServiceContracts.accept", accept.clone())));
        assert!(agrees(&review("ServiceContracts.propose", json!({}))));
        assert!(!agrees(&review("ServiceContracts.accept", json!({ "id": "0x0203", "hash": "0x01" }))));
        assert!(!agrees(&review("ServiceContracts.accept", json!({ "hash": { "hash": "0x0203" } }))));
        // Calls that only mention the content.
        for call in ["System.remark", "ServiceContracts.contest", "ServiceContracts.reject"] {
            assert!(!agrees(&review(call, accept.clone())), "{call}");
        }
    }

    #[test]
    fn a_file_of_another_kind_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("transaction");
        write(&path, SIGNED, &json!({})).unwrap();
        let error = read::<Value>(&path, UNSIGNED).unwrap_err().to_string();
        assert!(error.contains(SIGNED) && error.contains(UNSIGNED), "{error}");
        assert_eq!(read::<Value>(&path, SIGNED).unwrap(), json!({}));
        let again = write(&path, SIGNED, &json!({})).unwrap_err().to_string();
        assert!(again.contains("never overwritten"), "{again}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no half file is left");
    }
}
