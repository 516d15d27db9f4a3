//! Keys, notes, checkpoints and log proofs: published vectors, a second implementation, and forgeries.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use ed25519_dalek::SigningKey;
use merkle::{
    Checkpoint, Error, KeyKind, LogProof, Note, Signature, VerifierKey, cosign, leaf_hash,
    node_hash, sign,
};
use proptest::prelude::*;
use signed_note::{NoteError, Signer as _, StandardVerifier, VerifierList};

// The example of golang.org/x/mod/sumdb/note.
const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const PETERS_NOTE: &str = "If you think cryptography is the answer to your problem,\n\
    then you don't know what your problem is.\n\n\
    — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
// The examples of C2SP signed-note and tlog-cosignature.
const POEM: &str = "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\n\
    ed è subito sera.\n\n\
    — quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n";
const SOFA: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
    — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
    — witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZ\
    qhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";

const LOG: &str = "patchkeep.example/lab/epoch-1";

fn secret(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

fn key(name: &str, number: u8) -> VerifierKey {
    VerifierKey::new(name, KeyKind::Ed25519, secret(number).verifying_key()).unwrap()
}

fn checkpoint() -> Checkpoint {
    let root = node_hash(&leaf_hash(b"one"), &leaf_hash(b"two"));
    Checkpoint { origin: LOG.to_owned(), size: 2, root }
}

fn oracle(key: &VerifierKey, note: &[u8]) -> Result<(), NoteError> {
    let verifier = StandardVerifier::new(&key.to_string()).unwrap();
    signed_note::Note::from_bytes(note)?.verify(&VerifierList::new(vec![Box::new(verifier)]))?;
    Ok(())
}

#[test]
fn published_examples_hold() {
    let peter = VerifierKey::parse(PETER).unwrap();
    assert_eq!((peter.name(), peter.to_string().as_str()), ("PeterNeumann", PETER));
    let note = Note::parse(PETERS_NOTE.as_bytes()).unwrap();
    assert_eq!(note.verify(&[peter]).unwrap()[0].name, "PeterNeumann");
    for text in [PETERS_NOTE, POEM, SOFA] {
        assert_eq!(Note::parse(text.as_bytes()).unwrap().to_string(), text);
    }
    assert!(Note::parse(POEM.as_bytes()).unwrap().text().ends_with(":\n\ned è subito sera.\n"));
    let sofa = Note::parse(SOFA.as_bytes()).unwrap();
    let checkpoint = Checkpoint::parse(sofa.text()).unwrap();
    assert_eq!(checkpoint.size, 20_852_163);
    assert_eq!(checkpoint.to_string(), sofa.text());
}

#[test]
fn the_oracle_accepts_our_notes_and_we_accept_its() {
    let log = key(LOG, 1);
    let note = checkpoint().sign(&secret(1)).unwrap().to_string();
    oracle(&log, note.as_bytes()).unwrap();
    assert_eq!(Checkpoint::open(note.as_bytes(), &log).unwrap(), checkpoint());

    let skey = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    let signer = signed_note::StandardSigner::new(skey).unwrap();
    let mut note = signed_note::Note::new(b"hello\n", &[]).unwrap();
    note.add_sigs(&[&signer]).unwrap();
    let ours = Note::parse(&note.to_bytes()).unwrap();
    assert_eq!(ours.verify(&[VerifierKey::parse(PETER).unwrap()]).unwrap().len(), 1);
    assert_eq!(signer.name(), "PeterNeumann");
}

#[test]
fn keys_that_are_not_known_are_ignored_and_known_ones_must_hold() {
    let text = checkpoint().to_string();
    let ours = sign(&text, LOG, &secret(1)).unwrap();
    let namesake = sign(&text, LOG, &secret(2)).unwrap();
    let stranger = sign(&text, "other.example", &secret(3)).unwrap();
    let elsewhere = sign("another text\n", LOG, &secret(1)).unwrap();
    let forged = Error::Signature(LOG.to_owned());
    let table: [(&[&Signature], Result<usize, Error>); 7] = [
        (&[&ours], Ok(1)),
        (&[&stranger, &namesake, &ours], Ok(1)),
        (&[&ours, &ours], Ok(1)),
        (&[&stranger, &namesake], Err(Error::Unsigned)),
        (&[&elsewhere], Err(forged.clone())),
        (&[&elsewhere, &ours], Err(forged.clone())),
        (&[&ours, &elsewhere], Err(forged)),
    ];
    for (signatures, expected) in table {
        let note = Note::new(&text, signatures.iter().map(|s| (*s).clone()).collect()).unwrap();
        let read = Note::parse(note.to_string().as_bytes()).unwrap();
        assert_eq!(read, note);
        assert_eq!(read.verify(&[key(LOG, 1)]).map(|signers| signers.len()), expected);
    }
}

#[test]
fn sixteen_signatures_and_more_are_accepted() {
    let text = checkpoint().to_string();
    for count in [16, 100] {
        let mut signatures: Vec<_> = (2..=count)
            .map(|n| sign(&text, &format!("witness.example/{n}"), &secret(n)).unwrap())
            .collect();
        signatures.push(sign(&text, LOG, &secret(1)).unwrap());
        let note = Note::new(&text, signatures.clone()).unwrap().to_string();
        assert_eq!(Checkpoint::open(note.as_bytes(), &key(LOG, 1)).unwrap(), checkpoint());
        if count == 100 {
            signatures.push(sign(&text, LOG, &secret(1)).unwrap());
            assert!(Note::new(&text, signatures).is_err());
        }
    }
}

#[test]
fn cosignatures_say_when() {
    let text = checkpoint().to_string();
    let kind = KeyKind::CosignatureV1;
    let witness = VerifierKey::new("w.example/1", kind, secret(7).verifying_key()).unwrap();
    assert_eq!(VerifierKey::parse(&witness.to_string()).unwrap(), witness);
    let log = sign(&text, LOG, &secret(1)).unwrap();
    let stamp = cosign(&text, "w.example/1", &secret(7), 1_679_315_147).unwrap();
    let note = Note::new(&text, vec![log, stamp.clone()]).unwrap();
    let signers = note.verify(&[witness.clone(), key(LOG, 1)]).unwrap();
    assert_eq!(signers.iter().map(|s| s.time).collect::<Vec<_>>(), [None, Some(1_679_315_147)]);

    let line = stamp.to_string();
    let data = line.rsplit_once(' ').unwrap().1.trim_end();
    // Byte 11 is the last of the time.
    for (at, holds) in [(0, true), (11, false), (12, false), (75, false)] {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let mut blob = STANDARD.decode(data).unwrap();
        blob[at] ^= 1;
        let changed = format!("{text}\n— w.example/1 {}\n", STANDARD.encode(blob));
        let verdict =
            Note::parse(changed.as_bytes()).unwrap().verify(std::slice::from_ref(&witness));
        let unknown = verdict == Err(Error::Unsigned);
        assert_eq!(unknown, holds, "a changed key id is another key; anything else is forged");
        assert!(verdict.is_err());
    }
}

#[test]
fn malformed_notes_are_refused() {
    let good = checkpoint().sign(&secret(1)).unwrap().to_string();
    let (text, line) = good.split_once("\n\n").unwrap();
    let table = [
        String::new(),
        "\n".to_owned(),
        "\n\n".to_owned(),
        text.to_owned(),
        format!("{text}\n\n"),
        format!("{text}\n{line}"),
        format!("{text}\n\n{}", line.trim_end()),
        format!("{text}\n\n{line}\n"),
        format!("{text}\n\n{line}more\n"),
        good.replace('\u{2014}', "-"),
        good.replace("\u{2014} ", "\u{2014}  "),
        good.replace("lab", "l\tab"),
        good.replace('\n', "\r\n"),
        good.replace("=\n", "\n"),
        format!("{text}\n\n— a AAAAAA==\n"),
        format!("{text}\n\n— a+b AAAAAAA=\n"),
        format!("{text}\n\n— a\u{a0}b AAAAAAA=\n"),
        format!("{text}\n\n— a AAAAAAA= \n"),
    ];
    for note in table {
        assert!(matches!(Note::parse(note.as_bytes()), Err(Error::Note(_))), "{note:?}");
    }
    assert!(Note::parse(b"\xff\n\n\xe2\x80\x94 a AAAAAAA=\n").is_err());
    assert!(Note::parse(&vec![b'a'; (1 << 20) + 1]).is_err());
}

#[test]
fn malformed_keys_are_refused() {
    let good = key(LOG, 1).to_string();
    let table = [
        "",
        "+",
        "++",
        "a+00000000+",
        "a+c74f20a3",
        "+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+AhpC2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        &good[..good.len() - 4],
        &format!("{good} "),
        &format!("{good}\n"),
    ];
    for text in table {
        assert!(matches!(VerifierKey::parse(text), Err(Error::VerifierKey(_))), "{text:?}");
    }
    for name in ["", "a b", "a+b", "a\u{2003}b", "a\nb"] {
        assert!(VerifierKey::new(name, KeyKind::Ed25519, secret(1).verifying_key()).is_err());
        assert!(sign("text\n", name, &secret(1)).is_err());
    }
}

#[test]
fn malformed_checkpoints_are_refused() {
    let root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
    assert!(Checkpoint::parse(&format!("o\n0\n{root}\nextension\n")).is_ok());
    let table = [
        String::new(),
        "\n".to_owned(),
        "o\n".to_owned(),
        "o\n1\n".to_owned(),
        format!("\n1\n{root}\n"),
        format!("o\n01\n{root}\n"),
        format!("o\n+1\n{root}\n"),
        format!("o\n-1\n{root}\n"),
        format!("o\n\n{root}\n"),
        format!("o\n1 \n{root}\n"),
        format!("o\n18446744073709551616\n{root}\n"),
        format!("o\n1\n{root}"),
        format!("o\n1\n{root}\n\n"),
        format!("o\n1\n{root}\n\nx\n"),
        format!("o\n1\n{}\n", &root[4..]),
        "o\n1\nAA==\n".to_owned(),
    ];
    for text in table {
        assert!(matches!(Checkpoint::parse(&text), Err(Error::Checkpoint(_))), "{text:?}");
    }
}

#[test]
fn a_checkpoint_of_another_log_is_refused() {
    let text = checkpoint().to_string().replace("lab", "another");
    let note = Note::new(&text, vec![sign(&text, LOG, &secret(1)).unwrap()]).unwrap();
    let error = Checkpoint::open(note.to_string().as_bytes(), &key(LOG, 1)).unwrap_err();
    assert!(matches!(error, Error::Origin { .. }), "{error}");
    assert_eq!(error.fault(), ids::Fault::Refused);
}

#[test]
fn a_log_proof_is_verified_offline() {
    let note = checkpoint().sign(&secret(1)).unwrap().to_string();
    let proof = LogProof {
        extra: Some(b"what the application says".to_vec()),
        index: 0,
        hashes: vec![leaf_hash(b"two")],
        checkpoint: note.clone(),
    };
    for proof in [proof.clone(), LogProof { extra: None, ..proof.clone() }] {
        let text = proof.to_string();
        let read = LogProof::parse(text.as_bytes()).unwrap();
        assert_eq!(read, proof);
        assert_eq!(read.verify(b"one", &key(LOG, 1)).unwrap(), checkpoint());
        assert!(matches!(read.verify(b"two", &key(LOG, 1)), Err(Error::Inclusion { .. })));
        assert_eq!(read.verify(b"one", &key(LOG, 2)), Err(Error::Unsigned));
    }
    let single = LogProof { extra: None, index: 0, hashes: Vec::new(), checkpoint: note };
    assert_eq!(LogProof::parse(single.to_string().as_bytes()).unwrap(), single);

    let text = proof.to_string();
    let long = "A".repeat(43);
    let table = [
        String::new(),
        text.replace("@v1", "@v2"),
        text.replace("index 0", "index 00"),
        text.replace("index 0", "index"),
        text.replace("index 0\n", ""),
        text.replace("index 0", "index 0\nextra AAAA"),
        text.replace("extra ", "extra !"),
        text.replace("index 0", &format!("index 0\n{long}")),
        text.replace("index 0", &format!("index 0{}", format!("\n{long}=").repeat(64))),
        text.split_once("\n\n").unwrap().0.to_owned(),
    ];
    for text in table {
        assert!(matches!(LogProof::parse(text.as_bytes()), Err(Error::LogProof(_))), "{text}");
    }
}

proptest! {
    #[test]
    fn a_changed_byte_never_verifies(at in 0..300_usize, flip in 1..=255_u8) {
        let log = key(LOG, 1);
        let mut note = checkpoint().sign(&secret(1)).unwrap().to_string().into_bytes();
        let at = at % note.len();
        note[at] ^= flip;
        let ours = Checkpoint::open(&note, &log);
        prop_assert!(ours.is_err());
        prop_assert!(oracle(&log, &note).is_err());
    }

    #[test]
    fn parsers_agree_with_the_oracle_and_never_panic(text in "([a-c\n \u{2014}+=]|\n\n|\u{2014} a AAAAAAA=\n){0,12}") {
        let ours = Note::parse(text.as_bytes());
        prop_assert_eq!(ours.is_ok(), signed_note::Note::from_bytes(text.as_bytes()).is_ok(), "{:?}", text);
        if let Ok(note) = ours {
            prop_assert_eq!(note.to_string(), text.clone());
        }
        let _ = (Checkpoint::parse(&text), VerifierKey::parse(&text), LogProof::parse(text.as_bytes()));
    }
}
