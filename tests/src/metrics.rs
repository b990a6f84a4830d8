//! Reading what Prometheus reads.

use anyhow::{Context, Result};

/// The metrics of a node, from its Prometheus port.
pub async fn of_node(port: u16) -> Result<String> {
    let response = reqwest::get(format!("http://127.0.0.1:{port}/metrics")).await?;
    Ok(response.error_for_status()?.text().await?)
}

/// The value of a metric by its name, whatever labels it has: the first one where there are several.
pub fn value(text: &str, name: &str) -> Result<f64> {
    let found = text.lines().find_map(|line| {
        let rest = line.strip_prefix(name)?;
        let value = rest.rsplit(' ').next()?;
        rest.starts_with([' ', '{']).then_some(value)
    });
    let found = found.with_context(|| format!("no {name} in the metrics:\n{text}"))?;
    found.parse().with_context(|| format!("{name} is no number: {found}"))
}
