//! Seeds of the files in this repository: committed vectors, recorded justifications, dialogues with vehicles.

use super::{read, repository, Seed};
use anyhow::{Context, Result};
use base64ct::{Base64UrlUnpadded, Encoding as _};
use codec::{Compact, Encode as _};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};
use streembit_primitives::evidence::TrustRoot;

/// The length of the checksum at the end of a trust root, in bytes.
const CHECKSUM: usize = 4;

pub(super) fn all() -> Result<Vec<Seed>> {
    let template = read(&repository("gateway/src/config/template.toml"))?;
    let mut seeds = vec![Seed::new("config", "template", template)];
    seeds.extend(evidence()?);
    seeds.extend(trust_root()?);
    seeds.extend(finality()?);
    seeds.extend(obd()?);
    Ok(seeds)
}

/// Returns the files of a folder with an extension, in the order of their names, each with its name.
fn files(folder: &str, extension: &str) -> Result<Vec<(String, PathBuf)>> {
    let folder = repository(folder);
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_stem().and_then(|name| name.to_str()).map(str::to_owned);
        if let Some(name) = name.filter(|_| path.extension().is_some_and(|found| found == extension)) {
            files.push((name, path));
        }
    }
    files.sort();
    Ok(files)
}

fn evidence() -> Result<Vec<Seed>> {
    let files = files("primitives/vectors", "evidence")?.into_iter();
    files.map(|(name, path)| Ok(Seed::new("evidence", name, read(&path)?))).collect()
}

/// The target reads a text, the digits behind the version, and the content without its checksum.
fn trust_root() -> Result<Vec<Seed>> {
    let path = repository("primitives/vectors/trust-root.txt");
    let text = String::from_utf8(read(&path)?).with_context(|| format!("reading {}", path.display()))?;
    let text = text.trim_end();
    let digits = text
        .strip_prefix(TrustRoot::TEXT_PREFIX)
        .and_then(|rest| rest.split_once('-'))
        .map(|(_, digits)| digits)
        .with_context(|| format!("{} holds no trust root", path.display()))?;
    let mut content = Base64UrlUnpadded::decode_vec(digits)
        .map_err(|error| anyhow::anyhow!("decoding the digits of {}: {error}", path.display()))?;
    content.truncate(content.len().saturating_sub(CHECKSUM));
    Ok(vec![
        Seed::new("trust_root", "text", text),
        Seed::new("trust_root", "digits", digits),
        Seed::new("trust_root", "content", content),
    ])
}

/// The answers of a node that were recorded: one for each block, and one with all of them.
fn finality() -> Result<Vec<Seed>> {
    let path = repository("node/tests/justifications.json");
    let recorded: Vec<Value> = serde_json::from_slice(&read(&path)?)
        .with_context(|| format!("{} is not the expected JSON", path.display()))?;
    let fragments = recorded.iter().map(|block| fragment(block, &path)).collect::<Result<Vec<_>>>()?;
    let answer = |fragments: &[Vec<u8>]| -> Result<Vec<u8>> {
        let count = Compact(u32::try_from(fragments.len())?).encode();
        // The first byte chooses the recorded voters. The last one says that no block is newer.
        Ok([&[1][..], &count, &fragments.concat(), &true.encode()].concat())
    };
    let mut seeds = vec![Seed::new("finality", "all", answer(&fragments)?)];
    for (at, fragment) in fragments.into_iter().enumerate() {
        seeds.push(Seed::new("finality", format!("block-{at}"), answer(&[fragment])?));
    }
    Ok(seeds)
}

/// Returns the header and the justification of a recorded block.
fn fragment(block: &Value, path: &Path) -> Result<Vec<u8>> {
    let field = |name: &str| {
        let digits = block.get(name).and_then(Value::as_str).unwrap_or_default();
        hex::decode(digits).with_context(|| format!("the field {name} of {} is not hex", path.display()))
    };
    Ok([field("header")?, field("justification")?].concat())
}

/// The answers of each dialogue, one after the other, as they come from the serial port.
fn obd() -> Result<Vec<Seed>> {
    let mut seeds = Vec::new();
    for (name, path) in files("gateway/crates/adapters/src/obd/tests/dialogues", "toml")? {
        let text = String::from_utf8(read(&path)?)?;
        let file: toml::Table =
            text.parse().with_context(|| format!("{} is not the expected TOML", path.display()))?;
        let dialogues = file.get("dialogue").and_then(toml::Value::as_array);
        for (at, dialogue) in dialogues.into_iter().flatten().enumerate() {
            let Some(answers) = dialogue.get("answers") else { continue };
            // The first byte says where the target splits the bytes.
            let mut bytes = vec![7];
            append_answers(answers, &mut bytes);
            seeds.push(Seed::new("obd", format!("{name}-{at}"), bytes));
        }
    }
    Ok(seeds)
}

/// Appends the texts in a value, each with the adapter's prompt.
fn append_answers(value: &toml::Value, bytes: &mut Vec<u8>) {
    match value {
        toml::Value::String(answer) => {
            bytes.extend(answer.as_bytes());
            bytes.extend(b"\r\r>");
        }
        toml::Value::Array(values) => values.iter().for_each(|value| append_answers(value, bytes)),
        toml::Value::Table(table) => table.values().for_each(|value| append_answers(value, bytes)),
        _ => {}
    }
}
