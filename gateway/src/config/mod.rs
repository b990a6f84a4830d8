//! The gateway's configuration: a TOML file, whose keys `STREEMBIT_*` environment variables override.
//!
//! The template that `gateway init` writes documents every key. An unknown key or an invalid value is an error that
//! names its line or variable.

mod device;
mod edit;
mod error;
mod labels;
mod overrides;
mod sections;
mod template;
mod values;

pub use device::{find_device, DeviceConfig, DeviceList};
pub use edit::{add_device, remove_device, EditError, NewDevice};
pub use error::{ConfigError, UnknownDeviceError};
pub use overrides::NOT_CONFIGURATION;
pub use sections::{AnchorConfig, ApiConfig, Config, GatewayConfig, NodeConfig};
pub use template::render as template;

use std::{fs, path::Path};
use streembit_keystore::files::folder_of;
use streembit_primitives::AccountId;

impl Config {
    /// Reads and validates a file, with the overrides from this process's environment.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text =
            fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::parse_with_environment(&text, path)
    }

    /// Parses and validates `text` as the content of the file at `path`, with the overrides from this process's environment.
    pub(super) fn parse_with_environment(text: &str, path: &Path) -> Result<Self, ConfigError> {
        // A name that is not Unicode cannot be one of ours. A value that is not Unicode fails to parse, or is kept with
        // replacement characters.
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
        });
        Self::parse(text, path, variables)
    }

    /// Parses and validates `text` as the content of the file at `path`, with `variables` as overrides.
    pub fn parse(
        text: &str,
        path: &Path,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut config: Self = toml::from_str(text).map_err(|error| ConfigError::File {
            path: path.to_owned(),
            line: line_of(text, error.span().map_or(0, |span| span.start)),
            problem: error.message().to_owned(),
        })?;
        overrides::apply(&mut config, variables)?;
        config.validate().map_err(|problem| ConfigError::Whole { path: path.to_owned(), problem })?;
        config.resolve_paths(path);
        config.file = path.to_owned();
        Ok(config)
    }

    /// Returns the device with this name or id.
    pub fn device(&self, name_or_id: &str, gateway: AccountId) -> Result<&DeviceConfig, UnknownDeviceError> {
        find_device(&self.devices, name_or_id, gateway)
    }

    /// Validates the values against each other.
    fn validate(&self) -> Result<(), String> {
        for (at, device) in self.devices.iter().enumerate() {
            let earlier = self.devices.iter().take(at);
            if earlier.clone().any(|other| other.name == device.name) {
                return Err(format!("two devices are named {:?}: give each a different name", device.name));
            }
            // Any gateway account serves to find devices whose ids will be equal.
            let any_gateway = AccountId([0; 32]);
            if let Some(other) = earlier.clone().find(|other| other.id(any_gateway) == device.id(any_gateway))
            {
                return Err(format!(
                    "devices {:?} and {:?} have the same key or label, so they would have the same id: give each its own",
                    other.name, device.name
                ));
            }
        }
        if let Some(tcp) = self.api.tcp.filter(|tcp| !tcp.ip().is_loopback() && !self.api.allow_remote) {
            return Err(format!(
                "[api] tcp = \"{tcp}\" is reachable from other machines: use 127.0.0.1, or set allow_remote = true \
                 (the token travels unencrypted)"
            ));
        }
        Ok(())
    }

    /// Joins the paths to the folder of the file at `path`, because paths in it are relative to it.
    fn resolve_paths(&mut self, path: &Path) {
        let folder = folder_of(path);
        let own = [
            Some(&mut self.gateway.data_dir),
            Some(&mut self.gateway.key_file),
            self.gateway.passphrase_file.as_mut(),
            Some(&mut self.api.socket),
            Some(&mut self.api.token_file),
        ];
        for path in own.into_iter().flatten() {
            *path = folder.join(&path);
        }
    }
}

/// Returns the number of the line with the byte at `offset`, from 1.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests;
