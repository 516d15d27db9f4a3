//! What pages say and what forms do.

use super::{ALL, Answer, get, get_as, post_as, sample::Sample};
use axum::http::{StatusCode, header};
use fleet::Role;
use std::time::Instant;

/// Every page of the console that can be looked at in the full sample.
pub(super) fn paths(sample: &Sample) -> Vec<String> {
    let update = format!("/updates/{}/openssl_3.0.17-1~deb12u3", super::sample::SOURCE);
    let run = format!("/runs/{}", sample.run);
    let fixed = [
        "/",
        "/endpoints",
        "/endpoints?state=attention",
        "/endpoints?name=nowhere",
        "/endpoints/web1",
        "/endpoints/web2",
        "/endpoints/edge1",
        "/endpoints/print1",
        "/endpoints/web1/inventory",
        "/endpoint-token",
        "/updates",
        "/updates?lacking=yes",
        "/updates?text=nothing-like-this",
        "/imports",
        "/imports/new",
        "/imports/14",
        "/runs",
        "/runs/plan",
        "/rings",
        "/windows",
        "/windows/nights",
        "/window-new",
        "/policies",
        "/exceptions",
        "/reports",
        "/reports/levels",
        "/reports/policies/cyber-essentials",
        "/reports/sample?seed=2026-11&number=3",
        "/audit",
        "/account",
        "/rings/broad/withdraw",
        "/audit?type=run-started",
        "/audit/3",
    ];
    fixed.into_iter().map(str::to_owned).chain([update, run]).collect()
}

fn is_page(answer: &Answer) -> bool {
    answer.text.contains("<h1 class=\"govuk-heading-xl\">") && answer.text.ends_with("</html>")
}

#[tokio::test]
async fn every_page_stands_and_loads_nothing_but_its_own() {
    let sample = Sample::full();
    let console = sample.console();
    for path in paths(&sample) {
        let answer = get(&console, &path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
        assert!(is_page(&answer), "{path}");
        assert_eq!(answer.text.matches("<h1").count(), 1, "{path}");
        for never in ["style=", "<script>", "onclick", "http://", "crown"] {
            assert!(!answer.text.contains(never), "{path} has {never}");
        }
        let policy = answer.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store", "{path}");
    }
}

#[tokio::test]
async fn an_empty_site_says_what_to_do() {
    let sample = Sample::founded();
    let console = sample.console();
    for (path, says) in [
        ("/", "No patch policy is in force"),
        ("/endpoints", "No endpoint has joined yet"),
        ("/updates", "Import the first one"),
        ("/imports", "Nothing was imported yet"),
        ("/runs", "No run was planned yet"),
        ("/runs/plan", "The site has no approver yet"),
        ("/windows", "No maintenance window is set"),
        ("/exceptions", "No exception stands"),
        ("/reports/levels", "Nothing is counted yet"),
    ] {
        let answer = get(&console, path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
        assert!(answer.text.contains(says), "{path}: {}", answer.text);
    }
}

#[tokio::test]
async fn nobody_sees_anything_without_being_signed_in() {
    let sample = Sample::full();
    let console = sample.console();
    // Somebody has an account from here on.
    get(&console, "/").await;
    for path in paths(&sample).iter().map(String::as_str).chain(["/imports/live", "/nowhere"]) {
        let request = axum::http::Request::builder().uri(path);
        let request = request.body(axum::body::Body::empty()).unwrap();
        let answer = tower::ServiceExt::oneshot(console.clone(), request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{path}");
        let location = answer.headers()[header::LOCATION].to_str().unwrap();
        assert!(location.starts_with("/sign-in"), "{path} leads to {location}");
    }
    for (path, kind) in
        [("/healthz", "text/plain; charset=utf-8"), ("/ca.pem", "application/x-pem-file")]
    {
        let request = axum::http::Request::builder().uri(path);
        let request = request.body(axum::body::Body::empty()).unwrap();
        let answer = tower::ServiceExt::oneshot(console.clone(), request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        assert_eq!(answer.headers()[header::CONTENT_TYPE], kind, "{path}");
    }
}

#[tokio::test]
async fn a_form_does_what_it_says_and_only_in_its_role() {
    let sample = Sample::full();
    let console = sample.console();
    let form = "token=stand-in&name=mondays&ring=broad&rule=FREQ%3DWEEKLY%3BBYDAY%3DMO\
                &start=2026-11-30T22%3A00&minutes=60&zone=Europe%2FLondon";
    let refused = post_as(&console, "/windows", form, "ann", &[Role::Administrator]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
    assert!(!sample.site.state().windows.keys().any(|name| name.as_str() == "mondays"));
    let strange = form.replace("stand-in", "guessed");
    let refused = post_as(&console, "/windows", &strange, "oscar", &ALL).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
    let wrong = form.replace("minutes=60", "minutes=long");
    let refused = post_as(&console, "/windows", &wrong, "oscar", &ALL).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.text.contains("Give the minutes as a whole number."), "{}", refused.text);
    let done = post_as(&console, "/windows", form, "oscar", &[Role::Operator]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
    let path = done.headers[header::LOCATION].to_str().unwrap();
    let page = get(&console, path).await;
    assert!(
        page.text.contains("The window is kept.") && page.text.contains("Mon"),
        "{}",
        page.text
    );
}

#[tokio::test]
async fn an_operator_decides_about_a_job_that_failed() {
    let sample = Sample::full();
    let console = sample.console();
    let before = get(&console, "/").await;
    assert!(before.text.contains("Decide about web2, whose job failed"), "{}", before.text);
    let form = "token=stand-in&resolution=keep";
    let done = post_as(&console, "/endpoints/web2/resolve", form, "oscar", &[Role::Operator]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
    assert!(!get(&console, "/").await.text.contains("Decide about"), "it waits still");
}

#[tokio::test]
async fn a_filter_that_was_sent_empty_shows_everything() {
    let sample = Sample::full();
    let console = sample.console();
    for path in [
        "/audit?type=&before=",
        "/audit?type=&before=20",
        "/endpoints?name=&ring=&state=",
        "/updates?text=&source=",
        "/endpoints/web1/inventory?text=",
        "/reports/sample?seed=&number=10",
    ] {
        let answer = get(&console, path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
    }
    assert_eq!(get(&console, "/audit?before=x").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn lists_are_filtered_and_sorted_by_their_address() {
    let sample = Sample::full();
    let console = sample.console();
    let found = get(&console, "/updates?text=cve-2026-2001").await.text;
    assert!(found.contains("libc6") && !found.contains("openssl"), "{found}");
    let order = |text: &str| text.find("web1</a>").unwrap() < text.find("db1</a>").unwrap();
    assert!(!order(&get(&console, "/endpoints").await.text));
    assert!(order(&get(&console, "/endpoints?sort=name&order=descending").await.text));
    let other = get(&console, "/endpoints?ring=pilot").await.text;
    assert!(other.contains("web2</a>") && !other.contains("db1</a>"));
    let update = format!("/updates/{}/libc6_2.36-9%2Bdeb12u13", super::sample::SOURCE);
    let page = get(&console, &update).await.text;
    assert!(page.contains("kim approved it for ring pilot"), "{page}");
    assert!(page.contains("A7236886F3CCCAAD148A27F80E98404D386FA1D9"), "{page}");
}

#[tokio::test]
async fn reports_are_taken_away_as_they_are_shown() {
    let sample = Sample::full();
    let console = sample.console();
    let csv = get(&console, "/reports/policies/cyber-essentials/rows.csv").await;
    assert_eq!(csv.headers[header::CONTENT_TYPE], "text/csv; charset=utf-8");
    assert!(csv.text.starts_with("endpoint,ring,package,"), "{}", csv.text);
    let overdue = csv.text.lines().filter(|line| line.contains(",overdue,")).count();
    let page = get(&console, "/reports/policies/cyber-essentials?status=overdue").await;
    assert!(overdue > 0 && page.text.contains(&format!("1 to {overdue} of {overdue}")));
    let json = get(&console, "/reports/levels/report.json").await;
    let json: serde_json::Value = serde_json::from_str(&json.text).unwrap();
    assert_eq!(json["calendar"]["zone"], "Europe/London");
}

#[tokio::test]
async fn a_look_at_the_log_is_an_event_once_and_its_proof_can_be_taken_away() {
    let sample = Sample::full();
    let console = sample.console();
    let entries = || sample.site.state().entries;
    let assessor = [Role::Assessor];
    get_as(&console, "/", "ada", &assessor).await;
    let before = entries();
    assert_eq!(get_as(&console, "/audit", "ada", &assessor).await.status, StatusCode::OK);
    assert_eq!(get_as(&console, "/audit", "ada", &assessor).await.status, StatusCode::OK);
    assert_eq!(entries(), before + 1);
    let refused = get_as(&console, "/audit", "oscar", &[Role::Operator]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let proof = get_as(&console, "/audit/3/proof", "ada", &assessor).await;
    assert!(proof.text.starts_with("c2sp.org/tlog-proof@v1\nindex 3\n"), "{}", proof.text);
    let form = "token=stand-in&scope=summary";
    let bundle = post_as(&console, "/audit/export", form, "ada", &assessor).await;
    assert_eq!(bundle.headers[header::CONTENT_TYPE], "application/zip", "{}", bundle.text);
    assert!(bundle.text.starts_with("PK"));
}

#[tokio::test]
async fn an_import_that_cannot_be_says_why_and_the_page_goes_on() {
    let sample = Sample::full();
    let console = sample.console();
    let form = "token=stand-in&media_type=usb-flash&media_asset_tag=A1&tamper_seal_no_out=&tamper_seal_no_in=\
                &protective_marking=&purpose=&authorisation_ref=&source_site=&registered_owner_org=&written_by=\
                &carrier=cora&received_by=&witness=";
    let relative = format!("{form}&paths=stick");
    let refused = post_as(&console, "/imports", &relative, "oscar", &[Role::Operator]).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.text);
    let empty = format!("{form}&paths={}", sample.empty().display());
    let begun = post_as(&console, "/imports", &empty, "oscar", &[Role::Operator]).await;
    assert_eq!(begun.status, StatusCode::SEE_OTHER, "{}", begun.text);
    let started = Instant::now();
    loop {
        let page = get(&console, "/imports").await.text;
        if page.contains("The import came to no good end") {
            break;
        }
        assert!(started.elapsed().as_secs() < 60, "{page}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_run_is_planned_paused_and_ended_from_its_page() {
    let sample = Sample::full();
    let console = sample.console();
    let run = format!("/runs/{}", sample.run);
    let page = get(&console, &run).await.text;
    assert!(page.contains("Pause it") && page.contains("did not come up again"), "{page}");
    let act = format!("{run}/act");
    let operator = [Role::Operator];
    let paused = post_as(&console, &act, "token=stand-in&act=pause", "oscar", &operator).await;
    assert_eq!(paused.status, StatusCode::SEE_OTHER, "{}", paused.text);
    assert!(get(&console, &run).await.text.contains("paused by a person"));
    sample.cancel(sample.run.clone());
    assert!(get(&console, &run).await.text.contains("cancelled"));
}

/// Prints how long a page takes; it never fails by the clock.
#[tokio::test]
async fn fifty_thousand_updates_are_a_page_at_a_time() {
    let sample = Sample::with_updates(50_000);
    let console = sample.console();
    let mut times = Vec::new();
    for path in [
        "/updates",
        "/updates",
        "/updates?page=700",
        "/updates?text=cve-2026-4999",
        "/updates?sort=lacking&order=descending",
        "/updates?lacking=yes",
    ] {
        let begun = Instant::now();
        let page = get(&console, path).await;
        times.push(format!("{path}: {} ms", begun.elapsed().as_millis()));
        let rows = page.text.matches("<th scope=\"row\"").count();
        assert!((1..=50).contains(&rows), "{path}: {rows} rows, {}", page.text);
    }
    println!("{}", times.join("\n"));
    assert!(get(&console, "/updates?page=700").await.text.contains("34,951 to 35,000 of 50,006"));
}
