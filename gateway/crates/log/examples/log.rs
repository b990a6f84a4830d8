//! Opens a log, appends an event, proves that the event is included, and verifies the proof.

use std::error::Error;
use streembit_log::{Log, NewEntry};
use streembit_primitives::{
    event::{EventKind, VERSION},
    hash::Domain,
    signature::{sign_sr25519, PublicKey},
    AccountId, Body, DeviceKey, EventHeader, Hash, LogId, Part, SignedEvent, Signer, Text, VerifiedEvent,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let log = Log::open(folder.path(), LogId::first(AccountId([9; 32])))?;

    let (event, body) = first_event("hello")?;
    let receipts = log.append(vec![NewEntry::new(event, &body, 1_700_000_000_500)?]).await?;
    let receipt = receipts.first().ok_or("no receipt")?;
    println!("event {} of device {} is entry {}", receipt.sequence, receipt.device, receipt.index);

    let (size, root) = (log.size(), log.root(log.size())?);
    let proof = log.prove_inclusion(receipt.index, size)?;
    let stored = log.stored(receipt.index)?.ok_or("the entry is missing")?;
    let is_included = proof.verify(stored.entry.leaf(), receipt.index, size, &root);
    println!("the log has {size} entries and root {root}; the entry is included: {is_included}");
    Ok(())
}

/// Signs the first event of a device with a new sr25519 key.
fn first_event(status: &str) -> Result<(VerifiedEvent, Body), Box<dyn Error>> {
    let pair = schnorrkel::Keypair::generate();
    let key = DeviceKey::Own(PublicKey::Sr25519(pair.public.to_bytes()));
    let parts = vec![Part::Status(Text::try_from(status)?)].try_into().map_err(|_| "too many parts")?;
    let body = Body { seed: [1; 32], parts };
    let header = EventHeader {
        version: VERSION,
        device: key.device_id(),
        sequence: 0,
        previous: Hash::ZERO,
        time: 1_700_000_000_000,
        kind: EventKind::Status,
        body_hash: body.hash(),
    };
    let signature = sign_sr25519(&pair, Domain::EventHeader, &header.hash());
    let event = SignedEvent { header, signer: Signer::Device, signature };
    Ok((event.verify(&key)?, body))
}
