//! `patchkeep demo`: all of it on real input, in a folder of its own.
//!
//! Two fresh Debian roots, the genuine security updates that they lack, a ceremony with throw-away keys,
//! a bundle, an appliance; one root upgraded by its own apt from that appliance, the other by the agent,
//! which applies what a person's key approved and refuses what it did not; and the evidence checked with
//! stock tools. Everything is real but the keys, and they are thrown away.

mod endpoint;
mod people;
mod steps;

use crate::{
    failure::Failure,
    screen::Screen,
    serve::{Open, runtime},
};
use clap::Args;
use ids::Fault;
use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};
use steps::Story;

/// Free space that the demo wants, in bytes.
const SPACE_BYTES: u64 = 3 << 30;

#[derive(Args)]
pub(crate) struct Demo {
    /// A folder for the demo, which must be empty or not there; a temporary one unless given.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Stop when everything has been shown, instead of serving on.
    #[arg(long)]
    until_done: bool,
    /// Address of the endpoints' door; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    endpoints: std::net::SocketAddr,
    /// Address of the people's door; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    people: std::net::SocketAddr,
}

impl Demo {
    pub(crate) fn run(self, screen: &Screen) -> Result<(), Failure> {
        has_what_it_needs()?;
        let (folder, _temporary) = self.folder()?;
        has_room(&folder)?;
        let begun = Instant::now();
        let mut story = Story::new(&folder, screen);
        story.say(&format!("Everything is in {}", folder.display()));
        let runtime = runtime()?;
        story.machine()?;
        story.ceremony()?;
        story.collect()?;
        story.build()?;
        story.found()?;
        let open = runtime.block_on(story.serve(self.endpoints, self.people))?;
        let told = runtime.block_on(async {
            tokio::task::block_in_place(|| {
                story.import(&open.site)?;
                story.enrol(&open)?;
                story.upgrade()?;
                story.people(&open.site)?;
                story.join(&open)?;
                story.refuse_unapproved(&open.site)?;
                story.approve(&open.site)?;
                story.refuse(&open.site)?;
                story.prove(&open.site)
            })
        });
        let ended = told.map(|()| {
            story.summary(begun.elapsed(), &open);
            if !self.until_done {
                screen.say("Serving until you press Ctrl-C.");
                runtime.block_on(until_interrupted());
            }
        });
        runtime.block_on(open.stop())?;
        ended
    }

    fn folder(&self) -> Result<(PathBuf, Option<tempfile::TempDir>), Failure> {
        let Some(dir) = &self.dir else {
            let made = tempfile::Builder::new().prefix("patchkeep-demo-").tempdir();
            let made =
                made.map_err(|e| Failure::file("make a folder in", Path::new("/tmp"), &e))?;
            return Ok((made.path().to_owned(), Some(made)));
        };
        std::fs::create_dir_all(dir).map_err(|e| Failure::file("make", dir, &e))?;
        let mut inside = std::fs::read_dir(dir).map_err(|e| Failure::file("read", dir, &e))?;
        if inside.next().is_some() {
            let message = format!("{} is not empty; name another folder", dir.display());
            return Err(Failure::say(Fault::Conflict, message));
        }
        let dir = std::path::absolute(dir).map_err(|e| Failure::file("find", dir, &e))?;
        Ok((dir, None))
    }
}

/// What the machine lacks is said before anything is begun, with the command that mends it.
fn has_what_it_needs() -> Result<(), Failure> {
    if !rustix::process::geteuid().is_root() {
        let message = "the demo builds a Debian root and runs apt in it, which takes root: run it \
                       with sudo";
        return Err(Failure::say(Fault::Unavailable, message));
    }
    let tools = [
        ("mmdebstrap", "mmdebstrap"),
        ("chroot", "coreutils"),
        ("openssl", "openssl"),
        ("unzip", "unzip"),
        ("ssh-keygen", "openssh-client"),
    ];
    let lacks = |tool: &str| {
        Command::new("sh")
            .args(["-c", &format!("command -v {tool} >/dev/null")])
            .status()
            .map_or(true, |status| !status.success())
    };
    let missing: Vec<&str> = tools.iter().filter(|(t, _)| lacks(t)).map(|(_, p)| *p).collect();
    if people::agent_program().is_none() {
        let message = "patchkeep-agent is not beside patchkeep: build it with `just build`";
        return Err(Failure::say(Fault::Unavailable, message));
    }
    if !missing.is_empty() {
        let message = format!("the demo needs: apt-get install {}", missing.join(" "));
        return Err(Failure::say(Fault::Unavailable, message));
    }
    Ok(())
}

fn has_room(folder: &Path) -> Result<(), Failure> {
    let stat =
        rustix::fs::statvfs(folder).map_err(|e| Failure::file("look at", folder, &e.into()))?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    if free < SPACE_BYTES {
        let message = format!(
            "the demo wants 3 GiB of free space in {}, and there are {}",
            folder.display(),
            crate::screen::bytes(free)
        );
        return Err(Failure::say(Fault::Unavailable, message));
    }
    Ok(())
}

async fn until_interrupted() {
    // Without a signal handler there is nothing to wait for; the process is then ended from outside.
    drop(tokio::signal::ctrl_c().await);
}

/// What the steps know of the running appliance.
pub(crate) type Appliance = Open;
