//! People at the console of a site with a real endpoint and a real import: each page for each role, and each act held
//! against the table of roles.

use crate::house::House;
use fleet::{Operation, Role};
use tests::{Browser, Page};

/// Fields of a form, and what is typed there.
type Fields = &'static [(&'static str, &'static str)];

/// What somebody can press: where it is sent to, and what it is in the table of roles. `web1` has joined; nothing
/// here succeeds by itself, so that every role may try it.
const ACTS: &[(&str, Operation, Fields)] = &[
    ("/endpoints/none/confirm", Operation::Confirm, &[]),
    ("/endpoints/none/elect", Operation::Elect, &[]),
    ("/endpoints/none/retire", Operation::Retire, &[]),
    ("/endpoints/none/describe", Operation::Describe, &[]),
    ("/endpoints/none/resolve", Operation::ResolveJob, &[]),
    ("/endpoint-token", Operation::IssueToken, &[("endpoint", "Not A Name")]),
    (
        "/endpoint-stock",
        Operation::ClientConfig,
        &[("endpoint", "Not A Name"), ("manager", "apt"), ("address", "none")],
    ),
    ("/exceptions", Operation::RequestException, &[("ring", "none")]),
    ("/exceptions/01ARZ3NDEKTSV4RRFFQ69G5FAV/approve", Operation::ApproveException, &[]),
    ("/imports", Operation::Import, &[("media_type", "none")]),
    ("/imports/999/back", Operation::PointRing, &[]),
    ("/reports/register", Operation::RegisterAssets, &[("text", "no columns")]),
    ("/calendar", Operation::SetCalendar, &[("zone", "Nowhere/None")]),
    ("/floors", Operation::SetFloor, &[("ring", "none")]),
    ("/endpoints/none/provider", Operation::Describe, &[]),
    ("/policies", Operation::SetPolicy, &[("policy", "{}")]),
    ("/policies/none/set", Operation::SetPolicy, &[]),
    ("/policies/none/remove", Operation::RemovePolicy, &[]),
    ("/rings", Operation::CreateRing, &[("ring", "broad")]),
    ("/rings/point", Operation::PointRing, &[("view", "none 1")]),
    ("/rings/place", Operation::PlaceRing, &[("after", "none"), ("soak_hours", "1")]),
    ("/runs/plan", Operation::PlanRun, &[("ring", "none")]),
    ("/runs/01ARZ3NDEKTSV4RRFFQ69G5FAV/start", Operation::StartRun, &[]),
    ("/runs/01ARZ3NDEKTSV4RRFFQ69G5FAV/act", Operation::PauseRun, &[("act", "pause")]),
    ("/runs/01ARZ3NDEKTSV4RRFFQ69G5FAV/act", Operation::ResumeRun, &[("act", "resume")]),
    ("/runs/01ARZ3NDEKTSV4RRFFQ69G5FAV/act", Operation::CancelRun, &[("act", "cancel")]),
    (
        "/update-choice",
        Operation::Decline,
        &[("update", "vendor none"), ("ring", "broad"), ("days", "1")],
    ),
    ("/runs/01ARZ3NDEKTSV4RRFFQ69G5FAV/resolve", Operation::ResolveJob, &[("resolution", "keep")]),
    ("/runs/01ARZ3NDEKTSV4RRFFQ69G5FAV/approve", Operation::SubmitStatement, &[]),
    ("/rings/broad/withdraw", Operation::SubmitStatement, &[]),
    ("/rings/broad/withdrawn", Operation::SubmitStatement, &[]),
    ("/account/keys/ask", Operation::AddSecurityKey, &[]),
    ("/account/keys", Operation::AddSecurityKey, &[]),
    ("/account/keys/remove", Operation::RemoveSecurityKey, &[("key", NO_KEY)]),
    ("/updates/vendor/none/decline", Operation::Decline, &[("ring", "none")]),
    ("/windows", Operation::SetWindow, &[("name", "Not A Name")]),
    ("/windows/none/remove", Operation::RemoveWindow, &[]),
    ("/audit/witness", Operation::ShowLog, &[("checkpoint", "none")]),
    ("/audit/witness/proof", Operation::ShowLog, &[("checkpoint", "none")]),
    ("/reports/sample", Operation::ShowLog, &[("seed", "x"), ("number", "0")]),
    ("/audit/export", Operation::ExportAudit, &[("scope", "none")]),
    ("/media", Operation::ExportAudit, &[("what", "summary"), ("medium", "/none")]),
    ("/media", Operation::WriteReceipt, &[("what", "receipt"), ("medium", "/none")]),
    ("/people", Operation::SetAccount, &[("person", "Not A Name")]),
    ("/image", Operation::StartImage, &[("version", "none")]),
    ("/network", Operation::AskNetworkChange, &[("address", "none")]),
    ("/network/confirm", Operation::ConfirmNetworkChange, &[("change", "none")]),
    ("/site-root", Operation::AcceptSiteRoot, &[("root", "none")]),
    ("/people/nobody/reset", Operation::ResetAccount, &[]),
    ("/people/nobody/end", Operation::EndSessions, &[]),
    ("/people/nobody/close", Operation::CloseAccount, &[]),
    ("/people/nobody/tokens", Operation::IssueApiToken, &[("role", "none")]),
    ("/people/nobody/tokens/01ARZ3NDEKTSV4RRFFQ69G5FAV/revoke", Operation::RevokeApiToken, &[]),
];

/// The fingerprint of a key that nobody has.
const NO_KEY: &str = "abababababababababababababababababababababababababababababababab";

/// Every field that one of them reads.
const FIELDS: &[&str] = &[
    "person",
    "name",
    "key",
    "elected",
    "reason",
    "kind",
    "exposure",
    "never_back",
    "owner",
    "resolution",
    "endpoint",
    "ring",
    "hours",
    "package",
    "version",
    "control",
    "days",
    "paths",
    "media_type",
    "media_asset_tag",
    "tamper_seal_no_out",
    "tamper_seal_no_in",
    "protective_marking",
    "purpose",
    "authorisation_ref",
    "source_site",
    "registered_owner_org",
    "hw_encryption",
    "source_station_id",
    "written_at",
    "handed_over_at",
    "received_at",
    "text",
    "holidays",
    "settings",
    "policy",
    "update",
    "written_by",
    "carrier",
    "received_by",
    "witness",
    "after",
    "soak_hours",
    "view",
    "approver",
    "brake_failures",
    "brake_per_cent",
    "act",
    "rule",
    "start",
    "minutes",
    "zone",
    "scope",
    "what",
    "manager",
    "medium",
    "credential",
    "authenticator_data",
    "client_data",
    "attestation",
    "signature",
    "statement",
    "label",
    "role",
];

/// Pages that everybody may read.
const PAGES: &[&str] = &[
    "/",
    "/endpoints",
    "/endpoints?state=attention&sort=name&order=descending&page=1",
    "/endpoints/web1",
    "/endpoints/web1/inventory",
    "/endpoint-token",
    "/updates",
    "/updates?text=package&lacking=yes",
    "/imports",
    "/imports/new",
    "/runs",
    "/runs/plan?ring=broad",
    "/rings",
    "/windows",
    "/window-new",
    "/policies",
    "/policy-new",
    "/exceptions",
    "/floors",
    "/calendar",
    "/reports",
    "/reports/levels",
    "/reports/days",
    "/reports/statement",
    "/reports/sample",
    "/people",
    "/people/new",
    "/image",
    "/network",
    "/rings/broad/withdraw",
    "/account",
    "/about",
];

struct Desk {
    house: House,
    people: Vec<(Role, Browser)>,
}

impl Desk {
    fn new() -> Self {
        let house = House::new();
        drop(house.scanned("web1"));
        let mut people = Vec::new();
        // The first account of a site is an administrator's.
        for role in Role::ALL.into_iter().rev() {
            let person = format!("test-{}", role.word());
            let words =
                [&person, "--name", &person, "--role", role.word(), "--as", "root", "--json"];
            let issued = house.appliance.verb(&["account", "set"], &words).ok().json();
            let mut browser = Browser::open(&house.appliance, house.here(), &person);
            browser.begin(&person, issued["code"].as_str().unwrap(), None);
            people.push((role, browser));
        }
        Self { house, people }
    }
}

/// Whether a page says that the role is the wrong one.
fn is_denied(page: &Page) -> bool {
    page.status == 403 && page.text.contains("it takes the role")
}

#[test]
fn each_role_reads_each_page_and_does_only_its_own_acts() {
    let desk = Desk::new();
    let mut wrong = Vec::new();
    for (role, browser) in &desk.people {
        for path in PAGES {
            let page = browser.get(path);
            if page.status != 200 {
                wrong.push(format!("{}: {path} answers {}", role.word(), page.status));
            }
        }
        let log = browser.get("/audit");
        if is_denied(&log) != (*role != Role::Assessor) {
            wrong.push(format!("{}: the log answers {}", role.word(), log.status));
        }
        let token = browser.get("/account").field("token");
        for (path, operation, own) in ACTS {
            let blank = FIELDS.iter().filter(|field| own.iter().all(|(name, _)| name != *field));
            let mut fields: Vec<(&str, &str)> = blank.map(|field| (*field, "")).collect();
            fields.extend([("token", token.as_str())].iter().chain(own.iter()));
            let page = browser.post(path, &fields);
            let allowed = operation.role() == Some(*role);
            let as_it_should =
                if allowed { !is_denied(&page) && page.status < 500 } else { is_denied(&page) };
            if !as_it_should {
                let said = page.text.split("console-intro\">").nth(1).unwrap_or_default();
                let said: String = said.chars().take(120).collect();
                wrong.push(format!(
                    "{}: {operation:?} answers {}: {said}",
                    role.word(),
                    page.status
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Each refusal is an event, in the words of the table.
    let told = desk.house.told("operation-denied").len();
    let refused = |role: Role| {
        let mut operations: Vec<Operation> =
            ACTS.iter().map(|(_, operation, _)| *operation).collect();
        operations.push(Operation::ShowLog);
        operations.retain(|operation| operation.role() != Some(role));
        operations.sort_unstable();
        operations.dedup();
        operations.len()
    };
    assert_eq!(told, Role::ALL.into_iter().map(refused).sum::<usize>());
}

#[test]
fn people_do_the_main_job_without_a_script() {
    let desk = Desk::new();
    let by = |wanted: Role| &desk.people.iter().find(|(role, _)| *role == wanted).unwrap().1;
    let (operator, administrator) = (by(Role::Operator), by(Role::Administrator));
    // Who administers says what an endpoint is; it is on its page at once.
    let said = [("kind", "server"), ("owner", "finance"), ("exposure", ""), ("never_back", "")];
    let back = administrator.send("/endpoints/web1", "/endpoints/web1/describe", &said);
    assert_eq!(back.status, 303, "{}", back.text);
    operator.get("/endpoints/web1").ok().says("finance").says("package-0");
    let policy = administrator.send("/policies", "/policies/cyber-essentials/set", &[]);
    assert_eq!(policy.status, 303, "{}", policy.text);
    operator.get("/").ok().says("Cyber Essentials");
    // Who operates plans a run; what it would apply and what the linter says is there before anybody signs.
    let plan = [
        ("ring", "broad"),
        ("approver", "kim"),
        ("days", "7"),
        ("any_time", "yes"),
        ("reason", ""),
        ("brake_failures", "3"),
        ("brake_per_cent", "20"),
    ];
    let planned = operator.send("/runs/plan?ring=broad", "/runs/plan", &plan);
    assert_eq!(planned.status, 303, "{}", planned.text);
    let run = planned.location.unwrap();
    operator.get(&run).ok().says("planned").says("web1");
    // The approver signs at their own machine; the console shows that it was, and starts it.
    let key = desk.house.key("kim");
    let approve = ["broad", "--as", "kim", "--key", &key, "--yes"];
    desk.house.appliance.verb(&["run", "approve"], &approve).ok();
    let path = run.split('?').next().unwrap().to_owned();
    let started = operator.send(&path, &format!("{path}/start"), &[]);
    assert_eq!(started.status, 303, "{}", started.text);
    operator.get(&path).ok().says("under way");
    // What was done is in the log, by whom and where, with the proof that it is.
    let assessor = by(Role::Assessor);
    let log = assessor.get("/audit?type=run-started").ok().says("at the console");
    let entry = log.between("href=\"/audit/", "\"");
    assessor.get(&format!("/audit/{entry}")).ok().says("root");
    let bundle = assessor.send("/audit", "/audit/export", &[("scope", "summary")]).ok();
    assert!(bundle.head.contains("application/zip"), "{}", bundle.head);
    assert_eq!(desk.house.told("audit-exported").len(), 1);
}
