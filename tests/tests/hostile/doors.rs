//! A running server under a flood, and verbs that meet at its control socket.

use crate::common::{Attacked, log_verifies, one_sentence, stand, told};
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Command;
use std::time::Duration;
use tests::{Client, Here, SOURCE, Said, Workshop, noise, patchkeep_command, run};

fn entries(workshop: &tests::Appliance) -> u64 {
    workshop.verb(&["status"], &["--json"]).ok().json()["entries"].as_u64().unwrap()
}

#[test]
fn a_flood_of_bad_certificates_and_garbage_is_a_handful_of_events() {
    let workshop = Workshop::new();
    let attacked = Attacked::new(&workshop, &[&workshop.bundle("first", 1, &[(1, 9_000)])]);
    let appliance = &attacked.appliance;
    let client = Client::enrol(appliance, "web-1");
    let before = entries(appliance);
    let here = Here::serve(appliance);
    let (certificate, key) = (workshop.path("bad.pem"), workshop.path("bad.key"));
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    openssl.args(["-nodes", "-subj", "/CN=web-1", "-days", "30", "-keyout"]).arg(&key);
    run(openssl.arg("-out").arg(&certificate)).ok();
    for certificate in [Some(&certificate), None] {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--insecure", "--max-time", "90", "--output", "/dev/null"]);
        if let Some(certificate) = certificate {
            curl.arg("--cert").arg(certificate).arg("--key").arg(&key);
        }
        curl.arg(format!("https://{}/ring/broad/{SOURCE}/[1-250]", here.endpoints));
        run(&mut curl).fails();
    }
    for number in 0..500_u64 {
        let mut stream = TcpStream::connect(&here.endpoints).unwrap();
        let _ = stream.set_read_timeout(Some(Duration::from_secs(20)));
        let words: &[u8] = match number % 4 {
            0 => b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            1 => &noise(number, 300),
            2 => b"\x16\x03\x01",
            _ => b"",
        };
        let _ = stream.write_all(words);
        let _ = stream.shutdown(Shutdown::Write);
        let _ = stream.read(&mut [0; 100]);
    }
    // Honest endpoints are served all the same.
    client.get(&here, &[format!("/ring/broad/{SOURCE}/dists/stable/InRelease")]);
    here.stop();
    let after = entries(appliance);
    assert!(after - before < 10, "{} events", after - before);
    let counted = told(appliance, "refusals-counted");
    assert!(!counted.is_empty(), "the flood is not in the ledger");
    attacked.still_imports(&workshop.bundle("next", 2, &[(2, 9_000)]));
}

#[test]
fn verbs_at_the_same_time_are_done_or_told_to_wait() {
    let workshop = Workshop::new();
    let appliance = workshop.appliance();
    appliance.import(&[&workshop.bundle("first", 1, &[(1, 9_000)])]).ok();
    let client = Client::enrol(&appliance, "web-1");
    let here = Here::serve(&appliance);
    let draft = workshop.draft(2, &[(2, 9_000_000), (2, 9_000_000)]);
    workshop.collect(&draft);
    let next = workshop.build("next", &[]);
    let all: Vec<Said> = std::thread::scope(|scope| {
        let imports = (0..4).map(|_| scope.spawn(|| appliance.import(&[&next])));
        let looks = (0..4).map(|_| scope.spawn(|| appliance.verb(&["status"], &[])));
        let threads: Vec<_> = imports.chain(looks).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for said in all {
        if said.code != Some(0) {
            one_sentence(&said.exits(6).says("another import is under way"));
        }
    }
    // Without a restart, the ring serves what came in.
    let release = format!("/ring/broad/{SOURCE}/dists/stable/InRelease");
    let got = client.get(&here, &[release]).remove(0);
    assert!(draft.files.iter().any(|(path, bytes)| path.ends_with("InRelease") && *bytes == got));
    assert_eq!(told(&appliance, "bundle-imported").len(), 2);
    here.stop();
    log_verifies(&appliance);
}

#[test]
fn a_second_server_on_the_same_folder_is_refused_and_the_first_goes_on() {
    let workshop = Workshop::new();
    let appliance = workshop.appliance();
    appliance.import(&[&workshop.bundle("first", 1, &[(1, 9_000)])]).ok();
    let here = Here::serve(&appliance);
    let before = stand(&appliance);
    let mut second = patchkeep_command();
    second.args(["serve", "--endpoints", "127.0.0.1:0", "--people", "127.0.0.1:0", "--data"]);
    let said = run(second.arg(appliance.data())).exits(6).says("in use by another process");
    one_sentence(&said);
    assert_eq!(stand(&appliance), before, "the first one does not answer any more");
    // A power cut leaves the socket behind; nobody answers at it.
    here.kill();
    assert!(appliance.data().join("control.sock").exists());
    assert_eq!(stand(&appliance), before);
    Here::serve(&appliance).stop();
}

#[test]
fn rubbish_at_the_control_socket_is_told_so_and_harms_nobody() {
    let workshop = Workshop::new();
    let appliance = workshop.appliance();
    let here = Here::serve(&appliance);
    let socket = appliance.data().join("control.sock");
    for words in [&b"\n"[..], b"{}\n", b"{\"ask\":\"fly\"}\n", &noise(1, 100_000), b""] {
        let mut stream = std::os::unix::net::UnixStream::connect(&socket).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let _ = stream.write_all(words);
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        assert!(answer.is_empty() || answer.contains("failed"), "{answer}");
    }
    let endless = vec![b'x'; 3 << 20];
    let mut stream = std::os::unix::net::UnixStream::connect(&socket).unwrap();
    let _ = stream.write_all(&endless);
    drop(stream);
    appliance.verb(&["status"], &[]).ok();
    here.stop();
    let mode = fs::metadata(appliance.data()).unwrap().permissions();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o700);
}
