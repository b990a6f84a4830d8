//! Texts of trust roots: what is accepted has this text only, whatever the checksum.
#![no_main]

use base64::{engine::general_purpose::URL_SAFE_NO_PAD, Engine as _};
use libfuzzer_sys::fuzz_target;
use streembit_primitives::{evidence::TrustRoot, hash::Domain};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        check(text);
        check(&format!("{}1-{text}", TrustRoot::TEXT_PREFIX));
    }
    // The content behind a right checksum, which the fuzzer never finds by chance.
    let checksum = Domain::TrustRoot.hash(bytes).0;
    let content = [bytes, &checksum[..4]].concat();
    check(&format!("{}1-{}", TrustRoot::TEXT_PREFIX, URL_SAFE_NO_PAD.encode(content)));
});

fn check(text: &str) {
    match text.parse::<TrustRoot>() {
        Ok(root) => assert_eq!(root.to_text().as_deref(), Ok(text)),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
