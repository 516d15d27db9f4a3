//! The people's door: a page without a script, headers that keep it so, and its health.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use server::{Door, Limits, Reason, Who};
use support::Site;

#[test]
fn the_page_says_what_is_served_and_how_to_know_the_appliance() {
    let site = Site::open(Limits::default());
    let get = |path: &str| site.bare_curl(&format!("https://{}{path}", site.people()), &[]);
    let home = get("/");
    let text = String::from_utf8(home.body.clone()).unwrap();
    assert_eq!(home.status, 200);
    for wanted in ["<html lang=\"en\">", "pilot", "debian", "2026-01-11", &site.ca.fingerprint()] {
        assert!(text.contains(wanted), "{wanted} is not on the page");
    }
    assert!(text.contains("Site &lt;CA&gt;") && !text.contains("<script"));
    let policy = home.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"));
    for header in ["strict-transport-security", "x-content-type-options", "referrer-policy"] {
        assert!(home.header(header).is_some(), "{header}");
        assert!(get("/none").header(header).is_some(), "{header} on 404");
    }
    assert_eq!(get("/healthz").body, b"ok\n");
    assert_eq!(get("/ca.pem").body, site.ca.certificate_pem().as_bytes());
    assert_eq!(get("/style.css").header("content-type"), Some("text/css"));
    assert_eq!(get("/ring/pilot/debian/pool/empty").status, 404, "files at the people's door");
    let refusals = site.refusals.lock().unwrap();
    let refusal = refusals.iter().find(|refusal| refusal.reason == Reason::NotFound).unwrap();
    assert_eq!((refusal.door, refusal.who), (Door::People, Who::Unknown));
}
