//! How this machine is to be treated while it is patched: its own administrator's word, never the appliance's.
//!
//! `/etc/patchkeep/conduct.toml` names commands that run as root, so that it has to be root's alone. Without
//! it a machine is treated as a server. What cannot be read stops a job before anything is changed.

use crate::{
    Error, Machine,
    files::{only_roots, read},
};
use ids::Timestamp;
use jiff::{civil::Time, tz::TimeZone};
use serde::Deserialize;

pub(crate) const CONDUCT: &str = "/etc/patchkeep/conduct.toml";
const LOCAL_TIME: &str = "/etc/localtime";
const SECONDS_MAX: u64 = 60 * 60;
const DEFERRALS_MAX: u32 = 20;
const MINUTES_MAX: u64 = 24 * 60;

/// The whole of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Conduct {
    pub(crate) kind: Kind,
    pub(crate) health: Health,
    pub(crate) hooks: Hooks,
    pub(crate) restart: Restart,
}

/// Whether people sit at it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    #[default]
    Server,
    Workstation,
}

/// What a machine that is well looks like.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Health {
    /// How long services may take to settle before they are looked at; once more if they are not well.
    pub(crate) settle_seconds: u64,
    /// Whether newly failed systemd units count.
    pub(crate) units: bool,
    /// Whether ports that nobody listens on any more count.
    pub(crate) ports: bool,
    /// Units that may fail.
    pub(crate) ignore_units: Vec<String>,
    /// Ports that may close, as `tcp/8080`.
    pub(crate) ignore_ports: Vec<String>,
    /// The administrator's own checks.
    pub(crate) command: Vec<Command>,
}

/// A check of the administrator's own: well where it exits with 0.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Command {
    /// The program and its arguments; no shell reads them.
    pub(crate) run: Vec<String>,
    /// How long it may take.
    #[serde(default = "a_minute")]
    pub(crate) seconds: u64,
}

/// The programs in `hooks/before.d` and `hooks/after.d`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Hooks {
    /// How long each may take.
    pub(crate) seconds: u64,
}

/// What may be restarted, when, and with what notice. What is not named follows the kind of machine.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Restart {
    /// Whether services with old files are restarted.
    pub(crate) services: bool,
    /// Whether the machine is restarted where that does not suffice.
    pub(crate) machine: bool,
    /// Services that are never restarted by themselves, besides those that none can restart.
    pub(crate) never: Vec<String>,
    /// The only services that are; none named: all.
    pub(crate) only: Vec<String>,
    /// Minutes of notice to people who are logged in.
    notice_minutes: Option<u64>,
    /// Minutes of notice where nobody is.
    notice_minutes_empty: Option<u64>,
    /// How often people may put a restart off.
    deferrals: Option<u32>,
    /// For how many minutes each time.
    deferral_minutes: Option<u64>,
    /// Hours without restarts in the machine's own time, as `08:00-18:30`.
    pub(crate) quiet: Vec<String>,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            settle_seconds: 30,
            units: true,
            ports: true,
            ignore_units: Vec::new(),
            ignore_ports: Vec::new(),
            command: Vec::new(),
        }
    }
}

impl Default for Hooks {
    fn default() -> Self {
        Self { seconds: 600 }
    }
}

impl Default for Restart {
    fn default() -> Self {
        Self {
            services: true,
            machine: true,
            never: Vec::new(),
            only: Vec::new(),
            notice_minutes: None,
            notice_minutes_empty: None,
            deferrals: None,
            deferral_minutes: None,
            quiet: Vec::new(),
        }
    }
}

const fn a_minute() -> u64 {
    60
}

impl Conduct {
    /// Reads it; a machine without one is treated as a server.
    pub(crate) fn load(machine: &Machine) -> Result<Self, Error> {
        let path = machine.path(CONDUCT);
        let Some(bytes) = read(&path)? else { return Ok(Self::default()) };
        only_roots(machine, CONDUCT)?;
        let reason = |reason: String| Error::Content { path: path.clone(), reason };
        let text = String::from_utf8(bytes).map_err(|_| reason("it is no text".into()))?;
        let conduct: Self = toml::from_str(&text).map_err(|error| reason(told(&text, &error)))?;
        conduct.check().map_err(reason)?;
        Ok(conduct)
    }

    fn check(&self) -> Result<(), String> {
        let seconds = self.health.command.iter().map(|command| command.seconds);
        let seconds = seconds.chain([self.hooks.seconds]);
        if seconds.clone().any(|seconds| seconds == 0 || seconds > SECONDS_MAX)
            || self.health.settle_seconds > SECONDS_MAX
        {
            return Err(format!("a limit of seconds in it is not between 1 and {SECONDS_MAX}"));
        }
        if self.health.command.iter().any(|command| command.run.is_empty()) {
            return Err("a command in it names no program".into());
        }
        let restart = &self.restart;
        let minutes =
            [restart.notice_minutes, restart.notice_minutes_empty, restart.deferral_minutes];
        if minutes.into_iter().flatten().any(|minutes| minutes == 0 || minutes > MINUTES_MAX) {
            return Err(format!("a time in [restart] is not between 1 and {MINUTES_MAX} minutes"));
        }
        if self.deferrals() > DEFERRALS_MAX {
            return Err(format!("people may put a restart off {DEFERRALS_MAX} times at most"));
        }
        match restart.quiet.iter().find(|span| parse_span(span).is_none()) {
            Some(span) => Err(format!("quiet hours are written as 08:00-18:30, not {span:?}")),
            None => Ok(()),
        }
    }

    /// Seconds of notice before the machine restarts.
    pub(crate) fn notice_seconds(&self, people: bool) -> i64 {
        let Restart { notice_minutes, notice_minutes_empty, .. } = self.restart;
        let minutes = match (people, self.kind) {
            (true, Kind::Server) => notice_minutes.unwrap_or(15),
            (true, Kind::Workstation) => notice_minutes.unwrap_or(30),
            (false, Kind::Server) => notice_minutes_empty.unwrap_or(1),
            (false, Kind::Workstation) => notice_minutes_empty.unwrap_or(5),
        };
        i64::try_from(minutes * 60).unwrap_or(i64::MAX)
    }

    /// How often people may put a restart off.
    pub(crate) fn deferrals(&self) -> u32 {
        let by_kind = match self.kind {
            Kind::Server => 1,
            Kind::Workstation => 3,
        };
        self.restart.deferrals.unwrap_or(by_kind)
    }

    /// For how many seconds each time.
    pub(crate) fn deferral_seconds(&self) -> i64 {
        let by_kind = match self.kind {
            Kind::Server => 30,
            Kind::Workstation => 60,
        };
        let minutes = self.restart.deferral_minutes.unwrap_or(by_kind);
        i64::try_from(minutes * 60).unwrap_or(i64::MAX)
    }

    /// When the quiet hours end in which a moment falls; nothing where it falls in none.
    pub(crate) fn quiet_until(&self, machine: &Machine, at: Timestamp) -> Option<Timestamp> {
        let zone = zone(machine);
        let mut free = at;
        // Spans that touch each other are gone through one after the other; a whole day is never free.
        for _ in 0..=self.restart.quiet.len() {
            let spans = self.restart.quiet.iter().filter_map(|span| parse_span(span));
            match spans.filter_map(|span| span_end(span, &zone, free)).max() {
                Some(end) => free = end,
                None => break,
            }
        }
        (free > at).then_some(free)
    }
}

/// `08:00-18:30`
fn parse_span(text: &str) -> Option<(Time, Time)> {
    let (from, to) = text.split_once('-')?;
    let time = |text: &str| Time::strptime("%H:%M", text.trim()).ok();
    let (from, to) = (time(from)?, time(to)?);
    (from != to).then_some((from, to))
}

/// When a span of the day ends in which a moment falls.
fn span_end((from, to): (Time, Time), zone: &TimeZone, at: Timestamp) -> Option<Timestamp> {
    let local = at.to_zoned(zone.clone());
    let time = local.time();
    let over_midnight = from > to;
    let is_in = if over_midnight { time >= from || time < to } else { time >= from && time < to };
    if !is_in {
        return None;
    }
    let day =
        if over_midnight && time >= from { local.date().tomorrow().ok()? } else { local.date() };
    let end = day.to_datetime(to).to_zoned(zone.clone()).ok()?;
    Some(end.timestamp())
}

/// The machine's own time zone; UTC where it names none.
fn zone(machine: &Machine) -> TimeZone {
    // A link to a zone's file is followed inside of the machine.
    let path = machine.path(LOCAL_TIME);
    let target = std::fs::read_link(&path).ok().map(|link| match link.strip_prefix("/") {
        Ok(inside) => machine.root().join(inside),
        Err(_) => machine.path("/etc").join(&link),
    });
    let bytes = std::fs::read(target.unwrap_or(path)).unwrap_or_default();
    TimeZone::tzif("local", &bytes).unwrap_or(TimeZone::UTC)
}

/// What is wrong, and in which line: in one line of our own.
fn told(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let message: Vec<&str> = error.message().lines().collect();
    format!("line {}: {}", before.matches('\n').count() + 1, message.join(", "))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::{fs, path::Path};

    fn read_as(text: &str) -> Result<Conduct, String> {
        let conduct: Conduct = toml::from_str(text).map_err(|error| told(text, &error))?;
        conduct.check().map(|()| conduct)
    }

    #[test]
    fn the_packaged_file_names_everything_with_its_default() {
        let packaged = include_str!("../package/conduct.toml");
        assert_eq!(read_as(packaged).unwrap(), Conduct::default());
        // With every line switched on that is no prose.
        let is_setting = |line: &str| {
            let name = line.split([' ', '=']).next().unwrap_or_default();
            line.starts_with("[[")
                || (line.contains(" = ") && !name.contains(|c: char| c.is_uppercase()))
        };
        let on: Vec<&str> = packaged
            .lines()
            .map(|line| line.strip_prefix('#').filter(|line| is_setting(line)).unwrap_or(line))
            .collect();
        let on = read_as(&on.join("\n")).unwrap();
        assert_eq!((on.kind, on.hooks.seconds, on.health.settle_seconds), (Kind::Server, 600, 30));
        let default = Conduct::default();
        for people in [false, true] {
            assert_eq!(on.notice_seconds(people), default.notice_seconds(people));
        }
        assert_eq!(on.deferrals(), default.deferrals());
        assert_eq!(on.deferral_seconds(), default.deferral_seconds());
        assert_eq!((on.health.command.len(), on.restart.quiet.len()), (1, 1));
        assert_eq!((on.restart.never.len(), on.restart.only.len()), (1, 1));
    }

    #[test]
    fn a_workstation_gives_people_more_time() {
        let server = Conduct::default();
        let desk = read_as("kind = \"workstation\"").unwrap();
        assert!(desk.notice_seconds(true) > server.notice_seconds(true));
        assert!(desk.deferrals() > server.deferrals());
        for conduct in [&server, &desk] {
            assert!(conduct.notice_seconds(false) < conduct.notice_seconds(true));
            assert!(conduct.notice_seconds(false) > 0, "none without notice");
        }
        let own = read_as("kind = \"workstation\"\n[restart]\nnotice_minutes = 2").unwrap();
        assert_eq!(own.notice_seconds(true), 120);
    }

    #[test]
    fn what_is_not_understood_is_not_passed_over() {
        for (text, words) in [
            ("kind = \"serve\"", "unknown variant"),
            ("[health]\nsetle_seconds = 3", "unknown field"),
            ("[hooks]\nseconds = 0", "not between"),
            ("[restart]\nquiet = [\"8-18\"]", "08:00-18:30"),
            ("[restart]\nnotice_minutes = 0", "not between"),
            ("[restart]\ndeferrals = 1000", "at most"),
            ("[[health.command]]\nrun = []", "no program"),
        ] {
            let error = read_as(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
            assert!(!error.contains('\n'));
        }
    }

    #[test]
    fn quiet_hours_are_the_machines_own() {
        let folder = tempfile::tempdir().unwrap();
        let machine = Machine::below(folder.path()).unwrap();
        let conduct =
            read_as("[restart]\nquiet = [\"08:00-12:00\", \"12:00-18:30\", \"23:00-01:00\"]")
                .unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let until = |text: &str| conduct.quiet_until(&machine, at(text));
        assert_eq!(until("2026-11-24T09:00:00Z"), Some(at("2026-11-24T18:30:00Z")));
        assert_eq!(until("2026-11-24T18:30:00Z"), None);
        assert_eq!(until("2026-11-24T23:30:00Z"), Some(at("2026-11-25T01:00:00Z")));
        assert_eq!(until("2026-11-25T00:30:00Z"), Some(at("2026-11-25T01:00:00Z")));
        let zone = Path::new("/usr/share/zoneinfo/Europe/Berlin");
        if zone.exists() {
            fs::create_dir_all(machine.path("/etc")).unwrap();
            fs::copy(zone, machine.path(LOCAL_TIME)).unwrap();
            assert_eq!(until("2026-11-24T17:00:00Z"), Some(at("2026-11-24T17:30:00Z")));
            assert_eq!(until("2026-11-24T18:00:00Z"), None);
        }
    }
}
