//! Adds to the errors of the chain-spec library what the user of this program can do about them.

use streembit_chain_spec::SpecError;

/// Returns the text of an error, with the option or command that helps.
pub fn with_remedy(error: &SpecError) -> String {
    let remedy = match error {
        SpecError::NoChainGiven => {
            "use --dev for a chain of one validator on this machine, or --chain with `dev`, `local`, `four` or the path of a \
             chain spec"
        }
        SpecError::NoRuntime => {
            "build it without SKIP_WASM_BUILD, or give the path of a chain spec with --chain"
        }
        SpecError::UnknownChain(_) => "for any other chain give the path of its chain spec",
        SpecError::MalformedSpec { .. } => "`streembit-node export-chain-spec --chain local` prints a valid one",
        SpecError::UnreadableFile { .. } => "the same command with only --template prints a file to start from",
        SpecError::InvalidFile { .. } => {
            return format!(
                "{error}\nThe same command with only --template prints a commented example; `streembit-node session-keys \
                 --keystore-path DIR` makes the session keys of a node"
            )
        }
        SpecError::Genesis(_) | SpecError::Successor(_) => return error.to_string(),
    };
    format!("{error}; {remedy}")
}

/// Converts an error of the chain-spec library to the error of a command.
pub fn command_error(error: SpecError) -> sc_cli::Error {
    sc_cli::Error::Application(with_remedy(&error).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_without_a_chain_names_the_options() {
        let text = with_remedy(&SpecError::NoChainGiven);
        assert!(text.contains("--dev") && text.contains("--chain"), "{text}");
    }

    #[test]
    fn an_unreadable_file_is_reported_with_the_template_option() {
        let error = SpecError::UnreadableFile { path: "no/such.toml".into(), reason: "missing".into() };
        let text = with_remedy(&error);
        assert!(text.contains("no/such.toml") && text.contains("--template"), "{text}");
    }
}
