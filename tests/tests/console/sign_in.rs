//! The first start, accounts and sessions: who gets in, who does not, and that the log says so.

use tests::{Appliance, Browser, Here, Workshop, browser::PASSWORD};

/// A founded site that serves, on which nobody has an account.
fn fresh() -> (Workshop, Appliance, Here) {
    let workshop = Workshop::new();
    let appliance = workshop.appliance();
    let here = Here::serve(&appliance);
    (workshop, appliance, here)
}

/// The code on the appliance's screen.
fn code(here: &Here) -> String {
    let log = here.log();
    let line =
        log.lines().find(|line| line.contains("/first-start")).expect("a code on the screen");
    line.rsplit(' ').next().unwrap().to_owned()
}

#[test]
fn the_first_administrator_comes_with_the_code_on_the_screen_and_everybody_else_with_hers() {
    let (_workshop, appliance, here) = fresh();
    let mut ann = Browser::open(&appliance, &here, "ann");
    assert_eq!(ann.get("/").location.as_deref(), Some("/first-start"));
    assert_eq!(ann.get("/sign-in").location.as_deref(), Some("/first-start"));
    let code = code(&here);
    let wrong = [("person", "ann"), ("code", "AAAAA-AAAAA-AAAAA-AAAAA"), ("name", "Ann")];
    let refused = ann.post("/first-start", &wrong);
    assert_eq!(refused.status, 403);
    refused.says("is not right");
    let nobody = [("person", "Ann Smith"), ("code", &code), ("name", "Ann Smith")];
    assert_eq!(ann.post("/first-start", &nobody).says("person id").status, 403);
    ann.begin("ann", &code, Some("Ann Smith"));
    ann.get("/people").ok().says("Ann Smith").says("administrator");
    assert_eq!(ann.get("/first-start").location.as_deref(), Some("/sign-in"), "only once");

    // She opens an account; its code is shown once, and counts once.
    let fields = [("person", "oscar"), ("name", "Oscar Wild"), ("operator", "yes")];
    let issued = ann.send("/people/new", "/people", &fields).ok().says("shown once");
    let handed = issued.between("id=\"code\">", "<");
    let mut oscar = Browser::open(&appliance, &here, "oscar");
    assert_eq!(oscar.get("/people").location.as_deref(), Some("/sign-in?next=%2Fpeople"));
    oscar.begin("oscar", &handed, None);
    oscar.get("/people").ok().says("Oscar Wild");
    let again = oscar.post("/one-time-code", &[("person", "oscar"), ("code", &handed)]);
    assert_eq!(again.says("is not right").status, 403, "a code counts once");

    // What his roles do not allow is refused once more in the site, whatever the page shows.
    assert!(!oscar.get("/people").text.contains("/people/new"));
    for _ in 0..2 {
        let fields = [("person", "mallory"), ("name", "M"), ("administrator", "yes")];
        let denied = oscar.send("/people", "/people", &fields);
        assert_eq!(denied.says("it takes the role administrator").status, 403);
    }
    let last = ann.send("/people/ann", "/people/ann/close", &[]);
    assert_eq!(last.says("only administrator").status, 403);

    // The log tells it all, and no secret.
    let events = appliance.verb(&["audit", "show"], &["--as", "eva", "--json"]).ok();
    for sentence in [
        "The appliance set the account of ann: administrator.",
        "set the account of oscar: operator.",
        "Oscar signed in at the console.",
        "(set-account), and was refused.",
    ] {
        assert!(events.has(sentence), "{sentence}\n{events}");
    }
    assert_eq!(events.out.matches("and was refused").count(), 1, "once for a session\n{events}");
    for secret in [handed.as_str(), code.as_str(), PASSWORD, "Oscar Wild"] {
        assert!(!events.has(secret), "{secret} is in the log");
    }
}

#[test]
fn a_session_ends_when_it_should_and_forms_come_from_its_own_pages() {
    let (_workshop, appliance, here) = fresh();
    let mut ann = Browser::open(&appliance, &here, "ann");
    ann.begin("ann", &code(&here), Some("Ann"));
    let page = ann.get("/people").ok();
    assert!(page.head.contains("cache-control: no-store"), "{}", page.head);

    // A form without the session's own token, with another's, and from another page.
    let fields = [("person", "mallory"), ("name", "M"), ("operator", "yes")];
    assert_eq!(ann.post("/people", &fields).says("not sent by a page").status, 403);
    let token = ("token", "0000");
    let foreign = ann.post("/people", &[&[token][..], &fields].concat());
    assert_eq!(foreign.status, 403);
    let cross =
        ["--header", "Sec-Fetch-Site: cross-site", "--data", "person=ann&password=x&number=1"];
    assert_eq!(ann.ask("/sign-in", &cross).says("not sent by a page").status, 403);

    // Signing out ends it on the appliance, not only in the browser.
    let mut stolen = Browser::open(&appliance, &here, "thief");
    ann.copy_cookies_to(&mut stolen);
    stolen.get("/people").ok();
    let left = ann.send("/people", "/sign-out", &[]);
    assert_eq!((left.status, left.location.as_deref()), (303, Some("/sign-in")));
    assert_eq!(stolen.get("/people").status, 303, "the copy of the cookie counts no more");
    assert_eq!(ann.sign_in("ann").location.as_deref(), Some("/"));

    // One of several sessions is ended by its owner, and the others go on.
    ann.copy_cookies_to(&mut stolen);
    assert_eq!(ann.sign_in("ann").location.as_deref(), Some("/"));
    stolen.get("/people").ok();
    let own = ann.get("/account").ok().says("This one: sign out above");
    let other = own.between("name=\"session\" value=\"", "\"");
    let ended = ann.send("/account", "/account/sessions/end", &[("session", &other)]);
    assert_eq!(ended.location.as_deref(), Some("/account?done=session-ended"));
    assert_eq!(stolen.get("/people").status, 303, "its session was ended");
    let again = ann.send("/account", "/account/sessions/end", &[("session", &other)]);
    assert_eq!(again.location.as_deref(), Some("/account?done=session-gone"));

    // An administrator at the appliance itself resets accounts and ends sessions, without a password.
    let reset = appliance.verb(&["account", "reset"], &["ann", "--as", "root", "--json"]).ok();
    assert_eq!(ann.get("/people").status, 303, "a reset ends sessions");
    let old = [("person", "ann"), ("password", PASSWORD), ("number", "000000")];
    assert_eq!(ann.post("/sign-in", &old).says("is not right").status, 403);
    let code = reset.json()["code"].as_str().unwrap().to_owned();
    ann.begin("ann", &code, None);
    ann.get("/people").ok();
    appliance.verb(&["account", "end"], &["ann", "--as", "root"]).ok().says("One session");
    assert_eq!(ann.get("/people").status, 303);
}

#[test]
fn whoever_guesses_is_slowed_down_and_not_told_what_was_wrong() {
    let (_workshop, appliance, here) = fresh();
    let mut ann = Browser::open(&appliance, &here, "ann");
    ann.begin("ann", &code(&here), Some("Ann"));
    let guess = |person: &str| {
        let fields = [("person", person), ("password", "guess guess guess"), ("number", "000000")];
        ann.post("/sign-in", &fields)
    };
    let mut said = Vec::new();
    for person in ["ann", "nobody"] {
        for _ in 0..3 {
            said.push(guess(person).between("<div class=\"govuk-error-summary__body\">", "</div>"));
        }
        assert_eq!(guess(person).says("Too many tries").status, 403, "{person}");
    }
    said.dedup();
    assert_eq!(said.len(), 1, "the same for whoever is there and whoever is not: {said:?}");
    // Whoever is signed in already is not held up, and neither is the appliance's own command line.
    ann.get("/people").ok();
    let reset = appliance.verb(&["account", "reset"], &["ann", "--as", "root", "--json"]).ok();
    let code = reset.json()["code"].as_str().unwrap().to_owned();
    ann.begin("ann", &code, None);
    let listed = appliance.verb(&["account", "list"], &[]).ok().says("can sign in");
    assert!(!listed.has(PASSWORD));
}

#[test]
fn a_number_counts_once_and_guesses_count_each_however_many_come_together() {
    let (_workshop, appliance, here) = fresh();
    let mut ann = Browser::open(&appliance, &here, "ann");
    ann.begin("ann", &code(&here), Some("Ann"));
    let number = ann.number();
    let many: Vec<Browser> =
        (0..6).map(|n| Browser::open(&appliance, &here, &format!("desk{n}"))).collect();
    let together = |password: &'static str, number: &str| -> Vec<String> {
        std::thread::scope(|scope| {
            let tries: Vec<_> = many
                .iter()
                .map(|desk| {
                    let fields = [("person", "ann"), ("password", password), ("number", number)];
                    scope.spawn(move || desk.post("/sign-in", &fields))
                })
                .collect();
            let said = tries.into_iter().map(|tried| tried.join().unwrap());
            said.map(|page| page.location.unwrap_or(page.text)).collect()
        })
    };
    let came = together(PASSWORD, &number);
    assert_eq!(came.iter().filter(|to| *to == "/").count(), 1, "{came:?}");
    // The five that came second failed, so that the next are slowed down.
    let held = together("guess guess guess", "000000");
    assert!(held.iter().all(|said| said.contains("Too many tries")), "{held:?}");
}

#[test]
fn a_board_that_stays_open_is_no_use_of_the_session() {
    let (_workshop, appliance, here) = fresh();
    let mut ann = Browser::open(&appliance, &here, "ann");
    ann.begin("ann", &code(&here), Some("Ann"));
    let nobody = Browser::open(&appliance, &here, "nobody");
    assert_eq!(nobody.get("/imports/live").status, 204, "a browser then asks no more");
    appliance.verb(&["account", "end"], &["ann", "--as", "root"]).ok();
    assert_eq!(ann.get("/imports/live").status, 204);
}
