//! Fuzzes what a browser signs and says: signatures in OpenSSH's WebAuthn form, and the parts they are made of.

#![no_main]

use base64::{Engine as _, engine::general_purpose::STANDARD};
use libfuzzer_sys::fuzz_target;
use trust::{Assertion, Envelope, SITE_ROOT, SiteRoot};

/// A key of which only the signature in the corpus is good.
const KEY: &str = "sk-ecdsa-sha2-nistp256@openssh.com AAAAInNrLWVjZHNhLXNoYTItbmlzdHAyNTZAb3BlbnNzaC5jb20AAAAIbmlzdHAyNTYAAABBBB4YUy/UdUwC8wQdnHXOszuD/9gax85P6ILMscmLxYlupGwxHE4v9A3ZajZT5uRURdMt/khuztdcepDGoYiBwKMAAAARcGF0Y2gubGFiLmV4YW1wbGU=";
const KEYID: &str = "SHA256:ugbfwozU6SlyXMoCAJRdBbNWxPuH2Wh2a5o2oLezgBg";
/// A root whose one administrator has it.
const ROOT: &str = r#"{"administrators":{"keys":[{"key":"sk-ecdsa-sha2-nistp256@openssh.com AAAAInNrLWVjZHNhLXNoYTItbmlzdHAyNTZAb3BlbnNzaC5jb20AAAAIbmlzdHAyNTYAAABBBB4YUy/UdUwC8wQdnHXOszuD/9gax85P6ILMscmLxYlupGwxHE4v9A3ZajZT5uRURdMt/khuztdcepDGoYiBwKMAAAARcGF0Y2gubGFiLmV4YW1wbGU=","person":"ann"}],"threshold":1},"approvers":[],"generation":1,"issued_at":"2026-11-28T10:00:00Z","log":{"epoch":1,"key":"patchkeep.invalid/lab/epoch-1+1+A"},"not_after":"2027-11-28T10:00:00Z","policy":{"attested_approvals":false,"four_eyes":true},"schema":1,"site":"lab"}"#;
/// The signature in the corpus.
const GOOD: &[u8] = include_bytes!("../corpus/browser-signature/signature");

fuzz_target!(|bytes: &[u8]| {
    let unsigned = Envelope::unsigned(SITE_ROOT, ROOT.as_bytes());
    let signature = format!("[{{\"keyid\":\"{KEYID}\",\"sig\":\"{}\"}}]", STANDARD.encode(bytes));
    let text = String::from_utf8(unsigned.to_bytes()).unwrap_or_default();
    let signed = Envelope::parse(text.replace("[]", &signature).as_bytes()).unwrap();
    let print = SiteRoot::fingerprint(&signed).unwrap();
    let holds = SiteRoot::found(&signed, print).is_ok();
    assert_eq!(holds, bytes == GOOD, "another signature is taken, or the good one is not");
    // The parts as a browser gives them.
    for place in 0..3 {
        let part = |n: usize| if n == place { bytes.to_vec() } else { vec![0; 40] };
        let given =
            Assertion { authenticator_data: part(0), client_data: part(1), signature: part(2) };
        assert!(unsigned.clone().add_assertion(SITE_ROOT, KEY, &given).is_err());
    }
    drop(trust::browser_did(bytes, "webauthn.create", &[1, 2, 3], "patch.lab.example"));
    drop(site::parse_attestation(bytes));
});
