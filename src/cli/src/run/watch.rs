//! `patchkeep run watch`: what changes in a run, as it changes; a bar below it on a terminal.

use super::{RunWords, report, text};
use crate::{failure::Failure, screen::Screen};
use clap::Args;
use site::{Progress, RunReport};
use std::{
    collections::BTreeMap,
    thread::sleep,
    time::{Duration, Instant},
};

/// How often the appliance is asked.
const LOOK_EVERY: Duration = Duration::from_secs(2);

#[derive(Args)]
pub(crate) struct WatchWords {
    #[command(flatten)]
    run: RunWords,
    /// Stop after so many seconds, whether it has ended or not.
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,
}

impl WatchWords {
    pub(crate) fn run(self, screen: &Screen) -> Result<(), Failure> {
        let begun = Instant::now();
        let mut heard = BTreeMap::new();
        let mut stood = String::new();
        loop {
            let now = report(&self.run, screen)?;
            tell(&now, &mut heard, &mut stood, screen);
            let over = now.status.ended_at.is_some();
            let enough = self.seconds.is_some_and(|s| begun.elapsed().as_secs() >= s);
            if over || enough {
                screen.result(&now, text(&now));
                return Ok(());
            }
            let tally = &now.status.tally;
            screen.progress(&Progress {
                step: format!("ring {}", now.status.ring),
                done: tally.members - tally.open(),
                total: tally.members,
                unit: "endpoints".into(),
            });
            sleep(LOOK_EVERY);
        }
    }
}

/// Says what is new since the last look.
fn tell(
    now: &RunReport,
    heard: &mut BTreeMap<String, String>,
    stood: &mut String,
    screen: &Screen,
) {
    let stands = match &now.status.waits_for {
        Some(waits_for) => format!("{} ({waits_for})", now.status.stands),
        None => now.status.stands.clone(),
    };
    if *stood != stands {
        screen.say(format!("Run {}: {stands}", now.status.run));
        *stood = stands;
    }
    for endpoint in &now.endpoints {
        let name = endpoint.name.to_string();
        if heard.get(&name) != Some(&endpoint.stands) {
            let said = endpoint.said.as_ref().map(|said| format!(": {said}"));
            screen.say(format!("  {name}  {}{}", endpoint.stands, said.unwrap_or_default()));
            heard.insert(name, endpoint.stands.clone());
        }
    }
}
