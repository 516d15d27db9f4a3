//! `patchkeep audit`: export evidence, verify it, look at the log.

use crate::{
    appliance::Appliance,
    control::{LogLine, Reply, Request, ask, unexpected},
    failure::Failure,
    person::Person,
    screen::{Screen, bytes},
};
use clap::{Subcommand, ValueEnum};
use ids::{Fault, Timestamp};
use site::audit::{self, Checks, Limits, Scope};
use std::path::PathBuf;

#[derive(Subcommand)]
pub(crate) enum Audit {
    /// Write an audit bundle: a zip that any desk can open and check with stock tools.
    Export {
        #[command(flatten)]
        appliance: Appliance,
        /// The zip file to write; must not be there yet.
        #[arg(long, value_name = "FILE")]
        into: PathBuf,
        /// How much leaves the site.
        #[arg(long, value_enum, default_value_t = HowMuch::Full)]
        scope: HowMuch,
        #[command(flatten)]
        person: Person,
    },
    /// Check everything in an audit bundle, and say what holds, what does not, and what no log can
    /// prove.
    Verify {
        /// The zip file, or the folder into which it was unpacked.
        bundle: PathBuf,
        /// Fingerprint of the audit key (`SHA256:...`), from the appliance's screen or paper.
        #[arg(long, value_name = "SHA256:...")]
        key: Option<String>,
    },
    /// Print events as sentences. Looking is itself an event.
    Show {
        #[command(flatten)]
        appliance: Appliance,
        /// Only events of this type; may be given more than once.
        #[arg(long = "type", value_name = "TYPE")]
        types: Vec<String>,
        /// Only events at or after this time, RFC 3339.
        #[arg(long, value_name = "TIME")]
        since: Option<Timestamp>,
        /// Only the newest N.
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
        #[command(flatten)]
        person: Person,
    },
    /// Print the fingerprint of the key that signs audit bundles.
    Key {
        #[command(flatten)]
        appliance: Appliance,
    },
}

/// How much leaves the site.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum HowMuch {
    /// Everything, custody records and the site's holdings included.
    Full,
    /// Without evidence records.
    Summary,
}

impl Audit {
    pub(crate) fn run(self, screen: &Screen) -> Result<(), Failure> {
        match self {
            Self::Export { appliance, into, scope, person } => {
                let scope = match scope {
                    HowMuch::Full => Scope::Full,
                    HowMuch::Summary => Scope::Summary,
                };
                let path = into.display().to_string();
                let into =
                    std::path::absolute(&into).map_err(|e| Failure::file("find", &into, &e))?;
                let request = Request::ExportAudit { scope, into, person: person.id(&appliance)? };
                let Reply::ExportAudit(exported) = ask(&appliance, request, screen)? else {
                    return Err(unexpected());
                };
                let text = format!(
                    "{path}: {} files, {} unpacked, {} events, signed by {}",
                    exported.files,
                    bytes(exported.bytes),
                    exported.entries,
                    exported.key
                );
                screen.result(&exported, text);
                Ok(())
            }
            Self::Verify { bundle, key } => verify(&bundle, key.as_deref(), screen),
            Self::Show { appliance, types, since, limit, person } => {
                let person = person.id(&appliance)?;
                let request = Request::ShowLog { types, since, limit, person };
                let Reply::ShowLog(lines) = ask(&appliance, request, screen)? else {
                    return Err(unexpected());
                };
                let line = |l: &LogLine| format!("{:>6}  {}  {}", l.entry, l.at, l.sentence);
                let text: Vec<String> = lines.iter().map(line).collect();
                screen.result(&lines, text.join("\n"));
                Ok(())
            }
            Self::Key { appliance } => {
                let Reply::AuditKey(key) = ask(&appliance, Request::AuditKey, screen)? else {
                    return Err(unexpected());
                };
                screen.result(&key, &key);
                Ok(())
            }
        }
    }
}

fn verify(
    bundle: &std::path::Path,
    fingerprint: Option<&str>,
    screen: &Screen,
) -> Result<(), Failure> {
    let files = audit::open(bundle, Limits::default())
        .map_err(|error| Failure::new(error.fault(), &error))?;
    let reader = sandbox::Reader::beside_this_program().ok();
    let patchkeep = env!("CARGO_PKG_VERSION");
    let checks = Checks { fingerprint, reader: reader.as_ref(), patchkeep };
    let findings = audit::verify(&files, &checks);
    screen.result(&findings, findings.to_string());
    match findings.first_bad() {
        None => Ok(()),
        Some(bad) => Err(Failure::say(
            findings.fault().unwrap_or(Fault::Refused),
            format!("the audit bundle does not hold: {}", bad.sentence),
        )),
    }
}
