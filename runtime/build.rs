//! Compiles the runtime to Wasm, with the compiler in use or with a fallback toolchain.

fn main() {
    #[cfg(feature = "std")]
    wasm::build();
}

#[cfg(feature = "std")]
mod wasm {
    use std::{env, path::Path, process::Command};

    const TARGET: &str = "wasm32v1-none";
    /// The rustup toolchain that `make setup` links if rustup cannot fetch the target.
    const FALLBACK_TOOLCHAIN: &str = "debian";

    pub fn build() {
        if env::var_os("SKIP_WASM_BUILD").is_none() {
            set_default("WASM_BUILD_TYPE", "release");
            // The target folder may be outside of the checkout, where the workspace could not be found.
            set_default("WASM_BUILD_WORKSPACE_HINT", concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
            if env::var_os("WASM_BUILD_TOOLCHAIN").is_none() && !pick_toolchain() {
                println!(
                    "cargo::error=this machine cannot compile the runtime: neither the compiler in use nor a rustup \
                     toolchain called `{FALLBACK_TOOLCHAIN}` has the target {TARGET}; run `make setup`"
                );
                return;
            }
        }
        // The hash of the metadata, with which wallets prove what they show. The chain has no token.
        substrate_wasm_builder::WasmBuilder::init_with_defaults().enable_metadata_hash("NONE", 0).build();
    }

    /// Keeps the compiler in use if it has the target, or selects the fallback. Returns false if neither has the target.
    fn pick_toolchain() -> bool {
        let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        if has_target(Command::new(rustc)) {
            return true;
        }
        let mut fallback = Command::new("rustup");
        fallback.args(["run", FALLBACK_TOOLCHAIN, "rustc"]);
        let found = has_target(fallback);
        if found {
            env::set_var("WASM_BUILD_TOOLCHAIN", FALLBACK_TOOLCHAIN);
        }
        found
    }

    /// Returns true if a compiler has the standard library of the target.
    fn has_target(mut rustc: Command) -> bool {
        let Ok(output) = rustc.args(["--print", "target-libdir", "--target", TARGET]).output() else {
            return false;
        };
        let folder = String::from_utf8_lossy(&output.stdout);
        let Ok(files) = Path::new(folder.trim()).read_dir() else { return false };
        output.status.success()
            && files.flatten().any(|file| file.file_name().to_string_lossy().starts_with("libcore-"))
    }

    fn set_default(name: &str, value: &str) {
        if env::var_os(name).is_none() {
            env::set_var(name, value);
        }
    }
}
