//! How a simulated world begins: a founded site with its root, rings, windows and endpoints; and the bundles that
//! come to it.

use crate::{
    Fault, Right, Size,
    agent::Agent,
    appliance::{Answer, Appliance, told},
    chance::Chance,
    house::{House, WALLS},
    machine::{PACKAGES, Versions, package, payload},
    people::{People, administrator, operator},
};
use api::Enrol;
use catalogue::{Catalogue, File, FileKind, Vendor};
use fleet::{
    Command, Commit, EndpointKind, ImportedSource, RingPlace, SourceFacts, Verdict, Window,
};
use ids::{Digest, EndpointName, RecordId, RingName, SourceId, Timestamp};
use jiff::{SignedDuration, civil};
use merkle::VerifierKey;
use rcgen::KeyPair;
use serde_json::json;
use site::{Change, Describe, Error, Founding, RootDraft, Site};
use trust::{Administrator, Administrators, Approver, Publisher, SITE_ROOT, SitePolicy, SiteRoot};

/// A world on its first day.
pub(crate) fn found(seed: u64, size: &Size, fault: Fault) -> Right<(House, People, Vec<Agent>)> {
    let mut chance = Chance::new(seed);
    // A week or so before the clocks are changed.
    let first = if chance.one_in(2) { "2026-10-15T08:00:00Z" } else { "2027-03-18T08:00:00Z" };
    let first: Timestamp = first.parse().map_err(|e: jiff::Error| e.to_string())?;
    let days = i64::try_from(chance.below(5)).unwrap_or(0);
    let first = first.saturating_add(SignedDuration::from_hours(24 * days)).unwrap_or(first);
    let publisher_root = b"a made-up publisher".to_vec();
    let rings: Vec<RingName> = WALLS.iter().filter_map(|wall| wall.ring.parse().ok()).collect();
    let founding = Founding {
        site: "lab".parse().map_err(|_| "no name")?,
        root_fingerprint: Digest::of(&publisher_root),
        publisher_root,
        vendor_keyrings: Vec::new(),
        ring: rings[0].clone(),
    };
    let own = Chance::new(chance.number());
    let appliance = Appliance::found(&founding, first, own, fault == Fault::DiskLies)?;
    let mut house = House::new(appliance, chance, fault);
    let people = People::new(seed, &rings)?;
    accept_root(&mut house, &people)?;
    order_rings(&mut house, &rings)?;
    let agents = (0..size.agents).map(|n| join(&mut house, n)).collect::<Right<Vec<_>>>()?;
    let waived: Vec<EndpointName> =
        agents.iter().filter(|agent| agent.waived).map(|agent| agent.name.clone()).collect();
    if !waived.is_empty() {
        let mut waived = waived;
        waived.sort();
        people.waive(&mut house, waived)?;
    }
    publish(&mut house);
    import(&mut house)?;
    house.appliance.read_log()?;
    house.appliance.calm = false;
    Ok((house, people, agents))
}

/// Asks on a day on which nothing fails.
fn must<T>(house: &mut House, ask: impl FnOnce(&Site) -> Result<T, Error>) -> Right<T> {
    match house.appliance.ask(ask)? {
        Answer::Yes(what) => Ok(what),
        Answer::No(error) => Err(told(&error)),
        Answer::Away => Err("the site is not there".into()),
    }
}

fn accept_root(house: &mut House, people: &People) -> Right<()> {
    let not_after = house.now().saturating_add(SignedDuration::from_hours(24 * 365));
    let (ann, kim) = (&people.administrator, &people.approver);
    let keys = vec![Administrator { person: ann.name.clone(), key: ann.public()? }];
    let approver = Approver { person: kim.name.clone(), key: kim.public()?, not_after: None };
    let draft = RootDraft {
        administrators: Administrators { threshold: 1, keys },
        approvers: vec![approver],
        policy: SitePolicy { four_eyes: true, attested_approvals: false },
        not_after: not_after.map_err(|e| e.to_string())?,
    };
    let drawn = must(house, |site| site.draft_site_root(draft))?;
    let signed = ann.sign(SITE_ROOT, drawn)?;
    let pinned = SiteRoot::fingerprint(&signed).map_err(|e| e.to_string())?;
    must(house, |site| site.accept_site_root(administrator(), &signed, Some(pinned), &[]))?;
    let root = SiteRoot::found(&signed, pinned).map_err(|e| e.to_string())?;
    let key = VerifierKey::parse(&root.log.key).map_err(|e| e.to_string())?;
    house.appliance.log_key(key.clone());
    (house.root, house.log_key) = (Some(root), Some(key));
    Ok(())
}

fn order_rings(house: &mut House, rings: &[RingName]) -> Right<()> {
    for ring in rings.iter().skip(1) {
        let ring = ring.clone();
        must(house, |site| site.create_ring(administrator(), ring, true))?;
    }
    for (soak_hours, pair) in [12, 24].into_iter().zip(rings.windows(2)) {
        let place = Some(RingPlace { after: pair[0].clone(), soak_hours });
        let ring = pair[1].clone();
        must(house, |site| site.place_ring(administrator(), ring, place))?;
    }
    for (wall, ring) in WALLS.iter().zip(rings) {
        let (hour, minute) = wall.opens;
        let window = Window {
            ring: ring.clone(),
            rule: wall.rule.into(),
            start: civil::date(2026, 10, 1).at(hour, minute, 0, 0),
            zone: "Europe/Berlin".into(),
            minutes: wall.minutes,
        };
        let name = wall.ring.parse().map_err(|_| "no name")?;
        must(house, |site| site.set_window(administrator(), name, window))?;
    }
    Ok(())
}

/// An endpoint joins as real ones do: token, request, a person who compares its key.
fn join(house: &mut House, n: usize) -> Right<Agent> {
    let name: EndpointName = format!("m{n}.lab.example").parse().map_err(|_| "no name")?;
    let ring: RingName = match n % 10 {
        0 | 1 => "pilot",
        2..=6 => "office",
        _ => "servers",
    }
    .parse()
    .map_err(|_| "no name")?;
    let (asks, joins) = (name.clone(), ring.clone());
    let token = must(house, |site| site.issue_token(administrator(), asks, joins, 1))?.token;
    let key = KeyPair::generate().map_err(|e| e.to_string())?;
    let request = tests::swarm::request(name.as_str(), &key);
    let enrol = Enrol { token, endpoint: name.clone(), request };
    let asked = must(house, |site| site.enrol(&enrol))?;
    let api::Enrolled::Pending { fingerprint } = asked else {
        return Err(format!("{name} joined, and nobody had looked"));
    };
    let status = must(house, |site| site.confirm_endpoint(administrator(), &name, &fingerprint))?;
    let state = house.appliance.state().ok_or("the site is not there")?;
    let known = state.endpoints.get(&status.id).ok_or("nobody joined")?;
    let (certificate, _) = *known.certificates.last().ok_or("no certificate")?;
    let mut agent = Agent::new(name.clone(), status.id, certificate, ring.clone());
    agent.provided = house.chance.one_in(4);
    agent.stateless = house.chance.one_in(5);
    agent.waived = !agent.provided && house.chance.one_in(12);
    let settings = json!({ "kind": "command", "program": "/usr/lib/patchkeep/snapshot" });
    let server = ring.as_str() == "servers";
    let said = Describe {
        kind: Some(if server { EndpointKind::Server } else { EndpointKind::Workstation }),
        stateless: Some(agent.stateless),
        provider: if agent.provided { Change::To(settings) } else { Change::Keep },
        ..Describe::default()
    };
    must(house, |site| site.describe_endpoint(administrator(), &name, said))?;
    Ok(agent)
}

/// The vendor brings newer versions of some packages out.
pub(crate) fn publish(house: &mut House) {
    let mut versions: Versions = house.bundles.last().copied().unwrap_or_default();
    for version in &mut versions {
        *version += house.chance.below(2);
    }
    let n = house.chance.below(PACKAGES as u64) as usize;
    versions[n] += 1;
    house.bundles.push(versions);
}

/// Imports the next bundle that is not in, as an import commits it; whether there was one.
pub(crate) fn import(house: &mut House) -> Right<bool> {
    let Some(state) = house.appliance.state() else { return Ok(false) };
    let newest = state.newest.map_or(0, |(newest, _)| newest);
    let place = usize::try_from(newest).unwrap_or(0);
    let Some(versions) = house.bundles.get(place).copied() else { return Ok(false) };
    let (sequence, now) = (newest + 1, house.now());
    let custody: RecordId =
        format!("{:0>26}", house.chance.below(1 << 40)).parse().map_err(|e| format!("{e:?}"))?;
    let kept = json!({ "bundle": sequence });
    let Some(record) = house.appliance.keep(kept)? else { return Ok(false) };
    let taken = house.appliance.ask(|site| {
        let order = (sequence, &versions, now);
        take_bundle(site, order, (custody, record), state.newest.map(|(newest, _)| newest))
    })?;
    match taken {
        Answer::Yes(()) => Ok(true),
        Answer::Away => Ok(false),
        Answer::No(error) => Err(format!("bundle {sequence} is not taken: {}", told(&error))),
    }
}

fn take_bundle(
    site: &Site,
    (sequence, versions, now): (u64, &Versions, Timestamp),
    (custody, record): (RecordId, Digest),
    previous: Option<u64>,
) -> Result<(), Error> {
    let source: SourceId = "vendor".parse().map_err(|_| Error::Input("no name".into()))?;
    for (n, version) in (0..).zip(versions) {
        site.keep(&payload(n, *version))?;
    }
    let catalogue = catalogue_of(&source, versions, now);
    let encoded = bundle::encode_catalogue(&catalogue).map_err(|e| Error::Input(e.to_string()))?;
    let digest = site.keep(&encoded)?;
    let bundle = Digest::of(format!("bundle {sequence}").as_bytes());
    let ask = |command| site.heart().ask(operator(), command);
    ask(Command::OpenCustody { custody: custody.clone(), record })?;
    ask(Command::StartImport { custody: custody.clone(), bundle, sequence })?;
    let vendor = SourceFacts {
        release: Digest::of(b"release"),
        release_date: catalogue.release_date,
        valid_until: None,
        signature: None,
        signed_by: Vec::new(),
        anchor: "vendor".into(),
    };
    let imported = ImportedSource {
        source,
        catalogue: digest,
        vendor,
        files: PACKAGES as u64,
        updates: 0,
        cves: 0,
        missing: 0,
    };
    let roots = [(1, Digest::of(b"a made-up publisher"))].into();
    let publisher = Publisher { roots, timestamp: None, snapshot: None, latest_signed_at: None };
    ask(Command::CommitImport(Box::new(Commit {
        custody: custody.clone(),
        bundle,
        sequence,
        metadata: record,
        publisher,
        sources: vec![imported],
        payloads_new: PACKAGES as u64,
        bytes_new: 0,
        signed_time: now,
        previous,
        held_back: Vec::new(),
    })))?;
    ask(Command::CloseCustody { custody, record, verdict: Verdict::Accepted })?;
    site.fill_shelf()
}

fn catalogue_of(source: &SourceId, versions: &Versions, now: Timestamp) -> Catalogue {
    let second = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let file = |(n, version): (usize, &u64)| {
        let package = package(n, *version);
        let length = payload(n, *version).len() as u64;
        let path = format!("pool/{}_{version}_amd64.deb", package.package);
        File { path, sha256: package.sha256, length, kind: FileKind::Payload }
    };
    Catalogue {
        schema: catalogue::SCHEMA,
        source: source.clone(),
        vendor: Vendor::Apt {
            origin: "Vendor".into(),
            suite: "stable".into(),
            codename: "stable".into(),
            components: Vec::new(),
            architectures: Vec::new(),
        },
        collected_at: second,
        release_date: second,
        valid_until: None,
        files: (0..).zip(versions).map(file).collect(),
        updates: Vec::new(),
        notes: Vec::new(),
        advice: None,
    }
}
