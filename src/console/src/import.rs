//! Imports: what came, what was kept out, and reading a medium in, with its custody record.

use crate::{
    Console, Failure,
    endpoint::word,
    frame::{Frame, Section},
    list::{Address, Pager, ROWS, skip},
    live::{self, Look},
    reading,
    text::{self, bytes, count, thousands},
    visit::{Sent, Visit},
};
use askama::Template;
use axum::{
    Router,
    extract::{Path, Query, State},
    response::{Html, IntoResponse, Redirect, Response},
    routing::get,
};
use fleet::{Custody, MediaType, Operation};
use ids::{PersonId, Timestamp};
use serde::Deserialize;
use site::{ImportOrder, ImportRow, KeptOutRow, Progress};
use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

/// The import that was begun here, and how the last one ended.
#[derive(Default)]
pub(crate) struct Importing(Mutex<Work>);

#[derive(Default)]
struct Work {
    running: Option<Running>,
    last: Option<Ended>,
}

/// An import under way.
#[derive(Clone)]
struct Running {
    path: String,
    person: PersonId,
    since: Timestamp,
    progress: Progress,
    /// When the step that it is at began.
    step: Instant,
}

/// How an import ended.
#[derive(Clone)]
struct Ended {
    path: String,
    at: Timestamp,
    accepted: bool,
    message: String,
}

impl Importing {
    fn work(&self) -> MutexGuard<'_, Work> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    fn amount(&self, number: u64) -> String {
        match self.progress.unit.as_str() {
            "bytes" => bytes(number),
            unit => format!("{} {unit}", thousands(number)),
        }
    }

    /// How far it is, in words.
    fn far(&self) -> String {
        let Progress { done, total, .. } = self.progress;
        match total {
            0 => String::new(),
            _ => format!("{} of {}", self.amount(done), self.amount(total)),
        }
    }

    /// How fast it is and how long it will take, once that can be told.
    fn pace(&self) -> Option<String> {
        let Progress { done, total, .. } = self.progress;
        let seconds = self.step.elapsed().as_secs();
        if seconds < 2 || done == 0 || total == 0 {
            return None;
        }
        let a_second = (done / seconds).max(1);
        let left = total.saturating_sub(done) / a_second;
        let left = match left {
            0..90 => count(left.max(1), "second"),
            90..5_400 => count(left.div_ceil(60), "minute"),
            _ => count(left.div_ceil(3_600), "hour"),
        };
        Some(format!("{} a second, about {left} left", self.amount(a_second)))
    }
}

#[derive(Template)]
#[template(path = "imports.html")]
struct List {
    frame: Frame,
    pager: Pager,
    rows: Vec<ImportRow>,
    kept_out: Vec<KeptOutRow>,
    running: Option<Running>,
    last: Option<Ended>,
    unfinished: Vec<u64>,
    newest: Option<u64>,
    may: bool,
}

#[derive(Template)]
#[template(path = "import_live.html")]
struct Live {
    running: Option<Running>,
}

#[derive(Deserialize)]
struct ListWords {
    page: Option<u64>,
}

/// Bundles that were kept out and are shown; the log has all.
const KEPT_OUT_SHOWN: usize = 20;

async fn list(
    visit: Visit,
    State(console): State<Arc<Console>>,
    Query(words): Query<ListWords>,
) -> Result<Html<String>, Failure> {
    let page = words.page.unwrap_or(1);
    let (all, mut kept_out, unfinished) =
        reading(&visit, |site| Ok((site.imports()?, site.kept_out()?, site.unfinished_imports())))
            .await?;
    kept_out.truncate(KEPT_OUT_SHOWN);
    let (running, last) = {
        let work = console.importing().work();
        (work.running.clone(), work.last.clone())
    };
    let list = List {
        frame: Frame::new(&visit, Section::Imports, "Imports"),
        pager: Address::new("/imports").pager(page, all.len() as u64),
        newest: all.first().map(|import| import.sequence),
        rows: all.into_iter().skip(skip(page)).take(ROWS).collect(),
        kept_out,
        running,
        last,
        unfinished,
        may: visit.may(Operation::Import),
    };
    Ok(Html(list.render()?))
}

async fn live(_: Visit, State(console): State<Arc<Console>>) -> Response {
    live::follow(move || {
        let running = console.importing().work().running.clone();
        async move {
            match running {
                None => Look::Over,
                Some(running) => {
                    Look::Part(Live { running: Some(running) }.render().unwrap_or_default())
                }
            }
        }
    })
    .into_response()
}

#[derive(Template)]
#[template(path = "import.html")]
struct One {
    frame: Frame,
    import: ImportRow,
}

async fn one(visit: Visit, Path(sequence): Path<u64>) -> Result<Html<String>, Failure> {
    let all = reading(&visit, site::Site::imports).await?;
    let import = all.into_iter().find(|import| import.sequence == sequence);
    let import = import.ok_or_else(|| {
        Failure::missing(format!("no bundle {sequence} was imported at this site"))
    })?;
    let frame = Frame::new(&visit, Section::Imports, format!("Bundle {sequence}"))
        .below("Imports", "/imports");
    Ok(Html(One { frame, import }.render()?))
}

#[derive(Template)]
#[template(path = "import_new.html")]
struct New {
    frame: Frame,
    may: bool,
}

const MEDIA: [(&str, &str); 6] = [
    ("usb-flash", "USB stick"),
    ("usb-hdd", "USB disk"),
    ("optical", "CD, DVD or Blu-ray disc"),
    ("tape", "Tape"),
    ("diode", "Data diode"),
    ("folder", "Folder"),
];

async fn new(visit: Visit) -> Result<Html<String>, Failure> {
    let frame =
        Frame::new(&visit, Section::Imports, "Import a bundle").below("Imports", "/imports");
    Ok(Html(New { frame, may: visit.may(Operation::Import) }.render()?))
}

/// What people fill in of the custody record; the appliance adds what it sees.
#[derive(Deserialize)]
struct BeginForm {
    paths: String,
    media_type: String,
    media_asset_tag: String,
    tamper_seal_no_out: String,
    tamper_seal_no_in: String,
    protective_marking: String,
    purpose: String,
    authorisation_ref: String,
    source_site: String,
    registered: Option<String>,
    registered_owner_org: String,
    written_by: String,
    carrier: String,
    received_by: String,
    witness: String,
}

impl BeginForm {
    fn custody(&self) -> Result<Custody, Failure> {
        let text = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let person = |text: &str| -> Result<Option<PersonId>, Failure> {
            Ok(Some(text.trim()).filter(|text| !text.is_empty()).map(str::parse).transpose()?)
        };
        let media_type: Option<MediaType> = word(&self.media_type)?;
        Ok(Custody {
            media_type,
            media_asset_tag: text(&self.media_asset_tag),
            tamper_seal_no_out: text(&self.tamper_seal_no_out),
            tamper_seal_no_in: text(&self.tamper_seal_no_in),
            registered: self.registered.as_ref().map(|_| true),
            registered_owner_org: text(&self.registered_owner_org),
            protective_marking: text(&self.protective_marking),
            purpose: text(&self.purpose),
            authorisation_ref: text(&self.authorisation_ref),
            source_site: text(&self.source_site),
            written_by_person_id: person(&self.written_by)?,
            carrier_person_id: person(&self.carrier)?,
            received_by_person_id: person(&self.received_by)?,
            witness_person_id: person(&self.witness)?,
            ..Custody::default()
        })
    }
}

async fn begin(
    State(console): State<Arc<Console>>,
    Sent(visit, form): Sent<BeginForm>,
) -> Result<Redirect, Failure> {
    let actor = visit.acting(Operation::Import)?;
    let paths: Vec<PathBuf> = form
        .paths
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(PathBuf::from)
        .collect();
    if paths.is_empty() || paths.iter().any(|path| !path.is_absolute()) {
        return Err(Failure::input("give the whole path of the bundle's folder, from / on"));
    }
    let person = visit.person().clone();
    let order = ImportOrder { paths, custody: form.custody()?, person: person.clone(), actor };
    let path = form.paths.trim().to_owned();
    {
        let mut work = console.importing().work();
        if work.running.is_some() {
            return Err(site::Error::Busy.into());
        }
        let progress = Progress::count("beginning", 0, 0, "");
        let (since, step) = (visit.site().now(), Instant::now());
        work.running = Some(Running { path: path.clone(), person, since, progress, step });
    }
    let site = Arc::clone(visit.site());
    tokio::task::spawn_blocking(move || {
        let ended = site.import(&order, &mut |progress| {
            if let Some(running) = &mut console.importing().work().running {
                if running.progress.step != progress.step {
                    running.step = Instant::now();
                }
                running.progress = progress;
            }
        });
        let (accepted, message) = match &ended {
            Ok(outcome) => (outcome.fault().is_none(), outcome.message().to_owned()),
            Err(error) => (false, site::chain(error)),
        };
        let mut work = console.importing().work();
        work.last = Some(Ended { path, at: site.now(), accepted, message });
        work.running = None;
    });
    Ok(Redirect::to("/imports"))
}

pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/imports", get(list).post(begin))
        .route("/imports/new", get(new))
        .route("/imports/live", get(live))
        .route("/imports/{sequence}", get(one))
}
