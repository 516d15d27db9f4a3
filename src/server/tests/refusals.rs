//! Who is not let in, what a flood and slow clients can do, and how the doors close.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use ids::Digest;
use jiff::SignedDuration;
use server::{Limits, Reason};
use std::{
    collections::HashSet,
    io::Write,
    process::{Command, Stdio},
    time::Duration,
};
use support::{INDEX, LARGE, Site, ca, endpoint, get, identity, index, large, now};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What `openssl s_client` gets for a request with these options.
fn s_client(site: &Site, options: &[&str]) -> String {
    let mut child = Command::new("openssl")
        .args(["s_client", "-quiet", "-connect", &site.address().to_string()])
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let request = format!(
        "GET /ring/pilot/debian/{INDEX} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    );
    // A refused client may find the pipe closed.
    let _ = child.stdin.take().unwrap().write_all(request.as_bytes());
    String::from_utf8_lossy(&child.wait_with_output().unwrap().stdout).into_owned()
}

#[test]
fn only_clients_of_this_site_get_anything() {
    let site = Site::open(Limits::default());
    let write = |name: &str, (certificate, key): (String, String)| {
        let path =
            site.file(&format!("{name}.pem"), &(certificate + &key)).to_str().unwrap().to_owned();
        ["-cert".to_owned(), path.clone(), "-key".to_owned(), path]
    };
    let issue = |ca: &site::SiteCa, at| {
        let (certificate, key) = ca.issue(&endpoint(), at).unwrap();
        (certificate.certificate_pem, key)
    };
    let day = SignedDuration::from_hours(24);
    let good = write("good", site.client());
    let expired = write("expired", issue(&site.ca, now() - day * 100));
    let future = write("future", issue(&site.ca, now() + day * 100));
    let rogue = write("rogue", issue(&ca(&site.dir, "rogue"), now()));
    let server = std::fs::read_to_string(site.dir.path().join("lab/server.pem")).unwrap();
    let server = write("server", (server, String::new()));
    let revoked = site.client();
    let der = rustls_pki_types::pem::PemObject::from_pem_slice(revoked.0.as_bytes());
    let der: rustls_pki_types::CertificateDer<'_> = der.unwrap();
    site.revoked.set(HashSet::from([Digest::of(&der)]));
    let revoked = write("revoked", revoked);
    type Case<'a> = (&'a str, &'a [String], &'a [&'a str], Option<Reason>);
    let cases: &[Case<'_>] = &[
        ("good", &good, &[], None),
        ("none", &[], &[], Some(Reason::NoCertificate)),
        ("expired", &expired, &[], Some(Reason::ExpiredCertificate)),
        ("not yet", &future, &[], Some(Reason::ExpiredCertificate)),
        ("another site's", &rogue, &[], Some(Reason::ForeignCertificate)),
        ("the server's own", &server, &[], Some(Reason::ForeignCertificate)),
        ("revoked", &revoked, &[], Some(Reason::RevokedCertificate)),
        ("TLS 1.2", &good, &["-tls1_2"], Some(Reason::NotTls)),
    ];
    for (name, keys, more, reason) in cases {
        site.refusals.lock().unwrap().clear();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let said = s_client(&site, &[&keys, *more].concat());
        assert_eq!(said.starts_with("HTTP/1.1 200"), reason.is_none(), "{name}: {said:.100}");
        assert_eq!(said.contains("index 1"), reason.is_none(), "{name}");
        let told = site.reasons_after(usize::from(reason.is_some()));
        assert_eq!(told.first(), reason.as_ref(), "{name}");
    }
}

#[test]
fn old_tls_is_spoken_only_where_the_site_says_so() {
    let site = Site::open_with(Limits::default(), true);
    let got = site.curl(&format!("/ring/pilot/debian/{INDEX}"), &["--tls-max", "1.2"]);
    assert_eq!((got.status, got.body), (200, index(1)));
    let plain = format!("http://{}/", site.address());
    assert_eq!(site.bare_curl(&plain, &[]).status, 0);
    assert_eq!(site.reasons_after(1), [Reason::NotTls]);
}

#[test]
fn a_certificate_that_is_revoked_meanwhile_is_refused_on_its_open_connection() {
    let site = Site::open(Limits::default());
    let client = site.client();
    let der = rustls_pki_types::pem::PemObject::from_pem_slice(client.0.as_bytes());
    let der: rustls_pki_types::CertificateDer<'_> = der.unwrap();
    site.runtime.block_on(async {
        let mut connection = site.connect(&client).await.unwrap();
        let target = format!("/ring/pilot/debian/{INDEX}");
        assert_eq!(get(&mut connection, &target).await.unwrap().0, 200);
        site.revoked.set(HashSet::from([Digest::of(&der)]));
        assert_eq!(get(&mut connection, &target).await.unwrap().0, 403);
        assert!(get(&mut connection, &target).await.is_err(), "the connection stayed open");
    });
    assert_eq!(site.reasons_after(1), [Reason::RevokedCertificate]);
}

#[test]
fn a_flood_of_bad_certificates_is_told_and_does_no_harm() {
    let site = Site::open(Limits { connections_per_address: 64, ..Limits::default() });
    let (certificate, key) = ca(&site.dir, "rogue").issue(&endpoint(), now()).unwrap();
    let bad = (certificate.certificate_pem, key);
    site.runtime.block_on(async {
        for _ in 0..50 {
            let attempts = (0..40).map(|_| async {
                if let Ok(mut connection) = site.connect(&bad).await {
                    let target = format!("/ring/pilot/debian/{INDEX}");
                    assert!(get(&mut connection, &target).await.is_err(), "let in");
                }
            });
            futures::future::join_all(attempts).await;
        }
    });
    let got = site.curl(&format!("/ring/pilot/debian/{INDEX}"), &[]);
    assert_eq!((got.status, got.body), (200, index(1)));
    let reasons = site.reasons();
    assert!((1000..=2000).contains(&reasons.len()), "{}", reasons.len());
    let kinds: HashSet<Reason> = reasons.into_iter().collect();
    let expected = [Reason::ForeignCertificate, Reason::TooManyFromAddress];
    assert!(kinds.iter().all(|kind| expected.contains(kind)), "{kinds:?}");
}

#[test]
fn slow_clients_hold_up_nobody_and_lose_their_place() {
    let short = Duration::from_millis(500);
    let site = Site::open(Limits {
        connections_per_address: 6,
        handshake: short,
        request_head: short,
        stalled: short,
        ..Limits::default()
    });
    let client = site.client();
    let target = format!("/ring/pilot/debian/{LARGE}");
    let held = site.runtime.block_on(async {
        let mut held = Vec::new();
        for n in 0..4 {
            let mut connection = site.connect(&client).await.unwrap();
            let request = format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n");
            connection.write_all(request.as_bytes()).await.unwrap();
            if n % 2 == 0 {
                // Asks for 60 MB and takes nothing of it.
                let again = format!("\r\n{request}").repeat(20) + "\r\n";
                connection.write_all(again.as_bytes()).await.unwrap();
            }
            held.push(connection);
        }
        let silent = tokio::net::TcpStream::connect(site.address()).await.unwrap();
        (held, silent)
    });
    let got = site.curl(&target, &[]);
    assert!(got.status == 200 && got.body == large(), "held up by slow clients");
    // All six places can be had again once the slow ones have lost theirs.
    let all_free = async {
        loop {
            let mut free = Vec::new();
            for _ in 0..6 {
                let Ok(mut connection) = site.connect(&client).await else { break };
                let Ok(_) = get(&mut connection, "/ring/pilot/debian/pool/empty").await else {
                    break;
                };
                free.push(connection);
            }
            if free.len() == 6 {
                break;
            }
            drop(free);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let waited = site
        .runtime
        .block_on(async { tokio::time::timeout(Duration::from_secs(60), all_free).await });
    assert!(waited.is_ok(), "slow clients kept their places");
    assert!(site.reasons_after(1).contains(&Reason::SlowHandshake));
    drop(held);
}

#[test]
fn heads_without_end_are_refused() {
    let site = Site::open(Limits::default());
    let client = site.client();
    site.runtime.block_on(async {
        for head in [
            format!("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: {}\r\n\r\n", "x".repeat(20_000)),
            format!("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n{}\r\n", "X: y\r\n".repeat(100)),
            "\0\0\0\0 HTTP/9\r\n\r\n".to_owned(),
        ] {
            let mut connection = site.connect(&client).await.unwrap();
            connection.write_all(head.as_bytes()).await.unwrap();
            // The server may have refused and gone before all of it was taken.
            let _ = connection.flush().await;
            let mut said = Vec::new();
            let _ = connection.read_to_end(&mut said).await;
            assert!(said.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&said));
        }
    });
    assert_eq!(site.reasons_after(3), [Reason::BadRequest; 3]);
}

#[test]
fn a_renewed_certificate_is_shown_without_a_restart() {
    let site = Site::open(Limits::default());
    let shown = || {
        let client = site.client();
        site.runtime.block_on(async {
            let connection = site.connect(&client).await.unwrap();
            connection.get_ref().1.peer_certificates().unwrap()[0].to_vec()
        })
    };
    let before = shown();
    std::fs::remove_file(site.dir.path().join("lab/server.pem")).unwrap();
    let renewed = identity(&site.ca, &site.dir);
    let serving = site.serving.as_ref().unwrap();
    let broken = server::Identity { key: vec![1, 2, 3], ..renewed.clone() };
    serving.renew(&broken).unwrap_err();
    assert_eq!(shown(), before);
    serving.renew(&renewed).unwrap();
    assert_eq!(shown(), renewed.certificates[0]);
    assert_ne!(before, renewed.certificates[0]);
}

#[test]
fn a_download_under_way_ends_whole_when_the_server_stops() {
    let mut site = Site::open(Limits::default());
    let (address, client) = (site.address(), site.client());
    let serving = site.serving.take().unwrap();
    let mut connection =
        site.runtime.block_on(async { site.connect_to(address, &client).await.unwrap() });
    site.runtime.block_on(async {
        let request = format!("GET /ring/pilot/debian/{LARGE} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut first = [0; 1];
        connection.read_exact(&mut first).await.unwrap();
        let stopping = tokio::spawn(serving.stop());
        let mut rest = Vec::new();
        let _ = connection.read_to_end(&mut rest).await;
        assert!(rest.ends_with(&large()[1000..]), "{} bytes", rest.len());
        stopping.await.unwrap();
        assert!(tokio::net::TcpStream::connect(address).await.is_err(), "still open");
    });
}
