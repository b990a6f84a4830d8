//! `streembit-node chain-spec`: creates the chain spec of a new chain.

use super::{output::write_text, runtime::load_runtime};
use crate::spec_error::command_error;
use sc_cli::{Error, Result};
use std::path::{Path, PathBuf};
use streembit_chain_spec::{
    consortium::{Consortium, TEMPLATE},
    preset,
};

/// Printed above the template.
const TEMPLATE_HEADER: &str = "\
# Create the key of a party, and show its account:
#     streembit key new --out garage.key
# Create the session keys of a node:
#     streembit-node session-keys --keystore-path DIR
# Create the chain spec from this file:
#     streembit-node chain-spec --consortium FILE --out spec.json
#";

/// `streembit-node chain-spec`
#[derive(Debug, clap::Parser)]
pub struct ChainSpecCmd {
    /// The file that describes the consortium.
    #[arg(long, value_name = "FILE", required_unless_present_any = ["template", "preset"])]
    consortium: Option<PathBuf>,

    /// Create the spec of a development chain instead, whose keys are well known.
    #[arg(long, value_name = "NAME", value_parser = ["dev", "local", "four"], conflicts_with = "consortium")]
    preset: Option<String>,

    /// The Wasm runtime that the chain starts with [default: the built-in runtime].
    ///
    /// To start a chain with the runtime of an older release, write it to a file with `streembit-node runtime --out
    /// FILE` of that release.
    #[arg(long, value_name = "FILE")]
    runtime: Option<PathBuf>,

    /// Print a commented consortium file to start from.
    #[arg(long, conflicts_with_all = ["consortium", "preset", "runtime", "out", "plain"])]
    template: bool,

    /// The file to write the spec to; an existing file is never overwritten [default: standard output].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Accept accounts and session keys whose secrets are publicly known, such as those in the template. For experiments
    /// only: anyone can act as these parties and validators.
    #[arg(long)]
    allow_development_keys: bool,

    /// Write the genesis as configuration instead of as raw storage. Nodes need the raw form.
    #[arg(long)]
    plain: bool,
}

impl ChainSpecCmd {
    /// Runs the command.
    pub fn run(&self) -> Result<()> {
        let spec = match (&self.preset, &self.consortium) {
            (Some(name), _) => preset(name, &load_runtime(self.runtime.as_deref())?),
            (None, Some(file)) => {
                let consortium = Consortium::read(file).map_err(command_error)?;
                self.ensure_keys_are_secret(file, &consortium)?;
                consortium.spec(&load_runtime(self.runtime.as_deref())?)
            }
            (None, None) => return write_text(None, &format!("{TEMPLATE_HEADER}\n{}", TEMPLATE.trim_end())),
        };
        let spec = spec.map_err(command_error)?;
        let json = sc_chain_spec::ChainSpec::as_json(&spec, !self.plain).map_err(Error::Input)?;
        write_text(self.out.as_deref(), &json)
    }

    /// Returns an error if the file has keys that everyone knows, unless they are allowed.
    fn ensure_keys_are_secret(&self, file: &Path, consortium: &Consortium) -> Result<()> {
        let known = consortium.development_keys();
        if known.is_empty() || self.allow_development_keys {
            return Ok(());
        }
        Err(Error::Input(format!(
            "{}: the secrets of these keys are publicly known, so anyone could act with them: {}. Replace them with the keys \
             of the parties (`streembit key new`) and of the nodes (`streembit-node session-keys`). For an experiment, use \
             --allow-development-keys",
            file.display(),
            known.join(", ")
        )))
    }
}
