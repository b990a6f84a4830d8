//! The commented configuration file that `gateway init` writes. It is the reference of all keys.

use std::path::Path;

const TEMPLATE: &str = include_str!("template.toml");

/// Renders the template with the gateway's name and, if given, its passphrase file.
pub fn render(name: &str, passphrase_file: Option<&Path>) -> String {
    let quoted = |text: String| toml::Value::String(text).to_string();
    let text = TEMPLATE.replacen("name = \"gateway\"", &format!("name = {}", quoted(name.to_owned())), 1);
    match passphrase_file {
        Some(path) => text.replacen(
            "# passphrase_file = \"gateway.pass\"",
            &format!("passphrase_file = {}", quoted(path.display().to_string())),
            1,
        ),
        None => text,
    }
}

#[cfg(test)]
pub(super) const TEXT: &str = TEMPLATE;
