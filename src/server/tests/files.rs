//! What endpoints get, as curl sees it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use ids::Digest;
use server::Limits;
use std::collections::HashSet;
use support::{INDEX, LARGE, Site, index, large, ring, source};

const DATE: &str = "Sun, 11 Jan 2026 09:58:37 GMT";

#[test]
fn files_conditions_ranges_and_spellings() {
    let site = Site::open(Limits::default());
    let tag = format!("\"{}\"", Digest::of(&large()));
    let by_hash = format!("dists/b/main/by-hash/SHA256/{}", Digest::of(&index(2)));
    let (since, none) = (format!("If-Modified-Since: {DATE}"), format!("If-None-Match: {tag}"));
    let resume = format!("If-Range: {DATE}");
    let (whole, first) = (large(), large()[..1].to_vec());
    let rest = large()[2_999_990..].to_vec();
    let nothing: Vec<u8> = vec![];
    let spelled = "pool/large%2b%2B_1%7e2.deb";
    type Case<'a> = (&'a str, &'a [&'a str], u16, Option<&'a [u8]>);
    let cases: &[Case<'_>] = &[
        (LARGE, &[], 200, Some(&whole)),
        (spelled, &[], 200, Some(&whole)),
        ("pool/empty", &[], 200, Some(&nothing)),
        (INDEX, &[], 200, Some(&index(1))),
        (&by_hash, &[], 200, Some(&index(2))),
        ("pool/only1.deb", &[], 200, Some(&[1; 100])),
        ("pool/only2.deb", &[], 200, Some(&[2; 100])),
        (LARGE, &["-I"], 200, None),
        (LARGE, &["-H", &since], 304, Some(&nothing)),
        (LARGE, &["-H", &none], 304, Some(&nothing)),
        (LARGE, &["-H", "If-Match: \"x\""], 412, None),
        (LARGE, &["-r", "0-0"], 206, Some(&first)),
        (LARGE, &["-r", "-10"], 206, Some(&rest)),
        (LARGE, &["-r", "2999990-", "-H", &resume], 206, Some(&rest)),
        (LARGE, &["-r", "0-0", "-H", "If-Range: \"x\""], 200, Some(&whole)),
        (LARGE, &["-r", "3000000-"], 416, None),
        (INDEX, &["-r", "3-7"], 206, Some(&index(1)[3..8])),
        ("pool/empty", &["-r", "0-"], 416, None),
        ("pool/none.deb", &[], 404, None),
        ("pool/large++_1~2.deb/", &[], 404, None),
        ("../debian/pool/empty", &[], 404, None),
        ("pool/%2e%2e/pool/empty", &[], 404, None),
        ("pool%2fempty", &[], 404, None),
        ("pool/large  _1~2.deb".trim(), &["-G"], 404, None),
        (LARGE, &["-X", "POST"], 405, None),
        (LARGE, &["-X", "DELETE"], 405, None),
        (LARGE, &["-H", "Host: evil.example"], 421, None),
        (LARGE, &["-H", "Host: Patch.Lab.Example:8443", "-I"], 200, None),
    ];
    for http in ["--http1.1", "--http2"] {
        for (path, more, status, body) in cases {
            let path = path.replace(' ', "%20");
            let got = site.curl(&format!("/ring/pilot/debian/{path}"), &[&[http], *more].concat());
            assert_eq!(got.status, *status, "{http} {path} {more:?}");
            assert_eq!(got.version, if http == "--http2" { "2" } else { "1.1" });
            if let Some(body) = body {
                assert!(got.body == *body, "{http} {path} {more:?}: other bytes");
            }
            if got.status >= 400 && !more.contains(&"-I") {
                let said = String::from_utf8(got.body).unwrap();
                assert!(said.ends_with(".\n") && said.lines().count() == 1, "{said}");
            }
        }
    }
}

#[test]
fn heads_say_what_a_client_needs() {
    let site = Site::open(Limits::default());
    let tag = format!("\"{}\"", Digest::of(&large()));
    for more in [&["-I"][..], &[]] {
        let got = site.curl(&format!("/view/2/debian/{LARGE}"), more);
        assert_eq!(got.header("etag"), Some(tag.as_str()));
        assert_eq!(got.header("content-length"), Some("3000000"));
        assert_eq!(got.header("accept-ranges"), Some("bytes"));
        let date = DATE.to_ascii_lowercase();
        assert_eq!(got.header("last-modified"), Some(date.as_str()), "not stable across views");
        let kind = Some("application/vnd.debian.binary-package");
        assert_eq!(got.header("content-type"), kind);
        assert_eq!(got.header("cache-control"), Some("no-cache"));
    }
    let part = site.curl(&format!("/view/2/debian/{LARGE}"), &["-r", "5-9"]);
    assert_eq!(part.header("content-range"), Some("bytes 5-9/3000000"));
    let none = site.curl(&format!("/view/2/debian/{LARGE}"), &["-r", "3000000-"]);
    assert_eq!(none.header("content-range"), Some("bytes */3000000"));
}

#[test]
fn what_was_served_and_is_not_any_more_answers_410() {
    let site = Site::open(Limits::default());
    let status = |target: &str| site.curl(target, &[]).status;
    site.change(|shelf| {
        shelf.point(&ring(), &source(), 2);
        shelf.retire(&source(), 1);
        shelf.set_gone(HashSet::from([Digest::of(&large())]));
    });
    assert_eq!(status("/view/1/debian/dists/b/InRelease"), 410);
    assert_eq!(status(&format!("/ring/pilot/debian/{LARGE}")), 410);
    assert_eq!(status("/ring/pilot/debian/pool/only2.deb"), 200);
    site.store.remove(&[Digest::of(&[2; 100])]).unwrap();
    site.store.remove(&[Digest::of(&index(2))]).unwrap();
    assert_eq!(status(&format!("/ring/pilot/debian/{INDEX}")), 410);
    assert_eq!(status("/view/7/debian/dists/b/InRelease"), 404);
}

#[test]
fn no_request_meets_a_404_or_a_mixture_while_rings_switch() {
    let site = Site::open(Limits::default());
    let client = site.client();
    let (one, two) = (index(1), index(2));
    let requests = async {
        let mut connection = site.connect(&client).await.unwrap();
        let mut seen = [0, 0];
        for n in 0..200_u64 {
            if n % 2 == 0 {
                site.change(|shelf| shelf.point(&ring(), &source(), n / 2 % 2 + 1));
            }
            let target = format!("/ring/pilot/debian/{INDEX}");
            let (status, body) = support::get(&mut connection, &target).await.unwrap();
            assert_eq!(status, 200);
            assert!(body == one || body == two, "a mixture");
            seen[usize::from(body == two)] += 1;
            let only = format!("/ring/pilot/debian/pool/only{}.deb", n % 2 + 1);
            assert_eq!(support::get(&mut connection, &only).await.unwrap().0, 200);
        }
        assert_eq!(seen, [100, 100]);
    };
    site.runtime.block_on(requests);
}
