//! Patch policies: those in force, those that are built in, and putting them in force or out of it.

use crate::{
    Console, Failure,
    frame::{Done, Frame, Section},
    reading,
    visit::{Nothing, Sent, Visit},
};
use askama::Template;
use axum::{
    Router,
    extract::{Path, Query},
    response::{Html, Redirect},
    routing::{get, post},
};
use fleet::{Clock, Condition, Limit, Operation, Policy, PolicyCommand, PolicyRule};
use ids::PolicyName;
use site::Site;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "policies.html")]
struct List {
    frame: Frame,
    /// Each policy, and whether it is in force.
    policies: Vec<(Policy, bool)>,
    may_set: bool,
    may_remove: bool,
}

impl List {
    fn limit(rule: &PolicyRule) -> String {
        use crate::text::count;
        match rule.limit {
            Limit::Hours(hours) => count(u64::from(hours), "hour"),
            Limit::Days(days) => count(u64::from(days), "day"),
            Limit::Months(months) => count(u64::from(months), "month"),
            Limit::NextUpgrade => "until the next upgrade".to_owned(),
        }
    }

    fn clock(rule: &PolicyRule) -> &'static str {
        match rule.clock {
            Clock::VendorRelease => "the vendor’s release",
            Clock::AlertIssued => "the alert",
            Clock::AlertAcknowledged => "the alert’s acknowledgement",
        }
    }

    /// When a rule applies, in words.
    fn when(rule: &PolicyRule) -> String {
        let Condition { severity, cvss_tenths, exposure, kev, automatable, total_impact } =
            &rule.when;
        let mut parts = Vec::new();
        let word = |value: &dyn std::fmt::Debug| format!("{value:?}").to_lowercase();
        if !severity.is_empty() {
            let words: Vec<_> = severity.iter().map(|one| word(one)).collect();
            parts.push(format!("the vendor says {} or nothing", words.join(" or ")));
        }
        if let Some(tenths) = cvss_tenths {
            parts.push(format!("CVSS is {}.{} or more, or not known", tenths / 10, tenths % 10));
        }
        if !exposure.is_empty() {
            let words: Vec<_> = exposure.iter().map(|one| one.word()).collect();
            parts.push(format!("the endpoint is {}, or that is not known", words.join(" or ")));
        }
        let facts = [
            (kev, "it is known to be exploited"),
            (automatable, "exploiting it can be automated"),
            (total_impact, "its impact is total"),
        ];
        for (fact, words) in facts {
            match fact {
                Some(true) => parts.push(words.to_owned()),
                Some(false) => parts.push(format!("not: {words}")),
                None => {}
            }
        }
        if parts.is_empty() { "always".to_owned() } else { parts.join("; ") }
    }
}

async fn list(visit: Visit, Query(words): Query<Done>) -> Result<Html<String>, Failure> {
    let policies = reading(&visit, |site| site.policies(true)).await?;
    let state = visit.site().state();
    let in_force = |policy: &Policy| state.policies.contains_key(&policy.name);
    let mut policies: Vec<_> = policies
        .into_iter()
        .map(|policy| {
            let in_force = in_force(&policy);
            (policy, in_force)
        })
        .collect();
    policies.sort_by_key(|(policy, in_force)| (!in_force, policy.name.clone()));
    let page = List {
        frame: Frame::new(&visit, Section::Rules, "Policies").after(words.done.as_deref()),
        policies,
        may_set: visit.may(Operation::SetPolicy),
        may_remove: visit.may(Operation::RemovePolicy),
    };
    Ok(Html(page.render()?))
}

async fn set(
    Path(name): Path<String>,
    Sent(visit, Nothing {}): Sent<Nothing>,
) -> Result<Redirect, Failure> {
    let actor = visit.acting(Operation::SetPolicy)?;
    let name: PolicyName = name.parse()?;
    let act = move |site: &Site| {
        let policy = site.policies(true)?.into_iter().find(|policy| policy.name == name);
        let none = || site::Error::Input(format!("no policy {name} is built in"));
        site.change_policy(actor, PolicyCommand::Set { policy: policy.ok_or_else(none)? })
    };
    reading(&visit, act).await?;
    Ok(Redirect::to("/policies?done=policy-set"))
}

async fn remove(
    Path(name): Path<String>,
    Sent(visit, Nothing {}): Sent<Nothing>,
) -> Result<Redirect, Failure> {
    let actor = visit.acting(Operation::RemovePolicy)?;
    let policy: PolicyName = name.parse()?;
    reading(&visit, move |site| site.change_policy(actor, PolicyCommand::Remove { policy }))
        .await?;
    Ok(Redirect::to("/policies?done=policy-removed"))
}

pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/policies", get(list))
        .route("/policies/{name}/set", post(set))
        .route("/policies/{name}/remove", post(remove))
}
