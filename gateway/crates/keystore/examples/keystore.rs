//! Creates an encrypted key, opens it again, and signs with it.

use std::error::Error;
use streembit_keystore::{account, create, open, KeySeed, Passphrase};
use streembit_primitives::{hash::Domain, Hash, PublicKey};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("gateway.key");

    let passphrase = Passphrase::random();
    let created = create(&path, &KeySeed::random(), &passphrase)?;
    println!("created {} for account {}", path.display(), account::show(&created.account()));

    let keys = open(&path, &passphrase)?;
    let message = Hash([7; 32]);
    let signature = keys.sign(Domain::Checkpoint, &message);
    let is_valid = PublicKey::Sr25519(keys.account().0).verify(Domain::Checkpoint, &message, &signature);
    println!("opened the keystore and signed a message; the signature is valid: {is_valid}");

    let wrong = open(&path, &Passphrase::new("another")?);
    println!(
        "opened with a wrong passphrase: {}",
        wrong.err().map_or_else(|| "it succeeded".into(), |error| error.to_string())
    );
    Ok(())
}
