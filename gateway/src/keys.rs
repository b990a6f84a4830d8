//! Opens keys with a passphrase from a file or from the terminal.

use crate::{config::GatewayConfig, remedies::explain};
use std::path::Path;
use streembit_keystore::{self as keystore, KeyPair, Passphrase};

/// Reads the passphrase of `key` from `file`, or asks for it on the terminal if `file` is `None`.
pub fn read_passphrase(key: &Path, file: Option<&Path>) -> anyhow::Result<Passphrase> {
    match file {
        Some(file) => Passphrase::from_file(file),
        None => Passphrase::ask(&format!("Passphrase of {}: ", key.display())),
    }
    .map_err(explain)
}

/// Opens the encrypted key in the file `key`.
pub fn open_key(key: &Path, passphrase_file: Option<&Path>) -> anyhow::Result<KeyPair> {
    keystore::open(key, &read_passphrase(key, passphrase_file)?).map_err(explain)
}

/// Opens the gateway's key with the passphrase file of its configuration, which `--gateway-passphrase-file` overrides, or
/// with `passphrase_file` if there is none. A command may open another key with `passphrase_file`, too.
pub fn open_gateway_key(config: &GatewayConfig, passphrase_file: Option<&Path>) -> anyhow::Result<KeyPair> {
    open_key(&config.key_file, config.passphrase_file.as_deref().or(passphrase_file))
}
