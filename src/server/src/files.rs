//! The endpoints' door: the files of views and rings.

use crate::{
    body::{Answer, Chunks, FileBody},
    conditional::{self, Plan},
    path::{Target, parse_target},
    reply::{Reply, reads, sentence},
    small::{SMALL_BYTES_MAX, Small},
};
use bytes::Bytes;
use catalogue::FileKind;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use ids::Timestamp;
use site::{Found, Served, ShelfHandle};
use std::{
    ops::Range,
    time::{Duration, UNIX_EPOCH},
};
use store::{Error, Store};

/// Everything that answers for files.
pub(crate) struct Files {
    shelf: ShelfHandle,
    store: Store,
    small: Small,
    chunks: Chunks,
}

impl Files {
    pub(crate) fn new(shelf: ShelfHandle, store: Store) -> Self {
        Self { shelf, store, small: Small::default(), chunks: Chunks::default() }
    }

    /// The answer to one request. The shelf is looked at once, so that it is of one moment.
    pub(crate) async fn answer<B>(&self, request: &Request<B>) -> Reply {
        if !reads(request.method()) {
            return sentence(StatusCode::METHOD_NOT_ALLOWED);
        }
        let Some(target) = parse_target(request.uri().path().as_bytes()) else {
            return sentence(StatusCode::NOT_FOUND);
        };
        let shelf = self.shelf.current();
        let (found, path) = match &target {
            Target::View { sequence, source, path } => {
                (shelf.in_view(*sequence, source, path), path)
            }
            Target::Ring { ring, source, path } => (shelf.in_ring(ring, source, path), path),
        };
        match found {
            Found::File(served) => {
                self.file(served, path, request.method(), request.headers()).await
            }
            Found::Gone => sentence(StatusCode::GONE),
            Found::Nothing => sentence(StatusCode::NOT_FOUND),
        }
    }

    async fn file(&self, served: Served, path: &str, method: &Method, asked: &HeaderMap) -> Reply {
        let etag = format!("\"{}\"", served.digest);
        let plan = conditional::decide(method, asked, &etag, served.modified, served.length);
        let (status, range) = match plan {
            Plan::Whole => (StatusCode::OK, 0..served.length),
            Plan::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
            Plan::NotModified => (StatusCode::NOT_MODIFIED, 0..0),
            Plan::PreconditionFailed => return sentence(StatusCode::PRECONDITION_FAILED),
            Plan::NoSuchBytes => {
                let mut reply = sentence(StatusCode::RANGE_NOT_SATISFIABLE);
                let length = format!("bytes */{}", served.length);
                insert(reply.headers_mut(), header::CONTENT_RANGE, length);
                return reply;
            }
        };
        let body = if method == Method::HEAD || status == StatusCode::NOT_MODIFIED {
            Ok(Answer::Bytes(Bytes::new()))
        } else {
            self.body(&served, range.clone()).await
        };
        let mut reply = match body {
            Ok(body) => Response::new(body),
            Err(Error::Absent { .. }) => return sentence(StatusCode::GONE),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "cannot serve a file");
                return sentence(StatusCode::SERVICE_UNAVAILABLE);
            }
        };
        *reply.status_mut() = status;
        describe(reply.headers_mut(), &served, path, etag, status, &range);
        reply
    }

    async fn body(&self, served: &Served, range: Range<u64>) -> Result<Answer, Error> {
        let digest = served.digest;
        if served.length <= SMALL_BYTES_MAX {
            let bytes = match self.small.get(&digest) {
                Some(bytes) => bytes,
                None => {
                    let read = move |store: Store| store.read(&digest, SMALL_BYTES_MAX);
                    let bytes = Bytes::from(self.on_disk(digest, read).await?);
                    self.small.put(digest, bytes.clone());
                    bytes
                }
            };
            // Both ends are within a length that fits.
            let part = range.start as usize..range.end as usize;
            return Ok(Answer::Bytes(bytes.slice(part)));
        }
        let open = move |store: Store| store.open_payload(&digest);
        let (file, length) = self.on_disk(digest, open).await?;
        if length != served.length {
            return Err(Error::Short { digest, expected: served.length, got: length });
        }
        Ok(Answer::File(FileBody::new(file, range, self.chunks.clone())))
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        digest: ids::Digest,
        act: impl FnOnce(Store) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let store = self.store.clone();
        match tokio::task::spawn_blocking(move || act(store)).await {
            Ok(done) => done,
            Err(panic) => Err(Error::Source { digest, source: std::io::Error::other(panic) }),
        }
    }
}

fn describe(
    headers: &mut HeaderMap,
    served: &Served,
    path: &str,
    etag: String,
    status: StatusCode,
    range: &Range<u64>,
) {
    insert(headers, header::ETAG, etag);
    insert(headers, header::LAST_MODIFIED, http_date(served.modified));
    // Caches ask again each time, so that what is recalled stops at once.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if status == StatusCode::NOT_MODIFIED {
        return;
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type(path, served.kind)));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if status == StatusCode::PARTIAL_CONTENT {
        let part = format!("bytes {}-{}/{}", range.start, range.end - 1, served.length);
        insert(headers, header::CONTENT_RANGE, part);
    }
}

/// Inserts what consists of digits, letters and punctuation only.
fn insert(headers: &mut HeaderMap, name: header::HeaderName, text: String) {
    if let Ok(value) = HeaderValue::try_from(text) {
        headers.insert(name, value);
    }
}

fn http_date(time: Timestamp) -> String {
    let seconds = u64::try_from(time.as_second()).unwrap_or(0);
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds))
}

fn media_type(path: &str, kind: FileKind) -> &'static str {
    let name = path.rsplit('/').next().unwrap_or(path);
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("deb" | "udeb") => "application/vnd.debian.binary-package",
        Some("rpm") => "application/x-rpm",
        Some("xz") => "application/x-xz",
        Some("gz") => "application/gzip",
        Some("bz2") => "application/x-bzip2",
        Some("zst") => "application/zstd",
        Some("xml") => "text/xml; charset=utf-8",
        Some("gpg" | "asc") => "application/pgp-signature",
        None if kind == FileKind::Release => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
