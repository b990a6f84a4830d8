//! Adds devices to the configuration file and removes them from it. Everything else in the file stays as it is.

use super::{error::ConfigError, sections::Config};
use std::{
    fs::{self, File, Permissions},
    io::{self, Write as _},
    os::unix::fs::{chown, MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};
use streembit_keystore::files::folder_of;
use toml_edit::{DocumentMut, Item, RawString, Table};

/// The configuration file could not be changed. It is as before.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The file is invalid, or would become so.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The file is not TOML.
    #[error("{}: {problem}", .path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The problem.
        problem: String,
    },
    /// A value of a setting of an adapter has no name before the `=`.
    #[error("{0:?} is not a setting: write KEY=VALUE, such as every_seconds=5")]
    Setting(String),
    /// The file has no device with this name.
    #[error("{} has no [[device]] with the name {name:?}", .path.display())]
    NoDevice {
        /// The file.
        path: PathBuf,
        /// The name.
        name: String,
    },
    /// The file could not be written.
    #[error("{doing} {}: {source}; check the permissions of the file and its folder, and the free space", .path.display())]
    Io {
        /// The failed action, such as "replacing".
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
}

/// A device that is added to a configuration file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NewDevice {
    /// The name.
    pub name: String,
    /// The label, if it is not the name.
    pub label: Option<String>,
    /// The id, if it does not follow from the key or the label.
    pub id: Option<String>,
    /// The public key of a device that signs its own events.
    pub key: Option<String>,
    /// The kind of the adapter and the settings of its table, each as `KEY=VALUE`.
    pub adapter: Option<(String, Vec<String>)>,
}

impl NewDevice {
    /// Renders the device's section.
    fn to_toml(&self) -> Result<String, EditError> {
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        let mut text = format!("[[device]]\nname = {}\n", quoted(&self.name));
        let keys = [("label", &self.label), ("id", &self.id), ("key", &self.key)];
        for (key, value) in keys.into_iter().filter_map(|(key, value)| Some((key, value.as_deref()?))) {
            text.push_str(&format!("{key} = {}\n", quoted(value)));
        }
        if let Some((kind, settings)) = &self.adapter {
            text.push_str(&format!("[device.{kind}]\n"));
            for setting in settings {
                let (key, value) =
                    parse_setting(setting).ok_or_else(|| EditError::Setting(setting.clone()))?;
                text.push_str(&format!("{key} = {value}\n"));
            }
        }
        Ok(text)
    }
}

/// Splits `KEY=VALUE`. A value that is neither a number nor a boolean is a string.
fn parse_setting(setting: &str) -> Option<(&str, toml::Value)> {
    let (key, value) = setting.split_once('=')?;
    let is_key = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if key.is_empty() || !key.chars().all(is_key) {
        return None;
    }
    let number = value.parse::<i64>().map(toml::Value::Integer).ok();
    let number = number.or_else(|| value.parse::<f64>().map(toml::Value::Float).ok());
    let known = number.or_else(|| value.parse::<bool>().map(toml::Value::Boolean).ok());
    Some((key, known.unwrap_or_else(|| toml::Value::String(value.to_owned()))))
}

/// Adds a device at the end of the file at `path`, and returns the configuration that the file has then.
///
/// # Errors
///
/// If the file would not be a valid configuration with the device. It is not changed then.
pub fn add_device(path: &Path, device: &NewDevice) -> Result<Config, EditError> {
    let section = device.to_toml()?;
    change(path, |text| {
        let text = text.trim_end_matches('\n');
        Ok(if text.is_empty() { section } else { format!("{text}\n\n{section}") })
    })
}

/// Removes the device with this name from the file at `path`, and returns the configuration that the file has then.
/// Comments directly above the device's section go with it.
pub fn remove_device(path: &Path, name: &str) -> Result<Config, EditError> {
    change(path, |text| without_device(path, text, name))
}

fn without_device(path: &Path, text: &str, name: &str) -> Result<String, EditError> {
    let mut document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| {
        EditError::Syntax { path: path.to_owned(), problem: error.to_string() }
    })?;
    let missing = || EditError::NoDevice { path: path.to_owned(), name: name.to_owned() };
    let Some(Item::ArrayOfTables(devices)) = document.get_mut("device") else { return Err(missing()) };
    let is_wanted = |table: &Table| table.get("name").and_then(Item::as_str) == Some(name);
    let at = devices.iter().position(is_wanted).ok_or_else(missing)?;
    let removed = devices.remove(at);
    let kept = kept_comments(&removed);
    // The comments stay where they were: before the next device, or at the end.
    if let Some(next) = devices.get_mut(at) {
        let own = prefix(next);
        next.decor_mut().set_prefix(format!("{kept}{own}"));
    } else {
        let trailing = document.trailing().as_str().unwrap_or_default().to_owned();
        document.set_trailing(format!("{kept}{trailing}"));
    }
    let is_empty = |item: &Item| item.as_array_of_tables().is_some_and(|devices| devices.is_empty());
    if document.get("device").is_some_and(is_empty) {
        document.remove("device");
    }
    Ok(document.to_string())
}

/// Returns the lines above a device that are not about it: everything before the last empty line.
fn kept_comments(device: &Table) -> String {
    let before = prefix(device);
    before.rfind("\n\n").map_or_else(String::new, |end| before.get(..=end).unwrap_or_default().to_owned())
}

fn prefix(table: &Table) -> String {
    table.decor().prefix().and_then(RawString::as_str).unwrap_or_default().to_owned()
}

/// Replaces the text of a configuration file by another valid one. Two changes at the same time wait for each other.
fn change(path: &Path, edit: impl FnOnce(&str) -> Result<String, EditError>) -> Result<Config, EditError> {
    // If the file is a link, its target is replaced, and not the link.
    let target =
        fs::canonicalize(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    let failed = |doing| move |source| EditError::Io { doing, path: path.to_owned(), source };
    let folder = File::open(folder_of(&target)).map_err(failed("opening the folder of"))?;
    folder.lock().map_err(failed("locking the folder of"))?;
    let text =
        fs::read_to_string(&target).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    let edited = edit(&text)?;
    let config = Config::parse_with_environment(&edited, path)?;
    replace(&target, edited.as_bytes()).map_err(failed("replacing"))?;
    folder.sync_all().map_err(failed("syncing the folder of"))?;
    Ok(config)
}

/// Atomically replaces a file by one with the same owner and permissions, and syncs it.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let before = fs::metadata(path)?;
    let mut file = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o600))
        .prefix(".streembit-")
        .tempfile_in(folder_of(path))?;
    file.write_all(bytes)?;
    let after = file.as_file().metadata()?;
    if (before.uid(), before.gid()) != (after.uid(), after.gid()) {
        // The gateway, which may run as another user, must still be able to read the file.
        chown(file.path(), Some(before.uid()), Some(before.gid()))?;
    }
    file.as_file().set_permissions(Permissions::from_mode(before.mode() & 0o777))?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::template;
    use streembit_adapters::AdapterConfig;

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gateway.toml");
        fs::write(&path, text).unwrap();
        (dir, path)
    }

    fn named(name: &str) -> NewDevice {
        NewDevice { name: name.into(), ..NewDevice::default() }
    }

    fn names(config: &Config) -> Vec<&str> {
        config.devices.iter().map(|device| device.name.as_str()).collect()
    }

    #[test]
    fn a_device_is_added_and_removed_and_the_rest_of_the_file_stays() {
        let before = template("box", 30_340, None);
        let (_dir, path) = file(&before);
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let car = NewDevice {
            label: Some("A \"VIN\"".into()),
            adapter: Some(("obd".into(), vec!["port=/dev/ttyUSB0".into(), "every_seconds=0.5".into()])),
            ..named("car")
        };
        let config = add_device(&path, &car).unwrap();
        assert_eq!(names(&config), ["car"]);
        assert_eq!(config.devices[0].label.as_str(), "A \"VIN\"");
        let AdapterConfig::Obd(obd) = config.devices[0].adapter.as_ref().unwrap();
        assert_eq!(obd.every, std::time::Duration::from_millis(500));
        assert!(fs::read_to_string(&path).unwrap().starts_with(before.trim_end()));
        assert_eq!(names(&add_device(&path, &named("shed")).unwrap()), ["car", "shed"]);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
        assert_eq!(names(&remove_device(&path, "car").unwrap()), ["shed"]);
        assert!(names(&remove_device(&path, "shed").unwrap()).is_empty());
        let after = fs::read_to_string(&path).unwrap();
        assert_eq!(after.trim_end(), before.trim_end());
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn the_comments_of_a_removed_device_go_and_those_of_others_stay() {
        let text = "# The head.\n[gateway]\nname = \"box\"\n\n# About all devices.\n\n# The shed.\n[[device]]\n\
                    name = \"shed\" # behind the house\n\n# The car.\n[[device]]\nname = \"car\"\n[device.obd]\n\
                    port = \"/dev/ttyUSB0\"\n\n[api]\ntlog = true # for monitors\n# The end.\n";
        let (_dir, path) = file(text);
        assert_eq!(names(&remove_device(&path, "shed").unwrap()), ["car"]);
        let after = fs::read_to_string(&path).unwrap();
        for part in ["# The head.", "# About all devices.", "# The car.", "# for monitors", "# The end."] {
            assert!(after.contains(part), "{part}\n{after}");
        }
        assert!(!after.contains("shed") && !after.contains("behind the house"), "{after}");
        assert!(names(&remove_device(&path, "car").unwrap()).is_empty());
        let after = fs::read_to_string(&path).unwrap();
        assert!(!after.contains("obd") && after.contains("# About all devices."), "{after}");
    }

    #[test]
    fn a_change_that_would_make_the_file_invalid_changes_nothing() {
        let text = "[[device]]\nname = \"car\"\n";
        let (_dir, path) = file(text);
        let obd =
            |setting: &str| NewDevice { adapter: Some(("obd".into(), vec![setting.into()])), ..named("van") };
        for (device, problem) in [
            (named("car"), "two devices are named"),
            (named("my car"), "letters, digits"),
            (NewDevice { key: Some("00".into()), ..named("meter") }, "expected sr25519:"),
            (obd("port"), "KEY=VALUE"),
            (obd("po rt=x"), "KEY=VALUE"),
            (obd("speed=1"), "unknown field `speed`"),
            (obd("port=ttyUSB0"), "/dev/ttyUSB0"),
        ] {
            let error = add_device(&path, &device).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
        let error = remove_device(&path, "boat").unwrap_err().to_string();
        assert!(error.contains("\"boat\""), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        assert!(add_device(Path::new("/nonexistent/gateway.toml"), &named("car")).is_err());
    }
}
