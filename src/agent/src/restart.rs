//! Awaiting a restart: services with old files first, then the machine itself, in a window and with notice.
//!
//! Never outside a window or in quiet hours; never without notice, nor where a window closes before its end;
//! never twice for one job in one boot.

use crate::{
    Error, Machine,
    apply::{Shift, Step, waits_for},
    conduct::Conduct,
    effective::{self, Stale},
    files::read,
    health,
    notice::{self, Notice},
    state::{Restarting, Work},
    told,
};
use api::JobPhase;
use ids::{Fault, Timestamp};
use trust::Interval;

const BOOT: &str = "/proc/sys/kernel/random/boot_id";
/// Services that are not restarted under people: sessions and containers hang on them, or we ourselves.
const NEVER: &[&str] = &[
    "NetworkManager",
    "containerd",
    "dbus",
    "dbus-broker",
    "display-manager",
    "docker",
    "gdm",
    "gdm3",
    "getty@*",
    "libvirtd",
    "lightdm",
    "networking",
    "patchkeep-agent",
    "sddm",
    "serial-getty@*",
    "systemd-logind",
    "user@*",
    "wpa_supplicant",
    "xdm",
];
/// What stands for systemd itself among the services that were restarted.
const SYSTEMD_ITSELF: &str = "systemd";
/// Longest time for one service to restart, in seconds.
const SERVICE_SECONDS_MAX: u64 = 300;
/// How late a restart may be after its notice; after more, people are told anew.
const LATE_SECONDS_MAX: i64 = 300;
/// With so many seconds left, people are told again.
const TOLD_AGAIN: &[i64] = &[60, 300, 900, 1800, 3600];
/// Restarts of the machine for one job; what does not help twice does not help.
const RESTARTS_MAX: u32 = 2;
const LOOK_SECONDS: i64 = 60;

impl Shift<'_> {
    /// Restarts what may be restarted, until nothing runs with old files.
    pub(crate) fn await_restart(&mut self, job: &Work) -> Result<Step, Error> {
        let mut old = effective::in_the_way(self.machine, job)?;
        let conduct = match Conduct::load(self.machine) {
            Ok(conduct) => conduct,
            Err(error) => return Ok(Step::Stay(self.for_administrator(&error))),
        };
        if !old.is_empty() && conduct.restart.services && self.window().is_some() {
            self.restart_services(&conduct)?;
            old = effective::in_the_way(self.machine, job)?;
        }
        if old.is_empty() {
            notice::take_back(self.machine);
            return Ok(Step::To(JobPhase::Confirming, "nothing runs with the old files".into()));
        }
        self.restart_machine(&conduct, &waits_for(&old))
    }

    /// The open window, as far as the statement lets this endpoint use it.
    fn window(&self) -> Option<Interval> {
        let approval = &self.statement.approval;
        let now = Timestamp::now();
        let is_named = approval.endpoints.binary_search(&self.identity.endpoint).is_ok();
        let window =
            approval.windows.iter().find(|window| window.holds(now)).filter(|_| is_named)?;
        let closes = window.closes.min(approval.not_after);
        (now < closes).then_some(Interval { opens: window.opens, closes })
    }

    /// Restarts the services that hold old files, each once for a job.
    pub(crate) fn restart_services(&mut self, conduct: &Conduct) -> Result<(), Error> {
        if !health::has_systemd(self.machine) {
            return Ok(());
        }
        for stale in effective::stale(self.machine)? {
            let Some(name) = service(self.machine, &stale) else { continue };
            let Some(job) = &mut self.memory.job else { return Ok(()) };
            if !may_restart(conduct, &name) || !job.restart.services.insert(name.clone()) {
                continue;
            }
            // Written down first: one that takes us along is not restarted again.
            self.memory.save(self.machine)?;
            let words = match name.as_str() {
                SYSTEMD_ITSELF => vec!["daemon-reexec"],
                name => vec!["restart", name],
            };
            // One that does not come up again is found when the machine's health is looked at.
            drop(self.machine.program("systemctl", words).within(SERVICE_SECONDS_MAX).run());
        }
        Ok(())
    }

    /// Restarts the machine itself, or says what it waits for.
    fn restart_machine(&mut self, conduct: &Conduct, waits: &str) -> Result<Step, Error> {
        let stay = |why: &str| Step::Stay(format!("{waits}; {why}"));
        if !conduct.restart.machine {
            return Ok(stay("this machine's administrator restarts it"));
        }
        if !health::has_systemd(self.machine) {
            return Ok(stay("no systemd runs here that could restart the machine"));
        }
        self.memory.undoubted()?;
        let boot = boot(self.machine)?;
        let Some(job) = &self.memory.job else { return Ok(stay("there is no job")) };
        let mut restart = job.restart.clone();
        if restart.asked.as_ref() == Some(&boot) || restart.times >= RESTARTS_MAX {
            self.came.fault = Some(Fault::Broken);
            return Ok(stay("it was to restart and that did not help: a person has to look"));
        }
        if restart.boot.as_ref() != Some(&boot) {
            // Notice that was given before a restart is notice no more.
            (restart.at, restart.boot) = (None, Some(boot.clone()));
        }
        let Some(window) = self.window() else { return self.no_restart(restart, waits) };
        let now = Timestamp::now();
        let people = notice::has_people(self.machine);
        let put_off = restart.at.is_some() && notice::is_put_off(self.machine);
        let mut plan = planned(restart, conduct, (now, people, put_off));
        if let Some(free) = plan.at.and_then(|at| conduct.quiet_until(self.machine, at)) {
            plan.at = Some(free);
        }
        let Some(at) = plan.at.filter(|at| *at < window.closes) else {
            return self.no_restart(plan, waits);
        };
        if now < at {
            return self.give_notice(plan, at, conduct, waits);
        }
        (plan.asked, plan.at, plan.times) = (Some(boot), None, plan.times + 1);
        self.keep_restart(plan)?;
        notice::take_back(self.machine);
        self.machine.program("systemctl", ["reboot"]).run()?;
        Ok(stay("the machine restarts now"))
    }

    /// Tells people, and again when less time is left.
    fn give_notice(
        &mut self,
        mut plan: Restarting,
        at: Timestamp,
        conduct: &Conduct,
        waits: &str,
    ) -> Result<Step, Error> {
        let left = at.duration_since(Timestamp::now()).as_secs().max(1);
        let mark = TOLD_AGAIN.iter().copied().filter(|mark| left <= *mark).min();
        let mark = mark.unwrap_or(i64::MAX);
        let deferrals_left = conduct.deferrals().saturating_sub(plan.deferrals);
        if plan.told_at != Some(at) || mark < plan.told_mark {
            let minutes = (left + 30) / 60;
            let put_off = match deferrals_left {
                0 => "It cannot be put off any more.".to_owned(),
                left => format!("`patchkeep-agent defer` puts it off, {left} times at most."),
            };
            let minutes = minutes.max(1);
            let text = format!(
                "This computer restarts in {minutes} minutes, for its updates. Please save your work. \
                 {put_off}"
            );
            let given = notice::give(self.machine, &Notice { at, deferrals_left }, &text);
            if let Err(error) = given
                && plan.people
            {
                plan.at = None;
                self.keep_restart(plan)?;
                return Ok(Step::Stay(format!("{waits}; {}", told(&error))));
            }
            (plan.told_at, plan.told_mark) = (Some(at), mark);
        }
        self.keep_restart(plan)?;
        let message = format!("{waits}; the machine restarts at {at}, and people have been told");
        Ok(self.look_again_in(left.min(LOOK_SECONDS), message))
    }

    /// Not in this window, or in none: what was announced is taken back.
    fn no_restart(&mut self, mut plan: Restarting, waits: &str) -> Result<Step, Error> {
        if plan.at.take().is_some() && plan.told_at.take().is_some() {
            notice::tell(self.machine, "This computer does not restart now after all.");
        }
        notice::take_back(self.machine);
        self.keep_restart(plan)?;
        let now = Timestamp::now();
        let windows = self.statement.approval.windows.iter();
        let next = windows.filter(|window| window.opens > now).map(|window| window.opens).min();
        Ok(Step::Stay(match next {
            Some(next) => format!("{waits}; the machine restarts in the next window, {next}"),
            None => format!("{waits}; no window is left in which the machine could restart"),
        }))
    }

    fn keep_restart(&mut self, restart: Restarting) -> Result<(), Error> {
        if let Some(job) = &mut self.memory.job {
            job.restart = restart;
        }
        self.memory.save(self.machine)
    }
}

/// When the machine restarts, by who is there and what they ask.
fn planned(
    mut plan: Restarting,
    conduct: &Conduct,
    (now, people, put_off): (Timestamp, bool, bool),
) -> Restarting {
    let later = |from: Timestamp, seconds: i64| {
        Timestamp::from_second(from.as_second().saturating_add(seconds)).unwrap_or(Timestamp::MAX)
    };
    let notice = later(now, conduct.notice_seconds(people));
    let is_late = |at: Timestamp| now.duration_since(at).as_secs() > LATE_SECONDS_MAX;
    plan.at = Some(match plan.at.filter(|at| !is_late(*at)) {
        None => {
            (plan.told_at, plan.people) = (None, people);
            notice
        }
        // Who came since has not been told yet.
        Some(at) if people && !plan.people => {
            (plan.told_at, plan.people) = (None, true);
            at.max(notice)
        }
        Some(at) => at,
    });
    if put_off && plan.deferrals < conduct.deferrals() {
        plan.deferrals += 1;
        plan.told_at = None;
        plan.at = plan.at.map(|at| later(at.max(now), conduct.deferral_seconds()));
    }
    plan
}

/// The service to which a process belongs, by systemd's own word.
fn service(machine: &Machine, stale: &Stale) -> Option<String> {
    if stale.id == 1 {
        return Some(SYSTEMD_ITSELF.to_owned());
    }
    let id = stale.id.to_string();
    // It exits with the state of the service, which is not what is asked.
    let said =
        machine.program("systemctl", ["status", "--no-pager", "--lines=0", &id]).hear().ok()?;
    let mut words = said.out.lines().next()?.split_ascii_whitespace();
    let unit = words.find(|word| word.contains('.'))?;
    unit.strip_suffix(".service").map(str::to_owned)
}

/// Whether a service may be restarted by itself.
fn may_restart(conduct: &Conduct, name: &str) -> bool {
    let is = |pattern: &str| {
        let pattern = pattern.strip_suffix(".service").unwrap_or(pattern);
        match pattern.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == pattern,
        }
    };
    let listed = |list: &[String]| list.iter().any(|pattern| is(pattern));
    let restart = &conduct.restart;
    !NEVER.iter().any(|pattern| is(pattern))
        && !listed(&restart.never)
        && (restart.only.is_empty() || listed(&restart.only))
}

/// Which boot this is.
fn boot(machine: &Machine) -> Result<String, Error> {
    let own = read(&machine.path(BOOT))?;
    let bytes = match own {
        Some(bytes) => bytes,
        None => read(std::path::Path::new(BOOT))?.unwrap_or_default(),
    };
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn nobody_is_restarted_under_without_their_notice() {
        let conduct = Conduct::default();
        let (empty, full) = (conduct.notice_seconds(false), conduct.notice_seconds(true));
        let plan = planned(Restarting::default(), &conduct, (at(0), false, false));
        assert_eq!(plan.at, Some(at(empty)));
        // Somebody logs in a second before: they get the whole of theirs.
        let plan = planned(plan, &conduct, (at(empty - 1), true, false));
        assert_eq!(plan.at, Some(at(empty - 1 + full)));
        // They leave: what was announced stands.
        let same = planned(plan.clone(), &conduct, (at(empty + 1), false, false));
        assert_eq!(same.at, plan.at);
        // The agent was away long after the time: notice begins anew.
        let late = planned(plan, &conduct, (at(9999), true, false));
        assert_eq!((late.at, late.told_at), (Some(at(9999 + full)), None));
    }

    #[test]
    fn a_restart_is_put_off_a_bounded_number_of_times() {
        let conduct = Conduct::default();
        let mut plan = planned(Restarting::default(), &conduct, (at(0), true, false));
        let first = plan.at.unwrap();
        for _ in 0..10 {
            plan = planned(plan, &conduct, (at(1), true, true));
        }
        assert_eq!(plan.deferrals, conduct.deferrals());
        let most = conduct.deferral_seconds() * i64::from(conduct.deferrals());
        assert_eq!(plan.at, Some(at(first.as_second() + most)));
    }

    #[test]
    fn what_people_hang_on_is_never_restarted() {
        let mut conduct = Conduct::default();
        for name in ["dbus", "systemd-logind", "patchkeep-agent", "user@1000", "getty@tty1"] {
            assert!(!may_restart(&conduct, name), "{name}");
        }
        assert!(may_restart(&conduct, "ssh") && may_restart(&conduct, "postgresql@15-main"));
        conduct.restart.never = vec!["postgresql@*".into()];
        assert!(!may_restart(&conduct, "postgresql@15-main"));
        conduct.restart.only = vec!["ssh.service".into()];
        assert!(may_restart(&conduct, "ssh") && !may_restart(&conduct, "cron"));
    }
}
