//! Fetching verified files in bulk: by digest, resumable, a batch made durable together.

use crate::{
    Error,
    depot::{Depot, digest_of},
    net::Net,
    progress::Progress,
};
use futures::{StreamExt, stream};
use ids::Digest;
use reqwest::Url;
use std::{collections::HashMap, fs, sync::Arc};

/// Files that share one sync.
const BATCH: usize = 256;

/// A file to fetch, and the paths under which the mirror may have it, best first.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) sha256: Digest,
    pub(crate) length: u64,
    pub(crate) paths: Vec<String>,
}

/// What the mirror could not give: by digest, the path whose bytes were others, if any were.
pub(crate) type Absent = HashMap<Digest, Option<String>>;

/// How many files and bytes came over the network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Fetched {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
}

/// The tools that every fetch needs.
#[derive(Clone)]
pub(crate) struct Tools {
    pub(crate) net: Arc<Net>,
    pub(crate) depot: Depot,
    pub(crate) progress: Arc<dyn Progress>,
    pub(crate) connections: usize,
}

/// How one file went.
enum Outcome {
    Had,
    /// Under none of its paths.
    Missing,
    /// Other bytes came under this path; they were thrown away.
    Altered(String),
}

/// The error for a file that must be had.
pub(crate) fn must(absent: &Absent, digest: &Digest, path: &str) -> Result<(), Error> {
    match absent.get(digest) {
        None => Ok(()),
        Some(None) => Err(Error::MissingFile { path: path.to_owned() }),
        Some(Some(path)) => Err(Error::Altered { path: path.clone() }),
    }
}

impl Tools {
    /// Fetches what the depot lacks. Returns what the mirror does not have; whether that is an
    /// error, the caller knows.
    pub(crate) async fn fetch_all(
        &self,
        base: &Url,
        wanted: Vec<Wanted>,
        fetched: &mut Fetched,
    ) -> Result<Absent, Error> {
        let lacking = |file: &Wanted| !self.depot.has(&file.sha256, file.length);
        let mut wanted: Vec<Wanted> = wanted.into_iter().filter(lacking).collect();
        wanted.sort_by_key(|file| file.sha256);
        wanted.dedup_by_key(|file| file.sha256);
        self.progress.expect(wanted.len() as u64, wanted.iter().map(|file| file.length).sum());
        let mut absent = Absent::new();
        let mut batch = Vec::new();
        let mut running = stream::iter(wanted)
            .map(|file| async move { self.fetch(base, &file).await.map(|found| (file, found)) })
            .buffer_unordered(self.connections);
        while let Some(done) = running.next().await {
            match done {
                Ok((file, Outcome::Had)) => {
                    fetched.files += 1;
                    fetched.bytes += file.length;
                    self.progress.file(file.paths.last().map_or("", String::as_str));
                    batch.push(file.sha256);
                }
                Ok((file, Outcome::Missing)) => {
                    absent.insert(file.sha256, None);
                }
                Ok((file, Outcome::Altered(path))) => {
                    absent.insert(file.sha256, Some(path));
                }
                Err(error) => {
                    // What is whole is kept, whatever happened to another file.
                    self.depot.promote(&batch)?;
                    return Err(error);
                }
            }
            if batch.len() >= BATCH {
                self.depot.promote(&batch)?;
                batch.clear();
            }
        }
        self.depot.promote(&batch)?;
        Ok(absent)
    }

    /// One file into `incoming`, verified.
    async fn fetch(&self, base: &Url, file: &Wanted) -> Result<Outcome, Error> {
        let to = self.depot.incoming(&file.sha256);
        let mut outcome = Outcome::Missing;
        for path in &file.paths {
            // A leftover that was resumed may hold another file's bytes: one more try from zero.
            for _ in 0..2 {
                let resumed = fs::metadata(&to).is_ok_and(|meta| meta.len() > 0);
                if !self.net.file(base, path, &to, file.length).await? {
                    break;
                }
                let path_of = to.clone();
                let found = tokio::task::spawn_blocking(move || digest_of(&path_of)).await;
                let found = found.map_err(|e| Error::Invariant { what: e.to_string() })??;
                if found == (file.sha256, file.length) {
                    return Ok(Outcome::Had);
                }
                fs::remove_file(&to).map_err(Error::file("remove", &to))?;
                outcome = Outcome::Altered(path.clone());
                if !resumed {
                    break;
                }
            }
        }
        Ok(outcome)
    }
}
