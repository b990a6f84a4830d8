//! What every test stands on: a folder, a runtime, a place among those that run.

use anyhow::{Context, Result};
use std::{
    fs::{self, File},
    net::TcpListener,
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;

/// How many scenes run at once on one machine, over all processes: a node is heavy.
const PLACES: usize = 3;

/// How much of each log a failure shows, in bytes from its end.
const SHOWN: usize = 4_000;

/// One test's own folder and runtime.
pub struct Scene {
    dir: Option<TempDir>,
    path: PathBuf,
    runtime: tokio::runtime::Runtime,
    _place: File,
}

/// Runs a test in a scene of its own.
///
/// # Panics
/// With the whole chain of errors where the test gives one; the logs of the scene's processes are printed then.
#[allow(clippy::panic, reason = "this is how a test reports")]
pub fn scene(name: &str, test: impl FnOnce(&Scene) -> Result<()>) {
    let scene = Scene::open(name).unwrap_or_else(|error| panic!("{name}: {error:#}"));
    if let Err(error) = test(&scene) {
        panic!("{name}: {error:#}");
    }
}

impl Scene {
    /// A scene outside of a test, such as a measurement's; waits for a place.
    pub fn open(name: &str) -> Result<Self> {
        let place = take_a_place()?;
        let dir = tempfile::Builder::new()
            .prefix(&format!("streembit-{name}-"))
            .tempdir()
            .context("making the test's folder")?;
        let runtime = tokio::runtime::Runtime::new().context("starting the test's runtime")?;
        fs::write(dir.path().join("passphrase"), "a passphrase of the tests\n")?;
        restrict(&dir.path().join("passphrase"))?;
        Ok(Self { path: dir.path().to_owned(), dir: Some(dir), runtime, _place: place })
    }

    /// The scene's folder.
    pub fn dir(&self) -> &Path {
        &self.path
    }

    /// The file with the passphrase of every keystore of the scene.
    pub fn passphrase_file(&self) -> PathBuf {
        self.path.join("passphrase")
    }

    /// Runs a future to its end.
    pub fn block_on<F: std::future::Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// Prints the end of the log of each of its processes.
    pub fn show_logs(&self) {
        for log in logs_below(&self.path) {
            eprintln!("\n==== {} ====\n{}", log.display(), tail(&log));
        }
    }

    /// A handle of the runtime.
    pub fn handle(&self) -> tokio::runtime::Handle {
        self.runtime.handle().clone()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        self.show_logs();
        if std::env::var_os("STREEMBIT_TESTS_KEEP").is_some() {
            if let Some(dir) = self.dir.take() {
                eprintln!("\nkept: {}", dir.keep().display());
            }
        }
    }
}

/// A TCP port of the loopback interface that is free now; also free for UDP as far as this process knows.
pub fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("asking for a free port")?;
    Ok(listener.local_addr()?.port())
}

fn take_a_place() -> Result<File> {
    loop {
        for number in 0..PLACES {
            let path = std::env::temp_dir().join(format!("streembit-tests.{number}.lock"));
            let file = File::options().create(true).truncate(false).write(true).open(&path)?;
            if file.try_lock().is_ok() {
                return Ok(file);
            }
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn restrict(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(())
}

/// The files named `*.log` of the scene's folder itself: databases have such files deeper down.
fn logs_below(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut logs: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    logs.sort();
    logs
}

fn tail(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    let start = bytes.len().saturating_sub(SHOWN);
    String::from_utf8_lossy(bytes.get(start..).unwrap_or_default()).into_owned()
}
