//! The `streembit` program.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    streembit::cli::main().await
}
