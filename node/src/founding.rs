//! What is needed before there is a chain: the session keys of its first validators, and its spec.

use sc_cli::{Error, Result};
use sc_keystore::LocalKeystore;
use sp_core::crypto::key_types::{AURA, GRANDPA};
use sp_keystore::Keystore as _;
use std::{
    fs::File,
    io::{self, Write as _},
    path::PathBuf,
};
use streembit_chain_spec::founding::{Consortium, TEMPLATE};

/// `streembit-node chain-spec`
#[derive(Debug, clap::Parser)]
pub struct ChainSpecCmd {
    /// The file that says who founds the consortium.
    #[arg(long, value_name = "FILE", required_unless_present = "template")]
    consortium: Option<PathBuf>,

    /// Print a commented file to begin with.
    #[arg(long, conflicts_with_all = ["consortium", "out", "plain"])]
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
        let text = match &self.consortium {
            Some(file) => {
                let spec = Consortium::read(file).and_then(|consortium| consortium.spec());
                let spec = spec.map_err(|error| Error::Application(Box::new(error)))?;
                sc_chain_spec::ChainSpec::as_json(&spec, !self.plain).map_err(Error::Input)?
            }
            None => TEMPLATE.trim_end().into(),
        };
        match &self.out {
            None => writeln!(io::stdout().lock(), "{text}")?,
            Some(out) => {
                let file = File::options().write(true).create_new(true).open(out);
                let mut file = file.map_err(|error| {
                    Error::Input(format!(
                        "creating {}: {error} (a file that exists is never overwritten)",
                        out.display()
                    ))
                })?;
                writeln!(file, "{text}")?;
            }
        }
        Ok(())
    }
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
