//! Evidence is kept under a commitment that anybody can compute again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use durable::{MemDisk, RealDisk};
use ids::{Digest, Fault};
use serde_json::json;
use std::sync::Arc;
use store::{EVIDENCE_BYTES_MAX, Error, Evidence};

#[test]
fn a_commitment_is_the_digest_of_salt_and_canonical_json() {
    let evidence = Evidence::open(Arc::new(MemDisk::new()), "/e".as_ref()).unwrap();
    let value = json!({"name": "Zoë", "b": [1, 2.50, true, null], "a": "\u{20ac}"});
    let commitment = evidence.put(value.clone(), [7; 32]).unwrap();
    let canonical = r#"{"a":"€","b":[1,2.5,true,null],"name":"Zoë"}"#;
    assert_eq!(commitment, Digest::of(&[&[7; 32], canonical.as_bytes()].concat()));
    assert_eq!(evidence.get(&commitment).unwrap(), ([7; 32], value.clone()));
    assert_ne!(evidence.put(value.clone(), [8; 32]).unwrap(), commitment);
    assert_eq!(evidence.put(value, [7; 32]).unwrap(), commitment);
    assert_eq!(evidence.list().unwrap().len(), 2);
}

#[test]
fn erased_and_altered_evidence_is_not_given() {
    let dir = tempfile::TempDir::new().unwrap();
    let evidence = Evidence::open(Arc::new(RealDisk), dir.path()).unwrap();
    let commitment = evidence.put(json!({"host": "web1"}), [1; 32]).unwrap();
    let path = dir.path().join(commitment.to_hex());
    let good = std::fs::read_to_string(&path).unwrap();
    let altered = [
        good.replace("web1", "web2"),
        good.replace("0101", "0102"),
        good.replace('{', "["),
        good.replacen('{', r#"{"more":1,"#, 1),
        String::new(),
    ];
    for bytes in altered {
        std::fs::write(&path, &bytes).unwrap();
        let error = evidence.get(&commitment).unwrap_err();
        assert!(matches!(error, Error::FalseEvidence { .. }), "{bytes}: {error}");
        assert_eq!(error.fault(), Fault::Broken);
    }
    assert!(evidence.erase(&commitment).unwrap());
    assert!(!evidence.erase(&commitment).unwrap());
    assert!(matches!(evidence.get(&commitment).unwrap_err(), Error::NoEvidence { .. }));
}

#[test]
fn evidence_has_a_greatest_length() {
    let evidence = Evidence::open(Arc::new(MemDisk::new()), "/e".as_ref()).unwrap();
    let longest = "x".repeat(EVIDENCE_BYTES_MAX - 2);
    evidence.put(json!(longest), [0; 32]).unwrap();
    let error = evidence.put(json!(longest + "x"), [0; 32]).unwrap_err();
    assert!(matches!(error, Error::NotEvidence { .. }) && error.fault() == Fault::Input);
}
