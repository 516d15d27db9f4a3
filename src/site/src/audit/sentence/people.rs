//! The sentences of endpoints and of what people decided.

use super::{count, day, time};
use fleet::{Description, EndpointKind, Fact, JobEnd};
use trust::Decision;

/// The sentence of a fact about endpoints or decisions; of another kind there is none.
pub(super) fn said(fact: &Fact, who: &str) -> Option<String> {
    Some(match fact {
        Fact::EnrolmentTokenIssued { ring, not_after, .. } => {
            format!("{who} issued a token to join ring {ring} with, until {}", time(*not_after))
        }
        Fact::EnrolmentTokenMisused { token, .. } => format!(
            "ALARM: token {} was used again, with another key: somebody has a copy of it",
            token.short()
        ),
        Fact::EndpointAsked { endpoint, ring, .. } => {
            format!(
                "endpoint {endpoint} asked to join ring {ring}; a person has to compare its key"
            )
        }
        Fact::EndpointAskedAgain { endpoint, .. } => format!(
            "endpoint {endpoint}, whose certificate had ended, asked for the next one; a person has to \
             compare its key"
        ),
        Fact::EndpointConfirmed { endpoint, not_after, .. } => format!(
            "{who} compared the key of endpoint {endpoint} and let it join; its certificate ends on {}",
            day(*not_after)
        ),
        Fact::EndpointDescribed { endpoint, description } => {
            format!("{who} said of endpoint {endpoint}: {}", described(description))
        }
        Fact::EndpointElected { endpoint, elected: true, .. } => {
            format!("endpoint {endpoint} is elected in: it is patched and counted from here on")
        }
        Fact::EndpointElected { endpoint, elected: false, .. } => {
            format!("{who} elected endpoint {endpoint} out: it is not patched and not counted")
        }
        Fact::EndpointCertificateRenewed { endpoint, not_after, .. } => {
            format!(
                "endpoint {endpoint} got its next certificate, which ends on {}",
                day(*not_after)
            )
        }
        Fact::EndpointRetired { endpoint, reason } => {
            format!("{who} put endpoint {endpoint} out: {reason}")
        }
        Fact::InventoryReceived { endpoint, packages, .. } => {
            let packages = count(*packages, "package");
            format!("endpoint {endpoint} said what it has installed: {packages}")
        }
        Fact::PlanReceived { endpoint, packages, kept_back, .. } => format!(
            "endpoint {endpoint} said what it would apply: {}, {kept_back} kept back",
            count(*packages, "package")
        ),
        Fact::JobReported { endpoint, job, .. } => {
            let loud = match job.end {
                Some(JobEnd::Failed | JobEnd::RestoreFailed) => "ALARM: ",
                _ => "",
            };
            let word = job.word();
            format!("{loud}endpoint {endpoint} says of approval {}: {word}", job.approval.short())
        }
        Fact::LogDoubted { endpoint, .. } => {
            format!("ALARM: endpoint {endpoint} doubts this log: it holds proof of another history")
        }
        Fact::EndpointWentBack { endpoint, held, before } => format!(
            "ALARM: endpoint {endpoint} held {before} entries of this log and holds {held} now: it was \
             put back, or somebody runs a copy of it"
        ),
        other => return decided(other, who),
    })
}

fn described(description: &Description) -> String {
    let Description { kind, stateless, never_back, exposure, owner, provider } = description;
    let kind = kind.map_or("a machine of no said kind", EndpointKind::word);
    let mut said = vec![kind.to_owned()];
    said.extend(stateless.then(|| "stateless".to_owned()));
    said.extend(never_back.map(|why| format!("never put back by itself ({})", why.word())));
    said.extend(exposure.map(|how| format!("reached as {}", how.word())));
    said.extend(owner.map(|_| "it has an owner".to_owned()));
    said.push(match provider {
        Some(_) => "the appliance's provider snapshots it".to_owned(),
        None => "no provider snapshots it".to_owned(),
    });
    said.join(", ")
}

fn decided(fact: &Fact, who: &str) -> Option<String> {
    Some(match fact {
        Fact::StatementAccepted {
            ring,
            generation,
            decision,
            approver,
            endpoints,
            packages,
            not_after,
            attested,
            imported_by_approver,
            ..
        } => {
            let by = if *attested {
                "only the appliance attests to it, and no agent obeys it"
            } else {
                "the approver's own signature stands for it"
            };
            let imported = if *imported_by_approver {
                "; FOUR EYES ARE OFF: the approver imported it"
            } else {
                ""
            };
            match decision {
                Decision::Approve => format!(
                    "{approver} approved {} for {} of ring {ring} until {} (statement {generation}); \
                     {by}{imported}",
                    count(*packages, "package"),
                    count(*endpoints, "endpoint"),
                    time(*not_after)
                ),
                Decision::Withdraw => format!(
                    "{approver} took back what was approved for ring {ring} (statement {generation}); \
                     {by}"
                ),
            }
        }
        Fact::StatementRefused { reason, message } => {
            format!("a statement that {who} offered was refused ({reason}): {message}")
        }
        Fact::WaiverAccepted { approver, endpoints, not_after, .. } => format!(
            "{approver} consents that {} are changed without a way back, until {}",
            count(*endpoints, "endpoint"),
            time(*not_after)
        ),
        Fact::UpdateDeclined { ring, package, version, not_after, .. } => {
            format!("{who} declined {package} {version} for ring {ring} until {}", day(*not_after))
        }
        _ => return None,
    })
}
