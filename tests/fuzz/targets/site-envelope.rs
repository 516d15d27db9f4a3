//! Fuzzes what people sign: envelopes, and the site roots, approvals and waivers in them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trust::{APPROVAL, Approval, Envelope, SITE_ROOT, SiteRoot};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(envelope) = Envelope::parse(bytes) {
        if let Ok(root) = SiteRoot::unverified(&envelope) {
            assert!(!root.text().is_empty());
        }
        if let Ok(approval) = Approval::unverified(&envelope) {
            assert!(approval.text().bytes().all(|b| b != 0x1b), "an escape reaches the terminal");
        }
    }
    // The payload alone, so that mutations reach what is in the envelope.
    let envelope = Envelope::unsigned(SITE_ROOT, bytes);
    if let Ok(print) = SiteRoot::fingerprint(&envelope) {
        assert!(SiteRoot::found(&envelope, print).is_err(), "nobody signed it");
    }
    if let Ok(approval) = Approval::unverified(&Envelope::unsigned(APPROVAL, bytes)) {
        assert!(approval.text().bytes().all(|b| b != 0x1b), "an escape reaches the terminal");
    }
});
