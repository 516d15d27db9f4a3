//! `patchkeep report`: how the service levels stand, and what is open under a policy.

use crate::{
    appliance::Appliance,
    control::{ReportReply, ReportRequest, ask_report, unexpected},
    failure::Failure,
    screen::Screen,
};
use clap::Subcommand;
use fleet::{Deadline, FactAsked, Level, LevelRow, LevelStatus, PolicyStatus};
use ids::{PolicyName, Timestamp};
use site::{LevelReport, PolicyReport, PolicyRow};
use std::fmt::Write as _;

#[derive(Subcommand)]
pub(crate) enum ReportVerb {
    /// The service levels: content at most 30 days behind, a run each month, the first one in five days.
    Levels {
        #[command(flatten)]
        appliance: Appliance,
    },
    /// What endpoints lack, and by when a policy that is in force wants it.
    Policy {
        #[command(flatten)]
        appliance: Appliance,
        /// The policy.
        name: PolicyName,
        /// As lines of comma-separated values.
        #[arg(long)]
        csv: bool,
    },
}

impl ReportVerb {
    pub(crate) fn run(self, screen: &Screen) -> Result<(), Failure> {
        match self {
            Self::Levels { appliance } => {
                let ReportReply::Levels(report) =
                    ask_report(&appliance, ReportRequest::Levels, screen)?
                else {
                    return Err(unexpected());
                };
                screen.result(&report, levels(&report));
            }
            Self::Policy { appliance, name, csv } => {
                let request = ReportRequest::Policy { policy: name };
                let ReportReply::Policy(report) = ask_report(&appliance, request, screen)? else {
                    return Err(unexpected());
                };
                screen.result(&report, if csv { table(&report) } else { open(&report) });
            }
        }
        Ok(())
    }
}

fn levels(report: &LevelReport) -> String {
    let mut text = format!(
        "Service levels as of {} (entry {}), by the clocks of {} with {} holidays listed.\n",
        report.at,
        report.entries,
        report.calendar.zone,
        report.calendar.holidays.len()
    );
    // Writing to a String cannot fail.
    for level in [Level::Content, Level::MonthlyRun, Level::FirstRun] {
        let rows: Vec<&LevelRow> = report.of(level).collect();
        let count = |status| rows.iter().filter(|row| row.status == status).count();
        let _ = writeln!(
            text,
            "\n{}: {} met, {} due, {} missed, {} not recorded",
            level.word(),
            count(LevelStatus::Met),
            count(LevelStatus::Due),
            count(LevelStatus::Missed),
            count(LevelStatus::Unknown)
        );
        for row in rows {
            let alarm = if row.status == LevelStatus::Missed { "ALARM " } else { "" };
            let _ = writeln!(
                text,
                "  {alarm}{}: {}; from {}, until {}, kept {}",
                row.subject,
                row.status.word(),
                at(row.since),
                at(row.due_at),
                at(row.met_at)
            );
        }
    }
    for name in &report.elected_out {
        let _ = writeln!(text, "Not counted, since it is elected out: {name}");
    }
    text
}

fn open(report: &PolicyReport) -> String {
    let PolicyReport { policy, counts, rows, .. } = report;
    let mut text = format!("{} as of {} (entry {}).\n", policy.title, report.at, report.entries);
    // Writing to a String cannot fail.
    let counted: Vec<String> =
        counts.iter().map(|(status, count)| format!("{count} {}", status.word())).collect();
    let counted = if counted.is_empty() { "nothing".to_owned() } else { counted.join(", ") };
    let _ = writeln!(text, "Open on endpoints: {counted}.");
    if report.forensic_triage > 0 {
        let _ = writeln!(text, "Forensic triage is asked for, too, by {}.", report.forensic_triage);
    }
    for row in rows {
        let _ = writeln!(text, "  {}", line(row));
    }
    for (name, why) in &report.untold {
        let _ = writeln!(text, "What {name} lacks cannot be told: {why}");
    }
    for name in &report.elected_out {
        let _ = writeln!(text, "Not counted, since it is elected out: {name}");
    }
    let _ = writeln!(text, "{}", assumed(report));
    let _ = write!(text, "What is effective already is not listed.\nBasis: {}", policy.basis);
    text
}

/// A row in one line.
fn line(row: &PolicyRow) -> String {
    let PolicyRow { endpoint, package, installed, fixed, deadline, status, .. } = row;
    let alarm = if *status == PolicyStatus::Overdue { "ALARM " } else { "" };
    let mut text = format!(
        "{alarm}{endpoint}: {package} {installed} -> {fixed}, released {}: {}",
        at(row.released_at),
        status.word()
    );
    // Writing to a String cannot fail.
    if let Some(deadline) = deadline {
        let due = match deadline.due_at {
            Some(due_at) => at(Some(due_at)),
            None => "with the next upgrade".to_owned(),
        };
        let triage = if deadline.forensic_triage { " and forensic triage" } else { "" };
        let _ = write!(text, "; due {due}{triage} by {}", deadline.rule);
    }
    if let Some(cve) = &row.decided_by {
        let _ = write!(text, " for {cve}");
    }
    if !row.taken_as_worse.is_empty() {
        let _ = write!(text, "; unknown, taken as the worse: {}", words(row).join(", "));
    }
    text
}

fn words(row: &PolicyRow) -> Vec<&'static str> {
    row.taken_as_worse.iter().map(|fact| fact.word()).collect()
}

/// What is not known, in how many rows, and how old the lists are by which it was judged.
fn assumed(report: &PolicyReport) -> String {
    let counted = |(fact, count): (&FactAsked, &u64)| format!("{} in {count}", fact.word());
    let unknown: Vec<String> = report.taken_as_worse.iter().map(counted).collect();
    let mut text = if unknown.is_empty() {
        "Everything that the policy asks for is known.".to_owned()
    } else {
        format!("Unknown, and taken as the worse: {} of {}.", unknown.join(", "), report.rows.len())
    };
    let oldest =
        |date: fn(&PolicyRow) -> Option<Timestamp>| report.rows.iter().filter_map(date).min();
    for (name, date) in [
        ("known exploited vulnerabilities (KEV)", oldest(|row| row.kev_as_of)),
        ("SSVC decision points", oldest(|row| row.ssvc_as_of)),
    ] {
        if date.is_some() {
            let _ = write!(text, " The list of {name} is of {}.", at(date));
        }
    }
    text
}

fn table(report: &PolicyReport) -> String {
    let mut text = String::from(
        "endpoint,ring,package,installed_version,fixed_version,cve_ids,released_at,deadline_rule,due_at,\
         forensic_triage,decided_by,kev_as_of,ssvc_as_of,taken_as_worse,status,policy_id,as_of_log_seq\n",
    );
    for row in &report.rows {
        let cves = row.cves.as_ref().map_or_else(|| "unknown".to_owned(), |cves| cves.join(" "));
        let time = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
        let deadline = row.deadline.as_ref();
        let due = |deadline: &Deadline| {
            deadline.due_at.map_or_else(|| "next upgrade".to_owned(), |at| at.to_string())
        };
        let triage = |deadline: &Deadline| if deadline.forensic_triage { "yes" } else { "no" };
        let cells = [
            row.endpoint.to_string(),
            row.ring.to_string(),
            row.package.clone(),
            row.installed.clone(),
            row.fixed.clone(),
            cves,
            time(row.released_at),
            deadline.map(|deadline| deadline.rule.clone()).unwrap_or_default(),
            deadline.map(due).unwrap_or_default(),
            deadline.map(triage).unwrap_or_default().to_owned(),
            row.decided_by.clone().unwrap_or_default(),
            time(row.kev_as_of),
            time(row.ssvc_as_of),
            words(row).join(" ").to_lowercase(),
            row.status.word().to_lowercase(),
            report.policy.name.to_string(),
            report.entries.to_string(),
        ];
        text.push_str(&cells.map(|cell| quoted(&cell)).join(","));
        text.push('\n');
    }
    text
}

/// A cell as RFC 4180 has it. What a spreadsheet would take for a formula is made text: versions come from
/// strangers.
fn quoted(cell: &str) -> String {
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let cell = if formula { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell
    }
}

fn at(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "-".to_owned(), |at| at.strftime("%Y-%m-%d %H:%MZ").to_string())
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn cells_hold_no_formulas() {
        for (cell, expected) in [
            ("1.2-3", "1.2-3"),
            ("=1+1", "'=1+1"),
            ("a,b", "\"a,b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("@a,b", "\"'@a,b\""),
        ] {
            assert_eq!(quoted(cell), expected);
        }
    }
}
