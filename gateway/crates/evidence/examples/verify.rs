//! Verifies an evidence file: `verify FILE ROOT`, where `ROOT` is the text of a trust root, a file with the text, or a
//! raw chain specification. Without arguments it verifies one of the project's test vectors.

use std::{error::Error, ffi::OsString, path::Path};
use streembit_evidence::{verify::verify, TrustRootSource};

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../primitives/vectors");

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (file, root) = match arguments.as_slice() {
        [file, root] => (file.clone(), root.clone()),
        [] => (format!("{VECTORS}/many-events.evidence"), format!("{VECTORS}/trust-root.txt")),
        _ => return Err("expected an evidence file, and a trust root or a raw chain specification".into()),
    };
    let trust = TrustRootSource::from(OsString::from(root)).read()?;
    let verdict = verify(Path::new(&file), &trust, |_, _, _| {})?;
    println!("{} events of device {} are proven", verdict.events, verdict.device);
    for segment in &verdict.segments {
        println!("{} of them in log {}", segment.events, segment.checkpoint.log);
    }
    println!("finalized at block {}", verdict.last.block.number);
    println!("this is the whole anchored history: {}", verdict.is_complete());
    Ok(())
}
