//! The audit detects every change of the database made behind the gateway's back. The gateway does not run on a log that
//! has lost its end, and anchors nothing of a log that an anchor on the chain contradicts.

use anyhow::{ensure, Context, Result};
use rand::Rng as _;
use rocksdb::{IteratorMode, Options, DB};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use streembit_tests::{run_test, str_at, u64_at, wait_until, CliOutput, GatewayFixture, TestEnv};

/// How many bytes are changed in each column family, each in a separate copy.
const TRIES: usize = 4;
/// The number of events in the log. It is not a power of two, so that the tree is not complete.
const EVENTS: usize = 27;

#[test]
fn the_audit_names_the_location_of_a_changed_byte() {
    run_test("tampering", |env| {
        let fixture = stopped_gateway(env)?;
        let data = fixture.gateway.data();
        let untouched = audit(&fixture, &data, "untouched")?;
        ensure!(untouched.code == 0, "the untouched log does not verify: {untouched:#?}");
        ensure!(
            u64_at(&untouched.json()?, "/anchored")? == EVENTS as u64,
            "not all are anchored: {untouched:#?}"
        );

        for (family, location) in [("entries", "entry"), ("tiles", "node"), ("bodies", "body")] {
            for number in 0..TRIES {
                let name = format!("{family}-{number}");
                let copy = copy_of(&data, &env.dir().join(&name))?;
                let changed = change_one_byte(&copy, family)?;
                let output = audit(&fixture, &copy, &name)?;
                ensure!(output.code == 1, "{changed:?}, but the audit succeeds: {output:#?}");
                ensure!(
                    reports(&output.json()?, location, changed.index),
                    "{changed:?} is not reported: {output:#?}"
                );
            }
        }
        Ok(())
    });
}

#[test]
fn the_gateway_anchors_nothing_of_a_log_shorter_than_its_anchor_and_does_not_run_on_a_cut_one() {
    run_test("truncation", |env| {
        let mut fixture = stopped_gateway(env)?;
        let data = fixture.gateway.data();
        let backup = copy_of(&data, &env.dir().join("backup"))?;
        fixture.gateway.start(&fixture.node)?;
        add(&fixture, EVENTS)?;
        fixture.wait_until_anchored()?;
        fixture.gateway.stop()?;

        // The backup is consistent, but older than its anchor on the chain.
        let url = fixture.node.url();
        let config = fixture.gateway.configure_copy(&url, &backup, "backup")?;
        let process = fixture.gateway.spawn(&config)?;
        let problem = wait_until("the anchor that contradicts the log raises an alarm", 60, || {
            let status = fixture.gateway.get("/v1/status")?;
            let parts = status.get("components").and_then(Value::as_array).context("no components")?;
            let is_alarm = |part: &&Value| {
                let at = |field| part.get(field).and_then(Value::as_str);
                at("name") == Some("anchor") && at("state") == Some("alarm")
            };
            let alarm = parts.iter().find(is_alarm).context("no alarm")?;
            str_at(alarm, "/problem")
        })?;
        for word in ["anchored", "backup", "epoch"] {
            ensure!(problem.contains(word), "the alarm does not contain {word:?}: {problem}");
        }
        add(&fixture, 1).context("an event was not logged although only anchoring has stopped")?;
        drop(process);

        // A log that only lost its last entries.
        let cut = copy_of(&data, &env.dir().join("cut"))?;
        cut_the_end(&cut, 3)?;
        let config = fixture.gateway.configure_copy(&url, &cut, "cut")?;
        let output = env.streembit(["gateway", "run", "--config"]).arg(config).run()?;
        output.ensure_refused(&["damaged", "backup"])
    });
}

/// Returns a stopped gateway whose log has [`EVENTS`] anchored events.
fn stopped_gateway(env: &TestEnv) -> Result<GatewayFixture<'_>> {
    let mut fixture = GatewayFixture::with_hosted_device(env)?;
    add(&fixture, EVENTS)?;
    fixture.wait_until_anchored()?;
    fixture.gateway.stop()?;
    Ok(fixture)
}

/// Returns true if an audit's report has a problem of this kind at this index.
fn reports(report: &Value, location: &str, index: u64) -> bool {
    let problems = report.get("problems").and_then(Value::as_array);
    problems.is_some_and(|problems| {
        problems.iter().any(|problem| {
            problem.get("where").and_then(Value::as_str) == Some(location)
                && problem.get("index").and_then(Value::as_u64) == Some(index)
        })
    })
}

/// A changed byte.
#[derive(Debug)]
#[allow(dead_code, reason = "shown when a test fails")]
struct Changed {
    family: String,
    /// The index of the entry.
    index: u64,
    key: Vec<u8>,
    byte: usize,
}

fn change_one_byte(data: &Path, family: &str) -> Result<Changed> {
    let db = open(data)?;
    let handle = db.cf_handle(family).with_context(|| format!("no column family {family}"))?;
    let all = db.iterator_cf(handle, IteratorMode::Start).collect::<Result<Vec<_>, _>>()?;
    ensure!(all.len() >= if family == "tiles" { 1 } else { EVENTS }, "{} keys in {family}", all.len());
    let mut random = rand::thread_rng();
    let (key, value) = all.get(random.gen_range(0..all.len())).context("no such key")?;
    let mut value = value.to_vec();
    let byte = random.gen_range(0..value.len());
    *value.get_mut(byte).context("no such byte")? ^= 1 << random.gen_range(0..8);
    db.put_cf(handle, key, value)?;
    db.flush_wal(true)?;
    let first = key.get(..8).context("a short key")?.try_into().map(u64::from_be_bytes)?;
    // A tile contains the hashes of consecutive entries.
    let index = if family == "tiles" { first + byte as u64 / 32 } else { first };
    Ok(Changed { family: family.to_owned(), index, key: key.to_vec(), byte })
}

/// Removes the last entries with their bodies and their hashes in the tree.
fn cut_the_end(data: &Path, count: usize) -> Result<()> {
    let db = open(data)?;
    let entries = db.cf_handle("entries").context("no column family entries")?;
    let last = db.iterator_cf(entries, IteratorMode::End).take(count).collect::<Result<Vec<_>, _>>()?;
    let (first_gone, _) = last.last().context("no entries")?;
    let tiles = db.cf_handle("tiles").context("no column family tiles")?;
    let first_tile = DB::get_cf(&db, tiles, [0; 9])?.context("no tile")?;
    let left = usize::try_from(u64::from_be_bytes((**first_gone).try_into()?))?;
    db.put_cf(tiles, [0; 9], first_tile.get(..32 * left).context("a short tile")?)?;
    for family in ["entries", "bodies"] {
        let handle = db.cf_handle(family).with_context(|| format!("no column family {family}"))?;
        let from = IteratorMode::From(first_gone, rocksdb::Direction::Forward);
        for pair in db.iterator_cf(handle, from).collect::<Result<Vec<_>, _>>()? {
            db.delete_cf(handle, pair.0)?;
        }
    }
    db.flush_wal(true)?;
    Ok(())
}

fn open(data: &Path) -> Result<DB> {
    let path = database_in(data)?;
    let options = Options::default();
    let families = DB::list_cf(&options, &path)?;
    DB::open_cf(&options, &path, families).with_context(|| format!("opening {}", path.display()))
}

/// Finds the folder of the database below the data folder.
fn database_in(folder: &Path) -> Result<PathBuf> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        if folder.join("CURRENT").is_file() {
            return Ok(folder);
        }
        let entries = fs::read_dir(&folder)?.collect::<Result<Vec<_>, _>>()?;
        folders.extend(entries.into_iter().map(|entry| entry.path()).filter(|path| path.is_dir()));
    }
    anyhow::bail!("no database below {}", folder.display())
}

fn copy_of(data: &Path, to: &Path) -> Result<PathBuf> {
    let status = Command::new("cp").arg("-r").arg(data).arg(to).status()?;
    ensure!(status.success(), "cp -r {} {}", data.display(), to.display());
    Ok(to.to_owned())
}

fn audit(fixture: &GatewayFixture, data: &Path, name: &str) -> Result<CliOutput> {
    let config = fixture.gateway.configure_copy(&fixture.node.url(), data, name)?;
    fixture.node_command(["--json", "audit", "device", "shed", "--config"]).arg(config).run()
}

fn add(fixture: &GatewayFixture, count: usize) -> Result<()> {
    let lines: String =
        (0..count).map(|at| format!("[{{\"n\":\"temperature\",\"u\":\"Cel\",\"v\":{at}.5}}]\n")).collect();
    fixture.add_senml("shed", &lines).ok()?;
    Ok(())
}
