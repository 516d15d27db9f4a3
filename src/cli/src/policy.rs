//! `patchkeep policy` and `patchkeep calendar`: what a site goes by.

use crate::{
    appliance::Appliance,
    control::{ReportReply, ReportRequest, ask_report, unexpected},
    failure::Failure,
    person::Person,
    screen::Screen,
};
use clap::Subcommand;
use fleet::{Calendar, Policy};
use ids::{Fault, PolicyName};
use jiff::civil::Date;
use std::{
    fs,
    path::{Path, PathBuf},
};

#[derive(Subcommand)]
pub(crate) enum PolicyVerb {
    /// The policies in force.
    List {
        #[command(flatten)]
        appliance: Appliance,
        /// Also the built-in ones that are not in force.
        #[arg(long)]
        all: bool,
    },
    /// Put a policy in force: a built-in one by its name, or your own from a file.
    Set {
        #[command(flatten)]
        appliance: Appliance,
        /// Its name.
        name: PolicyName,
        /// Your own, as JSON; `policy list --all --json` shows the form.
        #[arg(long, value_name = "FILE.json")]
        file: Option<PathBuf>,
        #[command(flatten)]
        person: Person,
    },
    /// Put a policy out of force.
    Remove {
        #[command(flatten)]
        appliance: Appliance,
        /// Its name.
        name: PolicyName,
        #[command(flatten)]
        person: Person,
    },
}

#[derive(Subcommand)]
pub(crate) enum CalendarVerb {
    /// The time zone of the site's months and days, and its holidays.
    Show {
        #[command(flatten)]
        appliance: Appliance,
    },
    /// Set both.
    Set {
        #[command(flatten)]
        appliance: Appliance,
        /// The time zone, as `Europe/London`.
        #[arg(long)]
        zone: String,
        /// A day on which nobody works; may be repeated. None unless given.
        #[arg(long = "holiday", value_name = "YYYY-MM-DD")]
        holidays: Vec<Date>,
        #[command(flatten)]
        person: Person,
    },
}

impl PolicyVerb {
    pub(crate) fn run(self, screen: &Screen) -> Result<(), Failure> {
        let (request, appliance) = match self {
            Self::List { appliance, all } => (ReportRequest::Policies { all }, appliance),
            Self::Remove { appliance, name, person } => (
                ReportRequest::RemovePolicy { policy: name, person: person.id(&appliance)? },
                appliance,
            ),
            Self::Set { appliance, name, file, person } => {
                let policy = Box::new(match file {
                    Some(file) => read(&file, &name)?,
                    None => built_in(&name)?,
                });
                (ReportRequest::SetPolicy { policy, person: person.id(&appliance)? }, appliance)
            }
        };
        let ReportReply::Policies(policies) = ask_report(&appliance, request, screen)? else {
            return Err(unexpected());
        };
        let line =
            |policy: &Policy| format!("{}  {}\n  {}", policy.name, policy.title, policy.basis);
        let said = if policies.is_empty() {
            "No policy is in force; `patchkeep policy list --all` shows the built-in ones."
                .to_owned()
        } else {
            policies.iter().map(line).collect::<Vec<_>>().join("\n")
        };
        screen.result(&policies, said);
        Ok(())
    }
}

fn built_in(name: &PolicyName) -> Result<Policy, Failure> {
    let found = fleet::built_in()?.into_iter().find(|policy| policy.name == *name);
    found.ok_or_else(|| {
        let message = format!("there is no built-in policy {name}: give your own with --file");
        Failure::say(Fault::Input, message)
    })
}

fn read(file: &Path, name: &PolicyName) -> Result<Policy, Failure> {
    let text = fs::read_to_string(file).map_err(|e| Failure::file("read", file, &e))?;
    let policy: Policy = serde_json::from_str(&text).map_err(|e| {
        Failure::say(Fault::Input, format!("{} is not a policy: {e}", file.display()))
    })?;
    if policy.name != *name {
        let message = format!("{} is the policy {}, not {name}", file.display(), policy.name);
        return Err(Failure::say(Fault::Input, message));
    }
    Ok(policy)
}

impl CalendarVerb {
    pub(crate) fn run(self, screen: &Screen) -> Result<(), Failure> {
        let (request, appliance) = match self {
            Self::Show { appliance } => (ReportRequest::Calendar, appliance),
            Self::Set { appliance, zone, holidays, person } => {
                let calendar = Calendar { zone, holidays: holidays.into_iter().collect() };
                (ReportRequest::SetCalendar { calendar, person: person.id(&appliance)? }, appliance)
            }
        };
        let ReportReply::Calendar(calendar) = ask_report(&appliance, request, screen)? else {
            return Err(unexpected());
        };
        let days: Vec<String> = calendar.holidays.iter().map(Date::to_string).collect();
        let days = if days.is_empty() { "no holidays".to_owned() } else { days.join(", ") };
        let said = format!("The site goes by the clocks of {}; {days} listed.", calendar.zone);
        screen.result(&calendar, said);
        Ok(())
    }
}
