//! The people's door: what stands behind it answers, and no endpoint's file is there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use server::{Door, Limits, Port, Reason, Who};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};
use support::Site;

#[test]
fn pages_answer_and_no_file_is_served() {
    let site = Site::open(Limits::default());
    let get = |path: &str| site.bare_curl(&format!("https://{}{path}", site.people()), &[]);
    let page = get("/");
    assert_eq!((page.status, page.body.as_slice()), (200, &b"a page"[..]));
    assert_eq!(get("/kept").header("cache-control"), Some("max-age=60"));
    assert_eq!(get("/ring/pilot/debian/pool/empty").status, 404, "files at the people's door");
    let refusals = site.refusals.lock().unwrap();
    let refusal = refusals.iter().find(|refusal| refusal.reason == Reason::NotFound).unwrap();
    assert_eq!((refusal.door, refusal.who), (Door::People, Who::Unknown));
}

/// What the plain door answers to these bytes, in small letters; it ends the connection.
fn plain(at: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let _ = stream.write_all(request.as_bytes());
    let mut answer = String::new();
    // One who was cut off before everything was read may hear of a reset.
    let _ = stream.read_to_string(&mut answer);
    answer.to_ascii_lowercase()
}

#[test]
fn browsers_without_tls_are_sent_to_the_people_s_door_and_get_nothing_else() {
    let site = Site::open(Limits::default());
    let at = site.redirect();
    let door = site.people().port();
    let ask = |method: &str, target: &str, host: &str| {
        plain(at, &format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
    };
    for (method, target, host, named) in [
        ("GET", "/", "patch.lab.example", "patch.lab.example"),
        ("GET", "/endpoint?ring=pilot&x=%0d%0a", "patch.lab.example:80", "patch.lab.example"),
        ("HEAD", "/kept", "192.0.2.1", "192.0.2.1"),
        ("GET", "//evil.example/", "[2001:db8::1]:80", "[2001:db8::1]"),
    ] {
        let answer = ask(method, target, host);
        assert!(answer.starts_with("http/1.1 308 "), "{target}: {answer}");
        let there = format!("\r\nlocation: https://{named}:{door}{target}\r\n");
        assert!(answer.contains(&there), "{there}: {answer}");
        assert!(!answer.contains("set-cookie") && answer.contains("connection: close"), "{answer}");
        assert_eq!(answer.ends_with("\r\n\r\n"), method == "HEAD", "{answer}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"] {
        let answer = ask(method, "/", "patch.lab.example");
        assert!(answer.starts_with("http/1.1 405 ") && !answer.contains("location"), "{answer}");
    }
}

#[test]
fn the_plain_door_sends_nobody_to_what_is_no_host() {
    let site = Site::open(Limits::default());
    let head = |line: &str, headers: &str| format!("{line} HTTP/1.1\r\n{headers}\r\n");
    for request in [
        head("GET /", ""),
        head("GET /", "Host:\r\n"),
        head("GET /", "Host: a/b\r\n"),
        head("GET /", "Host: user@evil.example\r\n"),
        head("GET /", "Host: a%0d%0aset-cookie:x\r\n"),
        head("GET /", "Host: a\r\nHost: b\r\n"),
        head("GET http://evil.example/", "Host: patch.lab.example\r\n"),
        head("GET https://evil.example/", "Host: evil.example\r\n"),
        head("GET /\u{e9}", "Host: patch.lab.example\r\n"),
        "GET / HTTP/1.0\r\n\r\n".to_owned(),
        head("GET /", &format!("Host: a\r\nx: {}\r\n", "x".repeat(20_000))),
    ] {
        let answer = plain(site.redirect(), &request);
        let refused = answer.starts_with("http/1.1 4")
            || answer.starts_with("http/1.0 4")
            || answer.is_empty();
        assert!(refused && !answer.contains("location"), "{request:.80}: {answer}");
    }
    assert!(site.reasons().is_empty(), "what is nobody's refusal was counted");
}

#[test]
fn slow_clients_do_not_stay_at_the_plain_door() {
    let short = Duration::from_millis(500);
    let site = Site::open(Limits { request_head: short, ..Limits::default() });
    let begun = Instant::now();
    plain(site.redirect(), "GET / HTTP/1.1\r\nHost: pat");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let open = plain(site.redirect(), "GET / HTTP/1.1\r\nHost: patch\r\n\r\n");
    assert!(open.starts_with("http/1.1 308"), "{open}");
}

#[test]
fn an_address_that_was_taken_is_nobody_else_s_and_opens_with_its_door() {
    let taken = Port::take("127.0.0.1:0".parse().unwrap()).unwrap();
    assert!(TcpStream::connect(taken.address()).is_err(), "it is open before its door is");
    let site = Site::open(Limits::default());
    assert!(Port::take(site.people()).is_err(), "a door's address was taken again");
}
