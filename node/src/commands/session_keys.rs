//! `streembit-node session-keys`: generates the session keys of a validator.

use super::output::write_text;
use sc_cli::{Error, Result};
use sc_keystore::LocalKeystore;
use sp_core::{
    bytes::to_hex,
    crypto::key_types::{AURA, GRANDPA},
};
use sp_keystore::Keystore as _;
use std::path::PathBuf;

/// `streembit-node session-keys`
#[derive(Debug, clap::Parser)]
pub struct SessionKeysCmd {
    /// The keystore of the node; it is created if it does not exist. Start the node with the same option.
    #[arg(long, value_name = "DIR")]
    keystore_path: PathBuf,

    /// Print JSON instead of lines for the consortium file.
    #[arg(long)]
    json: bool,
}

impl SessionKeysCmd {
    /// Runs the command.
    pub fn run(&self) -> Result<()> {
        let keystore = LocalKeystore::open(&self.keystore_path, None)?;
        let failed = |error: sp_keystore::Error| Error::Application(Box::new(error));
        let aura = keystore.sr25519_generate_new(AURA, None).map_err(failed)?;
        let grandpa = keystore.ed25519_generate_new(GRANDPA, None).map_err(failed)?;
        let (aura, grandpa) = (to_hex(&aura.0, false), to_hex(&grandpa.0, false));
        let text = if self.json {
            serde_json::json!({ "aura": aura, "grandpa": grandpa }).to_string()
        } else {
            format!("aura = \"{aura}\"\ngrandpa = \"{grandpa}\"")
        };
        write_text(None, &text)
    }
}
