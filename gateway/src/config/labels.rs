//! The hashes of the labels of hosted devices, which the devices' ids are derived from.
//!
//! Their salts come from the gateway's key, so the hashes can be computed only when the key is open. A file beside the key
//! keeps the hashes, which are public, for the commands that need no key.

use super::Config;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};
use streembit_keystore::{
    files::{replace_private, FileError},
    KeyPair,
};
use streembit_primitives::{device::LabelHash, AccountId, DeviceKey};

/// The file with the hashes of labels.
#[derive(Serialize, Deserialize)]
struct LabelFile {
    /// The account of the gateway.
    account: AccountId,
    /// The hash of each label.
    labels: BTreeMap<String, LabelHash>,
}

impl Config {
    /// Computes the label hashes of all hosted devices. Before that, or [`Self::load_labels`], their ids are placeholders.
    pub fn resolve_labels(&mut self, keys: &KeyPair) {
        for device in self.devices.iter_mut().filter(|device| device.key.is_none()) {
            if let DeviceKey::Hosted { label, .. } = keys.hosted_key(device.label.as_str()) {
                device.label_hash = Some(label);
            }
        }
    }

    /// Reads the label hashes from the file beside the key. Returns false if one of them is missing.
    pub fn load_labels(&mut self, gateway: AccountId) -> bool {
        let labels = read(&self.label_file(), gateway).unwrap_or_default();
        for device in self.devices.iter_mut().filter(|device| device.key.is_none()) {
            device.label_hash = labels.get(device.label.as_str()).copied();
        }
        self.devices.iter().all(|device| device.key.is_some() || device.label_hash.is_some())
    }

    /// Writes the label hashes to the file beside the key, if they are not there yet.
    pub fn store_labels(&self, gateway: AccountId) -> Result<(), FileError> {
        let path = self.label_file();
        let known = read(&path, gateway).unwrap_or_default();
        let mut labels = known.clone();
        let hosted = self.devices.iter().filter(|device| device.key.is_none());
        labels
            .extend(hosted.filter_map(|device| Some((device.label.as_str().to_owned(), device.label_hash?))));
        if labels == known {
            return Ok(());
        }
        let bytes = serde_json::to_vec(&LabelFile { account: gateway, labels }).unwrap_or_default();
        replace_private(&path, &bytes)
    }

    fn label_file(&self) -> PathBuf {
        let mut name = self.gateway.key_file.clone().into_os_string();
        name.push(".labels");
        name.into()
    }
}

/// Reads the file. Returns `None` if there is none for this gateway.
fn read(path: &Path, gateway: AccountId) -> Option<BTreeMap<String, LabelHash>> {
    let file: LabelFile = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    (file.account == gateway).then_some(file.labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ids_of_hosted_devices_are_the_same_with_the_key_and_from_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let text = "[[device]]\nname = \"car\"\nlabel = \"VIN\"\n[[device]]\nname = \"shed\"";
        let parse = || Config::parse(text, &dir.path().join("gateway.toml"), []).unwrap();
        let keys = KeyPair::from_seed([7; 32]);
        let gateway = keys.account();
        let mut resolved = parse();
        assert!(!resolved.load_labels(gateway));
        resolved.resolve_labels(&keys);
        assert_eq!(resolved.devices[0].device_key(gateway), keys.hosted_key("VIN"));
        resolved.store_labels(gateway).unwrap();
        let mut loaded = parse();
        assert!(loaded.load_labels(gateway));
        assert_eq!(loaded, resolved);
        assert!(!parse().load_labels(AccountId([1; 32])), "the file of another gateway");
    }
}
