//! `patchkeep ring need`: one page on paper of what the connected side has to fetch before a ring can move.

use crate::{
    appliance::Appliance,
    control::{Reply, Request, ask, unexpected},
    failure::Failure,
    screen::{Screen, bytes},
};
use clap::Args;
use ids::{RingName, SourceId};
use site::NeedList;
use std::{fmt::Write as _, fs, path::PathBuf};

#[derive(Args)]
pub(crate) struct NeedWords {
    #[command(flatten)]
    appliance: Appliance,
    /// The ring.
    #[arg(long, default_value = "broad")]
    ring: RingName,
    /// Only what one source's view would leave lacking; all sources unless given.
    #[arg(long)]
    source: Option<SourceId>,
    /// Sequence of the bundle that brought the view; the newest complete one unless given.
    #[arg(long, requires = "source")]
    sequence: Option<u64>,
    /// Write it here as well, as a file for `collect --need`.
    #[arg(long, value_name = "FILE")]
    into: Option<PathBuf>,
}

impl NeedWords {
    pub(crate) fn run(self, screen: &Screen) -> Result<(), Failure> {
        let Self { appliance, ring, source, sequence, into } = self;
        let request = Request::RingNeed { ring, source, sequence };
        let Reply::Need(list) = ask(&appliance, request, screen)? else {
            return Err(unexpected());
        };
        let page = page(&list);
        if let Some(path) = &into {
            fs::write(path, format!("{page}\n")).map_err(|e| Failure::file("write", path, &e))?;
        }
        screen.result(&list, page);
        Ok(())
    }
}

/// The list as a page. `collect --need` reads the lines that begin with `need `; all others are for people.
fn page(list: &NeedList) -> String {
    let NeedList { site, ring, made_at, views, endpoints, lacking_endpoints, packages, .. } = list;
    let mut text = format!(
        "NEED LIST of site {site} for ring {ring}, made {}\n\nViews:",
        made_at.strftime("%Y-%m-%d %H:%M UTC")
    );
    // Writing to a String cannot fail.
    for (source, sequence) in views {
        let _ = write!(text, " {source} of bundle {sequence};");
    }
    let _ = write!(text, "\nEndpoints with an inventory: {endpoints}; lacking something: ");
    let _ = writeln!(text, "{lacking_endpoints}");
    if list.untold_endpoints > 0 {
        let _ = writeln!(
            text,
            "It cannot be told for {} endpoints, which hold nothing back: `patchkeep endpoint missing \
             --ring {ring}` names them.",
            list.untold_endpoints
        );
    }
    if packages.is_empty() {
        text.push_str("Nothing is lacking: the ring can be pointed there.\n");
    } else {
        let length: u64 = packages.iter().map(|package| package.length).sum();
        let _ = write!(
            text,
            "\nTo fetch: {} packages, {}. On the connected side, with this page as a file:\n\n  patchkeep \
             collect --need THIS-FILE ... (with the words of every collection), then `patchkeep bundle \
             build`\n\n",
            packages.len(),
            bytes(length)
        );
        for package in packages {
            let _ = writeln!(
                text,
                "need {} {} {} {}  for {} endpoints",
                package.source,
                package.package,
                package.version,
                package.architecture,
                package.endpoints
            );
        }
    }
    if !list.stays_behind.is_empty() {
        text.push_str(
            "\nThese updates stay behind wherever the ring points: nothing in the views satisfies what they \
             need, so apt keeps them back. They do not hold the ring back.\n",
        );
    }
    for kept in &list.stays_behind {
        let _ = writeln!(
            text,
            "  {} {} needs {}  on {} endpoints",
            kept.package, kept.version, kept.lacks, kept.endpoints
        );
    }
    text.trim_end().to_owned()
}
