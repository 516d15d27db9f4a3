//! The `patchkeep` program: one file a verb.
//!
//! A verb parses its words, calls one use case, and says in one sentence what came of it. Exit codes:
//! 0 done, 2 wrong usage, 3 wrong input, 4 refused, 5 conflict, 6 not available now, 7 broken.

mod account;
mod appliance;
mod approver;
mod audit;
mod backup;
mod bundle;
mod collect;
mod control;
mod decide;
mod demo;
mod endpoint;
mod exception;
mod failure;
mod image;
mod import;
mod init;
mod keys;
mod network;
mod openapi;
mod person;
mod policy;
mod remote;
mod report;
mod ring;
mod run;
mod scanner;
mod screen;
mod serve;
mod signed_file;
mod site_root;
mod ssh;
mod status;
mod update;
mod window;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use failure::Failure;
use screen::Screen;
use std::{path::PathBuf, process::ExitCode};

/// Keeps computers on networks with no internet patched, and proves it.
#[derive(Parser)]
#[command(name = "patchkeep", version, max_term_width = 100)]
struct Patchkeep {
    /// Print one JSON value instead of text (progress and errors go to standard error).
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten)]
    _remote: appliance::RemoteWords,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Connected side: mirror what machines need, verified, into a folder.
    Collect(collect::Collect),
    /// Connected side: the publisher's keys.
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Connected side: build a bundle; anywhere: look into one, verify one.
    #[command(subcommand)]
    Bundle(bundle::Bundle),
    /// Found a site in an empty data folder.
    Init(init::Init),
    /// Whom the site obeys: its root of administrators' and approvers' keys.
    #[command(subcommand)]
    Site(site_root::SiteRootVerb),
    /// Approvers' keys: list them, draw up a site root with one more or fewer.
    #[command(subcommand)]
    Approver(approver::ApproverVerb),
    /// Accounts of the console: who may sign in, in which roles.
    #[command(subcommand)]
    Account(account::AccountVerb),
    /// Import a bundle from a medium.
    Import(import::Import),
    /// Rings: list, make, order and point them; what their endpoints lack; versions not to leave out.
    #[command(subcommand)]
    Ring(ring::Ring),
    /// Maintenance windows: when a ring may be changed.
    #[command(subcommand)]
    Window(window::WindowVerb),
    /// Patch policies: by when updates must be effective.
    #[command(subcommand)]
    Policy(policy::PolicyVerb),
    /// The site's time zone and holidays: what service levels go by.
    #[command(subcommand)]
    Calendar(policy::CalendarVerb),
    /// Exceptions: updates that are knowingly not applied for a while, by two people.
    #[command(subcommand)]
    Exception(exception::ExceptionVerb),
    /// How the site stands: service levels, and what is open under a policy.
    #[command(subcommand)]
    Report(report::ReportVerb),
    /// The malware scanner (clamd) that imports ask: show it, name it, turn it off.
    #[command(subcommand)]
    Scanner(scanner::Scanner),
    /// The appliance's own images: list them, start a new one on trial.
    #[command(subcommand)]
    Image(image::ImageVerb),
    /// How the appliance is reached: show it, change it on trial, confirm the change.
    #[command(subcommand)]
    Network(network::NetworkVerb),
    /// Serve endpoints and people over HTTPS.
    Serve(serve::Serve),
    /// Endpoints: let their agents join, put them out; what stock apt needs; what one has installed.
    #[command(subcommand)]
    Endpoint(endpoint::Endpoint),
    /// What a ring's endpoints would apply.
    #[command(subcommand)]
    Update(update::UpdateVerb),
    /// Approve what a ring's endpoints would apply, with your own signature.
    Approve(decide::ApproveWords),
    /// Runs: plan, approve, start, watch, pause and resume them; decide where a job failed.
    #[command(subcommand)]
    Run(run::RunVerb),
    /// Take back what was approved for a ring, with your own signature.
    Withdraw(decide::WithdrawWords),
    /// Leave a package out of what is drawn up for approval.
    Decline(decide::DeclineWords),
    /// Consent that endpoints are changed without a proven way back, with your own signature.
    Waive(decide::WaiveWords),
    /// Statements in files: show, sign and submit them, for approvers on a machine of their own.
    #[command(subcommand)]
    Statement(decide::StatementVerb),
    /// What the appliance says of itself.
    Status(status::Status),
    /// What this site holds, for the publisher: the next bundle need not bring it again.
    Receipt(status::Receipt),
    /// Evidence: export it, verify it, look at the log.
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Back the appliance up into one encrypted file: all but payloads.
    Backup(backup::Backup),
    /// Restore a backup into an empty data folder; it only reads until two people open a new epoch.
    Restore(backup::Restore),
    /// Print the OpenAPI document of the API for scripts, which is at /api/v1 at the people's door.
    Openapi,
    /// All of it on real input, in a folder of its own.
    Demo(demo::Demo),
    /// Opens the views of a data folder and walks them: for the appliance itself, after an unclean
    /// stop.
    #[command(hide = true)]
    ViewsProbe { folder: PathBuf },
}

fn main() -> ExitCode {
    let mut command = Patchkeep::command();
    let matches = command.get_matches_mut();
    let words =
        appliance::check(&command, &matches).and_then(|()| Patchkeep::from_arg_matches(&matches));
    let words = words.unwrap_or_else(|e| e.format(&mut command).exit());
    let filter = tracing_subscriber::EnvFilter::try_from_env("PATCHKEEP_LOG");
    tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|_| "warn".into()))
        .with_writer(std::io::stderr)
        .init();
    // One provider of cryptography in the whole program; installing it twice would be our mistake.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        return ExitCode::from(ids::Fault::Broken.exit_code());
    }
    let screen = Screen::new(words.json);
    match run(words.verb, &screen) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            screen.failure(&failure);
            ExitCode::from(failure.exit_code)
        }
    }
}

fn run(verb: Verb, screen: &Screen) -> Result<(), Failure> {
    match verb {
        Verb::Collect(verb) => verb.run(screen),
        Verb::Keys(verb) => verb.run(screen),
        Verb::Bundle(verb) => verb.run(screen),
        Verb::Init(verb) => verb.run(screen),
        Verb::Site(verb) => verb.run(screen),
        Verb::Approver(verb) => verb.run(screen),
        Verb::Account(verb) => verb.run(screen),
        Verb::Import(verb) => verb.run(screen),
        Verb::Ring(verb) => verb.run(screen),
        Verb::Run(verb) => verb.run(screen),
        Verb::Window(verb) => verb.run(screen),
        Verb::Policy(verb) => verb.run(screen),
        Verb::Calendar(verb) => verb.run(screen),
        Verb::Exception(verb) => verb.run(screen),
        Verb::Report(verb) => verb.run(screen),
        Verb::Scanner(verb) => verb.run(screen),
        Verb::Image(verb) => verb.run(screen),
        Verb::Network(verb) => verb.run(screen),
        Verb::Serve(verb) => verb.run(screen),
        Verb::Endpoint(verb) => verb.run(screen),
        Verb::Update(verb) => verb.run(screen),
        Verb::Approve(verb) => verb.run(screen),
        Verb::Withdraw(verb) => verb.run(screen),
        Verb::Decline(verb) => verb.run(screen),
        Verb::Waive(verb) => verb.run(screen),
        Verb::Statement(verb) => verb.run(screen),
        Verb::Status(verb) => verb.run(screen),
        Verb::Receipt(verb) => verb.run(screen),
        Verb::Audit(verb) => verb.run(screen),
        Verb::Backup(verb) => verb.run(screen),
        Verb::Restore(verb) => verb.run(screen),
        Verb::Demo(verb) => verb.run(screen),
        Verb::Openapi => openapi::run(screen),
        Verb::ViewsProbe { folder } => {
            let fault = |e: views::Error| Failure::new(e.fault(), &e);
            views::probe(&folder).map(drop).map_err(fault)
        }
    }
}
