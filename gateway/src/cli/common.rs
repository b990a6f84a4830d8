//! The context of a command, and everything that commands share: the options `--config`, `--node` and `--key`, the
//! connection to a node, and the search for what a command is about.

use super::{
    accounts, output,
    resolver::{Reference, Resolver},
};
use crate::{
    address_book::{AddressBook, AddressBookFile},
    config::{Config, DeviceConfig, GatewayConfig},
    keys::{open_gateway_key, open_key, read_passphrase},
    remedies::explain,
};
use anyhow::{bail, Context as _};
use clap::Args;
use serde::Serialize;
use serde_json::{json, Value};
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};
use streembit_chain::{ChainClient, NodeUrl, Signer, Submitted};
use streembit_keystore::{account_of, KeyPair, Passphrase};
use streembit_primitives::{AccountId, PartyId};

/// The result of a command: an exit code, or an error, which is printed and makes the exit code 2.
pub type CommandResult = anyhow::Result<ExitCode>;

/// The global options, which every command gets.
#[derive(Clone, Debug)]
pub struct Context {
    /// True if the command prints JSON instead of text.
    pub json: bool,
    /// The file with the key's passphrase.
    pub passphrase_file: Option<PathBuf>,
    /// The file to which a transaction is written instead of being signed and sent.
    pub offline: Option<PathBuf>,
    /// The user's address book.
    pub address_book: Arc<AddressBookFile>,
}

impl Context {
    /// Prints a result on standard output: as one line of JSON, or as the text that `text` returns.
    pub fn print<T: Serialize>(&self, value: &T, text: impl FnOnce(&T) -> String) -> anyhow::Result<()> {
        if self.json {
            output::print_json(&self.to_json(value)?)
        } else {
            output::print_text(&text(value))
        }
    }

    /// Like [`Self::print`], with the names of the address book in place of the whole ids in the text.
    pub fn print_named<T: Serialize>(
        &self,
        value: &T,
        text: impl FnOnce(&T) -> String,
    ) -> anyhow::Result<()> {
        self.print(value, |value| self.names().label(&text(value)))
    }

    /// Returns a value as JSON. Accounts are SS58 addresses, with their hexadecimal form beside them. Beside ids, it has
    /// their names in the address book.
    pub fn to_json(&self, value: &impl Serialize) -> anyhow::Result<String> {
        let mut value = serde_json::to_value(value)?;
        self.names().add_names(&mut value);
        accounts::show_both(&mut value);
        Ok(value.to_string())
    }

    /// Says something on standard error, beside the result of the command.
    pub fn notice(&self, value: &Value, text: &str) {
        if self.json {
            output::note_json(&value.to_string());
        } else {
            output::note_text(text);
        }
    }

    /// Returns the names in the address book, for output.
    pub fn names(&self) -> &AddressBook {
        self.address_book.names()
    }

    /// Returns what finds the party, account, gateway, device or contract that the command is about.
    pub fn resolver(&self) -> Resolver<'_> {
        Resolver::new(&self.address_book)
    }

    /// Returns the account that signs on another machine: `signer`, or else the account of the keystore `key`. Returns
    /// `None` without `--offline`, because the transaction is then signed on this machine.
    pub async fn account_elsewhere(
        &self,
        key: Option<&Path>,
        signer: Option<&Reference>,
    ) -> anyhow::Result<Option<AccountId>> {
        match (&self.offline, signer, key) {
            (None, None, _) => Ok(None),
            (None, Some(_), _) => {
                bail!("--signer needs --offline FILE, the file for the unsigned transaction")
            }
            (Some(_), Some(signer), _) => Ok(Some(self.resolver().account(signer).await?)),
            (Some(_), None, Some(key)) => Ok(Some(account_of(key).map_err(explain)?)),
            (Some(_), None, None) => {
                bail!(
                    "name the account that signs with --signer ACCOUNT, or give its keystore with --key FILE"
                )
            }
        }
    }

    /// Reads the passphrase of an existing key from the passphrase file, or asks for it.
    pub fn passphrase(&self, key: &Path) -> anyhow::Result<Passphrase> {
        read_passphrase(key, self.passphrase_file.as_deref())
    }

    /// Reads the passphrase of a new key from the passphrase file, or asks for it. If the file does not exist, creates
    /// it with a random passphrase.
    pub fn new_passphrase(&self, key: &Path) -> anyhow::Result<Passphrase> {
        let Some(file) = &self.passphrase_file else {
            return Passphrase::ask_new(&format!("New passphrase of {}: ", key.display())).map_err(explain);
        };
        if file.try_exists().with_context(|| format!("looking for {}", file.display()))? {
            return Passphrase::from_file(file).map_err(explain);
        }
        let passphrase = Passphrase::random();
        passphrase.write_to(file).map_err(explain)?;
        self.notice(
            &json!({ "created_passphrase_file": file }),
            &format!(
                "{} did not exist: created it with a random passphrase, which only this file has",
                file.display()
            ),
        );
        Ok(passphrase)
    }
}

/// The option `--config`.
#[derive(Clone, Debug, Args)]
pub struct ConfigArg {
    /// The gateway's configuration file.
    #[arg(
        id = "config",
        long = "config",
        value_name = "FILE",
        env = "STREEMBIT_CONFIG",
        default_value = "gateway.toml"
    )]
    pub path: PathBuf,
    /// The passphrase file of the gateway's key.
    #[command(flatten)]
    pub passphrase: GatewayPassphraseArg,
}

/// The option `--gateway-passphrase-file`.
#[derive(Clone, Debug, Default, Args)]
pub struct GatewayPassphraseArg {
    /// The file with the passphrase of the gateway's key; overrides `passphrase_file` in its configuration.
    #[arg(id = "gateway-passphrase-file", long = "gateway-passphrase-file", value_name = "FILE")]
    pub file: Option<PathBuf>,
}

impl ConfigArg {
    /// Returns the option with this file and no passphrase file.
    pub fn at(path: PathBuf) -> Self {
        Self { path, passphrase: GatewayPassphraseArg::default() }
    }

    /// Reads and validates the configuration, with the passphrase file that is given in place of its own.
    pub fn load(&self) -> anyhow::Result<Config> {
        let mut config = Config::load(&self.path)?;
        config.gateway = self.with_options(config.gateway);
        Ok(config)
    }

    fn with_options(&self, mut gateway: GatewayConfig) -> GatewayConfig {
        if let Some(file) = &self.passphrase.file {
            gateway.passphrase_file = Some(file.clone());
        }
        gateway
    }

    /// Reads the configuration and the gateway's account. This needs the passphrase only if the configuration has a hosted
    /// device whose id was never computed before.
    pub fn load_with_account(&self) -> anyhow::Result<(Config, AccountId)> {
        self.load_with_ids(None)
    }

    /// Like [`Self::load_with_account`], with the passphrase file of a command.
    pub fn load_with_ids(&self, context: Option<&Context>) -> anyhow::Result<(Config, AccountId)> {
        let mut config = self.load()?;
        let account = account_of(&config.gateway.key_file).map_err(explain)?;
        if config.load_labels(account) {
            return Ok((config, account));
        }
        let passphrase_file = context.and_then(|context| context.passphrase_file.as_deref());
        let keys = open_gateway_key(&config.gateway, passphrase_file)?;
        resolve_labels(&mut config, &keys);
        Ok((config, account))
    }

    /// Reads the configuration as the file has it, which a running gateway compares with later versions of the file, and
    /// opens the gateway's key.
    pub fn load_with_keys(&self, context: &Context) -> anyhow::Result<(Config, KeyPair)> {
        let mut config = Config::load(&self.path)?;
        let gateway = self.with_options(config.gateway.clone());
        let keys = open_gateway_key(&gateway, context.passphrase_file.as_deref())?;
        resolve_labels(&mut config, &keys);
        Ok((config, keys))
    }
}

/// The option `--config` of a command that also works without a gateway on this machine.
#[derive(Clone, Debug, Args)]
pub struct OptionalConfigArg {
    /// The configuration of a gateway on this machine, whose device names count too.
    #[arg(id = "config", long = "config", value_name = "FILE", env = "STREEMBIT_CONFIG")]
    pub path: Option<PathBuf>,
}

impl OptionalConfigArg {
    /// Reads the configuration and the gateway's account, if a configuration is given.
    pub fn load_with_ids(&self, context: &Context) -> anyhow::Result<Option<(Config, AccountId)>> {
        let Some(path) = self.path.clone() else { return Ok(None) };
        ConfigArg::at(path).load_with_ids(Some(context)).map(Some)
    }
}

/// Computes the ids of the hosted devices, and keeps what they are derived from for commands that do not open the key.
fn resolve_labels(config: &mut Config, keys: &KeyPair) {
    config.resolve_labels(keys);
    if let Err(error) = config.store_labels(keys.account()) {
        tracing::debug!(%error, "the hashes of the devices' labels were not kept");
    }
}

/// Finds a device that must be in a gateway's configuration.
pub async fn find_configured(
    context: &Context,
    config: &Config,
    account: AccountId,
    device: &Reference,
) -> anyhow::Result<DeviceConfig> {
    let id = context.resolver().gateway(config, account).device(device).await?;
    Ok(config.device(&id.to_string(), account)?.clone())
}

/// Finds a party by its id, by one of its accounts, or by its name.
pub async fn find_party(
    context: &Context,
    chain: &ChainClient,
    party: &Reference,
) -> anyhow::Result<PartyId> {
    let name = context.resolver().chain(chain).party_name(party).await?;
    let found = chain.view().await.map_err(explain)?.find_party(&name).await.map_err(explain)?;
    found.with_context(|| {
        format!("{name} belongs to no party of this chain: `streembit consortium show` lists the parties")
    })
}

/// The options that name a party: by itself, by a key of it, or by one of its gateways.
#[derive(Clone, Debug, Args)]
pub struct PartyOfArg {
    /// The party: its id, one of its accounts, or its name.
    #[arg(long, value_name = "PARTY")]
    pub party: Option<Reference>,
    /// Without --party: the keystore of an account of the party. Needs no passphrase.
    #[arg(id = "key", long = "key", value_name = "FILE", env = "STREEMBIT_KEY")]
    pub key: Option<PathBuf>,
    /// Without --party and --key: the configuration of a gateway of the party.
    #[arg(id = "config", long = "config", value_name = "FILE", env = "STREEMBIT_CONFIG")]
    pub config: Option<PathBuf>,
}

impl PartyOfArg {
    /// Finds the party, or returns `None` if none is named.
    pub async fn find(&self, context: &Context, chain: &ChainClient) -> anyhow::Result<Option<PartyId>> {
        let keystore = match (&self.party, &self.key, &self.config) {
            (Some(party), ..) => return find_party(context, chain, party).await.map(Some),
            (None, Some(key), _) => key.clone(),
            (None, None, Some(config)) => Config::load(config)?.gateway.key_file,
            (None, None, None) => return Ok(None),
        };
        let account = account_of(&keystore).map_err(explain)?;
        chain.party_of(account).await.map(Some).map_err(explain)
    }
}

/// The option `--node`.
#[derive(Clone, Debug, Args)]
pub struct NodeArg {
    /// The RPC address of a node of the chain, such as ws://127.0.0.1:9944.
    #[arg(id = "node", long = "node", value_name = "URL", env = "STREEMBIT_NODE")]
    pub url: Option<NodeUrl>,
    /// Whether the address may be unencrypted.
    #[command(flatten)]
    pub plain: AllowPlainArg,
}

/// The option `--allow-plain`.
#[derive(Clone, Copy, Debug, Args)]
pub struct AllowPlainArg {
    /// Allow an unencrypted address (ws://) of another machine. Whoever is on the path can then answer in the node's
    /// place, so use it only in a network of your own, such as a VPN.
    #[arg(id = "allow-plain", long = "allow-plain", env = "STREEMBIT_ALLOW_PLAIN")]
    pub allowed: bool,
}

impl NodeArg {
    /// Returns the given address, if any.
    pub fn given(&self) -> Option<NodeUrl> {
        self.url.clone().map(|url| url.with_plain_allowed(self.plain.allowed))
    }

    /// Returns the given address, or the address in the configuration.
    pub fn or_configured(&self, config: &Config) -> NodeUrl {
        self.given().unwrap_or_else(|| {
            let allowed = self.plain.allowed || config.node.allow_plain;
            config.node.url.clone().with_plain_allowed(allowed)
        })
    }

    /// Returns the given address, or the address of a node on this machine.
    pub fn or_local(&self) -> NodeUrl {
        self.given().unwrap_or_else(NodeUrl::local)
    }
}

/// The options `--key` and `--signer`.
#[derive(Clone, Debug, Args)]
pub struct KeyArg {
    /// The keystore of the account that signs.
    #[arg(
        id = "key",
        long = "key",
        value_name = "FILE",
        env = "STREEMBIT_KEY",
        required_unless_present = "signer"
    )]
    pub path: Option<PathBuf>,
    /// With --offline: the account that signs on another machine, or its name in the address book.
    #[arg(id = "signer", long = "signer", value_name = "ACCOUNT")]
    pub signer: Option<Reference>,
}

impl KeyArg {
    /// The keystore's file.
    pub fn path(&self) -> anyhow::Result<&Path> {
        self.path.as_deref().context("this command needs the key itself: give it with --key FILE")
    }

    /// Opens the keystore.
    pub fn open(&self, context: &Context) -> anyhow::Result<KeyPair> {
        open_key(self.path()?, context.passphrase_file.as_deref())
    }

    /// Opens the keystore to sign a transaction. With `--offline`, returns only the account.
    pub async fn signer(&self, context: &Context) -> anyhow::Result<Signer> {
        match context.account_elsewhere(self.path.as_deref(), self.signer.as_ref()).await? {
            Some(account) => Ok(Signer::Elsewhere(account)),
            None => Ok(self.open(context)?.into()),
        }
    }
}

/// Connects to a node.
pub async fn connect(node: NodeUrl) -> anyhow::Result<ChainClient> {
    ChainClient::connect(node.into()).await.map_err(explain)
}

/// Returns the JSON result of a call: the block in which it was finalized, and the command's own fields.
pub fn submitted_json<const N: usize>(submitted: &Submitted, fields: [(&str, Value); N]) -> Value {
    let mut result = json!({ "block": submitted.block, "block_hash": submitted.hash });
    if let Some(result) = result.as_object_mut() {
        result.extend(fields.map(|(name, value)| (name.to_owned(), value)));
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use streembit_keystore::KeySeed;

    #[derive(Debug, Parser)]
    struct TestCommand {
        #[command(flatten)]
        config: ConfigArg,
    }

    #[test]
    fn the_option_for_the_key_of_a_gateway_comes_before_its_configuration() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| dir.path().join(name);
        let (right, wrong) = (Passphrase::random(), Passphrase::random());
        right.write_to(&file("right.pass")).unwrap();
        wrong.write_to(&file("wrong.pass")).unwrap();
        let keys = streembit_keystore::create(&file("gateway.key"), &KeySeed::random(), &right).unwrap();
        std::fs::write(file("gateway.toml"), "[gateway]\npassphrase_file = \"wrong.pass\"\n").unwrap();
        let parse = |more: &[&Path]| {
            let config = file("gateway.toml");
            let line = [&[Path::new("run"), Path::new("--config"), config.as_path()][..], more].concat();
            TestCommand::try_parse_from(line).unwrap().config
        };
        let context = |passphrase_file| Context {
            json: true,
            passphrase_file,
            offline: None,
            address_book: AddressBookFile::none().into(),
        };
        let right = file("right.pass");
        let option = parse(&[Path::new("--gateway-passphrase-file"), right.as_path()]);
        let (config, opened) = option.load_with_keys(&context(None)).unwrap();
        assert_eq!(opened.account(), keys.account());
        // A running gateway compares this with the file.
        assert_eq!(config.gateway.passphrase_file, Some(file("wrong.pass")));
        assert_eq!(option.load().unwrap().gateway.passphrase_file, Some(right.clone()));
        // The passphrase file of the other keys does not come before the configuration.
        let error = parse(&[]).load_with_keys(&context(Some(right))).unwrap_err();
        assert!(format!("{error:#}").contains("--gateway-passphrase-file"), "{error:#}");
    }
}
