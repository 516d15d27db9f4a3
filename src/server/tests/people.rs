//! The people's door: what stands behind it answers, and no endpoint's file is there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use server::{Door, Limits, Reason, Who};
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
