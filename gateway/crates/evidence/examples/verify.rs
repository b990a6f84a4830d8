//! Verifies an evidence file: `verify FILE CHAIN_SPEC`. Without arguments it verifies one of the project's test
//! vectors.

use std::{error::Error, path::Path};
use streembit_evidence::{chain_spec, verify::verify};
use streembit_primitives::evidence::TrustRoot;

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../primitives/vectors");

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (file, trust) = match arguments.as_slice() {
        [file, spec] => (file.clone(), chain_spec::read(Path::new(spec))?),
        [] => (format!("{VECTORS}/many-events.evidence"), trust_root_of_vectors()?),
        _ => return Err("expected an evidence file and the raw chain specification".into()),
    };
    let verdict = verify(Path::new(&file), &trust, |_, _, _| {})?;
    println!("{} events of device {} are proven", verdict.events, verdict.device);
    println!("anchored in block {}, finalized at block {}", verdict.anchored, verdict.last.block.number);
    println!("this is the whole anchored history: {}", verdict.is_complete());
    Ok(())
}

fn trust_root_of_vectors() -> Result<TrustRoot, Box<dyn Error>> {
    Ok(serde_json::from_slice(&std::fs::read(format!("{VECTORS}/trust-root.json"))?)?)
}
