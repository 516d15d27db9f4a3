//! The program `patchkeep-agent`: words in, one sentence out.
//!
//! Exit codes: 0 done, 2 wrong usage, 3 wrong input, 4 refused, 5 conflict, 6 not available now, 7 broken.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this room speaks to people")]

mod forever;

use agent::{Agent, Enrolment, Error, Machine, enrol, reset, standing, told};
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
    /// After an alarm, and after you have looked: go on.
    Reset,
}

#[derive(Args)]
struct EnrolWords {
    /// The appliance's door for people.
    #[arg(long, value_name = "https://HOST")]
    address: String,
    /// Its door for endpoints.
    #[arg(long, value_name = "https://HOST:8443")]
    endpoints: String,
    /// SHA-256 of the site's root certificate.
    #[arg(long, value_name = "AB:CD:...")]
    ca_fingerprint: String,
    /// SHA-256 of the site's first root.
    #[arg(long, value_name = "HEX")]
    site_root: Digest,
    /// The one-time token.
    #[arg(long)]
    token: String,
    /// This endpoint's name; its host name unless given.
    #[arg(long)]
    name: Option<EndpointName>,
    /// How many seconds to wait for a person to confirm.
    #[arg(long, default_value_t = 0)]
    wait: u64,
}

#[derive(Args)]
struct RunWords {
    /// Check in once.
    #[arg(long)]
    once: bool,
}

fn main() -> ExitCode {
    let words = Words::parse();
    // What maintainers' scripts make must be as readable as they mean it to be.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    let json = words.json;
    match run(words) {
        Ok(()) => ExitCode::SUCCESS,
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

fn run(words: Words) -> Result<(), Error> {
    let machine = Machine::below(&words.root)?;
    match words.verb {
        Verb::Enrol(asked) => {
            let asked = Enrolment {
                address: asked.address,
                endpoints: asked.endpoints,
                ca_fingerprint: asked.ca_fingerprint,
                site_root: asked.site_root,
                token: asked.token,
                name: asked.name,
                wait: Duration::from_secs(asked.wait),
            };
            let identity = enrol(&machine, &asked, &mut |line| eprintln!("{line}"))?;
            let (endpoint, site, ring) = (&identity.endpoint, &identity.site, &identity.ring);
            let text = format!("{endpoint} belongs to site {site}, ring {ring}.");
            result(words.json, &identity, &text);
            Ok(())
        }
        Verb::Run(RunWords { once: true }) => {
            let came = Agent::start(&machine)?.check_in()?;
            result(words.json, &came.sentence, &came.sentence);
            Ok(())
        }
        Verb::Run(RunWords { once: false }) => check_in_for_ever(&machine),
        Verb::Status => {
            let standing = standing(&machine)?;
            result(words.json, &standing, standing.text().trim_end());
            Ok(())
        }
        Verb::Reset => {
            let alarm = reset(&machine)?;
            let text = match &alarm {
                Some(alarm) => format!("The alarm is over; it was: {alarm}"),
                None => "There was no alarm.".to_owned(),
            };
            result(words.json, &alarm, &text);
            Ok(())
        }
    }
}

/// Gives the result: the value to scripts, the text to people.
fn result(json: bool, value: &impl serde::Serialize, text: &str) {
    if json {
        println!("{}", serde_json::to_string_pretty(value).unwrap_or_default());
    } else {
        println!("{text}");
    }
}
