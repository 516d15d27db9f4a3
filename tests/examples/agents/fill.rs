//! What endpoints weigh: an appliance whose ledger has many, made through its own use cases, and started.

use api::{CheckIn, Enrol, Enrolled};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use fleet::{Actor, Door, Role};
use ids::{Digest, EndpointName};
use serde_json::json;
use site::{Folder, Site};
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;
use tests::{Appliance, Here, Workshop, scratch, swarm};

/// As many as wait for the disk at the same time.
const THREADS: usize = 32;

/// Prints what so many endpoints add to a server that was just started, and to its start.
pub(crate) fn measure(count: usize) {
    let (workshop, people) = (Workshop::new(), scratch());
    let appliance = workshop.appliance();
    appliance.give_people(people.path(), &[]);
    let (empty, empty_start) = serve(&appliance);
    let begun = Instant::now();
    fill(&appliance, count);
    let filled = begun.elapsed().as_secs_f64();
    let (full, start) = serve(&appliance);
    println!(
        "{}",
        json!({
            "what": format!("serve with {count} active endpoints, each with inventory and plan"),
            "resident_mib": full as f64 / 1_048_576.0,
            "resident_mib_with_none": empty as f64 / 1_048_576.0,
            "bytes_per_endpoint": (full - empty) / count as u64,
            "start_seconds": start, "start_seconds_with_none": empty_start,
            "enrolled_and_heard_per_second": count as f64 / filled,
        })
    );
}

/// Resident memory of a server that listed its endpoints, in bytes, and how long it took to open its doors.
fn serve(appliance: &Appliance) -> (u64, f64) {
    let begun = Instant::now();
    let here = Here::serve(appliance);
    let start = begun.elapsed().as_secs_f64();
    appliance.verb(&["endpoint", "list"], &["--json"]).ok();
    let status = fs::read_to_string(format!("/proc/{}/status", here.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    (kib * 1024, start)
}

/// Has so many endpoints join; their certificates.
pub(crate) fn fill(appliance: &Appliance, count: usize) -> Vec<Digest> {
    let site = Site::open(&Folder::at(&appliance.data()), None).unwrap();
    let certificates = Mutex::new(Vec::new());
    each(count, |number| {
        let certificate = join(&site, &format!("m{number:05}"));
        certificates.lock().unwrap().push(certificate);
    });
    site.close().unwrap();
    certificates.into_inner().unwrap()
}

/// Does something for each number, many at the same time.
pub(crate) fn each(count: usize, work: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let number = next.fetch_add(1, Ordering::Relaxed)
                    && number < count
                {
                    work(number);
                }
            });
        }
    });
}

/// One endpoint's way into the ledger: token, question, confirmation, inventory and plan.
fn join(site: &Site, name: &str) -> Digest {
    let person = "ann".parse().unwrap();
    let ann = Actor::Person { person, role: Role::Administrator, door: Door::CommandLine };
    let endpoint: EndpointName = name.parse().unwrap();
    let ring = "broad".parse().unwrap();
    let issued = site.issue_token(ann.clone(), endpoint.clone(), ring, 1).unwrap();
    let request = swarm::request(name, &rcgen::KeyPair::generate().unwrap());
    let ask = Enrol { token: issued.token, endpoint: endpoint.clone(), request };
    let Enrolled::Pending { fingerprint } = site.enrol(&ask).unwrap() else {
        panic!("{name} joined, and nobody had looked")
    };
    site.confirm_endpoint(ann, &endpoint, &fingerprint).unwrap();
    let Enrolled::Certified { certificate, .. } = site.enrol(&ask).unwrap() else {
        panic!("{name} was confirmed, and waits")
    };
    let lines = certificate.lines().filter(|line| !line.starts_with("-----"));
    let certificate = Digest::of(&STANDARD.decode(lines.collect::<String>()).unwrap());
    let (inventory, plan) = (
        Some(swarm::inventory(name)),
        Some(swarm::plan(["package-0", "package-1"].map(|name| ids::Digest::of(name.as_bytes())))),
    );
    site.check_in(&certificate, &CheckIn { inventory, plan, ..swarm::quiet() }).unwrap();
    certificate
}
