//! Confirming: whether what was approved is what is there, and the machine as well as it was before.

use crate::{
    Error,
    apply::{Shift, Step},
    conduct::Conduct,
    dpkg, health,
    state::Work,
};
use api::JobEnd;
use ids::Timestamp;
use std::time::Duration;

impl Shift<'_> {
    /// Looks once services have had their time, and once more where the machine is not well then.
    pub(crate) fn confirm(&mut self, job: &Work) -> Result<Step, Error> {
        let installed = dpkg::installed(self.machine)?;
        if let Some(lacking) = dpkg::missing(&installed, &job.packages).first() {
            let name = &lacking.package.package;
            let message = format!("{name} was changed by somebody since it was applied");
            return Ok(Step::End(JobEnd::Failed, message));
        }
        let conduct = match Conduct::load(self.machine) {
            Ok(conduct) => conduct,
            Err(error) => return Ok(Step::Stay(self.for_administrator(&error))),
        };
        self.hooks_after("applied")?;
        let settle = i64::try_from(conduct.health.settle_seconds).unwrap_or(i64::MAX);
        let waited = Timestamp::now().duration_since(job.at).as_secs();
        if waited < settle {
            let left = settle - waited;
            return Ok(self.look_again_in(left, format!("services have {settle} s to settle")));
        }
        let now = health::look(self.machine, &conduct)?;
        let before = job.before.as_ref().unwrap_or(&now);
        let compared = health::compare(before, &now, &conduct);
        let hook = self.memory.job.as_ref().and_then(|job| job.hooks.failure.clone());
        let hook = hook.map(|why| format!("a hook failed: {why}"));
        let worse: Vec<String> = compared.worse.into_iter().chain(hook).collect();
        if !worse.is_empty() {
            let why = worse.join("; ");
            return match settle.saturating_mul(2) - waited {
                left @ 1.. => Ok(self.look_again_in(left, format!("not well yet: {why}"))),
                _ => self.ill(why),
            };
        }
        self.apt.clean()?;
        let (count, looked) = (job.packages.len(), compared.looked);
        let message = format!("{count} packages are installed and in use; {looked}");
        Ok(Step::End(JobEnd::Effective, message))
    }

    /// The same state; looked at again in so many seconds.
    pub(crate) fn look_again_in(&mut self, seconds: i64, message: String) -> Step {
        let seconds = u64::try_from(seconds).unwrap_or_default().max(1);
        self.came.soon = Some(Duration::from_secs(seconds));
        Step::Stay(message)
    }
}
