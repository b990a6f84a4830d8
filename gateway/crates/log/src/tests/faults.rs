//! Tests that no acknowledged event is lost when the process is killed or the disk is full, and that nothing else is
//! acknowledged.

use super::support::{open, Device};
use crate::{AppendError, Log};
use std::{io::BufRead as _, path::PathBuf, process::Command};

/// The environment variable that makes a test run as a child process, in the folder that it names.
const CHILD: &str = "STREEMBIT_TEST_LOG_CHILD";

/// Returns a command that runs one test of this program as a child process, after the commands in `shell`.
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

/// The child process: appends events and prints their receipts until it is killed.
fn append_until_killed(folder: &std::path::Path) {
    let log = Log::open(&folder.join("log"), super::support::log_id()).unwrap();
    let mut device = Device::sr25519(1);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    // Continue where an earlier child was killed.
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
fn a_killed_process_loses_no_acknowledged_event() {
    if let Some(folder) = child_folder() {
        return append_until_killed(&folder);
    }
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for lines in [40, 1, 200, 75] {
        let mut process = child("a_killed_process_loses_no_acknowledged_event", folder.path(), "")
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = std::io::BufReader::new(process.stdout.take().unwrap()).lines();
        output.by_ref().take(lines).for_each(|line| acknowledged.extend(parse_receipt(&line.unwrap())));
        process.kill().unwrap();
        process.wait().unwrap();
        // Receipts printed between the last line that was read and the kill count as well.
        output.map_while(Result::ok).for_each(|line| acknowledged.extend(parse_receipt(&line)));

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

/// Parses index, sequence and hash from a line of the child process.
fn parse_receipt(line: &str) -> Option<(u64, u64, String)> {
    let mut words = line.strip_prefix("acknowledged ")?.split(' ');
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?, words.next()?.to_owned()))
}

/// The child process: appends events although no file may grow beyond 512 KiB, which RocksDB's write-ahead log soon
/// reaches.
fn append_until_writes_fail(folder: &std::path::Path) {
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
                // The failed entries do not count.
                assert_eq!(log.size(), acknowledged);
                (device.sequence, device.previous) = (before, previous);
                // The writer opens the database again by itself.
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        }
        assert!(acknowledged < 100_000, "no write failed");
    }
    assert_eq!(log.verify(0..log.size()).unwrap(), []);
    println!("\nappended {acknowledged}");
}

#[tokio::test]
async fn an_append_fails_temporarily_while_the_database_cannot_be_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder);
    let mut device = Device::sr25519(1);
    log.append(vec![device.next_entry(0)]).await.unwrap();
    // A file in the place of the folder cannot be opened as a database.
    let (path, moved) = (folder.path().join("log"), folder.path().join("moved"));
    std::fs::rename(&path, &moved).unwrap();
    std::fs::write(&path, "").unwrap();
    log.mark_for_reopen();
    let entry = device.next_entry(1);
    let error = log.append(vec![entry.clone()]).await.unwrap_err();
    assert!(matches!(error, AppendError::Reopen(_)), "{error}");
    assert!(error.is_temporary(), "{error}");
    assert_eq!(log.size(), 1);
    assert_eq!(*log.watch_problem().borrow(), Some(error), "everybody can see why the log cannot be written");

    std::fs::remove_file(&path).unwrap();
    std::fs::rename(&moved, &path).unwrap();
    let receipts = loop {
        match log.append(vec![entry.clone()]).await {
            Ok(receipts) => break receipts,
            Err(error) => assert!(error.is_temporary(), "{error}"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert_eq!(receipts[0].index, 1);
    assert_eq!(*log.watch_problem().borrow(), None);
    assert_eq!(log.verify(0..2).unwrap(), []);
}

#[tokio::test]
async fn a_log_whose_disk_is_gone_is_not_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder);
    let mut device = Device::sr25519(1);
    log.append(vec![device.next_entry(0)]).await.unwrap();
    let (path, moved) = (folder.path().join("log"), folder.path().join("moved"));
    std::fs::rename(&path, &moved).unwrap();
    log.mark_for_reopen();
    let entry = device.next_entry(1);
    let error = log.append(vec![entry.clone()]).await.unwrap_err();
    assert!(error.is_temporary(), "{error}");
    assert!(!path.exists(), "an empty database was created in the place of the log");

    std::fs::rename(&moved, &path).unwrap();
    while let Err(error) = log.append(vec![entry.clone()]).await {
        assert!(error.is_temporary(), "{error}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(log.size(), 2);
    assert_eq!(log.verify(0..2).unwrap(), []);
}

#[test]
fn a_failed_write_is_not_acknowledged_and_the_log_resumes() {
    if let Some(folder) = child_folder() {
        return append_until_writes_fail(&folder);
    }
    let folder = tempfile::tempdir().unwrap();
    // 1024 blocks of 512 bytes. The signal for a file that grows too large is ignored, so the write fails instead.
    let output = child(
        "a_failed_write_is_not_acknowledged_and_the_log_resumes",
        folder.path(),
        "trap '' XFSZ; ulimit -f 1024;",
    )
    .output()
    .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let acknowledged: u64 = text
        .lines()
        .find_map(|line| line.strip_prefix("appended ")?.parse().ok())
        .expect("the child process printed no count");
    let log = open(&folder);
    assert!(acknowledged > 100 && log.size() >= acknowledged, "{acknowledged} {}", log.size());
    assert_eq!(log.verify(0..log.size()).unwrap(), []);
}
