//! What people decide and endpoints say: each rule as a user would meet it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use fleet::{
    Actor, Command, Description, EndpointCommand, EndpointKind, Event, Excepted, ExceptionCommand,
    Fact, Job, JobEnd, JobPhase, NeverBack, Refused, Said, Standing, State, StatementCommand,
    decide,
};
use ids::{Digest, PersonId, RecordId, RingName, Timestamp};
use jiff::SignedDuration;
use trust::{Approval, Decision, SitePolicy};

struct Site {
    state: State,
    now: Timestamp,
}

fn id(n: u64) -> RecordId {
    format!("01ARZ3NDEKTSV4RRFFQ69{n:05}").parse().unwrap()
}

fn of(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn ring() -> RingName {
    "broad".parse().unwrap()
}

impl Site {
    fn new() -> Self {
        let now = "2026-11-24T08:00:00Z".parse().unwrap();
        let mut site = Self { state: State::default(), now };
        let (origin, keys, anchors) = ("log".to_owned(), Vec::new(), Vec::new());
        let name = "lab".parse().unwrap();
        site.asks(Command::CreateSite { site: name, origin, keys, anchors, ring: ring() }).unwrap();
        site
    }

    fn asks(&mut self, command: Command) -> Result<Vec<Fact>, Refused> {
        let facts = decide(&self.state, command, self.now)?;
        for fact in &facts {
            let event = Event { at: self.now, actor: Actor::Appliance, fact: fact.clone() };
            self.state.evolve(&event);
        }
        // What is written out and read back is the same.
        let text = serde_json::to_vec(&self.state).unwrap();
        assert_eq!(serde_json::from_slice::<State>(&text).unwrap(), self.state);
        Ok(facts)
    }

    fn endpoint(&mut self, command: EndpointCommand) -> Result<Vec<Fact>, Refused> {
        self.asks(Command::Endpoint(command))
    }

    fn token(&mut self, secret: &str, name: &str, hours: i64) -> Result<Vec<Fact>, Refused> {
        let not_after = self.now + SignedDuration::from_hours(hours);
        let (token, name, ring) = (of(secret), of(name), ring());
        self.endpoint(EndpointCommand::IssueToken { token, name, ring, not_after })
    }

    fn ask(&mut self, n: u64, secret: &str, name: &str, key: &str) -> Result<Vec<Fact>, Refused> {
        let (token, name, key, request) = (of(secret), of(name), of(key), of("request"));
        self.endpoint(EndpointCommand::Ask { endpoint: id(n), token, name, key, request })
    }

    fn confirm(&mut self, n: u64, certificate: &str) -> Result<Vec<Fact>, Refused> {
        let not_after = self.now + SignedDuration::from_hours(24 * 90);
        let (endpoint, certificate) = (id(n), of(certificate));
        self.endpoint(EndpointCommand::Confirm { endpoint, certificate, not_after })
    }

    fn retire(&mut self, n: u64) -> Result<Vec<Fact>, Refused> {
        self.endpoint(EndpointCommand::Retire { endpoint: id(n), reason: "sold".into() })
    }

    fn attests(
        &mut self,
        approval: Approval,
        policy: SitePolicy,
        importers: &[&str],
    ) -> Result<Vec<Fact>, Refused> {
        self.asks(Command::Statement(StatementCommand::Accept {
            said: Said::Attested(Box::new(approval)),
            statement: of("payload"),
            envelope: of("envelope"),
            plan: of("plan"),
            policy,
            importers: importers.iter().map(|person| person.parse().unwrap()).collect(),
        }))
    }
}

const OPEN: SitePolicy = SitePolicy { four_eyes: false, attested_approvals: true };

fn approval(generation: u64) -> Approval {
    let at = |text: &str| text.parse().unwrap();
    let kim: PersonId = "kim".parse().unwrap();
    Approval {
        schema: 1,
        decision: Decision::Approve,
        site: "lab".parse().unwrap(),
        ring: ring(),
        generation,
        approver: kim,
        issued_at: at("2026-11-24T08:00:00Z"),
        not_after: at("2026-12-08T08:00:00Z"),
        plan: of("plan"),
        endpoints: vec!["web1".parse().unwrap()],
        provided: Vec::new(),
        windows: Vec::new(),
        packages: Vec::new(),
        cves: Vec::new(),
        reason: None,
    }
}

#[test]
fn a_token_counts_once_for_one_name_and_in_time() {
    let mut site = Site::new();
    site.token("secret", "web1", 24).unwrap();
    assert_eq!(site.ask(1, "secret", "web2", "key"), Err(Refused::NoToken));
    assert_eq!(site.ask(1, "guess", "web1", "key"), Err(Refused::NoToken));
    site.now += SignedDuration::from_hours(24);
    assert_eq!(site.ask(1, "secret", "web1", "key"), Err(Refused::NoToken), "its end has come");
    site.now -= SignedDuration::from_secs(1);
    assert_eq!(site.ask(1, "secret", "web1", "key").unwrap().len(), 1);
    site.now += SignedDuration::from_hours(48);
    assert_eq!(site.ask(2, "secret", "web1", "key"), Ok(Vec::new()), "the same key may ask again");
    let misused = site.ask(2, "secret", "web1", "other key").unwrap();
    assert!(matches!(misused[..], [Fact::EnrolmentTokenMisused { .. }]));
    assert_eq!(site.ask(2, "secret", "web1", "other key"), Err(Refused::NoToken), "one alarm");
    assert_eq!(site.state.endpoints.len(), 1);
}

#[test]
fn one_name_is_one_endpoint_until_it_has_left() {
    let mut site = Site::new();
    // Two papers for one name: the first that asks has it.
    site.token("one", "web1", 24).unwrap();
    site.token("two", "web1", 24).unwrap();
    site.ask(1, "one", "web1", "key").unwrap();
    assert_eq!(site.ask(2, "two", "web1", "other key"), Err(Refused::NameTaken));
    assert_eq!(site.token("three", "web1", 24), Err(Refused::NameTaken));
    site.confirm(1, "certificate").unwrap();
    assert_eq!(site.confirm(1, "again"), Err(Refused::Standing { is: Standing::Active }));
    site.retire(1).unwrap();
    assert_eq!(site.retire(1), Ok(Vec::new()));
    assert_eq!(site.confirm(1, "again"), Err(Refused::Standing { is: Standing::Retired }));
    assert!(site.state.certificates.contains_key(&of("certificate")), "known, to be refused");
    site.ask(2, "two", "web1", "other key").unwrap();
    site.confirm(2, "next").unwrap();
    assert_eq!(site.confirm(9, "x"), Err(Refused::NoEndpoint));
}

#[test]
fn an_ended_certificate_is_mended_by_the_same_key_and_a_person_for_a_month() {
    let mut site = Site::new();
    site.token("secret", "web1", 24).unwrap();
    site.ask(1, "secret", "web1", "key").unwrap();
    site.confirm(1, "certificate").unwrap();
    let again = |site: &mut Site, key: &str| {
        let (endpoint, key, request) = (id(1), of(key), of("request"));
        site.endpoint(EndpointCommand::AskAgain { endpoint, key, request })
    };
    assert_eq!(again(&mut site, "key"), Err(Refused::NoToken), "its certificate still counts");
    site.now += SignedDuration::from_hours(24 * 90);
    assert_eq!(again(&mut site, "other key"), Err(Refused::NoToken));
    let mut late = Site { state: site.state.clone(), now: site.now };
    late.now += SignedDuration::from_hours(24 * 30);
    assert_eq!(again(&mut late, "key"), Err(Refused::NoToken), "too late: a new token");
    assert_eq!(again(&mut site, "key").unwrap().len(), 1);
    assert_eq!(again(&mut site, "key"), Ok(Vec::new()), "it may ask as often as it likes");
    assert_eq!(site.state.endpoints.get(&id(1)).unwrap().standing, Standing::Pending);
    site.confirm(1, "next").unwrap();
    assert_eq!(site.state.certificates.len(), 1, "the ended one is forgotten");
}

#[test]
fn only_endpoints_that_have_joined_are_heard() {
    let mut site = Site::new();
    site.token("secret", "web1", 24).unwrap();
    site.ask(1, "secret", "web1", "key").unwrap();
    let plan = |n| EndpointCommand::TakePlan {
        endpoint: id(n),
        plan: of("plan"),
        packages: 3,
        kept_back: 0,
    };
    assert_eq!(site.endpoint(plan(1)), Err(Refused::Standing { is: Standing::Pending }));
    assert_eq!(site.endpoint(plan(7)), Err(Refused::NoEndpoint));
    site.confirm(1, "certificate").unwrap();
    site.endpoint(plan(1)).unwrap();
    let (phase, end) = (JobPhase::Ended, Some(JobEnd::Effective));
    let job = Job { approval: of("payload"), phase, at: site.now, way_back: None, end };
    let report = EndpointCommand::TakeReport { endpoint: id(1), job, record: of("x") };
    assert_eq!(site.endpoint(report.clone()).unwrap().len(), 1);
    assert_eq!(site.endpoint(report), Ok(Vec::new()), "the same report twice is one event");
    site.retire(1).unwrap();
    assert_eq!(site.endpoint(plan(1)), Err(Refused::Standing { is: Standing::Retired }));
    assert!(site.state.endpoints.get(&id(1)).unwrap().plan.is_none());
}

#[test]
fn an_endpoint_is_elected_in_at_confirmation_and_described_by_people() {
    let mut site = Site::new();
    site.token("secret", "web1", 24).unwrap();
    site.ask(1, "secret", "web1", "key").unwrap();
    let endpoint = |site: &Site, n| site.state.endpoints.get(&id(n)).unwrap().clone();
    assert!(!endpoint(&site, 1).is_elected(), "it has not joined");
    assert_eq!(site.confirm(1, "certificate").unwrap().len(), 2);
    assert!(endpoint(&site, 1).is_elected());
    assert_eq!(endpoint(&site, 1).election.unwrap().since, site.now);
    let elect = |site: &mut Site, n, elected| {
        let record = Some(of("why"));
        site.endpoint(EndpointCommand::Elect { endpoint: id(n), elected, record })
    };
    assert_eq!(elect(&mut site, 1, true), Ok(Vec::new()), "it is in already");
    assert_eq!(elect(&mut site, 1, false).unwrap().len(), 1);
    assert!(!endpoint(&site, 1).is_elected());
    // Whoever was elected out before it joined stays out.
    site.token("second", "web2", 24).unwrap();
    site.ask(2, "second", "web2", "key two").unwrap();
    elect(&mut site, 2, false).unwrap();
    assert_eq!(site.confirm(2, "two").unwrap().len(), 1);
    assert!(!endpoint(&site, 2).is_elected());
    let kind = Some(EndpointKind::Server);
    let never_back = Some(NeverBack::DomainController);
    let says = |site: &mut Site, n, description| {
        site.endpoint(EndpointCommand::Describe { endpoint: id(n), description })
    };
    let server = Description { kind, never_back, ..Description::default() };
    assert_eq!(says(&mut site, 1, server).unwrap().len(), 1);
    assert_eq!(says(&mut site, 1, server), Ok(Vec::new()));
    let both = Description { stateless: true, ..server };
    assert_eq!(says(&mut site, 1, both), Err(Refused::StatelessAndNeverBack));
    assert_eq!(endpoint(&site, 1).description, server);
    site.retire(1).unwrap();
    assert_eq!(elect(&mut site, 1, true), Err(Refused::Standing { is: Standing::Retired }));
    assert_eq!(elect(&mut site, 7, true), Err(Refused::NoEndpoint));
}

#[test]
fn an_exception_takes_two_people_and_ends_by_itself() {
    let mut site = Site::new();
    let about = Excepted {
        ring: ring(),
        endpoint: None,
        package: "openssl".into(),
        version: "3.0.19-1".into(),
    };
    let oscar: PersonId = "oscar".parse().unwrap();
    let request = |n, about: &Excepted, days: i64, now: Timestamp| {
        Command::Exception(ExceptionCommand::Request {
            exception: id(n),
            about: about.clone(),
            record: of("owner, reason, control"),
            requested_by: "oscar".parse().unwrap(),
            not_after: now + SignedDuration::from_hours(24 * days),
        })
    };
    let approve = |n, person: &str| {
        let approved_by = person.parse().unwrap();
        Command::Exception(ExceptionCommand::Approve { exception: id(n), approved_by })
    };
    let now = site.now;
    for days in [0, 367] {
        assert_eq!(site.asks(request(1, &about, days, now)), Err(Refused::Exception));
    }
    let nowhere = Excepted { ring: "moon".parse().unwrap(), ..about.clone() };
    assert!(matches!(site.asks(request(1, &nowhere, 30, now)), Err(Refused::NoRing { .. })));
    let odd = Excepted { package: "open ssl".into(), ..about.clone() };
    assert_eq!(site.asks(request(1, &odd, 30, now)), Err(Refused::Exception));
    site.asks(request(1, &about, 30, now)).unwrap();
    let known = |site: &Site| site.state.exceptions[&id(1)].clone();
    assert!(!known(&site).counts(now), "nobody has approved it");
    assert_eq!(site.asks(approve(1, "oscar")), Err(Refused::OwnException { person: oscar }));
    assert_eq!(site.asks(approve(2, "kim")), Err(Refused::NoException));
    site.asks(approve(1, "kim")).unwrap();
    assert_eq!(site.asks(approve(1, "kim")), Ok(Vec::new()));
    assert!(known(&site).counts(now));
    let covers =
        |package: &str, version: &str| known(&site).covers(&ring(), &id(9), package, version);
    assert!(covers("openssl", "3.0.19-1"));
    assert!(!covers("openssl", "3.0.20-1") && !covers("bash", "3.0.19-1"));
    // Its end reopens what it was about; and it cannot be approved any more.
    site.now += SignedDuration::from_hours(24 * 30);
    assert!(!known(&site).counts(site.now));
    assert_eq!(site.asks(approve(1, "ann")), Err(Refused::NoException));
    let later = site.now;
    site.asks(request(2, &about, 1, later)).unwrap();
    assert_eq!(site.state.exceptions.len(), 1, "what has ended is forgotten");
}

#[test]
fn statements_follow_one_another_and_are_about_what_stands() {
    let mut site = Site::new();
    let refused = |site: &mut Site, approval| site.attests(approval, OPEN, &[]).unwrap_err();
    let skips = Refused::StatementOvertaken { generation: 2, newest: 0 };
    assert_eq!(refused(&mut site, approval(2)), skips);
    let other = Approval { site: "other".parse().unwrap(), ..approval(1) };
    assert!(matches!(refused(&mut site, other), Refused::OtherSite { .. }));
    let nowhere = Approval { ring: "none".parse().unwrap(), ..approval(1) };
    assert!(matches!(refused(&mut site, nowhere), Refused::NoRing { .. }));
    let stale = Approval { plan: of("another plan"), ..approval(1) };
    assert!(matches!(refused(&mut site, stale), Refused::OtherPlan { .. }));
    site.attests(approval(1), OPEN, &[]).unwrap();
    assert!(matches!(refused(&mut site, approval(1)), Refused::StatementOvertaken { .. }));
    // Taking back is possible whatever the plans are by now.
    let decision = Decision::Withdraw;
    let withdrawal = Approval { decision, plan: of("another plan"), ..approval(2) };
    site.attests(withdrawal, OPEN, &[]).unwrap();
    assert_eq!(site.state.statements[&ring()].decision, Decision::Withdraw);
}

#[test]
fn the_site_roots_policy_decides_about_importers_and_attested_approvals() {
    let mut site = Site::new();
    let strict = SitePolicy { four_eyes: true, attested_approvals: true };
    let imported = site.attests(approval(1), strict, &["oscar", "kim"]).unwrap_err();
    assert!(matches!(imported, Refused::FourEyes { .. }));
    let unattested = SitePolicy { attested_approvals: false, ..OPEN };
    assert_eq!(site.attests(approval(1), unattested, &[]), Err(Refused::Attested));
    site.attests(approval(1), strict, &["oscar"]).unwrap();
    let withdrawal = Approval { decision: Decision::Withdraw, ..approval(2) };
    site.attests(withdrawal, strict, &["kim"]).unwrap();
    let said = site.attests(approval(3), OPEN, &["kim"]).unwrap();
    let Fact::StatementAccepted { imported_by_approver, attested, .. } = &said[0] else {
        panic!("{said:?}");
    };
    assert!(*imported_by_approver && *attested);
}
