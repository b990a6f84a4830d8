//! The `streembit` command.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    streembit::cli::main().await
}
