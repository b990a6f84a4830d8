//! What is needed before there is a chain: the session keys of its first validators, and its spec.

use crate::runtime;
use sc_cli::{Error, Result};
use sc_keystore::LocalKeystore;
use sp_core::crypto::key_types::{AURA, GRANDPA};
use sp_keystore::Keystore as _;
use std::{
    borrow::Cow,
    fs::File,
    io::{self, Write as _},
    path::{Path, PathBuf},
};
use streembit_chain_spec::{
    founding::{Consortium, TEMPLATE},
    preset, SpecError,
};

/// `streembit-node chain-spec`
#[derive(Debug, clap::Parser)]
pub struct ChainSpecCmd {
    /// The file that says who founds the consortium.
    #[arg(long, value_name = "FILE", required_unless_present_any = ["template", "preset"])]
    consortium: Option<PathBuf>,

    /// A chain for development instead, whose keys everybody knows.
    #[arg(long, value_name = "NAME", value_parser = ["dev", "local", "four"], conflicts_with = "consortium")]
    preset: Option<String>,

    /// The runtime that the chain begins with; that of this node unless given. With that of an older release (`streembit-node
    /// runtime --out` of that release writes it) the chain begins as it would have then.
    #[arg(long, value_name = "FILE")]
    runtime: Option<PathBuf>,

    /// Print a commented file to begin with.
    #[arg(long, conflicts_with_all = ["consortium", "preset", "runtime", "out", "plain"])]
    template: bool,

    /// Where the spec goes; a file that exists is never overwritten. Standard output unless given.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Write the genesis as it is configured instead of as it is stored. Every node has to be given the stored one.
    #[arg(long)]
    plain: bool,
}

impl ChainSpecCmd {
    /// Makes the spec, or says everything that is wrong with the file.
    pub fn run(&self) -> Result<()> {
        let failed = |error: SpecError| Error::Application(Box::new(error));
        let spec = match (&self.preset, &self.consortium) {
            (Some(name), _) => preset(name, &self.runtime()?),
            (None, Some(file)) => Consortium::read(file).map_err(failed)?.spec(&self.runtime()?),
            (None, None) => return self.write(TEMPLATE.trim_end()),
        };
        let spec = spec.map_err(failed)?;
        self.write(&sc_chain_spec::ChainSpec::as_json(&spec, !self.plain).map_err(Error::Input)?)
    }

    /// The runtime that the chain begins with.
    fn runtime(&self) -> Result<Cow<'static, [u8]>> {
        match &self.runtime {
            Some(file) => runtime::read(file).map(Cow::Owned),
            None => runtime::own().map(Cow::Borrowed),
        }
    }

    fn write(&self, text: &str) -> Result<()> {
        write(self.out.as_deref(), text)
    }
}

/// Writes a text to a file that does not exist, or to standard output.
pub fn write(out: Option<&Path>, text: &str) -> Result<()> {
    match out {
        None => writeln!(io::stdout().lock(), "{text}")?,
        Some(out) => writeln!(create(out)?, "{text}")?,
    }
    Ok(())
}

/// A new file; one that exists is never overwritten.
pub fn create(path: &Path) -> Result<File> {
    File::options().write(true).create_new(true).open(path).map_err(|error| {
        Error::Input(format!(
            "creating {}: {error} (a file that exists is never overwritten)",
            path.display()
        ))
    })
}

/// `streembit-node session-keys`
#[derive(Debug, clap::Parser)]
pub struct SessionKeysCmd {
    /// The keystore of the node, made where it does not exist: the node is started with the same option.
    #[arg(long, value_name = "DIR")]
    keystore_path: PathBuf,

    /// Print JSON instead of lines for the consortium's file.
    #[arg(long)]
    json: bool,
}

impl SessionKeysCmd {
    /// Makes both keys.
    pub fn run(&self) -> Result<()> {
        let keystore = LocalKeystore::open(&self.keystore_path, None)?;
        let failed = |error: sp_keystore::Error| Error::Application(Box::new(error));
        let aura = keystore.sr25519_generate_new(AURA, None).map_err(failed)?;
        let grandpa = keystore.ed25519_generate_new(GRANDPA, None).map_err(failed)?;
        let shown = |key: &[u8]| sp_core::bytes::to_hex(key, false);
        let (aura, grandpa) = (shown(&aura.0), shown(&grandpa.0));
        let text = if self.json {
            serde_json::json!({ "aura": aura, "grandpa": grandpa }).to_string()
        } else {
            format!("aura = \"{aura}\"\ngrandpa = \"{grandpa}\"")
        };
        writeln!(io::stdout().lock(), "{text}")?;
        Ok(())
    }
}
