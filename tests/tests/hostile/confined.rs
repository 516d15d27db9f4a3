//! The server behind its own walls: what it cannot do by itself any more, whoever asks it to, and what works all the same.

use crate::common::Attacked;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;
use tests::{Appliance, Here, Workshop};

/// Asks a server, as a verb of old would, to write evidence into a file; what it says.
fn export(appliance: &Appliance, into: &Path) -> String {
    let mut stream = UnixStream::connect(appliance.data().join("control.sock")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let ask = serde_json::json!({
        "ask": "export-audit", "scope": "full", "into": into, "person": "eva"
    });
    stream.write_all(format!("{ask}\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_server_writes_only_in_its_folder_and_verbs_still_put_files_where_people_want_them() {
    let workshop = Workshop::new();
    let attacked = Attacked::new(&workshop, &[&workshop.bundle("first", 1, &[(1, 9_000)])]);
    let appliance = &attacked.appliance;
    let here = Here::serve(appliance);
    assert!(here.log().contains("Confined: ") && !here.log().contains("NOT"), "{}", here.log());

    let (inside, outside) =
        (appliance.data().join("evidence.zip"), appliance.beside("evidence.zip"));
    let answer = export(appliance, &outside);
    assert!(answer.contains("failed") && !outside.exists(), "{answer}");
    let answer = export(appliance, &inside);
    assert!(answer.contains("reply") && inside.exists(), "{answer}");

    let wanted = appliance.beside("wanted.zip").display().to_string();
    appliance.verb(&["audit", "export"], &["--into", &wanted, "--as", "eva"]).ok();
    assert!(fs::metadata(&wanted).unwrap().len() > 0);
    appliance
        .verb(&["audit", "export"], &["--into", &wanted, "--as", "eva"])
        .exits(3)
        .says("is there already");
    let nowhere = appliance.beside("nowhere/wanted.zip").display().to_string();
    let said = appliance.verb(&["audit", "export"], &["--into", &nowhere, "--as", "eva"]).exits(6);
    assert!(said.has("is kept as") && said.has("handed-over-"), "{said}");

    // Its reader, which confines itself once more, and its own folder are all that an import needs.
    attacked.still_imports(&workshop.bundle("next", 2, &[(2, 9_000)]));
    here.stop();
}

#[test]
fn every_thread_of_a_server_is_confined_and_its_memory_is_its_own() {
    let workshop = Workshop::new();
    let appliance = workshop.appliance();
    let here = Here::serve(&appliance);
    let process = format!("/proc/{}", here.id());
    for thread in fs::read_dir(format!("{process}/task")).unwrap() {
        let status = fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
        for held in ["NoNewPrivs:\t1", "Seccomp:\t2"] {
            assert!(status.lines().any(|line| line == held), "{held}\n{status}");
        }
    }
    let limits = fs::read_to_string(format!("{process}/limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"]);
    here.stop();
}

#[test]
fn browsers_without_tls_are_sent_to_the_people_s_door() {
    let workshop = Workshop::new();
    let appliance = workshop.appliance();
    let here =
        Here::serve_with(&appliance, "127.0.0.1:0", "127.0.0.1:0", &["--redirect", "127.0.0.1:0"]);
    let said = fs::read_to_string(appliance.beside("here.json")).unwrap();
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    let mut stream = TcpStream::connect(said["redirect"].as_str().unwrap()).unwrap();
    stream.write_all(b"GET /sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let there = format!("location: https://{}/sign-in\r\n", here.people);
    assert!(answer.starts_with("HTTP/1.1 308 ") && answer.contains(&there), "{answer}");
    here.stop();
}
