//! The commented configuration file that `gateway init` writes. It is the reference of all keys.

use std::path::Path;
use streembit_delivery::DEFAULT_PORT;

const TEMPLATE: &str = include_str!("template.toml");

/// Renders the template with the gateway's name, its delivery port and, if given, its passphrase file.
pub fn render(name: &str, delivery_port: u16, passphrase_file: Option<&Path>) -> String {
    let quoted = |text: String| toml::Value::String(text).to_string();
    let text = TEMPLATE.replacen("name = \"gateway\"", &format!("name = {}", quoted(name.to_owned())), 1);
    let text = ["udp", "tcp"].iter().fold(text, |text, transport| {
        let port = |port: u16| format!("/{transport}/{port}");
        text.replacen(&port(DEFAULT_PORT), &port(delivery_port), 1)
    });
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
