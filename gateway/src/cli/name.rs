//! `streembit name`: the user's address book.

use super::{
    common::{connect, find_party, CommandResult, Context, NodeArg},
    output,
    resolver::Reference,
};
use crate::address_book::{EntryName, IdKind, KnownId};
use anyhow::anyhow;
use clap::{Args, Subcommand};
use serde_json::{json, Value};
use std::process::ExitCode;

/// The subcommands of `streembit name`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Give a party, account, gateway, device or contract a name, which every command then takes and shows.
    ///
    /// The name is yours: it is in a file on this machine, and on no chain.
    Add(AddArgs),
    /// Remove a name.
    Remove {
        /// The name.
        name: EntryName,
    },
    /// List the names.
    List {
        /// List only the names of one kind.
        #[arg(long)]
        kind: Option<IdKind>,
    },
}

/// The arguments of `name add`.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// What the id stands for.
    kind: IdKind,
    /// The name: 1 to 32 letters, digits, - and _, beginning with a letter.
    name: EntryName,
    /// The id. A node is asked only if this is the beginning of an id, or an account of a party.
    id: Reference,
    #[command(flatten)]
    node: NodeArg,
}

/// Runs the command.
pub async fn run(command: Command, context: &Context) -> CommandResult {
    match command {
        Command::Add(args) => add(args, context).await?,
        Command::Remove { name } => remove(&name, context)?,
        Command::List { kind } => list(kind, context)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn add(args: AddArgs, context: &Context) -> anyhow::Result<()> {
    let id = find(&args, context).await?;
    context.address_book.add(args.name.clone(), id)?;
    print_entry(&args.name, id, context, |name| format!("{name} is the name of {} {id}", id.kind))
}

/// Finds the id. A whole id needs no node.
async fn find(args: &AddArgs, context: &Context) -> anyhow::Result<KnownId> {
    let AddArgs { kind, id, node, .. } = args;
    let bytes = match (id, kind) {
        (Reference::Id(bytes), _) => *bytes,
        (Reference::Account(account), IdKind::Account | IdKind::Gateway) => account.0,
        (id, kind) => {
            let chain = connect(node.or_local()).await?;
            let resolver = context.resolver().chain(&chain);
            match kind {
                IdKind::Party => find_party(context, &chain, id).await?.0,
                IdKind::Account | IdKind::Gateway => resolver.account(id).await?.0,
                IdKind::Device => resolver.device(id).await?.0,
                IdKind::Contract => resolver.contract(id).await?.0,
            }
        }
    };
    Ok(KnownId { kind: *kind, bytes })
}

fn remove(name: &EntryName, context: &Context) -> anyhow::Result<()> {
    let id = context.address_book.remove(name)?;
    print_entry(name, id, context, |name| format!("{name} is no longer the name of {} {id}", id.kind))
}

fn print_entry(
    name: &EntryName,
    id: KnownId,
    context: &Context,
    text: impl FnOnce(&EntryName) -> String,
) -> anyhow::Result<()> {
    context.print(&entry(name, id), |_| text(name))
}

fn list(kind: Option<IdKind>, context: &Context) -> anyhow::Result<()> {
    let book = context.address_book.book().map_err(|error| anyhow!("{error}"))?;
    let listed: Vec<_> = book.iter().filter(|(_, id)| kind.is_none_or(|kind| kind == id.kind)).collect();
    let json: Vec<_> = listed.iter().map(|(name, id)| entry(name, *id)).collect();
    context.print(&json, |_| {
        if listed.is_empty() {
            return format!(
                "no names in {}: `streembit name add KIND NAME ID` adds one",
                context.address_book.place()
            );
        }
        let mut table = output::table(["name", "kind", "id"]);
        for (name, id) in &listed {
            table.add_row([name.to_string(), id.kind.to_string(), id.to_string()]);
        }
        output::render(&table)
    })
}

fn entry(name: &EntryName, id: KnownId) -> Value {
    json!({ "name": name, "kind": id.kind, "id": id })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address_book::AddressBookFile;
    use clap::Parser;
    use std::sync::Arc;

    #[derive(Debug, Parser)]
    struct TestCommand {
        #[command(subcommand)]
        command: Command,
    }

    async fn name(file: &std::path::Path, words: &str) -> anyhow::Result<()> {
        let line = std::iter::once("name").chain(words.split(' '));
        let command = TestCommand::try_parse_from(line)?.command;
        let address_book = Arc::new(AddressBookFile::new(Some(file.to_owned())));
        run(command, &Context { json: true, passphrase_file: None, offline: None, address_book })
            .await
            .map(|_| ())
    }

    #[tokio::test]
    async fn whole_ids_are_named_without_a_node() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("names.toml");
        let alice = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
        let (one, two) = (format!("0x{}", "01".repeat(32)), format!("0x{}", "02".repeat(32)));
        name(&file, &format!("add party anna {one}")).await.unwrap();
        name(&file, &format!("add device car {two}")).await.unwrap();
        name(&file, &format!("add gateway box {alice}")).await.unwrap();
        name(&file, "list").await.unwrap();
        let written = std::fs::read_to_string(&file).unwrap();
        for line in [format!("anna = \"{one}\""), format!("box = \"{alice}\"")] {
            assert!(written.contains(&line), "{line}: {written}");
        }
        let error = name(&file, &format!("add device van {two}")).await.unwrap_err().to_string();
        assert!(error.contains("name car already"), "{error}");
        name(&file, "remove car").await.unwrap();
        name(&file, &format!("add device van {two}")).await.unwrap();
        assert!(name(&file, "remove car").await.unwrap_err().to_string().contains("no name car"));
    }

    #[tokio::test]
    async fn invalid_arguments_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("names.toml");
        let id = format!("0x{}", "01".repeat(32));
        for (words, problem) in [
            (format!("add person anna {id}"), "party"),
            (format!("add party 2cv {id}"), "begin with a letter"),
            ("add party anna 0x12".to_owned(), "at least 4"),
            ("remove 0x12".to_owned(), "begin with a letter"),
            ("list --kind thing".to_owned(), "contract"),
        ] {
            let error = name(&file, &words).await.unwrap_err().to_string();
            assert!(error.contains(problem), "{words}: {error}");
        }
        assert!(!file.exists());
    }
}
