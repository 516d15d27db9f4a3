//! The people's door: whatever stands behind it, its answers carry the headers that keep pages safe.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use server::{Door, Limits, Reason, Who};
use support::Site;

#[test]
fn every_answer_carries_the_headers_and_no_file_is_served() {
    let site = Site::open(Limits::default());
    let get = |path: &str| site.bare_curl(&format!("https://{}{path}", site.people()), &[]);
    let page = get("/");
    assert_eq!((page.status, page.body.as_slice()), (200, &b"a page"[..]));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    for header in [
        "content-security-policy",
        "strict-transport-security",
        "x-content-type-options",
        "x-frame-options",
        "referrer-policy",
    ] {
        assert!(page.header(header).is_some(), "{header}");
        assert!(get("/none").header(header).is_some(), "{header} on 404");
    }
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert_eq!(get("/kept").header("cache-control"), Some("max-age=60"));
    assert_eq!(get("/ring/pilot/debian/pool/empty").status, 404, "files at the people's door");
    let refusals = site.refusals.lock().unwrap();
    let refusal = refusals.iter().find(|refusal| refusal.reason == Reason::NotFound).unwrap();
    assert_eq!((refusal.door, refusal.who), (Door::People, Who::Unknown));
}
