//! The parts of a bundle: what is written is read back, what breaks a rule is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bundle::{
    Entry, Error, Info, PACK_BYTES_TARGET, PayloadIndex, SCHEMA, SourceInfo, VolumeInfo,
    catalogue_name, compress, decode_catalogue, index_name, pack_name, parse_member, place,
};
use ids::{Digest, SourceId};
use proptest::prelude::*;

fn source() -> SourceId {
    "debian".parse().unwrap()
}

fn index(lengths: &[(u64, bool)]) -> PayloadIndex {
    let digest = |n: usize| Digest::of(&n.to_be_bytes());
    let mut entries: Vec<(Entry, bool)> = lengths
        .iter()
        .enumerate()
        .map(|(n, (length, carried))| {
            (Entry { sha256: digest(n), length: *length, place: None }, *carried)
        })
        .collect();
    entries.sort_by_key(|(entry, _)| entry.sha256);
    place(entries.iter_mut().filter(|(_, carried)| *carried).map(|(entry, _)| entry));
    let entries = entries.into_iter().map(|(entry, _)| entry).collect();
    PayloadIndex { source: source(), entries }
}

fn index_of(lines: &[&str]) -> Result<PayloadIndex, Error> {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    PayloadIndex::decode(&source(), &compress("x", text.as_bytes()).unwrap())
}

proptest! {
    #[test]
    fn an_index_is_read_as_written(lengths in prop::collection::vec((0..PACK_BYTES_TARGET, any::<bool>()), 0..40)) {
        let index = index(&lengths);
        let read = PayloadIndex::decode(&source(), &index.encode().unwrap()).unwrap();
        prop_assert_eq!(&read, &index);
        let carried: u64 = lengths.iter().filter(|(_, carried)| *carried).map(|(n, _)| n).sum();
        let packs = read.pack_lengths();
        prop_assert_eq!(packs.iter().sum::<u64>(), carried);
        prop_assert!(packs.iter().all(|length| *length <= PACK_BYTES_TARGET));
    }

    #[test]
    fn rubbish_is_refused_without_a_panic(bytes: Vec<u8>) {
        let _ = Info::parse(&bytes);
        let _ = VolumeInfo::parse(&bytes);
        let _ = PayloadIndex::decode(&source(), &bytes);
        let _ = PayloadIndex::decode(&source(), &compress("x", &bytes).unwrap());
        let _ = decode_catalogue(&source(), &bytes);
        let _ = decode_catalogue(&source(), &compress("x", &bytes).unwrap());
        let mut block = [0; 512];
        block.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        let _ = parse_member(&block);
    }
}

#[test]
fn indexes_with_gaps_overlaps_or_disorder_are_refused() {
    let head = r#"{"schema":1,"source":"debian"}"#;
    let line = |digit: char, rest: &str| {
        format!(r#"{{"sha256":"{}","length":10{rest}}}"#, digit.to_string().repeat(64))
    };
    let ok = [head, &line('1', r#","pack":1,"offset":0"#), &line('2', r#","pack":1,"offset":10"#)];
    assert_eq!(index_of(&ok).unwrap().pack_lengths(), [20]);
    for (first, second) in [
        (line('2', ""), line('1', "")),
        (line('1', ""), line('1', "")),
        (line('1', r#","pack":1,"offset":1"#), line('2', "")),
        (line('1', r#","pack":2,"offset":0"#), line('2', "")),
        (line('1', r#","pack":0,"offset":0"#), line('2', "")),
        (line('1', r#","pack":1,"offset":0"#), line('2', r#","pack":1,"offset":5"#)),
        (line('1', r#","pack":1,"offset":0"#), line('2', r#","pack":3,"offset":0"#)),
        (line('1', r#","pack":1"#), line('2', "")),
        (line('1', r#","offset":0"#), line('2', "")),
        (
            line('1', r#","pack":1,"offset":0"#),
            line('2', r#","pack":1,"offset":18446744073709551615"#),
        ),
        ("{}".into(), line('2', "")),
        (String::new(), line('2', "")),
    ] {
        assert!(index_of(&[head, &first, &second]).is_err(), "{first} {second}");
    }
    let absurd = line('1', "").replace(":10", ":1099511627777");
    assert!(matches!(index_of(&[head, &absurd]), Err(Error::TooLarge { .. })));
    assert!(index_of(&[r#"{"schema":1,"source":"other"}"#]).is_err());
    assert!(index_of(&[]).is_err());
    let newer = index_of(&[r#"{"schema":2,"anything":true}"#]);
    assert!(matches!(newer, Err(Error::NewerSchema { found: 2, known: 1, .. })));
}

fn info() -> Info {
    let source = source();
    Info {
        schema: SCHEMA,
        sequence: 7,
        built_at: "2026-11-22T00:00:00Z".parse().unwrap(),
        publisher: "Test".into(),
        site: None,
        previous: None,
        sources: vec![SourceInfo {
            catalogue: catalogue_name(&source),
            payloads: index_name(&source),
            packs: vec![pack_name(&source, 1), pack_name(&source, 2)],
            source,
        }],
    }
}

#[test]
fn bundle_json_names_its_targets_by_the_rule() {
    let good = info().encode().unwrap();
    assert_eq!(Info::parse(&good).unwrap(), (info(), vec![]));
    let text = String::from_utf8(good).unwrap();
    for (from, to) in [
        ("debian.pack-00002", "debian.pack-00003"),
        ("debian.pack-00001", "../pack-00001"),
        ("debian.catalogue.json.zst", "other.catalogue.json.zst"),
        ("\"source\": \"debian\"", "\"source\": \"bundle\""),
        ("\"Test\"", "\"\""),
        ("\"Test\"", "\"a\\u0007b\""),
        ("\"sequence\": 7", "\"sequence\": -7"),
        ("\"schema\": 1", "\"schema\": 0"),
    ] {
        assert!(text.contains(from), "{from}");
        assert!(Info::parse(text.replace(from, to).as_bytes()).is_err(), "{to}");
    }
    // Unknown fields are left out and named; a newer schema is refused and named.
    let grown = text.replace("\"sequence\"", "\"mood\": \"good\", \"sequence\"");
    assert_eq!(Info::parse(grown.as_bytes()).unwrap(), (info(), vec!["mood".to_owned()]));
    let newer = text.replace("\"schema\": 1", "\"schema\": 9");
    assert!(matches!(Info::parse(newer.as_bytes()), Err(Error::NewerSchema { found: 9, .. })));
    let format = r#"{"format":"patchkeep-volume-2"}"#;
    assert!(matches!(VolumeInfo::parse(format.as_bytes()), Err(Error::NewerSchema { .. })));
}

#[test]
fn volumes_with_odd_slices_are_refused() {
    let volume = |volume: u32, volumes: u32, slices: &str| {
        let digest = "0".repeat(64);
        let text = format!(
            r#"{{"format":"patchkeep-volume-1","bundle":"{digest}","sequence":1,"volume":{volume},
            "volumes":{volumes},"stream_length":100,"slices":[{slices}]}}"#
        );
        VolumeInfo::parse(text.replace('D', &digest).as_bytes())
    };
    let slice = |offset: u64, length: u64| {
        format!(r#"{{"offset":{offset},"length":{length},"sha256":"D"}}"#)
    };
    assert!(volume(1, 1, &format!("{},{}", slice(0, 50), slice(50, 50))).is_ok());
    assert!(volume(2, 2, "").is_ok());
    assert!(volume(0, 1, "").is_err() && volume(2, 1, "").is_err());
    assert!(volume(1, 10_000, "").is_err());
    for slices in [
        format!("{},{}", slice(0, 50), slice(51, 10)),
        format!("{},{}", slice(0, 50), slice(40, 10)),
        slice(50, 51),
        slice(0, 0),
        slice(u64::MAX, 2),
        slice(0, 1 << 31),
    ] {
        assert!(volume(1, 1, &slices).is_err(), "{slices}");
    }
}
