//! Where the programs under test are.

use anyhow::{ensure, Context, Result};
use std::path::PathBuf;

/// Where the nodes of all tests keep the compiled runtime: compiling it is most of what a node's start takes.
pub fn runtime_cache() -> Result<PathBuf> {
    Ok(folder()?.join("runtime-cache"))
}

/// Where the workspace's programs are that were built with this test: target/debug, for target/debug/deps/test-0123 and for
/// target/debug/measure.
fn folder() -> Result<PathBuf> {
    let test = std::env::current_exe().context("asking where this test is")?;
    let folder = test.ancestors().skip(1).find(|dir| dir.file_name().is_some_and(|name| name != "deps"));
    folder.map(PathBuf::from).context("this test is in no folder")
}

/// The path of one of the workspace's programs, built beside this test.
pub fn binary(name: &str) -> Result<PathBuf> {
    let folder = folder()?;
    let path = folder.join(name);
    let release = if folder.ends_with("release") { " --release" } else { "" };
    ensure!(
        path.is_file(),
        "{} is not there: tests and measurements run the built programs. `make test` builds them first, or: \
         cargo build{release} -p streembit -p streembit-node",
        path.display()
    );
    Ok(path)
}

/// The virtual environment with the foreign programs and libraries.
pub fn foreign_venv() -> Result<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))
        .context("neither XDG_CACHE_HOME nor HOME is set")?;
    let venv = cache.join("streembit/venv");
    ensure!(
        venv.join("bin/elm").is_file(),
        "the foreign programs are not in {}: run tests/setup (`make test` does)",
        venv.display()
    );
    Ok(venv)
}
