//! The folders that a node writes to. Substrate would panic or report the operating system's error without the path.

use crate::cli::Cli;
use rustix::fs::{access, Access};
use sc_cli::{Error, Result};
use sc_service::{config::KeystoreConfig, Configuration};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Makes the base path absolute and checks that there is one.
///
/// A relative path would disable the cache of the compiled runtime, which takes only absolute paths.
pub fn resolve_base_path(cli: &mut Cli) -> Result<()> {
    let shared = &mut cli.run.shared_params;
    if let Some(path) = &shared.base_path {
        let absolute = std::path::absolute(path)
            .map_err(|error| Error::Input(format!("--base-path {}: {error}", path.display())))?;
        shared.base_path = Some(absolute);
        return Ok(());
    }
    if shared.dev || cli.run.tmp {
        let folder = std::env::temp_dir();
        return ensure_writable(&folder).map_err(|error| unusable(&folder, "--base-path", &error));
    }
    ensure_home(std::env::home_dir().as_deref())
}

/// Returns an error if there is no home folder, which Substrate's default folder is in.
fn ensure_home(home: Option<&Path>) -> Result<()> {
    if home.is_some_and(Path::is_absolute) {
        return Ok(());
    }
    Err(Error::Input(
        "this user has no home folder to keep the chain in: give the node a folder with --base-path DIR"
            .into(),
    ))
}

/// Creates the folders of the node, and returns an error that names the folder and the option if one is unusable.
pub fn prepare(config: &Configuration, runtime_cache: Option<&Path>) -> Result<()> {
    let mut folders: Vec<(PathBuf, &str)> = vec![(config.data_path.clone(), "--base-path")];
    if let Some(path) = &config.network.net_config_path {
        folders.push((path.clone(), "--base-path"));
    }
    if let KeystoreConfig::Path { path, .. } = &config.keystore {
        folders.push((path.clone(), "--keystore-path"));
    }
    folders.extend(runtime_cache.map(|path| (path.to_owned(), "--runtime-cache")));
    for (folder, option) in &folders {
        create(folder, option)?;
    }
    Ok(())
}

fn create(folder: &Path, option: &str) -> Result<()> {
    fs::create_dir_all(folder)
        .and_then(|()| ensure_writable(folder))
        .map_err(|error| unusable(folder, option, &error))
}

fn ensure_writable(folder: &Path) -> io::Result<()> {
    Ok(access(folder, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK)?)
}

fn unusable(folder: &Path, option: &str, error: &io::Error) -> Error {
    let folder = folder.display();
    Error::Input(format!(
        "the node cannot write to its folder {folder}: {error}; give it a folder of its own user with {option} DIR"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_base_path_becomes_absolute() {
        let mut cli = Cli::parse_for_test(&["--chain=local", "--base-path=node"]);
        resolve_base_path(&mut cli).unwrap();
        assert!(cli.run.shared_params.base_path.unwrap().is_absolute());
    }

    #[test]
    fn a_user_without_a_home_is_told_the_option() {
        ensure_home(Some(Path::new("/home/pi"))).unwrap();
        for home in [None, Some(Path::new(""))] {
            let error = ensure_home(home).unwrap_err().to_string();
            assert!(error.contains("--base-path DIR"), "{error}");
        }
    }

    #[test]
    fn the_error_for_an_unusable_folder_names_the_folder_and_the_option() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let error = create(&file.join("node"), "--base-path").unwrap_err().to_string();
        assert!(error.contains(file.to_str().unwrap()) && error.contains("--base-path DIR"), "{error}");
        create(&dir.path().join("a/b"), "--base-path").unwrap();
    }
}
