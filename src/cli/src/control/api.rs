//! Requests over the API: which act each is, and what has none there.

use super::{
    ExportFigures, LogLine, Reply, Request, account, appliance, people, report, run, window,
};
use crate::{
    failure::Failure,
    remote::{Remote, told},
};
use ids::{Fault, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use site::{ScannerStatus, audit::Scope};

/// The header in which the API says what an audit bundle holds.
const EXPORTED: &str = "patchkeep-exported";
/// Rows of a page of the log: the most that the API gives.
const LINES: usize = 500;

/// Says that something is done at the appliance only, and why.
pub(super) fn elsewhere(what: &str, why: &str) -> Failure {
    let message =
        format!("{what} is done at the appliance itself, with --data: {why}; nothing was changed");
    Failure::say(Fault::Input, message)
}

/// Asks an appliance on another machine.
pub(super) fn over_api(remote: &Remote, request: Request) -> Result<Reply, Failure> {
    Ok(match request {
        Request::Rings => Reply::Rings(remote.all(&["rings"])?),
        Request::CreateRing { ring, follows, .. } => {
            remote.post::<()>(&["rings"], &json!({ "ring": ring, "follows": follows }))?;
            Reply::Done(true)
        }
        Request::PointRing { ring, source, sequence, .. } => {
            let aim = json!({ "source": source, "sequence": sequence });
            let moved: Value = remote.post(&["rings", ring.as_str(), "point"], &aim)?;
            Reply::Done(moved["changed"] == true)
        }
        Request::RingNeed { ring, source, sequence } => {
            let mut view = Vec::new();
            view.extend(source.map(|source| ("source", source.to_string())));
            view.extend(sequence.map(|sequence| ("sequence", sequence.to_string())));
            let mut need: Value = remote.get_with(&["rings", ring.as_str(), "need"], &view)?;
            pairs(&mut need["views"], "source", "sequence");
            Reply::Need(told(need)?)
        }
        // A site without a root yet has none to show.
        Request::SiteRoot => Reply::SiteRoot(Box::new(remote.get_if_any(&["site-root"])?)),
        Request::Scanner => {
            let mut status: Value = remote.get(&["status"])?;
            let scanner: ScannerStatus = told(status["scanner"].take())?;
            Reply::Scanner(scanner)
        }
        Request::Status => Reply::Status(remote.get(&["status"])?),
        Request::Receipt => Reply::Receipt(remote.get(&["receipt"])?),
        Request::ExportAudit { scope, into, .. } => {
            let scope = match scope {
                Scope::Full => "full",
                Scope::Summary => "summary",
            };
            let order = json!({ "scope": scope });
            let about = remote.save(&["audit", "export"], &order, &into, EXPORTED)?;
            Reply::ExportAudit(serde_json::from_str::<ExportFigures>(&about)?)
        }
        Request::ShowLog { types, since, limit, .. } => {
            Reply::ShowLog(lines(remote, &types, since, limit)?)
        }
        Request::AuditKey => {
            let mut key: Value = remote.get(&["audit", "key"])?;
            Reply::AuditKey(told(key["fingerprint"].take())?)
        }
        Request::Account(request) => Reply::Account(account::over_api(remote, request)?),
        Request::Windows(request) => Reply::Windows(window::over_api(remote, request)?),
        Request::Appliance(request) => Reply::Appliance(appliance::over_api(remote, request)?),
        Request::Report(request) => Reply::Report(report::over_api(remote, request)?),
        Request::People(request) => Reply::People(people::over_api(remote, request)?),
        Request::Run(request) => Reply::Run(run::over_api(remote, request)?),
        Request::Import { .. }
        | Request::DraftSiteRoot { .. }
        | Request::AcceptSiteRoot { .. }
        | Request::SetScanner { .. }
        | Request::ClientConfig { .. }
        | Request::Backup { .. } => return Err(not_there(&request)),
    })
}

/// Why a request is no act of the API.
fn not_there(request: &Request) -> Failure {
    let (what, why) = match request {
        Request::Import { .. } => ("importing", "the medium is there"),
        Request::DraftSiteRoot { .. } => {
            ("drawing up a site root", "administrators do it where its fingerprint is shown")
        }
        Request::AcceptSiteRoot { .. } => {
            ("accepting a site root", "administrators are there, with what they wrote down")
        }
        Request::SetScanner { .. } => ("setting the scanner", "its socket is there"),
        Request::ClientConfig { .. } => {
            ("making a client certificate", "a private key comes with it")
        }
        Request::Backup { .. } => ("backing up", "the file is written there"),
        _ => ("this", "the API has no act for it"),
    };
    elsewhere(what, why)
}

/// A list of objects with two fields, as the list of pairs that it is in the appliance.
pub(super) fn pairs(list: &mut Value, first: &str, second: &str) {
    for row in list.as_array_mut().into_iter().flatten() {
        *row = json!([row[first].take(), row[second].take()]);
    }
}

#[derive(Deserialize)]
struct LogPage {
    older: Option<u64>,
    rows: Vec<LogLine>,
}

/// Lines of the log, the newest last, as a filter has them: of each type, from the newest back.
fn lines(
    remote: &Remote,
    types: &[String],
    since: Option<Timestamp>,
    limit: Option<usize>,
) -> Result<Vec<LogLine>, Failure> {
    let each: Vec<Option<&String>> =
        if types.is_empty() { vec![None] } else { types.iter().map(Some).collect() };
    let (most, mut found) = (limit.unwrap_or(usize::MAX), Vec::new());
    for kind in each {
        let (mut before, mut of_kind) = (None::<u64>, Vec::new());
        while of_kind.len() < most {
            let mut query = vec![("limit", LINES.min(most).to_string())];
            query.extend(kind.map(|kind| ("type", kind.clone())));
            query.extend(before.map(|before| ("before", before.to_string())));
            let page: LogPage = remote.get_with(&["log"], &query)?;
            of_kind.extend(
                page.rows.into_iter().filter(|line| since.is_none_or(|since| line.at >= since)),
            );
            before = page.older;
            if before.is_none() {
                break;
            }
        }
        found.append(&mut of_kind);
    }
    found.sort_by_key(|line| line.entry);
    found.dedup_by_key(|line| line.entry);
    let surplus = found.len().saturating_sub(most);
    Ok(found.split_off(surplus))
}
