//! `streembit token`: the tokens of the gateway's API over TCP.

use super::{
    common::{CommandResult, ConfigArg, Context},
    output,
};
use crate::{
    api::tokens::{TokenEntry, TokenScope, Tokens},
    config::Config,
};
use anyhow::ensure;
use clap::{Args, Subcommand};
use serde_json::json;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};
use streembit_clock::{now_ms, PeriodEnd};
use streembit_keystore::files::create_private;
use streembit_primitives::DeviceId;

/// The subcommands of `streembit token`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a token and show it. It is shown once: the gateway keeps only its hash. It counts at once.
    New(NewArgs),
    /// List the tokens: what each allows, and until when.
    List(ConfigArg),
    /// Revoke a token. A running gateway refuses it at once.
    Revoke {
        /// The name of the token.
        name: String,
        /// The configuration.
        #[command(flatten)]
        config: ConfigArg,
    },
}

/// The arguments of `token new`.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// The name of the token, for you: 1 to 32 letters, digits, - and _.
    #[arg(long)]
    name: String,
    /// What the token allows: read, metrics, ingest (readings and events of every device), ingest:DEVICE (of one device),
    /// operate or erase. May be given more than once.
    #[arg(long = "scope", value_name = "SCOPE", required = true)]
    scopes: Vec<TokenScope>,
    /// The last day of the token, such as 2027-06-30 (UTC), or the time of its end. Without it, the token does not end.
    #[arg(long, value_name = "DAY|TIME")]
    until: Option<PeriodEnd>,
    /// Write the token to this new file (mode 0600) instead of standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArg,
}

/// Runs the command.
pub fn run(command: Command, context: &Context) -> CommandResult {
    match command {
        Command::New(args) => new(args, context)?,
        Command::List(config) => list(&config, context)?,
        Command::Revoke { name, config } => {
            Tokens::revoke(&config.load()?.api.token_file, &name)?;
            context.print(&json!({ "revoked": name }), |_| format!("{name} is revoked"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn new(args: NewArgs, context: &Context) -> anyhow::Result<()> {
    let config = args.config.load()?;
    args.scopes.iter().try_for_each(|scope| ensure_device(&config, scope))?;
    if let Some(out) = &args.out {
        // Look before the token is made: it could not be shown again.
        ensure!(!out.exists(), "{} exists and is never overwritten: name another file", out.display());
    }
    let file = &config.api.token_file;
    let until = args.until.map(|end| end.0);
    let secret = Tokens::add(file, &args.name, args.scopes.clone(), until, now_ms())?;
    let scopes = join(&args.scopes);
    let Some(out) = &args.out else {
        let view =
            json!({ "name": args.name, "scopes": args.scopes, "until": until, "token": secret.as_str() });
        return context.print(&view, |_| secret.as_str().to_owned());
    };
    write(out, secret.as_str()).inspect_err(|_| {
        // Nobody has the token, so it must not stay.
        if let Err(error) = Tokens::revoke(file, &args.name) {
            tracing::warn!(%error, "the token that could not be written was not revoked");
        }
    })?;
    let view = json!({ "name": args.name, "scopes": args.scopes, "until": until, "file": out });
    context.print(&view, |_| format!("token   {}\nscopes  {scopes}\nfile    {}", args.name, out.display()))
}

fn write(path: &Path, token: &str) -> anyhow::Result<()> {
    Ok(create_private(path, format!("{token}\n").as_bytes())?)
}

/// Returns an error if a scope names a device that the gateway does not have.
fn ensure_device(config: &Config, scope: &TokenScope) -> anyhow::Result<()> {
    let TokenScope::IngestOf(device) = scope else { return Ok(()) };
    let is_known = config.devices.iter().any(|known| known.name == *device);
    let is_id = device.parse::<DeviceId>().is_ok();
    let names: Vec<_> = config.devices.iter().map(|known| known.name.as_str()).collect();
    ensure!(
        is_known || is_id,
        "the configuration has no device {device:?}: use the name of one of its devices ({}), or a device's id",
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    );
    Ok(())
}

fn list(config: &ConfigArg, context: &Context) -> anyhow::Result<()> {
    let tokens = Tokens::load(&config.load()?.api.token_file)?;
    let now = now_ms();
    let view: Vec<_> = tokens.entries.iter().map(|entry| entry_json(entry, now)).collect();
    context.print(&view, |_| table(&tokens.entries, now))
}

fn entry_json(entry: &TokenEntry, now: u64) -> serde_json::Value {
    json!({
        "name": entry.name, "scopes": entry.scopes, "created": entry.created, "until": entry.expires,
        "expired": entry.has_expired(now),
    })
}

fn table(entries: &[TokenEntry], now: u64) -> String {
    if entries.is_empty() {
        return "There is no token: `streembit token new` makes one.".into();
    }
    let mut table = output::table(["name", "scopes", "until"]);
    for entry in entries {
        let until = match entry.expires {
            None => "no end".to_owned(),
            Some(end) if entry.has_expired(now) => format!("ended at {}", PeriodEnd(end)),
            Some(end) => PeriodEnd(end).to_string(),
        };
        table.add_row([entry.name.clone(), join(&entry.scopes), until]);
    }
    output::render(&table)
}

fn join(scopes: &[TokenScope]) -> String {
    scopes.iter().map(TokenScope::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use std::{fs, os::unix::fs::MetadataExt as _};

    #[derive(Debug, Parser)]
    struct TestCommand {
        #[command(subcommand)]
        command: Command,
    }

    fn run_line(line: &[&str]) -> anyhow::Result<()> {
        let command = TestCommand::try_parse_from(std::iter::once(&"token").chain(line))?.command;
        let address_book = std::sync::Arc::new(crate::address_book::AddressBookFile::none());
        let context = Context { json: true, passphrase_file: None, offline: None, address_book };
        run(command, &context).map(|_| ())
    }

    #[test]
    fn tokens_are_made_into_private_files_listed_and_revoked() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("gateway.toml");
        fs::write(&config, "[[device]]\nname = \"shed\"").unwrap();
        let out = dir.path().join("prometheus.token");
        let (config, out_text) = (config.to_str().unwrap(), out.to_str().unwrap());
        let new = |name: &str, more: &[&str]| {
            let line = ["new", "--config", config, "--name", name];
            run_line(&line.iter().chain(more).copied().collect::<Vec<_>>())
        };
        new("prometheus", &["--scope", "metrics", "--out", out_text]).unwrap();
        assert_eq!(fs::metadata(&out).unwrap().mode() & 0o777, 0o600);
        let token = fs::read_to_string(&out).unwrap();
        let file = dir.path().join("api.tokens");
        let name =
            |now| Tokens::load(&file).unwrap().find(token.trim().as_bytes(), now).map(|it| it.name.clone());
        assert_eq!(name(0), Some("prometheus".into()));
        new("shed", &["--scope", "ingest:shed", "--scope", "read", "--until", "2999-12-31"]).unwrap();
        for (name, more, problem) in [
            ("x", vec!["--scope", "ingest:boat"], "boat"),
            ("x", vec!["--scope", "all"], "ingest:DEVICE"),
            ("x", vec!["--scope", "read", "--until", "2001-01-01"], "future"),
            ("x", vec!["--scope", "read", "--out", out_text], "exists"),
            ("x", vec![], "--scope"),
            ("shed", vec!["--scope", "read"], "already"),
        ] {
            let error = new(name, &more).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
        let names: Vec<_> =
            Tokens::load(&file).unwrap().entries.into_iter().map(|entry| entry.name).collect();
        assert_eq!(names, ["prometheus", "shed"]);
        run_line(&["list", "--config", config]).unwrap();
        run_line(&["revoke", "prometheus", "--config", config]).unwrap();
        assert_eq!(name(0), None);
    }
}
