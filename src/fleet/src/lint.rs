//! The plan linter: what stands in the way of a plan, before anybody signs or starts it.
//!
//! It decides nothing. It is given plain values by whoever draws a plan up, and answers with findings; the
//! order is that of the rules below, then of the names.

use ids::{EndpointName, RingName, Timestamp};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use trust::Interval;

/// An endpoint is missed when it was not seen for so many days.
pub const NOT_SEEN_DAYS: i64 = 7;
/// Rough minutes of a job besides what is applied: a way back, checks, a restart.
const JOB_MINUTES: u64 = 15;
/// Packages that a slow machine unpacks and configures in a minute.
const PACKAGES_A_MINUTE: u64 = 10;

/// What a plan is judged by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanFacts {
    /// The ring.
    pub ring: RingName,
    /// The moment of judging.
    pub now: Timestamp,
    /// When the approval ends.
    pub not_after: Timestamp,
    /// When it may be applied.
    pub spans: Vec<Interval>,
    /// Whether the ring has windows, or the approver named spans.
    pub has_windows: bool,
    /// When the ring's windows open next, at whatever distance.
    pub next_window: Option<Timestamp>,
    /// The ring that is patched before this one, where there is one.
    pub before: Option<RingBefore>,
    /// The endpoints.
    pub endpoints: Vec<EndpointFacts>,
}

/// How far the ring before is with the same plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RingBefore {
    /// Its name.
    pub ring: RingName,
    /// When its soak time is over; `None` as long as its run has not ended well.
    pub soaked_at: Option<Timestamp>,
    /// How many of its jobs failed.
    pub failed: u64,
}

/// One endpoint of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointFacts {
    /// Its name.
    pub name: EndpointName,
    /// How many packages it would change.
    pub packages: u64,
    /// Packages that would have to go.
    pub removes: Vec<String>,
    /// Packages that its solver keeps back.
    pub kept_back: Vec<String>,
    /// Packages that it would take past a version which its ring may not leave out: it is left out itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub below_floor: Vec<String>,
    /// When it was last seen.
    pub seen_at: Option<Timestamp>,
    /// What could put it back.
    pub way_back: WayBackFacts,
}

/// What could put an endpoint back, as far as it is known before the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WayBackFacts {
    /// The appliance's provider snapshots it.
    Provider,
    /// It has made and proven its own before.
    Own,
    /// It would have to make its own, and has not done so yet.
    Untried,
    /// A signed waiver stands in its place.
    Waived,
    /// There is none, and no waiver.
    Nothing,
}

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Good to know.
    Note,
    /// It may go wrong: somebody should look.
    Warning,
    /// As it stands, something of it will not be applied.
    Stop,
}

/// Which rule found it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// No window at all: it may be applied at any time.
    NoWindow,
    /// No span in which it may be applied.
    NeverOpen,
    /// The approval ends before the next window.
    EndsBeforeWindow,
    /// A span lies outside the approval's time.
    WindowOutside,
    /// No span is long enough for an endpoint.
    WindowTooShort,
    /// The ring before has not soaked.
    RingNotSoaked,
    /// Jobs of the ring before failed.
    RingFailed,
    /// No way back and no waiver.
    NoWayBack,
    /// The way back was never tried.
    WayBackUntried,
    /// A waiver stands in for the way back.
    WaivedWayBack,
    /// Something would have to be removed.
    RemovalNeeded,
    /// A version in between may not be left out.
    BelowFloor,
    /// Something is kept back.
    KeptBack,
    /// An endpoint was not seen for long.
    NotSeen,
    /// There is nothing to apply.
    NothingToApply,
}

/// Something to know about a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Which rule found it.
    pub code: Code,
    /// How grave it is.
    pub severity: Severity,
    /// The endpoint that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<EndpointName>,
    /// One sentence for people.
    pub sentence: String,
}

/// What is to be known about a plan.
#[must_use]
pub fn lint(plan: &PlanFacts) -> Vec<Finding> {
    let mut findings = windows(plan);
    findings.extend(ring_before(plan));
    if plan.endpoints.iter().all(|endpoint| endpoint.packages == 0) {
        findings.push(of_plan(
            Code::NothingToApply,
            Severity::Note,
            "no endpoint would change anything".into(),
        ));
    }
    let longest = longest(plan);
    for endpoint in &plan.endpoints {
        findings.extend(too_short(endpoint, longest));
        findings.extend(way_back(endpoint));
        findings.extend(below_floor(endpoint));
        findings.extend(left_out(endpoint));
        findings.extend(not_seen(endpoint, plan.now));
    }
    findings
}

fn below_floor(endpoint: &EndpointFacts) -> Option<Finding> {
    if endpoint.below_floor.is_empty() {
        return None;
    }
    let sentence = format!(
        "{} would leave out a version of {} that it may not: it is in no approval before it has it",
        endpoint.name,
        endpoint.below_floor.join(", ")
    );
    Some(of(endpoint, Code::BelowFloor, Severity::Stop, sentence))
}

/// The gravest of all findings.
#[must_use]
pub fn gravest(findings: &[Finding]) -> Option<Severity> {
    findings.iter().map(|finding| finding.severity).max()
}

fn of_plan(code: Code, severity: Severity, sentence: String) -> Finding {
    Finding { code, severity, endpoint: None, sentence }
}

fn of(endpoint: &EndpointFacts, code: Code, severity: Severity, sentence: String) -> Finding {
    Finding { code, severity, endpoint: Some(endpoint.name.clone()), sentence }
}

/// What a span leaves from now until the approval ends.
fn left(plan: &PlanFacts, span: Interval) -> Option<Interval> {
    let (opens, closes) = (span.opens.max(plan.now), span.closes.min(plan.not_after));
    (opens < closes).then_some(Interval { opens, closes })
}

fn longest(plan: &PlanFacts) -> Option<SignedDuration> {
    let left = plan.spans.iter().filter_map(|span| left(plan, *span));
    left.map(|span| span.closes.duration_since(span.opens)).max()
}

fn windows(plan: &PlanFacts) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !plan.has_windows {
        let sentence = format!(
            "what is approved has no window: ring {} may be changed at any time",
            plan.ring
        );
        findings.push(of_plan(Code::NoWindow, Severity::Warning, sentence));
    }
    let outside = |span: &&Interval| span.closes > plan.not_after || span.closes <= plan.now;
    let number = plan.spans.iter().filter(outside).count();
    if number > 0 {
        let sentence = format!(
            "{number} of {} windows lie in the past, or beyond the end of the approval ({})",
            plan.spans.len(),
            plan.not_after
        );
        findings.push(of_plan(Code::WindowOutside, Severity::Warning, sentence));
    }
    if !plan.spans.iter().any(|span| left(plan, *span).is_some()) {
        findings.push(match plan.next_window.filter(|next| *next >= plan.not_after) {
            Some(next) => {
                let sentence = format!(
                    "the approval ends {}, before the next window opens {next}",
                    plan.not_after
                );
                of_plan(Code::EndsBeforeWindow, Severity::Stop, sentence)
            }
            None => {
                let sentence = "there is no window in which it may be applied".to_owned();
                of_plan(Code::NeverOpen, Severity::Stop, sentence)
            }
        });
    }
    findings
}

fn ring_before(plan: &PlanFacts) -> Vec<Finding> {
    let Some(RingBefore { ring, soaked_at, failed }) = &plan.before else { return Vec::new() };
    let mut findings = Vec::new();
    let last = plan.spans.iter().filter_map(|span| left(plan, *span)).map(|span| span.closes).max();
    match soaked_at {
        Some(at) if *at <= plan.now => {}
        // It will have soaked in time for one of the windows.
        Some(at) if last.is_some_and(|last| *at < last) => {
            let sentence = format!("ring {ring} soaks until {at}: this ring waits for it");
            findings.push(of_plan(Code::RingNotSoaked, Severity::Note, sentence));
        }
        Some(at) => {
            let sentence =
                format!("ring {ring} soaks until {at}, after the last window has closed");
            findings.push(of_plan(Code::RingNotSoaked, Severity::Stop, sentence));
        }
        None => {
            let sentence = format!("ring {ring} comes before this one and has not been patched so");
            findings.push(of_plan(Code::RingNotSoaked, Severity::Warning, sentence));
        }
    }
    if *failed > 0 {
        let sentence = format!("{failed} jobs of ring {ring}, which comes before, failed");
        findings.push(of_plan(Code::RingFailed, Severity::Warning, sentence));
    }
    findings
}

/// How long an endpoint takes, roughly and rather more than less.
#[must_use]
pub fn estimate(endpoint: &EndpointFacts) -> SignedDuration {
    let minutes = JOB_MINUTES + endpoint.packages.div_ceil(PACKAGES_A_MINUTE);
    SignedDuration::from_mins(i64::try_from(minutes).unwrap_or(i64::MAX / 60))
}

fn too_short(endpoint: &EndpointFacts, longest: Option<SignedDuration>) -> Option<Finding> {
    let (needs, longest) = (estimate(endpoint), longest?);
    (endpoint.packages > 0 && needs > longest).then(|| {
        let sentence = format!(
            "{} would take about {} minutes for {} packages, and the longest window leaves {}",
            endpoint.name,
            needs.as_mins(),
            endpoint.packages,
            longest.as_mins()
        );
        of(endpoint, Code::WindowTooShort, Severity::Warning, sentence)
    })
}

fn way_back(endpoint: &EndpointFacts) -> Option<Finding> {
    let name = &endpoint.name;
    let (code, severity, sentence) = match endpoint.way_back {
        WayBackFacts::Provider | WayBackFacts::Own => return None,
        WayBackFacts::Untried => (
            Code::WayBackUntried,
            Severity::Note,
            format!(
                "endpoint {name} has never proven a way back: it refuses if it cannot make one"
            ),
        ),
        WayBackFacts::Waived => (
            Code::WaivedWayBack,
            Severity::Warning,
            format!(
                "endpoint {name} is changed without a way back: a signed waiver stands in its place"
            ),
        ),
        WayBackFacts::Nothing => (
            Code::NoWayBack,
            Severity::Stop,
            format!("endpoint {name} has no way back and no waiver: nothing is applied there"),
        ),
    };
    Some(of(endpoint, code, severity, sentence))
}

fn left_out(endpoint: &EndpointFacts) -> Vec<Finding> {
    let name = &endpoint.name;
    let mut findings = Vec::new();
    if !endpoint.removes.is_empty() {
        let sentence =
            format!("endpoint {name} would have to remove {}", endpoint.removes.join(", "));
        findings.push(of(endpoint, Code::RemovalNeeded, Severity::Stop, sentence));
    }
    if !endpoint.kept_back.is_empty() {
        let sentence = format!("endpoint {name} keeps back {}", endpoint.kept_back.join(", "));
        findings.push(of(endpoint, Code::KeptBack, Severity::Warning, sentence));
    }
    findings
}

fn not_seen(endpoint: &EndpointFacts, now: Timestamp) -> Option<Finding> {
    let name = &endpoint.name;
    let sentence = match endpoint.seen_at {
        None => format!("endpoint {name} has not been seen since the appliance began to note it"),
        Some(at) if now.duration_since(at).as_hours() >= NOT_SEEN_DAYS * 24 => {
            format!(
                "endpoint {name} was last seen {at}, {} days ago",
                now.duration_since(at).as_hours() / 24
            )
        }
        Some(_) => return None,
    };
    Some(of(endpoint, Code::NotSeen, Severity::Warning, sentence))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn endpoint() -> EndpointFacts {
        EndpointFacts {
            name: "web1".parse().unwrap(),
            packages: 30,
            removes: Vec::new(),
            kept_back: Vec::new(),
            below_floor: Vec::new(),
            seen_at: Some(at("2026-11-24T15:50:00Z")),
            way_back: WayBackFacts::Own,
        }
    }

    /// A plan without a blemish.
    fn plan() -> PlanFacts {
        PlanFacts {
            ring: "broad".parse().unwrap(),
            now: at("2026-11-24T16:00:00Z"),
            not_after: at("2026-12-08T16:00:00Z"),
            spans: vec![span("2026-11-28T22:00:00Z", "2026-11-29T02:00:00Z")],
            has_windows: true,
            next_window: Some(at("2026-11-28T22:00:00Z")),
            before: None,
            endpoints: vec![endpoint()],
        }
    }

    fn span(opens: &str, closes: &str) -> Interval {
        Interval { opens: at(opens), closes: at(closes) }
    }

    fn found(plan: &PlanFacts) -> Vec<(Code, Severity)> {
        lint(plan).into_iter().map(|finding| (finding.code, finding.severity)).collect()
    }

    fn with(change: impl FnOnce(&mut PlanFacts)) -> Vec<(Code, Severity)> {
        let mut plan = plan();
        change(&mut plan);
        found(&plan)
    }

    #[test]
    fn a_plan_without_a_blemish_has_no_finding() {
        assert!(found(&plan()).is_empty());
        assert_eq!(gravest(&[]), None);
    }

    #[test]
    fn windows_are_judged_by_the_approval() {
        use Code as C;
        use Severity::{Stop, Warning};
        assert_eq!(with(|p| p.has_windows = false), [(C::NoWindow, Warning)]);
        let past = span("2026-11-20T22:00:00Z", "2026-11-21T02:00:00Z");
        assert_eq!(with(|p| p.spans.push(past)), [(C::WindowOutside, Warning)]);
        assert_eq!(with(|p| p.spans.clear()), [(C::NeverOpen, Stop)]);
        let next = at("2026-12-12T22:00:00Z");
        let late = with(|p| (p.spans, p.next_window) = (Vec::new(), Some(next)));
        assert_eq!(late, [(C::EndsBeforeWindow, Stop)]);
        // A quarter of an hour and 30 packages at ten a minute: 18 minutes.
        let short = |closes: &str| with(|p| p.spans = vec![span("2026-11-28T22:00:00Z", closes)]);
        assert_eq!(short("2026-11-28T22:17:59Z"), [(C::WindowTooShort, Warning)]);
        assert!(short("2026-11-28T22:18:00Z").is_empty());
        // The end of the approval cuts the window.
        let cut = with(|p| p.not_after = at("2026-11-28T22:10:00Z"));
        assert_eq!(cut, [(C::WindowOutside, Warning), (C::WindowTooShort, Warning)]);
    }

    #[test]
    fn the_ring_before_comes_first() {
        use Severity::{Note, Stop, Warning};
        let before = |soaked_at: Option<&str>, failed| {
            let soaked_at = soaked_at.map(at);
            let ring = "pilot".parse().unwrap();
            with(|p| p.before = Some(RingBefore { ring, soaked_at, failed }))
        };
        assert!(before(Some("2026-11-24T16:00:00Z"), 0).is_empty());
        assert_eq!(before(Some("2026-11-26T16:00:00Z"), 0), [(Code::RingNotSoaked, Note)]);
        assert_eq!(before(Some("2026-11-29T02:00:00Z"), 0), [(Code::RingNotSoaked, Stop)]);
        assert_eq!(before(None, 2), [(Code::RingNotSoaked, Warning), (Code::RingFailed, Warning)]);
    }

    #[test]
    fn endpoints_are_judged_one_by_one() {
        use Code as C;
        use Severity::{Note, Stop, Warning};
        let one = |change: fn(&mut EndpointFacts)| with(|p| change(&mut p.endpoints[0]));
        assert_eq!(one(|e| e.way_back = WayBackFacts::Nothing), [(C::NoWayBack, Stop)]);
        assert_eq!(one(|e| e.way_back = WayBackFacts::Waived), [(C::WaivedWayBack, Warning)]);
        assert_eq!(one(|e| e.way_back = WayBackFacts::Untried), [(C::WayBackUntried, Note)]);
        assert!(one(|e| e.way_back = WayBackFacts::Provider).is_empty());
        assert_eq!(one(|e| e.removes = vec!["old".into()]), [(C::RemovalNeeded, Stop)]);
        assert_eq!(one(|e| e.kept_back = vec!["held".into()]), [(C::KeptBack, Warning)]);
        assert_eq!(one(|e| e.seen_at = None), [(C::NotSeen, Warning)]);
        let week = at("2026-11-17T16:00:00Z");
        assert_eq!(with(|p| p.endpoints[0].seen_at = Some(week)), [(C::NotSeen, Warning)]);
        let less = at("2026-11-17T16:00:01Z");
        assert!(with(|p| p.endpoints[0].seen_at = Some(less)).is_empty());
        assert_eq!(one(|e| e.packages = 0), [(C::NothingToApply, Note)]);
    }
}
