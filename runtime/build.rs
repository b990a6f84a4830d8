//! Compiles the runtime to Wasm, with the compiler in use or with a fallback toolchain.

fn main() {
    #[cfg(feature = "std")]
    wasm::build();
}

/// The hash of the metadata (RFC-0078), which a wallet covers with its signature to prove what it showed.
///
/// It is computed from the committed metadata, which a test compares with the runtime's. The wasm builder could compute it
/// too, but it would compile the runtime twice.
#[cfg(feature = "std")]
mod metadata {
    use codec::{Decode, DecodeAll};
    use frame_metadata::{RuntimeMetadata, RuntimeMetadataPrefixed};
    use merkleized_metadata::{generate_metadata_digest, ExtraInfo};

    /// The chain has no token.
    const TOKEN_SYMBOL: &str = "NONE";
    const TOKEN_DECIMALS: u8 = 0;

    /// Returns the hash in hexadecimal digits.
    pub fn hash() -> Result<String, String> {
        // Asked for at run time, because checkouts that share a target folder share the compiled script.
        let folder = std::env::var("CARGO_MANIFEST_DIR").map_err(|error| error.to_string())?;
        let file = std::path::Path::new(&folder).join("metadata.scale");
        println!("cargo::rerun-if-changed={}", file.display());
        let bytes = std::fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let RuntimeMetadataPrefixed(_, metadata) =
            RuntimeMetadataPrefixed::decode_all(&mut &*bytes).map_err(|error| error.to_string())?;
        // The beginning of a `RuntimeVersion`: the names of the runtime and of its implementation, the authoring version,
        // and the runtime's version.
        let (spec_name, _, _, spec_version) = constant::<(String, String, u32, u32)>(&metadata, "Version")
            .ok_or("System.Version is missing")?;
        let base58_prefix = constant(&metadata, "SS58Prefix").ok_or("System.SS58Prefix is missing")?;
        let token_symbol = TOKEN_SYMBOL.into();
        let extra =
            ExtraInfo { spec_version, spec_name, base58_prefix, decimals: TOKEN_DECIMALS, token_symbol };
        let digest = generate_metadata_digest(&metadata, extra)?;
        Ok(digest.hash().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Reads a constant of the pallet `System`.
    fn constant<T: Decode>(metadata: &RuntimeMetadata, name: &str) -> Option<T> {
        let RuntimeMetadata::V15(metadata) = metadata else { return None };
        let system = metadata.pallets.iter().find(|pallet| pallet.name == "System")?;
        let constant = system.constants.iter().find(|constant| constant.name == name)?;
        T::decode(&mut &*constant.value).ok()
    }
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
            if let Ok(folder) = env::var("CARGO_MANIFEST_DIR") {
                set_default("WASM_BUILD_WORKSPACE_HINT", &format!("{folder}/.."));
            }
            if env::var_os("WASM_BUILD_TOOLCHAIN").is_none() && !pick_toolchain() {
                println!(
                    "cargo::error=this machine cannot compile the runtime: neither the compiler in use nor a rustup \
                     toolchain called `{FALLBACK_TOOLCHAIN}` has the target {TARGET}; run `make setup`"
                );
                return;
            }
        }
        match super::metadata::hash() {
            Ok(hash) => env::set_var("RUNTIME_METADATA_HASH", hash),
            Err(problem) => println!(
                "cargo::warning=the runtime refuses transactions that cover the hash of its metadata, because \
                 the metadata cannot be read: {problem}; write it anew as CONTRIBUTING.md says"
            ),
        }
        substrate_wasm_builder::WasmBuilder::build_using_defaults();
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
