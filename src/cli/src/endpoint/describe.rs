//! `patchkeep endpoint set|elect`: what people say of an endpoint, and whether it is elected in.

use super::enrol::one;
use crate::{
    appliance::Appliance,
    control::{PeopleReply, PeopleRequest, Reply, Request, ask, unexpected},
    failure::Failure,
    person::Person,
    screen::Screen,
};
use clap::{Args, ValueEnum};
use fleet::{EndpointKind, Exposure, NeverBack};
use ids::{EndpointName, Fault};
use site::{Change, Describe};
use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

#[derive(Args)]
pub(crate) struct SetWords {
    #[command(flatten)]
    appliance: Appliance,
    /// The endpoint.
    name: EndpointName,
    /// What it is.
    #[arg(long)]
    kind: Option<Kind>,
    /// Whether it holds nothing that a snapshot would take back with it: a failed change is then put back
    /// without asking.
    #[arg(long)]
    stateless: Option<YesNo>,
    /// How it can be reached: policies go by it.
    #[arg(long)]
    exposure: Option<Reach>,
    /// Never put it back by itself, since it is this; `no` takes that back.
    #[arg(long)]
    never_back: Option<Never>,
    /// Who owns it; an empty text takes that back.
    #[arg(long)]
    owner: Option<String>,
    /// How the appliance's provider snapshots it: a file with one JSON object.
    #[arg(long, value_name = "FILE.json")]
    provider: Option<PathBuf>,
    /// No provider snapshots it any more.
    #[arg(long, conflicts_with = "provider")]
    no_provider: bool,
    #[command(flatten)]
    person: Person,
}

#[derive(Args)]
pub(crate) struct ElectWords {
    #[command(flatten)]
    appliance: Appliance,
    /// The endpoint.
    name: EndpointName,
    /// In: it is patched and counted. Out: it is in no approval, and in no service level.
    way: Way,
    /// Why; electing out needs it.
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    person: Person,
}

#[derive(Args)]
pub(crate) struct RegisterWords {
    #[command(flatten)]
    appliance: Appliance,
    /// The register of the site's machines as CSV: its first line names the columns `name` and, where it has them,
    /// `kind` (server or workstation) and `owner`.
    #[arg(value_name = "FILE.csv")]
    file: PathBuf,
    #[command(flatten)]
    person: Person,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    Server,
    Workstation,
}

#[derive(Clone, Copy, ValueEnum)]
enum Reach {
    Internet,
    Connected,
    Internal,
    AirGapped,
}

#[derive(Clone, Copy, ValueEnum)]
enum YesNo {
    Yes,
    No,
}

#[derive(Clone, Copy, ValueEnum)]
enum Never {
    DomainController,
    ClusterMember,
    Other,
    No,
}

#[derive(Clone, Copy, ValueEnum)]
enum Way {
    In,
    Out,
}

impl SetWords {
    pub(crate) fn run(self, screen: &Screen) -> Result<(), Failure> {
        let Self {
            appliance,
            name,
            kind,
            stateless,
            exposure,
            never_back,
            owner,
            provider,
            no_provider,
            person,
        } = self;
        let provider = match provider {
            Some(file) => Change::To(settings(&file)?),
            None if no_provider => Change::Clear,
            None => Change::Keep,
        };
        let said = Describe {
            kind: kind.map(|kind| match kind {
                Kind::Server => EndpointKind::Server,
                Kind::Workstation => EndpointKind::Workstation,
            }),
            stateless: stateless.map(|said| matches!(said, YesNo::Yes)),
            exposure: exposure.map(|reach| match reach {
                Reach::Internet => Exposure::Internet,
                Reach::Connected => Exposure::Connected,
                Reach::Internal => Exposure::Internal,
                Reach::AirGapped => Exposure::AirGapped,
            }),
            never_back: match never_back {
                None => Change::Keep,
                Some(Never::No) => Change::Clear,
                Some(Never::DomainController) => Change::To(NeverBack::DomainController),
                Some(Never::ClusterMember) => Change::To(NeverBack::ClusterMember),
                Some(Never::Other) => Change::To(NeverBack::Other),
            },
            owner: match owner {
                None => Change::Keep,
                Some(owner) if owner.trim().is_empty() => Change::Clear,
                Some(owner) => Change::To(owner),
            },
            provider,
        };
        if said == Describe::default() {
            let message =
                "say what it is: --kind, --stateless, --never-back, --owner or --provider";
            return Err(Failure::say(Fault::Input, message));
        }
        let said = Box::new(said);
        let request =
            PeopleRequest::Describe { endpoint: name, said, person: person.id(&appliance)? };
        one(&appliance, request, screen, "It is described so from now on.")
    }
}

impl ElectWords {
    pub(crate) fn run(self, screen: &Screen) -> Result<(), Failure> {
        let Self { appliance, name, way, reason, person } = self;
        let elected = matches!(way, Way::In);
        let said = if elected {
            "It is patched and counted from now on."
        } else {
            "It is in nothing that is drawn up from now on. What was signed before still names it: \
             withdraw that to stop it."
        };
        let person = person.id(&appliance)?;
        let request = PeopleRequest::Elect { endpoint: name, elected, reason, person };
        one(&appliance, request, screen, said)
    }
}

impl RegisterWords {
    pub(crate) fn run(self, screen: &Screen) -> Result<(), Failure> {
        let unreadable = |e: std::io::Error| Failure::file("read", &self.file, &e);
        let mut text = String::new();
        let most = site::REGISTER_BYTES_MAX as u64 + 1;
        let file = File::open(&self.file).map_err(unreadable)?;
        file.take(most).read_to_string(&mut text).map_err(unreadable)?;
        let request =
            PeopleRequest::RegisterAssets { text, person: self.person.id(&self.appliance)? };
        let reply = ask(&self.appliance, Request::People(request), screen)?;
        let Reply::People(PeopleReply::Registered(machines)) = reply else {
            return Err(unexpected());
        };
        let said =
            "Those without an agent are listed in the monthly statement as seen and not managed.";
        screen.result(&machines, format!("The register lists {machines} machines. {said}"));
        Ok(())
    }
}

/// The JSON in a file, of which no more is read than it may have.
fn settings(path: &Path) -> Result<serde_json::Value, Failure> {
    let unreadable = |e: std::io::Error| Failure::file("read", path, &e);
    let mut bytes = Vec::new();
    let most = site::PROVIDER_BYTES_MAX as u64 * 2;
    File::open(path).map_err(unreadable)?.take(most).read_to_end(&mut bytes).map_err(unreadable)?;
    serde_json::from_slice(&bytes).map_err(|e| {
        Failure::say(Fault::Input, format!("{} is not one JSON object: {e}", path.display()))
    })
}
