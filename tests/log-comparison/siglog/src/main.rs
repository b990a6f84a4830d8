//! Measures how long `siglog` takes to acknowledge and to integrate entries. Arguments: FOLDER COUNT BYTES. Prints
//! both times in seconds.
//!
//! siglog runs in process, without its HTTP server, on SQLite and files, with its defaults (batches of 256,
//! integration every 100 ms). An entry is acknowledged when the sequencer has committed it to SQLite. SQLite uses
//! `journal_mode=WAL` and its default `synchronous=FULL`, so every batch is synced. An entry is integrated when it is
//! in the tiles.

use siglog::{
    sequencer::{Sequencer, SequencerConfig},
    storage::{Database, TileStorage},
    types::{Entry, EntryData},
    worker::{self, WorkerConfig},
};
use std::time::{Duration, Instant};

/// The number of concurrent callers.
const CALLERS: usize = 1024;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, count, bytes] = arguments.as_slice() else {
        anyhow::bail!("usage: streembit-bench-siglog FOLDER COUNT BYTES")
    };
    let (count, bytes): (usize, usize) = (count.parse()?, bytes.parse()?);
    let db = Database::connect(&format!("sqlite:{folder}/log.db?mode=rwc")).await?;
    db.run_migrations().await?;
    let storage = TileStorage::new_fs(&format!("{folder}/tiles"))?;
    let (sequencer, sequencing) = Sequencer::new(db.clone(), SequencerConfig::default());
    tokio::spawn(sequencing);
    let (_stop, stopped) = tokio::sync::watch::channel(false);
    let config = WorkerConfig {
        integration_interval: Duration::from_millis(100),
        integration_batch_size: 1024,
        checkpoint_interval: Duration::from_secs(1),
        origin: "bench".into(),
    };
    tokio::spawn(worker::run_integration_worker(db.clone(), storage, config, None, stopped));

    let start = Instant::now();
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let sequencer = sequencer.clone();
            tokio::spawn(async move {
                for at in (caller..count).step_by(CALLERS) {
                    let mut content = vec![7; bytes];
                    content.iter_mut().zip((at as u64).to_be_bytes()).for_each(|(byte, new)| *byte = new);
                    add(&sequencer, content).await?;
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for caller in callers {
        caller.await??;
    }
    let acknowledged = start.elapsed().as_secs_f64();
    while db.get_log_state().await?.integrated_size.value() < count as u64 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    println!("{acknowledged} {}", start.elapsed().as_secs_f64());
    Ok(())
}

/// Adds an entry. Retries if the integration had locked SQLite, because the batch was rolled back then.
async fn add(sequencer: &Sequencer, content: Vec<u8>) -> anyhow::Result<()> {
    let entry = Entry::new(EntryData::new(content));
    for _ in 0..1000 {
        match sequencer.add(entry.clone()).await {
            Ok(_) => return Ok(()),
            Err(error) if error.to_string().contains("locked") => {}
            Err(error) => return Err(error.into()),
        }
    }
    anyhow::bail!("SQLite stayed locked")
}
