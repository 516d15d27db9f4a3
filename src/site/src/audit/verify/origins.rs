//! What came from elsewhere: vendors' and publisher's signatures, records, and the reports.

use super::super::{
    Manifest, Scope,
    archive::Files,
    export::record_of,
    html, index, rows, seam,
    told::{self, Told, read_catalogue},
};
use super::{Checks, Findings, log::Log, people, witnesses};
use fleet::{AnchorKind, Event, Fact, ImportedSource, State};
use ids::{Digest, Hasher, Timestamp};
use sandbox::Reader;
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Files by digest.
type Blobs<'a> = HashMap<Digest, &'a [u8]>;

pub(super) fn check(
    files: &Files,
    manifest: &Manifest,
    log: &Log,
    checks: &Checks<'_>,
    findings: &mut Findings,
) {
    let Some(events) = &log.events else {
        findings.cannot("origins", "vendors, publisher and reports: the entries could not be read");
        return;
    };
    let blobs: Blobs<'_> =
        files.values().map(|bytes| (Digest::of(bytes), bytes.as_slice())).collect();
    let state = seam::start(events, &|digest| blobs.get(digest).map(|bytes| bytes.to_vec()));
    let carried = state.unwrap_or_default();
    vendors(&blobs, events, &carried, checks.reader, findings);
    publisher(files, &blobs, events, &carried, findings);
    people::check(&blobs, events, &carried.site_roots, findings);
    let records = records(files, manifest, events, findings);
    let show = |digest: &Digest| blobs.get(digest).map(|bytes| bytes.to_vec());
    let held = witnesses::check(files, log, findings);
    let told = told::gather(events, &show, &|record| records.get(record).cloned(), &held);
    if told.names_key(&manifest.key) {
        findings.holds("key-in-log", "the log names the key as the appliance's for audit bundles");
    } else if told.keys.iter().any(|(purpose, _)| purpose == "audit") {
        findings.fails("key-in-log", "the log names another key for audit bundles");
    } else {
        findings.cannot("key-in-log", "that the key is the appliance's: the log names none");
    }
    reports(files, manifest, log, &told, checks, findings);
    if !manifest.absent.is_empty() {
        let n = manifest.absent.len();
        let first = manifest.absent.first().map_or("", |absent| absent.what.as_str());
        let sentence =
            format!("{n} of the things that the log names, not in this bundle; the first: {first}");
        findings.cannot("absent", sentence);
    }
}

/// Each imported source: the vendor's signature over its release file, and its catalogue.
fn vendors(
    blobs: &Blobs<'_>,
    events: &[Event],
    carried: &State,
    reader: Option<&Reader>,
    findings: &mut Findings,
) {
    let keyrings =
        carried.anchors.iter().filter(|((kind, _), _)| *kind == AnchorKind::VendorKeyring);
    let mut anchors: BTreeMap<&str, Digest> =
        keyrings.map(|((_, name), sha256)| (name.as_str(), *sha256)).collect();
    let (mut held, mut catalogues) = (0_u64, 0_u64);
    let mut lacking: Option<String> = None;
    for event in events {
        let (sources, sequence) = match &event.fact {
            Fact::AnchorAccepted { anchor: AnchorKind::VendorKeyring, name, sha256, .. } => {
                anchors.insert(name, *sha256);
                continue;
            }
            Fact::BundleImported { sources, sequence, .. } => (sources, sequence),
            _ => continue,
        };
        for source in sources {
            let which = format!("{} of bundle {sequence}", source.source);
            match blobs.get(&source.catalogue).map(|bytes| catalogue(bytes, source)) {
                None => {
                    lacking =
                        lacking.or_else(|| Some(format!("the catalogue of {which} is absent")))
                }
                Some(Ok(())) => catalogues += 1,
                Some(Err(why)) => findings.fails("catalogues", format!("{which}: {why}")),
            }
            let anchor = anchors.get(source.vendor.anchor.as_str());
            let keyring = anchor.and_then(|digest| blobs.get(digest));
            let release = blobs.get(&source.vendor.release);
            match (reader, keyring, release) {
                (Some(reader), Some(keyring), Some(release)) => {
                    let signature = source.vendor.signature.map(|of| blobs.get(&of).copied());
                    match vendor(reader, (release, signature), keyring, source, event.at) {
                        Ok(()) => held += 1,
                        Err(why) => findings.fails("vendors", format!("{which}: {why}")),
                    }
                }
                (None, ..) => lacking = Some("vendors' signatures: there is no reader here".into()),
                (_, None, _) => lacking = Some(format!("the keyring for {which} is absent")),
                (.., None) => lacking = Some(format!("the release file of {which} is absent")),
            }
        }
    }
    if held > 0 {
        findings.holds("vendors", format!("{held} vendors' signatures hold, as of their import"));
    }
    if catalogues > 0 {
        findings
            .holds("catalogues", format!("{catalogues} catalogues are those that the log names"));
    }
    if let Some(lacking) = lacking {
        findings.cannot("vendors", lacking);
    }
}

/// The vendor's signature over a release file; `Some(None)` is one of its own that is absent.
fn vendor(
    reader: &Reader,
    (release, signature): (&[u8], Option<Option<&[u8]>>),
    keyring: &[u8],
    source: &ImportedSource,
    at: Timestamp,
) -> Result<(), String> {
    let refused = |error: sandbox::Error| format!("the vendor's signature: {error}");
    let (claims, dates) = match signature {
        None => {
            let signed = reader.verify_clearsigned(release, keyring, at).map_err(refused)?;
            let read = vendor_apt::Release::parse(&signed.text)
                .map_err(|error| format!("the release file: {error}"))?;
            (signed.signatures, (read.date, read.valid_until))
        }
        Some(signature) => {
            let signature = signature.ok_or("the vendor's signature is absent")?;
            let claims = reader.verify_detached(release, signature, keyring, at);
            let date = detached_date(release)?;
            (claims.map_err(refused)?, (date, None))
        }
    };
    let good: BTreeSet<&str> =
        claims.iter().filter(|s| s.good).map(|s| s.fingerprint.as_str()).collect();
    if let Some(key) = source.vendor.signed_by.iter().find(|key| !good.contains(key.as_str())) {
        return Err(format!("the log names a signature by {key}, which does not hold"));
    }
    let same = dates == (source.vendor.release_date, source.vendor.valid_until);
    same.then_some(()).ok_or_else(|| "its dates are not those that the log names".into())
}

/// When a release file was made whose signature is a file of its own: an RPM repository's or an image's.
fn detached_date(release: &[u8]) -> Result<Timestamp, String> {
    if release.trim_ascii_start().starts_with(b"{") {
        let read = vendor_image::Release::parse(release);
        return Ok(read.map_err(|error| format!("the release file: {error}"))?.released);
    }
    let read = vendor_rpm::Repomd::parse(release);
    Ok(read.map_err(|error| format!("the release file: {error}"))?.date)
}

fn catalogue(bytes: &[u8], source: &ImportedSource) -> Result<(), String> {
    let catalogue = read_catalogue(bytes).ok_or("the catalogue cannot be read")?;
    let cves: BTreeSet<&String> =
        catalogue.updates.iter().flat_map(|u| u.cves.iter().flatten()).collect();
    let counted = (catalogue.files.len() as u64, catalogue.updates.len() as u64, cves.len() as u64);
    let same = counted == (source.files, source.updates, source.cves)
        && catalogue.source == source.source
        && catalogue.release_date == source.vendor.release_date;
    same.then_some(()).ok_or_else(|| "the catalogue is not what the log says of it".into())
}

/// The publisher's metadata, judged as a new site would judge it at the time of the import.
fn publisher(
    files: &Files,
    blobs: &Blobs<'_>,
    events: &[Event],
    carried: &State,
    findings: &mut Findings,
) {
    let newest = events.iter().rev().find_map(|event| match &event.fact {
        Fact::BundleImported { publisher, sequence, metadata, .. } => {
            Some((publisher, *sequence, event.at, metadata))
        }
        _ => None,
    });
    let Some((logged, sequence, at, list)) = newest else {
        findings.cannot("publisher", "the publisher's metadata: no bundle has been imported");
        return;
    };
    let anchor = events.iter().find_map(|event| match &event.fact {
        Fact::AnchorAccepted { anchor: AnchorKind::PublisherRoot, sha256, .. } => Some(*sha256),
        _ => None,
    });
    let of_before =
        carried.anchors.iter().find(|((kind, _), _)| *kind == AnchorKind::PublisherRoot);
    let anchor = anchor.or_else(|| of_before.map(|(_, sha256)| *sha256));
    let root = anchor.and_then(|digest| Some((blobs.get(&digest)?, digest)));
    let offered: Vec<(String, Vec<u8>)> = (files.iter())
        .filter_map(|(path, bytes)| {
            Some((path.strip_prefix("publisher/metadata/")?.to_owned(), bytes.clone()))
        })
        .collect();
    let named = blobs.contains_key(list);
    let (Some((root, digest)), false, true) = (root, offered.is_empty(), named) else {
        findings.cannot("publisher", "the publisher's metadata is absent");
        return;
    };
    let judged = trust::Offered::new(offered).and_then(|offered| {
        let anchored = trust::Publisher::anchor(root, digest)?;
        trust::follow(&anchored, root, &offered, at)
    });
    findings.is(
        "publisher",
        match judged {
            Ok(trust::Outcome::Newer { publisher, .. }) if publisher == **logged => Ok(format!(
                "the publisher's signatures on bundle {sequence} hold, as of its import"
            )),
            Ok(_) => Err("the publisher's metadata is not what the log says was accepted".into()),
            Err(refusal) => Err(format!("the publisher's metadata: {refusal}")),
        },
    );
}

/// The records behind events, each against its commitment.
fn records(
    files: &Files,
    manifest: &Manifest,
    events: &[Event],
    findings: &mut Findings,
) -> BTreeMap<Digest, Value> {
    let mut records = BTreeMap::new();
    let mut expected = BTreeSet::new();
    for event in events {
        let Some((path, commitment)) = record_of(&event.fact) else { continue };
        if let Some(bytes) = files.get(&path) {
            match open_record(bytes, commitment) {
                Some(value) => drop(records.insert(*commitment, value)),
                None => {
                    findings.fails("records", format!("{path} is not what the log committed to"))
                }
            }
        }
        expected.insert(path);
    }
    let is_record = |path: &&String| path.starts_with("custody/") || path.starts_with("evidence/");
    if let Some(strange) = files.keys().filter(is_record).find(|path| !expected.contains(*path)) {
        findings.fails("records", format!("no event of the log names {strange}"));
    }
    if manifest.scope == Scope::Summary {
        findings.cannot("records", "the records behind events: this bundle is a summary");
    } else if !records.is_empty() {
        let n = records.len();
        findings.holds("records", format!("{n} records are those that the log committed to"));
    }
    records
}

/// The value of a record, if salt and value are what was committed to.
fn open_record(bytes: &[u8], commitment: &Digest) -> Option<Value> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Kept {
        salt: Digest,
        value: Value,
    }
    let Kept { salt, value } = serde_json::from_slice(bytes).ok()?;
    let mut hasher = Hasher::default();
    hasher.update(salt.as_bytes());
    hasher.update(&serde_json_canonicalizer::to_vec(&value).ok()?);
    (hasher.finish() == *commitment).then_some(value)
}

/// The reports follow from the log: made again, they are the same bytes.
fn reports(
    files: &Files,
    manifest: &Manifest,
    log: &Log,
    told: &Told,
    checks: &Checks<'_>,
    findings: &mut Findings,
) {
    if manifest.patchkeep != checks.patchkeep {
        let Manifest { patchkeep, .. } = manifest;
        let sentence = format!("that the reports follow from the log: use Patchkeep {patchkeep}");
        findings.cannot("reports", sentence);
        return;
    }
    let events = log.events.as_deref().unwrap_or_default();
    let page = html::Context {
        told,
        events,
        checkpoint: &log.checkpoint,
        log: &log.key,
        key: manifest.key.clone(),
        scope: manifest.scope,
        generated_at: manifest.generated_at,
        patchkeep: &manifest.patchkeep,
    };
    let text = |made: Result<String, super::super::AuditError>| made.ok().map(String::into_bytes);
    let made = [
        ("reports/imports.csv", Some(rows::csv(&told.imports))),
        ("reports/imports.json", text(html::json("imports", &told.imports))),
        ("reports/updates.csv", Some(rows::csv(&told.updates))),
        ("reports/updates.json", text(html::json("updates", &told.updates))),
        ("reports/refusals.csv", Some(rows::csv(&told.refusals))),
        ("reports/refusals.json", text(html::json("refusals", &told.refusals))),
        ("reports/decisions.csv", Some(rows::csv(&told.decisions))),
        ("reports/decisions.json", text(html::json("decisions", &told.decisions))),
        ("reports/endpoints.csv", Some(rows::csv(&told.endpoints))),
        ("reports/endpoints.json", text(html::json("endpoints", &told.endpoints))),
        ("reports/summary.json", text(html::summary(&page))),
        ("reports/report.html", text(html::report(&page))),
        ("evidence-index.csv", Some(index::evidence_index(told, events).into_bytes())),
    ];
    let wrong = made.iter().find(|(path, bytes)| files.get(*path) != bytes.as_ref());
    findings.is(
        "reports",
        match wrong {
            None => Ok("the reports, made again from the log, are the same byte for byte".into()),
            Some((path, _)) => Err(format!("{path} is not what follows from the log")),
        },
    );
}
