//! The program `patchkeep-agent`: words in, one sentence out.
//!
//! Exit codes: 0 done, 2 wrong usage, 3 wrong input, 4 refused, 5 conflict, 6 not available now, 7 broken.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this room speaks to people")]

use agent::{Agent, Came, Enrolment, Error, Machine, enrol, enrol_again, reset, standing, told};
use clap::{Args, Parser, Subcommand};
use ids::{Digest, EndpointName};
use std::{
    env,
    fs::File,
    io::Read as _,
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Command, ExitCode},
    thread,
    time::Duration,
};

/// Between two check-ins where the appliance does not say, and after a first failure.
const PAUSE: Duration = Duration::from_secs(60);
/// Longest pause after failures.
const PAUSE_MAX: Duration = Duration::from_secs(60 * 60);

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
    /// Check in, again and again.
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
        Verb::Enrol(asked) => join(&machine, asked, words.json),
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

/// Checks in until it is stopped. Failures double the pause, up to an hour; each pause has jitter, so
/// that a whole ring does not come at once.
fn check_in_for_ever(machine: &Machine) -> Result<(), Error> {
    let mut failures = 0u32;
    loop {
        let came = Agent::start(machine).and_then(|mut agent| agent.check_in());
        let pause = match came {
            Ok(Came { sentence, again_in, changed }) => {
                println!("{sentence}");
                failures = 0;
                if changed {
                    start_anew();
                }
                if again_in.is_zero() { PAUSE } else { again_in }
            }
            Err(error @ (Error::NotEnrolled | Error::Busy)) => return Err(error),
            Err(error) => {
                eprintln!("patchkeep-agent: {}", told(&error));
                failures = failures.saturating_add(1);
                PAUSE.saturating_mul(1 << failures.min(7).saturating_sub(1)).min(PAUSE_MAX)
            }
        };
        thread::sleep(with_jitter(pause));
    }
}

/// Takes the place of this process with a fresh one, which maps today's libraries.
fn start_anew() {
    let Ok(program) = env::current_exe() else { return };
    let path = program.to_string_lossy().trim_end_matches(" (deleted)").to_owned();
    let error = Command::new(path).args(env::args_os().skip(1)).exec();
    // It goes on as it is; the libraries that it maps are old, and its own to forgive.
    eprintln!("patchkeep-agent: could not start anew: {error}");
}

/// Between three quarters and five quarters of it.
fn with_jitter(pause: Duration) -> Duration {
    let mut bytes = [0; 2];
    let random = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    let share = random.map_or(0.5, |()| f64::from(u16::from_le_bytes(bytes)) / f64::from(u16::MAX));
    pause.mul_f64(0.75 + share / 2.0)
}
