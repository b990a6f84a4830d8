//! The way back that the node and `docs/validator/keys.md` tell the operator of a validator whose database is lost:
//! back up the keys, move them away, purge the chain, restore the keys.

use crate::{path_str, streembit_node, TestEnv};
use anyhow::{ensure, Context, Result};
use std::{fs, path::Path};

/// The folders with keys in the folder of a chain.
const KEY_FOLDERS: [&str; 2] = ["keystore", "network"];

/// What an error must contain, besides the folder, so that the operator finds the way back.
const POINTERS: [&str; 2] = ["purge-chain", "docs/validator/keys.md"];

/// Returns what is wrong with the output of a validator that ended at its start, or `None` if it names the folder and
/// the way back.
pub fn missing_in(output: &str, database: &Path) -> Option<String> {
    if output.contains("panicked") {
        return Some("it panicked".into());
    }
    let folder = database.to_string_lossy();
    let missing = POINTERS.into_iter().chain([&*folder]).find(|part| !output.contains(part))?;
    Some(format!("it ended without naming {missing}"))
}

/// Removes the database of a validator that does not run. `chain` is the folder of the chain in its base path.
pub fn follow(env: &TestEnv, base: &Path, chain: &Path) -> Result<()> {
    let (backup, aside) = (env.dir().join("way-back.backup"), base.join("moved-away"));
    let passphrase = env.passphrase_file();
    let (backup_path, base_path) = (path_str(&backup)?, path_str(base)?);
    let place = ["--base-path", base_path];
    let passphrase = ["--passphrase-file", path_str(&passphrase)?];

    if aside.exists() {
        // A power cut brought it back.
        fs::remove_dir_all(&aside).with_context(|| format!("removing {}", aside.display()))?;
    }
    run([&["keys", "backup", "-o", backup_path][..], &passphrase, &place])?;
    fs::create_dir(&aside).with_context(|| format!("creating {}", aside.display()))?;
    for folder in KEY_FOLDERS {
        let (from, to) = (chain.join(folder), aside.join(folder));
        fs::rename(&from, &to).with_context(|| format!("moving {} away", from.display()))?;
    }
    run([&["purge-chain", "-y", "--chain", "four"][..], &place, &[]])?;
    run([&["keys", "restore", backup_path][..], &passphrase, &place])?;
    fs::remove_file(&backup).context("removing the backup")?;
    fs::remove_dir_all(&aside).with_context(|| format!("removing {}", aside.display()))
}

fn run(arguments: [&[&str]; 3]) -> Result<()> {
    let output = streembit_node(arguments.concat())?;
    ensure!(output.code == 0, "{output:#?}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_must_name_the_folder_and_the_way_back() {
        let database = Path::new("/disk/dave/db/full");
        let good = "the database in /disk/dave/db/full is damaged: `streembit-node purge-chain`, docs/validator/keys.md";
        assert_eq!(missing_in(good, database), None);
        for (part, expected) in [
            ("purge-chain", "purge-chain"),
            ("keys.md", "docs/validator/keys.md"),
            ("/disk/", "/disk/dave/db/full"),
        ] {
            let missing = missing_in(&good.replace(part, ""), database);
            assert!(missing.is_some_and(|text| text.contains(expected)), "{part}");
        }
        let panicked = missing_in(&format!("thread 'main' panicked\n{good}"), database);
        assert!(panicked.is_some_and(|text| text.contains("panicked")));
    }
}
