//! Patch policies: those in force, those that are built in, and putting them in force or out of it.

use crate::{
    Console, Failure,
    frame::{Done, Frame, Section},
    reading, text,
    visit::{Nothing, Sent, Visit},
};
use askama::Template;
use axum::{
    Router,
    extract::{Path, Query},
    response::{Html, Redirect},
    routing::{get, post},
};
use fleet::{Clock, Condition, Limit, Operation, Policy, PolicyCommand, PolicyRule, PolicyStatus};
use ids::PolicyName;
use serde::Deserialize;
use site::{PolicyStanding, Site};
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

/// Rules in words.
struct Words;

impl Words {
    fn limit(rule: &PolicyRule) -> String {
        use text::count;
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

#[derive(Template)]
#[template(path = "policy_new.html")]
struct New {
    frame: Frame,
    /// The policy as it is typed.
    text: String,
    built_in: Vec<Policy>,
    preview: Option<PolicyStanding>,
    may: bool,
}

impl New {
    fn number(standing: &PolicyStanding, status: PolicyStatus) -> u64 {
        standing.counts.get(&status).copied().unwrap_or(0)
    }
}

#[derive(Deserialize)]
struct NewWords {
    from: Option<String>,
}

#[derive(Deserialize)]
struct SetForm {
    policy: String,
}

impl SetForm {
    fn policy(&self) -> Result<Policy, Failure> {
        let wrong = |e| Failure::input(format!("the policy is not written as one: {e}"));
        serde_json::from_str(&self.policy).map_err(wrong)
    }
}

async fn new(visit: Visit, Query(words): Query<NewWords>) -> Result<Html<String>, Failure> {
    let policies = reading(&visit, |site| site.policies(true)).await?;
    let from = words.from.unwrap_or_default();
    let from = policies.iter().find(|policy| policy.name.as_str() == from).or(policies.first());
    let text = from.and_then(|policy| serde_json::to_string_pretty(policy).ok());
    page_of(&visit, policies, text.unwrap_or_default(), None)
}

fn page_of(
    visit: &Visit,
    built_in: Vec<Policy>,
    text: String,
    preview: Option<PolicyStanding>,
) -> Result<Html<String>, Failure> {
    let frame = Frame::new(visit, Section::Rules, "Write a policy").below("Policies", "/policies");
    let may = visit.may(Operation::SetPolicy);
    Ok(Html(New { frame, text, built_in, preview, may }.render()?))
}

async fn preview(Sent(visit, form): Sent<SetForm>) -> Result<Html<String>, Failure> {
    let policy = form.policy()?;
    let look = move |site: &Site| Ok((site.policies(true)?, site.policy_preview(&policy)?));
    let (policies, standing) = reading(&visit, look).await?;
    page_of(&visit, policies, form.policy, Some(standing))
}

async fn write(Sent(visit, form): Sent<SetForm>) -> Result<Redirect, Failure> {
    let actor = visit.acting(Operation::SetPolicy)?;
    let set = PolicyCommand::Set { policy: form.policy()? };
    reading(&visit, move |site| site.change_policy(actor, set)).await?;
    Ok(Redirect::to("/policies?done=policy-set"))
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
        .route("/policies", get(list).post(write))
        .route("/policies/preview", post(preview))
        .route("/policy-new", get(new))
        .route("/policies/{name}/set", post(set))
        .route("/policies/{name}/remove", post(remove))
}
