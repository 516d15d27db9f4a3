//! The program `patchkeep-agent`: words in, one sentence out.
//!
//! Exit codes: 0 done, 2 wrong usage, 3 wrong input, 4 refused, 5 conflict, 6 not available now, 7 broken.
//! `run --once` also says with 4 that a job was refused in this check-in, and with 7 that one failed, was put
//! back, or waits for a person to decide.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this room speaks to people")]

mod forever;

use agent::{Agent, Enrolment, Error, Machine, defer, enrol, enrol_again, reset, standing, told};
use clap::{Args, Parser, Subcommand};
use forever::check_in_for_ever;
use ids::{Digest, EndpointName};
use std::{path::PathBuf, process::ExitCode, time::Duration};

/// Applies what people approved on this machine, and nothing else.
#[derive(Parser)]
#[command(name = "patchkeep-agent", version, max_term_width = 100)]
struct Words {
    /// The machine's root directory.
    #[arg(long, global = true, default_value = "/")]
    root: PathBuf,
    /// Print one JSON value instead of text.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Join a site with a token and the two fingerprints that came on paper.
    Enrol(EnrolWords),
    /// Check in, again and again, until it is asked to stop (SIGTERM): never in the middle of a change.
    Run(RunWords),
    /// Where it stands.
    Status,
    /// Put off the restart that was announced. Anybody may ask; how often it is heard is bounded.
    Defer,
    /// After an alarm, and after you have looked: go on.
    Reset,
}

#[derive(Args)]
struct EnrolWords {
    /// The appliance's door for people.
    #[arg(long, value_name = "https://HOST")]
    address: String,
    /// Its door for endpoints.
    #[arg(long, value_name = "https://HOST:8443", required_unless_present = "again")]
    endpoints: Option<String>,
    /// SHA-256 of the site's root certificate.
    #[arg(long, value_name = "AB:CD:...", required_unless_present = "again")]
    ca_fingerprint: Option<String>,
    /// SHA-256 of the site's first root.
    #[arg(long, value_name = "HEX", required_unless_present = "again")]
    site_root: Option<Digest>,
    /// The one-time token.
    #[arg(long, required_unless_present = "again")]
    token: Option<String>,
    /// This machine has joined before: ask for a certificate with the key that it has, within 30 days
    /// after the last one ended, or with a new token. What it remembers stays.
    #[arg(long, conflicts_with_all = ["endpoints", "ca_fingerprint", "site_root", "name"])]
    again: bool,
    /// This endpoint's name; its host name unless given.
    #[arg(long)]
    name: Option<EndpointName>,
    /// How many seconds to wait for a person to confirm.
    #[arg(long, default_value_t = 0)]
    wait: u64,
}

#[derive(Args)]
struct RunWords {
    /// Check in once. Exits with 4 where a job was refused, with 7 where one failed, was put back, or
    /// waits for a person to decide.
    #[arg(long)]
    once: bool,
}

fn main() -> ExitCode {
    let words = Words::parse();
    // What maintainers' scripts make must be as readable as they mean it to be.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    let json = words.json;
    match run(words) {
        Ok(code) => code,
        Err(error) => {
            let code = error.fault().exit_code();
            if json {
                let error = serde_json::json!({ "message": told(&error), "exit_code": code });
                println!("{}", serde_json::json!({ "error": error }));
            }
            eprintln!("patchkeep-agent: {}", told(&error));
            ExitCode::from(code)
        }
    }
}

fn run(words: Words) -> Result<ExitCode, Error> {
    let machine = Machine::below(&words.root)?;
    match words.verb {
        Verb::Enrol(asked) => join(&machine, asked, words.json).map(|()| ExitCode::SUCCESS),
        Verb::Run(RunWords { once: true }) => {
            let came = Agent::start(&machine)?.check_in()?;
            result(words.json, &came.sentence, &came.sentence);
            Ok(came.fault.map_or(ExitCode::SUCCESS, |fault| ExitCode::from(fault.exit_code())))
        }
        Verb::Run(RunWords { once: false }) => {
            check_in_for_ever(&machine).map(|()| ExitCode::SUCCESS)
        }
        Verb::Status => {
            let standing = standing(&machine)?;
            result(words.json, &standing, standing.text().trim_end());
            Ok(ExitCode::SUCCESS)
        }
        Verb::Defer => {
            let sentence = defer(&machine)?;
            result(words.json, &sentence, &sentence);
            Ok(ExitCode::SUCCESS)
        }
        Verb::Reset => {
            let alarm = reset(&machine)?;
            let text = match &alarm {
                Some(alarm) => format!("The alarm is over; it was: {alarm}"),
                None => "There was no alarm.".to_owned(),
            };
            result(words.json, &alarm, &text);
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn join(machine: &Machine, asked: EnrolWords, json: bool) -> Result<(), Error> {
    let wait = Duration::from_secs(asked.wait);
    let mut say = |line| eprintln!("{line}");
    let EnrolWords { address, endpoints, ca_fingerprint, site_root, token, name, .. } = asked;
    let identity = match (endpoints, ca_fingerprint, site_root, token) {
        (Some(endpoints), Some(ca_fingerprint), Some(site_root), Some(token)) => {
            let asked =
                Enrolment { address, endpoints, ca_fingerprint, site_root, token, name, wait };
            enrol(machine, &asked, &mut say)?
        }
        // Nothing else gets past the words' own rules.
        (.., token) => enrol_again(machine, &address, token, wait, &mut say)?,
    };
    let (endpoint, site, ring) = (&identity.endpoint, &identity.site, &identity.ring);
    let text = format!("{endpoint} belongs to site {site}, ring {ring}.");
    result(json, &identity, &text);
    Ok(())
}

/// Gives the result: the value to scripts, the text to people.
fn result(json: bool, value: &impl serde::Serialize, text: &str) {
    if json {
        println!("{}", serde_json::to_string_pretty(value).unwrap_or_default());
    } else {
        println!("{text}");
    }
}
