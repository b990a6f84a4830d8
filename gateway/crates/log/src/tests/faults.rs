//! The process killed and the disk refusing: nothing acknowledged is lost, nothing unacknowledged is claimed.

use super::support::{open, Device};
use crate::{AppendError, Log};
use std::{io::BufRead as _, path::PathBuf, process::Command};

/// Set for a child process of a test: the folder to work in.
const CHILD: &str = "STREEMBIT_TEST_LOG_CHILD";

/// This test program again, running one test with a folder to work in, by way of a shell.
fn child(test: &str, folder: &std::path::Path, shell: &str) -> Command {
    let (_, module) = module_path!().split_once("::").unwrap();
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(format!("{shell} exec \"$0\" --exact --nocapture {module}::{test}"))
        .arg(std::env::current_exe().unwrap())
        .env(CHILD, folder);
    command
}

fn child_folder() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(PathBuf::from)
}

/// Appends one event after another, and says each receipt only after it has it. Ends by being killed.
fn stream(folder: &std::path::Path) {
    let log = Log::open(&folder.join("log"), super::support::log_id()).unwrap();
    let mut device = Device::sr25519(1);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    // Catches up where an earlier child was killed.
    while log.head(&device.id()).unwrap().is_some_and(|head| head.sequence >= device.sequence) {
        device.next(device.sequence);
    }
    println!("\nready");
    for _ in 0..1_000_000 {
        let count = 1 + device.sequence % 17;
        let entries = (0..count)
            .map(|_| {
                let salt = device.sequence;
                device.next_entry(salt)
            })
            .collect();
        for receipt in runtime.block_on(log.append(entries)).unwrap() {
            println!("acknowledged {} {} {}", receipt.index, receipt.sequence, receipt.hash);
        }
    }
}

#[test]
fn killed_in_the_middle_nothing_acknowledged_is_lost() {
    if let Some(folder) = child_folder() {
        return stream(&folder);
    }
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for lines in [40, 1, 200, 75] {
        let mut process = child("killed_in_the_middle_nothing_acknowledged_is_lost", folder.path(), "")
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = std::io::BufReader::new(process.stdout.take().unwrap()).lines();
        output.by_ref().take(lines).for_each(|line| acknowledged.extend(receipt(&line.unwrap())));
        process.kill().unwrap();
        process.wait().unwrap();
        // What was said between the last line read and the kill counts as well.
        output.map_while(Result::ok).for_each(|line| acknowledged.extend(receipt(&line)));

        let log = open(&folder);
        assert!(log.size() >= acknowledged.len() as u64);
        for (index, (at, sequence, hash)) in acknowledged.iter().enumerate() {
            let header = log.stored(*at).unwrap().unwrap().entry.event.header;
            assert_eq!((header.sequence, header.hash().to_string().as_str()), (*sequence, hash.as_str()));
            assert!(index == 0 || acknowledged[index - 1].0 < *at);
        }
        assert_eq!(log.verify(0..log.size()).unwrap(), []);
    }
    assert!(acknowledged.len() > 200, "{}", acknowledged.len());
}

fn receipt(line: &str) -> Option<(u64, u64, String)> {
    let mut words = line.strip_prefix("acknowledged ")?.split(' ');
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?, words.next()?.to_owned()))
}

/// Runs where no file may grow beyond half a MiB: RocksDB's write-ahead log meets that soon.
fn fill(folder: &std::path::Path) {
    let log = Log::open(&folder.join("log"), super::support::log_id()).unwrap();
    let mut device = Device::sr25519(1);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut failures = 0;
    let mut acknowledged = 0;
    while failures < 3 {
        let (before, previous) = (device.sequence, device.previous);
        let entries: Vec<_> = (0..20).map(|salt| device.next_entry(salt)).collect();
        match runtime.block_on(log.append(entries)) {
            Ok(receipts) => acknowledged += receipts.len() as u64,
            Err(error) => {
                assert!(matches!(&error, AppendError::Storage(error) if error.is_temporary()), "{error}");
                failures += 1;
                // Not acknowledged, so not claimed.
                assert_eq!(log.size(), acknowledged);
                (device.sequence, device.previous) = (before, previous);
                // It opens the database again by itself, and goes on.
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        }
        assert!(acknowledged < 100_000, "the disk never refused");
    }
    assert_eq!(log.verify(0..log.size()).unwrap(), []);
    println!("\nfilled {acknowledged}");
}

#[test]
fn a_refused_write_is_not_acknowledged_and_the_log_goes_on() {
    if let Some(folder) = child_folder() {
        return fill(&folder);
    }
    let folder = tempfile::tempdir().unwrap();
    // In blocks of 512 bytes; the signal of a file grown too large is ignored, so that the write fails instead.
    let output = child(
        "a_refused_write_is_not_acknowledged_and_the_log_goes_on",
        folder.path(),
        "trap '' XFSZ; ulimit -f 1024;",
    )
    .output()
    .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let acknowledged: u64 =
        text.lines().find_map(|line| line.strip_prefix("filled ")?.parse().ok()).expect("a count");
    let log = open(&folder);
    assert!(acknowledged > 100 && log.size() >= acknowledged, "{acknowledged} {}", log.size());
    assert_eq!(log.verify(0..log.size()).unwrap(), []);
}
