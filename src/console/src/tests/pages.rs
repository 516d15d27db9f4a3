//! What pages say and what forms do.

use super::{ALL, Answer, get, get_as, post_as, post_from, sample::Sample};
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
        "/endpoint-stock",
        "/updates",
        "/updates?lacking=yes",
        "/updates?text=nothing-like-this",
        "/updates?tick=all",
        "/update-choice?update=debian-bookworm-security%20openssl_3.0.17-1~deb12u3",
        "/runs/plan?ring=broad&package=openssl",
        "/imports",
        "/imports/new",
        "/imports/14",
        "/custody/01ARZ3NDEKTSV4RRFFQ69G0002",
        "/runs",
        "/runs/plan",
        "/rings",
        "/windows",
        "/windows/nights",
        "/window-new",
        "/policies",
        "/policy-new?from=ncsc",
        "/exceptions",
        "/floors",
        "/calendar",
        "/endpoints/web1/provider",
        "/reports",
        "/reports/levels",
        "/reports/days",
        "/reports/statement",
        "/reports/statement?list=register-only",
        "/reports/policies/cyber-essentials",
        "/reports/sample?seed=2026-11&number=3",
        "/updates?severity=not-rated&exploited=yes",
        "/audit",
        "/account",
        "/getting-started",
        "/site-root",
        "/site-root/draft",
        "/image",
        "/network",
        "/media",
        "/rings/broad/withdraw",
        "/audit?type=run-started",
        "/audit?endpoint=web1",
        "/audit/3",
        "/audit/witness",
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
    for path in paths(&sample).iter().map(String::as_str).chain(["/nowhere"]) {
        let request = axum::http::Request::builder().uri(path);
        let request = request.body(axum::body::Body::empty()).unwrap();
        let answer = tower::ServiceExt::oneshot(console.clone(), request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{path}");
        let location = answer.headers()[header::LOCATION].to_str().unwrap();
        assert!(location.starts_with("/sign-in"), "{path} leads to {location}");
    }
    // A part that pages ask for by themselves: browsers then ask no more.
    let request = axum::http::Request::builder().uri("/imports/live");
    let request = request.body(axum::body::Body::empty()).unwrap();
    let answer = tower::ServiceExt::oneshot(console.clone(), request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
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
    // What was typed is not lost, and no secret of the form is shown.
    assert!(refused.text.contains("FREQ=WEEKLY;BYDAY=MO") && !refused.text.contains(">token</dt>"));
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
async fn a_form_that_is_refused_comes_back_with_what_was_typed() {
    let sample = Sample::full();
    let console = sample.console();
    let form = "token=stand-in&name=mondays&ring=broad&rule=FREQ%3DWEEKLY%3BBYDAY%3DMO&start=2026-11-30T22%3A00\
                &minutes=long&zone=Europe%2FLondon";
    let from = "https://console.example:8443/window-new?done=window-removed&ring=broad";
    let sent = |page, form: String| {
        let console = &console;
        async move { post_from(page, console, "/windows", &form, "oscar", &[Role::Operator]).await }
    };
    let first = sent(from, form.to_owned()).await;
    assert_eq!(first.status, StatusCode::BAD_REQUEST, "{}", first.text);
    // The second time, the browser says the address of the form that was refused.
    let page = "&page=%2Fwindow-new%3Fring%3Dbroad";
    let second = sent("https://console.example:8443/windows", format!("{form}{page}")).await;
    for answer in [first, second] {
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text);
        for part in [
            "<title>Error: ",
            "Give the minutes as a whole number.",
            r#"value="FREQ=WEEKLY;BYDAY=MO""#,
            r#"value="long""#,
            r#"name="page" value="/window-new?ring=broad""#,
        ] {
            assert!(answer.text.contains(part), "{part}: {}", answer.text);
        }
        assert!(
            !answer.text.contains("console-notice--done"),
            "what was done before was not done now"
        );
    }
    // A page that this person has no such form on, or that is none, is not shown instead of the sentence.
    for page in
        ["https://console.example/endpoints", "https://console.example/nowhere", "nonsense", ""]
    {
        let answer = sent(page, form.to_owned()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert!(answer.text.contains("What you had given"), "{page}: {}", answer.text);
    }
}

#[tokio::test]
async fn an_endpoints_page_leads_to_what_it_lacks_and_to_what_the_log_says_of_it() {
    let sample = Sample::full();
    let console = sample.console();
    let page = get(&console, "/endpoints/web1").await.text;
    for part in ["endpoint web1", "joined run", "openssl_3.0.17-1~deb12u3\">openssl</a>"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let all = get(&console, "/audit?endpoint=web1").await.text;
    let some = get(&console, "/audit?endpoint=web1&type=run-joined").await.text;
    let rows = |page: &str| page.matches("<th scope=\"row\"").count();
    assert!(rows(&some) == 1 && rows(&all) > 4, "{some}{all}");
    assert!(!all.contains("bundle-imported</td>"), "{all}");
    let none = get(&console, "/audit?endpoint=nowhere").await;
    assert!(none.status.is_client_error(), "{}", none.text);
    // The log has no names, of whoever looked for one neither.
    let looks = get(&console, "/audit?type=log-viewed").await.text;
    assert!(looks.contains("about 01ARZ") && !looks.contains("about web1"), "{looks}");
}

#[tokio::test]
async fn an_update_says_by_when_it_is_wanted() {
    let sample = Sample::full();
    let console = sample.console();
    let list = get(&console, "/updates?text=openssl").await.text;
    assert!(list.contains("Wanted by") && list.contains(">overdue</strong>"), "{list}");
    let openssl = format!("/updates/{}/openssl_3.0.17-1~deb12u3", super::sample::SOURCE);
    let page = get(&console, &openssl).await.text;
    let row = "href=\"/reports/policies/cyber-essentials\">cyber-essentials</a></td>";
    let row = page.split(row).nth(1).unwrap_or_else(|| panic!("{page}"));
    // Released 40 days ago, and wanted within 14.
    assert!(row.contains(">overdue</strong>") && row.contains("(26 days ago)"), "{row}");
    // What is held is no package: nothing of it is shown as the vendor's word.
    let text = get(&console, &format!("{openssl}/text")).await;
    assert!(!text.status.is_success(), "{}", text.text);
}

#[tokio::test]
async fn all_endpoints_of_a_run_that_wait_for_a_person_are_put_back_at_once() {
    let sample = Sample::full();
    let console = sample.console();
    let run = format!("/runs/{}", sample.run);
    let page = get(&console, &run).await.text;
    assert!(page.contains("Decide about 1 endpoint whose job failed"), "{page}");
    let (path, form) = (format!("{run}/resolve"), "token=stand-in&resolution=restore");
    let refused = post_as(&console, &path, form, "eva", &[Role::Assessor]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
    let done = post_as(&console, &path, form, "oscar", &[Role::Operator]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
    let state = sample.site.state();
    let decided = state.endpoints.values().filter_map(|known| known.resolution);
    assert_eq!(decided.map(|(_, what)| what).collect::<Vec<_>>(), [fleet::Resolution::Restore]);
    let again = post_as(&console, &path, form, "oscar", &[Role::Operator]).await;
    assert!(again.text.contains("waits for a person"), "{}", again.text);
}

#[tokio::test]
async fn who_is_affected_is_seen_before_a_ring_moves_or_an_exception_is_asked_for() {
    let sample = Sample::full();
    let console = sample.console();
    get(&console, "/").await;
    let before = sample.site.state().entries;
    let send = |path: &'static str, form: String| {
        let console = &console;
        async move { post_as(console, path, &form, "oscar", &ALL).await }
    };
    let view = format!("token=stand-in&ring=broad&view={}+13", super::sample::SOURCE);
    let page = send("/rings/point/preview", view.clone()).await.text;
    assert!(page.contains("If ring broad pointed at"), "{page}");
    assert!(page.contains("Would be offered no more"), "{page}");
    let exception = "token=stand-in&ring=broad&endpoint=&package=openssl&version=3.0.17-1~deb12u3&owner=o&reason=\
                     because&control=none&days=9";
    let page = send("/exceptions/preview", exception.to_owned()).await.text;
    assert!(
        page.contains("would not have to have openssl") && page.contains("/endpoints/db1\""),
        "{page}"
    );
    assert!(page.contains(">because</textarea>") && page.contains("value=\"9\""), "{page}");
    let other = exception.replace("3.0.17-1~deb12u3", "9");
    let page = send("/exceptions/preview", other).await.text;
    assert!(page.contains("about no endpoint") && page.contains("(3.0.17-1~deb12u3)"), "{page}");
    let none = send("/rings/point/preview", view.replace("13", "99")).await;
    assert_eq!(none.status, StatusCode::BAD_REQUEST, "{}", none.text);
    assert_eq!(sample.site.state().entries, before, "a look changed something");
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
                &hw_encryption=&protective_marking=&purpose=&authorisation_ref=&source_site=&source_station_id=\
                &registered_owner_org=&written_by=&written_at=&carrier=cora&handed_over_at=2026-11-27T09:30\
                &received_by=oscar&received_at=&witness=";
    let odd = format!("{form}&paths=/media").replace("09:30", "9 o'clock");
    let refused = post_as(&console, "/imports", &odd, "oscar", &[Role::Operator]).await;
    assert!(refused.text.contains("is no time"), "{}", refused.text);
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
            assert!(page.contains("There is no bundle at this path."), "{page}");
            let start = page.find("/custody/").unwrap();
            let record = get(&console, &page[start..start + "/custody/".len() + 26]).await.text;
            for word in ["A1", "cora, Fri 27 Nov 2026 09:30 GMT", "Refused (no-bundle)"] {
                assert!(record.contains(word), "{word}: {record}");
            }
            break;
        }
        assert!(started.elapsed().as_secs() < 60, "{page}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn an_import_shows_its_custody_record_and_rings_go_back_at_one_press() {
    let sample = Sample::full();
    let console = sample.console();
    let page = get(&console, "/imports/14").await.text;
    for word in ["STICK-14", "32.0 GB", "Point these rings back at the view before", "bundle 13"] {
        assert!(page.contains(word), "{word}: {page}");
    }
    let form = "token=stand-in";
    let refused = post_as(&console, "/imports/14/back", form, "ada", &[Role::Assessor]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let back = post_as(&console, "/imports/14/back", form, "oscar", &[Role::Operator]).await;
    assert_eq!(back.status, StatusCode::SEE_OTHER, "{}", back.text);
    let points =
        |at: u64| sample.site.state().pointers.values().all(|(sequence, _)| *sequence == at);
    assert!(points(13));
    assert!(
        get(&console, "/imports/14?done=rings-back")
            .await
            .text
            .contains("point at the views before")
    );
    let again = post_as(&console, "/imports/14/back", form, "oscar", &[Role::Operator]).await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST, "{}", again.text);
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

#[tokio::test]
async fn what_does_not_work_is_a_page_of_ours_inside_the_menu() {
    let sample = Sample::full();
    let console = sample.console();
    for (path, status, says) in [
        ("/updates?page=x", StatusCode::BAD_REQUEST, "not understood here"),
        ("/imports/x", StatusCode::BAD_REQUEST, "not understood here"),
        ("/imports/99", StatusCode::NOT_FOUND, "No bundle 99 was imported"),
        ("/nowhere", StatusCode::NOT_FOUND, "There is no page under this address"),
        ("/windows/nights/remove", StatusCode::METHOD_NOT_ALLOWED, "takes no such form"),
    ] {
        let answer = get(&console, path).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text);
        assert!(is_page(&answer) && answer.text.contains(says), "{path}: {}", answer.text);
        assert!(answer.text.contains("aria-label=\"Menu\""), "{path} is outside of the menu");
        assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store", "{path}");
    }
    // Nobody is told nothing of the site.
    let request = axum::http::Request::builder().uri("/sign-in?next=%FF&next=x");
    let request = request.body(axum::body::Body::empty()).unwrap();
    let answer = tower::ServiceExt::oneshot(console.clone(), request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert!(super::read(answer).await.text.contains("not understood here"));
}

#[tokio::test]
async fn the_days_of_an_update_are_split_among_those_who_had_it() {
    let sample = Sample::full();
    let console = sample.console();
    let csv = get(&console, "/reports/days/rows.csv?ring=pilot").await.text;
    let line = csv.lines().find(|line| line.starts_with("pilot,") && line.contains(",openssl,"));
    let cells: Vec<&str> = line.unwrap_or_else(|| panic!("{csv}")).split(',').collect();
    // Released 40 days ago and collected one day ago; imported, approved and opened today; one of two is effective.
    assert_eq!((cells[4], cells[11], cells[12]), ("13", "39.0", "1.0"), "{csv}");
    assert_eq!((cells[13], cells[14], cells[16]), ("0.0", "0.0", "endpoints"), "{csv}");
    assert_eq!(cells[17..], ["2", "1"], "{csv}");
    // Nothing was approved for the other ring: its approver has it.
    let page = get(&console, "/reports/days?ring=broad").await.text;
    assert!(
        page.contains("approver: 0.0 so far")
            && !page.contains("<td class=\"govuk-table__cell\">pilot"),
        "{page}"
    );
    let json = get(&console, "/reports/days/report.json").await;
    let json: serde_json::Value = serde_json::from_str(&json.text).unwrap();
    assert_eq!(json["totals"][0]["party"], "publisher");
    assert!(
        get(&Sample::founded().console(), "/reports/days")
            .await
            .text
            .contains("No update is on its way")
    );
}

#[tokio::test]
async fn the_statement_lists_what_is_behind_each_number_and_what_is_not_managed() {
    let sample = Sample::full();
    let console = sample.console();
    let page = get(&console, "/reports/statement?list=servers").await.text;
    assert!(page.contains("Under management: 5") && page.contains("web1</a>"), "{page}");
    assert!(page.contains("Seen, and not managed: 3"), "{page}");
    assert!(page.contains("The month has not ended"), "{page}");
    let csv = get(&console, "/reports/statement/rows.csv").await.text;
    for line in
        ["servers,web1,server,pilot,", "left,print1,", "pending,edge1,", "register-only,plc-7,"]
    {
        assert!(csv.lines().any(|row| row.starts_with(line)), "{line}: {csv}");
    }
    // What has an agent is managed, whatever the register calls it.
    assert!(!csv.contains("register-only,web1"), "{csv}");
    // What happens after the first look is in the next.
    let out = "token=stand-in&elected=no&reason=moves+house";
    let done = post_as(&console, "/endpoints/web1/elect", out, "ann", &[Role::Administrator]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
    let csv = get(&console, "/reports/statement/rows.csv").await.text;
    assert!(csv.contains("elected-out,web1,") && !csv.contains("servers,web1,"), "{csv}");
    let form = "token=stand-in&text=name%0Aweb1";
    let refused = post_as(&console, "/reports/register", form, "oscar", &[Role::Operator]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let done = post_as(&console, "/reports/register", form, "ann", &[Role::Administrator]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
    assert!(!get(&console, "/reports/statement/rows.csv").await.text.contains("plc-7"));
    let before = sample.site.state().entries;
    post_as(&console, "/reports/register", form, "ann", &[Role::Administrator]).await;
    assert_eq!(sample.site.state().entries, before, "the same register twice");
    for month in ["2999-01", "soon"] {
        let path = format!("/reports/statement?month={month}");
        assert_eq!(get(&console, &path).await.status, StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn many_updates_are_left_out_at_once_or_planned_alone() {
    let sample = Sample::full();
    let console = sample.console();
    let key = |id: &str| format!("update={}%20{id}", super::sample::SOURCE);
    let two = format!("{}&{}", key("openssl_3.0.17-1~deb12u3"), key("libc6_2.36-9%2Bdeb12u13"));
    let page = get(&console, &format!("/update-choice?{two}")).await.text;
    assert!(page.contains("Decide about 2 updates"), "{page}");
    assert!(page.contains("/runs/plan?ring=broad&#38;package=libc6&#38;package=openssl"), "{page}");
    let plan = get(&console, "/runs/plan?ring=broad&package=libc6&package=openssl").await.text;
    assert!(
        plan.contains("only libc6, openssl") && plan.contains("<option selected>broad"),
        "{plan}"
    );
    let form = format!("token=stand-in&{two}&ring=broad&reason=after+the+exams&days=7");
    let refused = post_as(&console, "/update-choice", &form, "oscar", &[Role::Operator]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let done = post_as(&console, "/update-choice", &form, "kim", &[Role::Approver]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
    let state = sample.site.state();
    let declined: Vec<_> =
        state.declined.keys().map(|(ring, name)| format!("{ring} {name}")).collect();
    assert_eq!(declined, ["broad libc6", "broad openssl"]);
    assert!(get(&console, &format!("/update-choice?{two}")).await.text.contains("libc6 until"));
    let nowhere = form.replace("&ring=broad", "");
    let refused = post_as(&console, "/update-choice", &nowhere, "kim", &[Role::Approver]).await;
    assert!(refused.text.contains("Choose a ring"), "{}", refused.text);
    let none = get(&console, "/update-choice").await;
    assert_eq!(none.status, StatusCode::BAD_REQUEST);
    assert!(none.text.contains("Choose an update: tick it in the list."), "{}", none.text);
    // Who may decide nothing is shown no boxes.
    let page = get_as(&console, "/updates", "ada", &[Role::Assessor]).await.text;
    assert!(!page.contains("console-tick"), "{page}");
}

#[tokio::test]
async fn what_the_site_goes_by_is_looked_at_before_it_is_kept() {
    let sample = Sample::full();
    let console = sample.console();
    // Whoever looks has an account from here on.
    get(&console, "/").await;
    let before = sample.site.state().entries;
    let send =
        |path: &'static str, form: &'static str| post_as(&console, path, form, "oscar", &ALL);
    let calendar = "token=stand-in&zone=Asia%2FTokyo&holidays=2026-12-25%0D%0A2026-12-28";
    let page = send("/calendar/preview", calendar).await.text;
    assert!(
        page.contains("If you keep it") && page.contains("JST") && page.contains("2 listed"),
        "{page}"
    );
    let wrong = send("/calendar/preview", "token=stand-in&zone=Nowhere&holidays=").await;
    assert!(wrong.status.is_client_error(), "{}", wrong.text);
    let window = "token=stand-in&name=mondays&ring=broad&rule=FREQ%3DWEEKLY%3BBYDAY%3DMO\
                  &start=2026-11-30T22%3A00&minutes=60&zone=Europe%2FLondon";
    let page = send("/window-new/preview", window).await.text;
    assert!(page.contains("When it would open next") && page.contains("22:00 GMT"), "{page}");
    assert_eq!(page.matches("nothing special").count(), 10, "{page}");
    assert!(page.contains("value=\"FREQ=WEEKLY;BYDAY=MO\""), "the form stays filled in");
    let page = send(
        "/window-new/preview",
        "token=stand-in&name=mondays&ring=broad&rule=often\
                    &start=2026-11-30T22%3A00&minutes=60&zone=Europe%2FLondon",
    )
    .await
    .text;
    assert!(page.contains("That did not work") && page.contains("value=\"often\""), "{page}");
    let floor = "token=stand-in&ring=broad&package=openssl&version=3.0.15-1";
    let page = send("/floors/preview", floor).await.text;
    assert!(
        page.contains("would be held back, since") && page.contains("/endpoints/db1"),
        "{page}"
    );
    let policy = "token=stand-in&policy=%7B%22name%22%3A%22own%22%2C%22title%22%3A%22Our%20own%22%2C%22basis%22%3A%22\
                  the%20board%22%2C%22rules%22%3A%5B%7B%22name%22%3A%22own-3%22%2C%22clock%22%3A%22vendor-release\
                  %22%2C%22limit%22%3A%7B%22days%22%3A3%7D%7D%5D%7D";
    let page = send("/policies/preview", policy).await.text;
    assert!(page.contains("If you keep it: Our own") && page.contains("0 of 5"), "{page}");
    let provider = "token=stand-in&settings=%7B%22provider%22%3A%22command%22%2C%22program%22%3A%22%2Fopt%2Fsnap%22\
                    %2C%22machine%22%3A%22web1%22%7D";
    let page = send("/endpoints/web1/provider/preview", provider).await.text;
    assert!(page.contains("/opt/snap, machine web1"), "{page}");
    assert_eq!(sample.site.state().entries, before, "a look changed something");
    for (path, form, done) in [
        ("/calendar", calendar, "/calendar?done=calendar-set"),
        ("/floors", floor, "/floors?done=floor-set"),
        ("/policies", policy, "/policies?done=policy-set"),
        ("/endpoints/web1/provider", provider, "/endpoints/web1?done=described"),
    ] {
        let kept = send(path, form).await;
        assert_eq!(kept.status, StatusCode::SEE_OTHER, "{path}: {}", kept.text);
        assert_eq!(kept.headers[header::LOCATION], done);
        let refused = post_as(&console, path, form, "eva", &[Role::Assessor]).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}");
    }
    let state = sample.site.state();
    assert_eq!(state.calendar.as_ref().map(|calendar| calendar.holidays.len()), Some(2));
    assert!(get(&console, "/floors").await.text.contains("3.0.15-1"));
    assert!(get(&console, "/policies").await.text.contains("Our own"));
    assert!(get(&console, "/endpoints/web1/provider").await.text.contains("As it is"));
    let hidden = get_as(&console, "/endpoints/web1/provider", "eva", &[Role::Assessor]).await;
    assert_eq!(hidden.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_sample_is_recorded_and_taken_away_as_it_was_drawn() {
    let sample = Sample::full();
    let console = sample.console();
    let form = "token=stand-in&seed=lottery+of+November&number=3";
    let page = post_as(&console, "/reports/sample", form, "eva", &[Role::Assessor]).await.text;
    assert!(page.contains("3 of ") && page.contains("seed lottery of November"), "{page}");
    let log = get(&console, "/audit?type=log-viewed").await.text;
    assert!(log.contains("seed &#34;lottery of November&#34;"), "{log}");
    let list = page.split("console-code\">").nth(1).unwrap().split('<').next().unwrap();
    let csv = get(&console, "/reports/sample/rows.csv?seed=lottery%20of%20November&number=3").await;
    assert_eq!(csv.text.lines().count(), 4, "{}", csv.text);
    for line in csv.text.lines().skip(1) {
        let name = line.split(',').nth(1).unwrap();
        assert!(page.contains(&format!("/endpoints/{name}\"")), "{name}\n{page}");
        assert!(line.contains(list), "{line}");
    }
    let wrong = "token=stand-in&seed=&number=3";
    let page = post_as(&console, "/reports/sample", wrong, "eva", &[Role::Assessor]).await.text;
    assert!(page.contains("Give a seed"), "{page}");
}

#[tokio::test]
async fn what_is_counted_is_what_is_listed() {
    let sample = Sample::full();
    let site = &sample.site;
    let asked = site.state().exceptions.keys().next().cloned().unwrap();
    let kim = super::sample::person("kim", Role::Approver);
    site.approve_exception(kim, "kim".parse().unwrap(), asked).unwrap();
    let (state, standings) = (site.state(), site.standings().unwrap());
    assert_eq!(standings.policies.len(), state.policies.len());
    for standing in standings.policies {
        // Row by row, each judged by itself.
        let report = site.policy_report(&standing.policy.name).unwrap();
        assert_eq!(standing.counts, report.counts, "{}", standing.policy.name);
        assert_eq!(standing.untold, report.untold.len() as u64);
        let part =
            |only, skip, take| site.policy_part(&report.policy.name, only, skip, take).unwrap();
        let whole = part(None, 0, usize::MAX);
        assert_eq!(whole.found, report.rows.len() as u64);
        let mut rows = report.rows.clone();
        rows.sort_by_key(|row| {
            let due_at = row.deadline.as_ref().and_then(|deadline| deadline.due_at);
            (due_at.is_none(), due_at, row.endpoint.clone(), row.package.clone())
        });
        assert_eq!(whole.rows, rows);
        assert_eq!(report.counts.get(&fleet::PolicyStatus::Excepted), Some(&1));
        // A page at a time it is the same list, and so is each status by itself.
        let pages = (0..rows.len()).flat_map(|skip| part(None, skip, 1).rows);
        assert_eq!(pages.collect::<Vec<_>>(), rows);
        for (status, count) in &report.counts {
            let of = part(Some(*status), 0, usize::MAX);
            assert_eq!((of.found, of.rows.len() as u64), (*count, *count), "{status:?}");
            assert!(of.rows.iter().all(|row| row.status == *status));
        }
    }
    let lacked = site
        .update_part(&site::UpdateQuery { lacking: true, take: 1_000, ..Default::default() })
        .unwrap();
    let rated: u64 = standings.severities.iter().map(|row| row.updates).sum();
    assert_eq!(rated, lacked.found);
    let exploited = lacked.rows.iter().filter(|row| row.exploited == Some(true)).count() as u64;
    assert!(exploited > 0);
    assert_eq!(standings.severities.iter().map(|row| row.exploited).sum::<u64>(), exploited);
}
