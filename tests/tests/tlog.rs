//! Tools that others wrote follow a gateway's log over HTTP and verify exported proofs of its entries: the crates
//! `signed_note` and `tlog_tiles`, and programs in Python. None of them knows anything of this project. A note that
//! contradicts an anchor of the log is reported as a fork.

use anyhow::{bail, ensure, Context, Result};
use serde_json::Value;
use signed_note::{Note, StandardVerifier, VerifierList};
use std::{
    cell::Cell,
    fs,
    ops::Range,
    path::{Path, PathBuf},
};
use streembit_evidence::{cose::Statement, entry_proof::LIMITS};
use streembit_keystore::{KeyPair, Passphrase};
use streembit_log::Log;
use streembit_primitives::{
    note::{Origin, SignedNote, VerifierKey},
    tlog_proof::TlogProof,
    Hash,
};
use streembit_tests::{
    bool_at, run_test, str_at, u64_at, CliOutput, Gateway, GatewayFixture, GatewaySettings,
};
use tlog_tiles::{Checkpoint, Tile, TileHashReader, TileReader};

/// The height of C2SP tiles.
const HEIGHT: u8 = 8;

/// The numbers of events after which the monitor looks at the log: within one tile, and over several.
const FIRST: u64 = 5;
const LATER: [u64; 2] = [300, 620];

#[test]
fn strangers_tools_follow_the_log_and_verify_its_proofs() {
    run_test("tlog", |env| {
        let settings = GatewaySettings::default().hosted("shed").with_tlog();
        let fixture = GatewayFixture::in_two_processes(env, settings)?;
        add_events(&fixture, 0..FIRST)?;
        let mut monitor = Monitor::new(&fixture)?;
        monitor.follow(FIRST)?;
        let mut logged = FIRST;
        for size in LATER {
            add_events(&fixture, logged..size)?;
            monitor.follow(size)?;
            logged = size;
        }
        monitor.ensure_tampering_is_detected()?;
        ensure_unpublished_tiles_are_refused(&fixture.gateway)?;
        for (format, verifier) in [("tlog-proof", "verify_tlog_proof"), ("cose", "verify_cose_receipt")] {
            for sequence in [Some(0), Some(299), None] {
                let export = Export::new(&fixture, format, sequence)?;
                export.check(&monitor, verifier, sequence.unwrap_or(logged - 1), logged)?;
            }
        }
        ensure_flipped_bits_are_refused(&fixture, &monitor)?;
        ensure_invalid_exports_fail(&fixture)
    });
}

#[test]
fn a_note_that_contradicts_an_anchor_is_reported_as_a_fork() {
    run_test("note-fork", |env| {
        let settings = GatewaySettings::default().hosted("shed").with_tlog();
        let fixture = GatewayFixture::in_two_processes(env, settings)?;
        add_events(&fixture, 0..FIRST)?;
        let audit = NoteAudit::new(&fixture)?;

        let fetched = fixture.gateway.get_public("/tlog/0/checkpoint")?;
        let confirmed = audit.run(&fetched, &["--json"])?;
        let report = confirmed.json()?;
        ensure!(confirmed.code == 0 && bool_at(&report, "/confirmed"), "{confirmed:#?}");
        ensure!(u64_at(&report, "/size")? == FIRST, "{report}");
        let anchored = str_at(&report, "/root")?;

        // The gateway's own key signs another root of the anchored size.
        let fork = audit.sign(FIRST, Hash([7; 32]), &audit.keys);
        audit.ensure_verdict(&fork, &[], "fork", 1)?;
        let text = audit.run(&fork, &[])?;
        let log = audit.origin.log;
        let account = streembit_keystore::account::show(&log.gateway);
        let other = Hash([7; 32]).to_string();
        for words in ["FORK", &account, &format!("{FIRST} entries"), &anchored, &other, "in block"] {
            ensure!(text.stdout.contains(words), "{words:?} is missing: {text:#?}");
        }

        // Sizes that were not anchored: beyond the last anchor, and before it with the gateway's log beside it.
        let unanchored = audit.sign(FIRST + 1, Hash([7; 32]), &audit.keys);
        audit.ensure_verdict(&unanchored, &[], "not_anchored_yet", 0)?;
        let config = fixture.gateway.config().to_str().context("a path that is not UTF-8")?;
        let with_log = ["--config", config];
        let root = Log::open_read_only(&fixture.gateway.data())?.root(FIRST - 2)?;
        let before = audit.sign(FIRST - 2, root, &audit.keys);
        audit.ensure_verdict(&before, &with_log, "confirmed", 0)?;
        let fork = audit.sign(FIRST - 2, Hash([7; 32]), &audit.keys);
        audit.ensure_verdict(&fork, &with_log, "fork", 1)?;

        // Anybody else's note accuses nobody.
        let stranger = KeyPair::from_seed([9; 32]);
        let foreign = audit.sign(FIRST, Hash([7; 32]), &stranger);
        audit.ensure_verdict(&foreign, &[], "invalid", 1)?;
        let changed = String::from_utf8(fetched)?.replacen(&format!("\n{FIRST}\n"), "\n4\n", 1);
        audit.ensure_verdict(changed.as_bytes(), &[], "invalid", 1)?;
        let genesis = Origin { genesis: Hash([1; 32]), ..audit.origin };
        let other_chain = SignedNote::sign(&genesis, FIRST, Hash([7; 32]), &audit.keys.log_key());
        let refused = audit.run(other_chain.to_string().as_bytes(), &[])?;
        ensure!(refused.code == 2, "{refused:#?}");
        refused.ensure_refused(&["genesis", "--node"])
    });
}

/// Runs `streembit audit note` on notes that the gateway's own key signs.
struct NoteAudit<'f> {
    fixture: &'f GatewayFixture<'f>,
    keys: KeyPair,
    origin: Origin,
}

impl<'f> NoteAudit<'f> {
    fn new(fixture: &'f GatewayFixture<'_>) -> Result<Self> {
        let passphrase = Passphrase::from_file(&fixture.env.passphrase_file())?;
        let keys = streembit_keystore::open(&fixture.gateway.dir().join("gateway.key"), &passphrase)?;
        let origin = Origin { genesis: fixture.chain()?.genesis(), log: fixture.gateway.log_id()? };
        Ok(Self { fixture, keys, origin })
    }

    fn sign(&self, size: u64, root: Hash, keys: &KeyPair) -> Vec<u8> {
        SignedNote::sign(&self.origin, size, root, &keys.log_key()).to_string().into_bytes()
    }

    fn run(&self, note: &[u8], options: &[&str]) -> Result<CliOutput> {
        let file = self.fixture.env.dir().join("checkpoint.note");
        fs::write(&file, note)?;
        self.fixture.node_command(["audit", "note"]).arg(file).args(options).run()
    }

    fn ensure_verdict(&self, note: &[u8], options: &[&str], verdict: &str, code: i32) -> Result<()> {
        let output = self.run(note, &[options, &["--json"]].concat())?;
        let report = output.json()?;
        ensure!(str_at(&report, "/verdict")? == verdict && output.code == code, "{output:#?}");
        ensure!(bool_at(&report, "/confirmed") == (verdict == "confirmed"), "{output:#?}");
        Ok(())
    }
}

/// Returns SenML lines, each of which becomes an event.
pub(crate) fn senml_lines(numbers: Range<u64>) -> String {
    numbers.map(|n| format!("[{{\"n\":\"count\",\"v\":{n}}}]\n")).collect()
}

/// Adds events to the log, and waits until their anchor is proven.
pub(crate) fn add_events(fixture: &GatewayFixture<'_>, numbers: Range<u64>) -> Result<()> {
    let end = numbers.end;
    fixture.add_senml("shed", &senml_lines(numbers)).ok()?;
    fixture.wait_until_anchored_to(end)?;
    fixture.gateway.wait_until_provable(end, 60)
}

/// Follows the log as a monitor of transparency logs does, with nothing but its verifier key and address.
pub(crate) struct Monitor<'g> {
    gateway: &'g Gateway,
    pub(crate) key: VerifierKey,
    checkpoints: Vec<Checkpoint>,
}

impl<'g> Monitor<'g> {
    /// Takes the log's key from the chain, where the gateway's party registered it.
    pub(crate) fn new(fixture: &'g GatewayFixture<'_>) -> Result<Self> {
        let chain = fixture.chain()?;
        let log = fixture.gateway.log_id()?;
        let view = fixture.env.block_on(chain.view())?;
        let record = fixture.env.block_on(view.gateway(log.gateway))?;
        let record = record.context("the gateway is not registered")?;
        let origin = Origin { genesis: chain.genesis(), log };
        let key = VerifierKey::new(origin, &record.log_key).context("the log key is not valid")?;
        let shown = str_at(&fixture.gateway.get("/v1/log")?, "/verifier_key")?;
        ensure!(shown == key.to_string(), "the gateway shows the key {shown}, the chain has {key}");
        Ok(Self { gateway: &fixture.gateway, key, checkpoints: Vec::new() })
    }

    fn latest(&self) -> Result<&Checkpoint> {
        self.checkpoints.last().context("no checkpoint")
    }

    /// Fetches the checkpoint, which must be of `expected` entries. Verifies its signature, that the log only grew, and
    /// entries of the new part.
    fn follow(&mut self, expected: u64) -> Result<()> {
        let note = self.gateway.get_public("/tlog/0/checkpoint")?;
        let checkpoint = open_note(&note, &self.key)?;
        ensure!(checkpoint.origin() == self.key.origin().to_string(), "{}", checkpoint.origin());
        let (size, root) = (checkpoint.size(), *checkpoint.hash());
        ensure!(size == expected, "the checkpoint is of {size} entries instead of {expected}");
        let tiles = HttpTiles::new(self.gateway, None);
        let reader = TileHashReader::new(size, root, &tiles);
        for old in &self.checkpoints {
            let proof = tlog_tiles::prove_tree(size, old.size(), &reader)?;
            tlog_tiles::check_tree(&proof, size, root, old.size(), *old.hash())?;
        }
        let known = self.checkpoints.last().map_or(0, Checkpoint::size);
        for index in [known, (known + size) / 2, size - 1] {
            let digest = self.entry(index, size)?;
            let proof = tlog_tiles::prove_record(size, index, &reader)?;
            let leaf = tlog_tiles::record_hash(&digest.0);
            tlog_tiles::check_record(&proof, size, root, index, leaf)?;
        }
        self.checkpoints.push(checkpoint);
        Ok(())
    }

    /// Fetches an entry of a log of `size` entries from its bundle.
    fn entry(&self, index: u64, size: u64) -> Result<Hash> {
        let bundle = Tile::new(HEIGHT, 0, index >> HEIGHT, 1 << HEIGHT, false);
        let bundle = bundle.parent(0, size).context("the entry is beyond the end")?;
        let path = tile_path(&bundle).replacen("0/", "entries/", 1);
        let bytes = self.gateway.get_public(&format!("/tlog/0/tile/{path}"))?;
        ensure!(bytes.len() == 34 * bundle.width() as usize, "{path} has {} bytes", bytes.len());
        let entry = bytes.chunks(34).nth((index % 256) as usize).context("a short bundle")?;
        let (length, digest) = entry.split_at(2);
        ensure!(length == [0, 32], "an entry of {length:?} bytes");
        Ok(Hash(digest.try_into()?))
    }

    /// Checks that the foreign reader notices one flipped bit in any tile that it reads.
    fn ensure_tampering_is_detected(&self) -> Result<()> {
        let checkpoint = self.latest()?;
        let (size, root) = (checkpoint.size(), *checkpoint.hash());
        let leaf = tlog_tiles::record_hash(&self.entry(1, size)?.0);
        let honest = HttpTiles::new(self.gateway, None);
        let proof = tlog_tiles::prove_record(size, 1, &TileHashReader::new(size, root, &honest))?;
        tlog_tiles::check_record(&proof, size, root, 1, leaf)?;
        let count = honest.count.get();
        ensure!(count >= 2, "only {count} tiles were read");
        for tile in 0..count {
            let tiles = HttpTiles::new(self.gateway, Some(tile));
            let reader = TileHashReader::new(size, root, &tiles);
            // The reader compares most tiles with their parents, and the proof shows a change of the others.
            let is_accepted = tlog_tiles::prove_record(size, 1, &reader)
                .is_ok_and(|proof| tlog_tiles::check_record(&proof, size, root, 1, leaf).is_ok());
            ensure!(!is_accepted, "tile {tile} was changed unnoticed");
        }
        Ok(())
    }
}

/// Opens a note with the foreign implementation.
pub(crate) fn open_note(note: &[u8], key: &VerifierKey) -> Result<Checkpoint> {
    let verifier = StandardVerifier::new(&key.to_string())?;
    let note = Note::from_bytes(note)?;
    let (verified, unknown) = note.verify(&VerifierList::new(vec![Box::new(verifier)]))?;
    ensure!((verified.len(), unknown.len()) == (1, 0), "{} and {} signatures", verified.len(), unknown.len());
    Checkpoint::from_bytes(note.text()).map_err(|error| anyhow::anyhow!("{error}"))
}

/// Reads the tiles of a gateway over HTTP for the foreign implementation.
struct HttpTiles<'g> {
    gateway: &'g Gateway,
    /// The position of the tile, among those that are read at once, in which a bit is flipped.
    flipped: Option<usize>,
    /// The number of tiles that were read at once.
    count: Cell<usize>,
}

impl<'g> HttpTiles<'g> {
    fn new(gateway: &'g Gateway, flipped: Option<usize>) -> Self {
        Self { gateway, flipped, count: Cell::new(0) }
    }
}

impl TileReader for HttpTiles<'_> {
    fn height(&self) -> u8 {
        HEIGHT
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        let read = |tile: &Tile| {
            let path = format!("/tlog/0/tile/{}", tile_path(tile));
            self.gateway.get_public(&path).map_err(|error| tlog_tiles::Error::InvalidInput(error.to_string()))
        };
        self.count.set(tiles.len());
        let mut read = tiles.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        if let Some(byte) = self.flipped.and_then(|tile| read.get_mut(tile)?.last_mut()) {
            *byte ^= 1;
        }
        Ok(read)
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

/// Returns the path of a tile below `tile/`. `tlog_tiles` also names the height, as Go's checksum database does.
fn tile_path(tile: &Tile) -> String {
    tile.path().replacen("tile/8/", "", 1)
}

/// Checks that tiles that do not exist and paths that are no tiles are refused over HTTP.
fn ensure_unpublished_tiles_are_refused(gateway: &Gateway) -> Result<()> {
    for (path, status) in [
        ("0/tile/0/002", "404"),
        ("0/tile/0/003.p/1", "404"),
        ("0/tile/entries/002.p/255", "404"),
        ("0/tile/0/000.p/256", "400"),
        ("0/tile/0/0", "400"),
        ("1/checkpoint", "404"),
    ] {
        let error =
            gateway.get_public(&format!("/tlog/{path}")).err().with_context(|| format!("{path} exists"))?;
        ensure!(error.to_string().contains(status), "{path}: {error}");
    }
    match gateway.get_public("/v1/log") {
        Err(error) if error.to_string().contains("401") => Ok(()),
        other => bail!("without the token, /v1/log returned {other:?}"),
    }
}

/// An exported proof, with the bytes of its entry beside it.
struct Export<'f> {
    fixture: &'f GatewayFixture<'f>,
    summary: Value,
    proof: PathBuf,
    entry: PathBuf,
}

impl<'f> Export<'f> {
    fn new(fixture: &'f GatewayFixture<'_>, format: &str, sequence: Option<u64>) -> Result<Self> {
        let name = sequence.map_or("last".to_owned(), |sequence| sequence.to_string());
        let proof = fixture.env.dir().join(format!("{name}.{format}"));
        let mut options = vec!["--format", format];
        if sequence.is_some() {
            options.extend(["--sequence", &name]);
        }
        let command = fixture.gateway.export_command(fixture.env, "shed", &options, &proof);
        let summary = command.json()?;
        let entry = PathBuf::from(format!("{}.entry", proof.display()));
        Ok(Self { fixture, summary, proof, entry })
    }

    /// Checks the export with our verifier and with the foreign one.
    fn check(&self, monitor: &Monitor<'_>, verifier: &str, sequence: u64, size: u64) -> Result<()> {
        let key = monitor.key.to_string();
        let summary = &self.summary;
        ensure!(u64_at(summary, "/sequence")? == sequence, "{summary}");
        ensure!(u64_at(summary, "/log_size")? == size, "{summary}");
        ensure!(str_at(summary, "/verifier_key")? == key, "{summary}");
        let index = u64_at(summary, "/index")?;
        let digest = Hash(sp_crypto_hashing::sha2_256(&fs::read(&self.entry)?));
        ensure!(str_at(summary, "/digest")? == digest.to_string(), "{summary}");
        ensure!(monitor.entry(index, size)? == digest, "the log has another entry {index}");
        ensure!(verify(&self.proof, &fs::read(&self.proof)?, &digest, &monitor.key).is_ok(), "refused");

        let (proof, entry) = self.paths()?;
        let found = self.fixture.env.run_python_client(&format!("{verifier}.py"), &[proof, entry, &key])?;
        ensure!(u64_at(&found, "/index")? == index && u64_at(&found, "/size")? == size, "{found}");
        ensure!(str_at(&found, "/origin")? == monitor.key.origin().to_string(), "{found}");
        ensure!([found.get("extra"), found.get("limits")].contains(&Some(&Value::from(LIMITS))), "{found}");
        Ok(())
    }

    fn paths(&self) -> Result<(&str, &str)> {
        let (proof, entry) = (self.proof.to_str(), self.entry.to_str());
        proof.zip(entry).context("a path that is not UTF-8")
    }
}

/// Verifies the bytes of a proof with our own code.
fn verify(path: &Path, bytes: &[u8], digest: &Hash, key: &VerifierKey) -> Result<()> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("cose") => Ok(Statement::decode(bytes)?.verify(digest, key).map(|_| ())?),
        _ => Ok(TlogProof::parse(bytes)?.verify(digest, key).map(|_| ())?),
    }
}

/// Flips every bit of a proof of each format. The foreign verifier and ours must refuse all of them but those that by
/// the texts nothing authenticates: the extra data of a tlog-proof, and the number of entries in a receipt.
/// That number is not signed; a path that leads to the signed root can be of several sizes (RFC 9942).
fn ensure_flipped_bits_are_refused(fixture: &GatewayFixture<'_>, monitor: &Monitor<'_>) -> Result<()> {
    let key = monitor.key.to_string();
    for (format, verifier) in [("tlog-proof", "verify_tlog_proof"), ("cose", "verify_cose_receipt")] {
        let proof = fixture.env.dir().join(format!("299.{format}"));
        let entry = format!("{}.entry", proof.display());
        let bytes = fs::read(&proof)?;
        let irrelevant = match format {
            "cose" => size_of_receipt(&bytes, monitor.latest()?.size())?,
            _ => extra_data(&bytes),
        };
        let arguments = [verifier, proof.to_str().context("a path that is not UTF-8")?, &entry, &key];
        let found = fixture.env.run_python_client("flip_bytes.py", &arguments)?;
        ensure!(u64_at(&found, "/tried")? == 8 * bytes.len() as u64, "{found}");
        let accepted = found.get("accepted").and_then(Value::as_array).context("no list")?;
        for at in accepted.iter().filter_map(Value::as_u64) {
            ensure!(
                irrelevant.contains(&(at as usize)),
                "{verifier} accepts a change of byte {at} of {format}"
            );
        }
        let digest = Hash(sp_crypto_hashing::sha2_256(&fs::read(&entry)?));
        for at in (0..bytes.len()).filter(|at| !irrelevant.contains(at)) {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                *changed.get_mut(at).context("a short file")? ^= 1 << bit;
                let verified = verify(&proof, &changed, &digest, &monitor.key);
                ensure!(verified.is_err(), "a change of byte {at} of {format} is not noticed");
            }
        }
        // The same bytes do not prove another entry.
        ensure!(verify(&proof, &bytes, &Hash::ZERO, &monitor.key).is_err(), "{format} proves another entry");
    }
    Ok(())
}

/// Returns the range of the base64 of the extra data of a tlog-proof; it is empty for other bytes.
fn extra_data(bytes: &[u8]) -> Range<usize> {
    let text = String::from_utf8_lossy(bytes);
    let Some(start) = text.find("\nextra ").filter(|_| text.starts_with("c2sp.org/")) else { return 0..0 };
    let start = start + "\nextra ".len();
    let length = text.get(start..).and_then(|rest| rest.find('\n')).unwrap_or_default();
    start..start + length
}

/// Returns the range of the number of entries, of two bytes, in the inclusion proof of a receipt.
fn size_of_receipt(bytes: &[u8], size: u64) -> Result<Range<usize>> {
    // CBOR: an array of three, and a number of two bytes.
    let size = u16::try_from(size)?.to_be_bytes();
    let encoded = [&[0x83, 0x19][..], &size].concat();
    let start = bytes.windows(4).position(|window| window == encoded).context("no number of entries")?;
    Ok(start + 2..start + 4)
}

/// Checks that options that make no sense together are refused, and that files are not overwritten.
fn ensure_invalid_exports_fail(fixture: &GatewayFixture<'_>) -> Result<()> {
    let none = fixture.env.dir().join("none.cose");
    let export = |options: &[&str], file: &Path| {
        fixture.gateway.export_command(fixture.env, "shed", options, file).run()
    };
    export(&["--format", "cose", "--from", "2026-01-01"], &none)?.ensure_refused(&["--sequence"])?;
    export(&["--sequence", "1"], &none)?.ensure_refused(&["--from"])?;
    export(&["--format", "cose", "--sequence", "100000"], &none)?.ensure_refused(&["100000"])?;
    export(&["--format", "cose"], Path::new("-"))?.ensure_refused(&["-o FILE"])?;
    ensure!(!none.exists(), "a failed export left a file");
    let existing = fixture.env.dir().join("299.cose");
    export(&["--format", "cose"], &existing)?.ensure_refused(&["--force"])
}
