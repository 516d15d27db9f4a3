//! Fetching over HTTP(S): bounded, resumed, retried, capped; and from a folder of this machine (`file:`), which
//! is how a builder's own repository comes here.
//!
//! Nothing that comes from here is believed: callers compare digests and signatures. Redirects are
//! followed five times at most and never from HTTPS to HTTP; credentials stay with their host.

use crate::{Error, depot::tag_path, progress::Progress, settings::Network};
use futures::StreamExt;
use reqwest::{
    Client, Proxy, RequestBuilder, Response, StatusCode, Url,
    header::{
        AUTHORIZATION, CONTENT_RANGE, ETAG, HeaderMap, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
        LAST_MODIFIED, LOCATION, RANGE,
    },
    redirect::Policy,
};
use serde::{Deserialize, Serialize};
use std::{
    error::Error as _,
    fs,
    io::Read as _,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    fs::{File, OpenOptions},
    io::AsyncWriteExt,
    sync::Semaphore,
    time::{Instant, sleep, sleep_until},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// Longest silence on a connection.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// Most redirects on the way to one file.
const REDIRECTS_MAX: usize = 5;

/// What a server said to recognise a document by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Validators {
    pub(crate) etag: Option<String>,
    pub(crate) last_modified: Option<String>,
}

/// The answer to a request for a document.
pub(crate) enum Document {
    Unchanged,
    Found { bytes: Vec<u8>, validators: Validators },
}

/// One way to the mirrors, shared by all sources of a run.
pub(crate) struct Net {
    client: Client,
    credentials: Vec<Credential>,
    permits: Semaphore,
    attempts: u32,
    pace: Option<Pace>,
    progress: Arc<dyn Progress>,
}

/// How one attempt ended.
enum Attempt<T> {
    Done(T),
    Missing,
    /// Worth trying again.
    Broken(String),
}

impl Net {
    pub(crate) fn new(settings: &Network, progress: Arc<dyn Progress>) -> Result<Self, Error> {
        // Another part of the program may have chosen already; both choose the same.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let told = |e: reqwest::Error| Error::Client { reason: reason(&e) };
        let mut builder = Client::builder()
            .user_agent(concat!("patchkeep/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .pool_max_idle_per_host(settings.connections)
            .redirect(Policy::none());
        if let Some(proxy) = &settings.proxy {
            builder = builder.proxy(Proxy::all(proxy).map_err(told)?);
        }
        let credentials = match &settings.credentials {
            Some(path) => {
                let text = fs::read_to_string(path).map_err(Error::file("read", path))?;
                parse_credentials(&text)
                    .map_err(|reason| Error::Settings { path: path.clone(), reason })?
            }
            None => Vec::new(),
        };
        Ok(Self {
            client: builder.build().map_err(told)?,
            credentials,
            permits: Semaphore::new(settings.connections),
            attempts: settings.retries + 1,
            pace: settings.bytes_per_second.map(Pace::new),
            progress,
        })
    }

    /// Fetches a small document whole, or learns that it has not changed.
    pub(crate) async fn document(
        &self,
        base: &Url,
        path: &str,
        known: &Validators,
        bytes_max: u64,
    ) -> Result<Option<Document>, Error> {
        if base.scheme() == "file" {
            let Some(from) = open(base, path)? else { return Ok(None) };
            let mut bytes = Vec::new();
            let mut most = from.take(bytes_max.saturating_add(1));
            most.read_to_end(&mut bytes).map_err(Error::file("read", Path::new(path)))?;
            if bytes.len() as u64 > bytes_max {
                return Err(Error::Altered { path: path.to_owned() });
            }
            self.count(bytes.len()).await;
            return Ok(Some(Document::Found { bytes, validators: Validators::default() }));
        }
        self.repeat(path, || self.document_once(base, path, known, bytes_max)).await
    }

    async fn document_once(
        &self,
        base: &Url,
        path: &str,
        known: &Validators,
        bytes_max: u64,
    ) -> Result<Attempt<Document>, Error> {
        let mut request = self.get(base, path)?;
        if let Some(tag) = &known.etag {
            request = request.header(IF_NONE_MATCH, tag);
        }
        if let Some(date) = &known.last_modified {
            request = request.header(IF_MODIFIED_SINCE, date);
        }
        let response = match self.send(path, request).await? {
            Attempt::Done(response) => response,
            Attempt::Missing => return Ok(Attempt::Missing),
            Attempt::Broken(reason) => return Ok(Attempt::Broken(reason)),
        };
        if response.status() == StatusCode::NOT_MODIFIED {
            return Ok(Attempt::Done(Document::Unchanged));
        }
        let validators = validators(response.headers());
        let mut bytes = Vec::new();
        let mut stream = response.bytes_stream();
        while let Some(piece) = stream.next().await {
            match piece {
                Ok(piece) if bytes.len() as u64 + piece.len() as u64 <= bytes_max => {
                    self.count(piece.len()).await;
                    bytes.extend_from_slice(&piece);
                }
                Ok(_) => return Err(Error::Altered { path: path.to_owned() }),
                Err(error) => return Ok(Attempt::Broken(reason(&error))),
            }
        }
        Ok(Attempt::Done(Document::Found { bytes, validators }))
    }

    /// Fetches a file of a known length to `to`, going on where an earlier attempt broke off.
    /// `false`: the mirror does not have it. The bytes are not verified here.
    pub(crate) async fn file(
        &self,
        base: &Url,
        path: &str,
        to: &Path,
        length: u64,
    ) -> Result<bool, Error> {
        if base.scheme() == "file" {
            let Some(from) = open(base, path)? else { return Ok(false) };
            let mut file = fs::File::create(to).map_err(Error::file("write", to))?;
            // One byte more than it may have is another file: its digest cannot fit.
            let copied = std::io::copy(&mut from.take(length.saturating_add(1)), &mut file);
            let copied = copied.map_err(Error::file("write", to))?;
            self.count(usize::try_from(copied).unwrap_or(usize::MAX)).await;
            return Ok(true);
        }
        let done = self.repeat(path, || self.file_once(base, path, to, length)).await?;
        Ok(done.is_some())
    }

    async fn file_once(
        &self,
        base: &Url,
        path: &str,
        to: &Path,
        length: u64,
    ) -> Result<Attempt<()>, Error> {
        let have = fs::metadata(to).map_or(0, |meta| meta.len());
        if have == length && length > 0 {
            return Ok(Attempt::Done(()));
        }
        let tag = fs::read_to_string(tag_path(to)).unwrap_or_default();
        let resume = have > 0 && have < length && !tag.is_empty();
        let mut request = self.get(base, path)?;
        if resume {
            request = request.header(RANGE, format!("bytes={have}-")).header(IF_RANGE, &tag);
        }
        let response = match self.send(path, request).await? {
            Attempt::Done(response) => response,
            Attempt::Missing => return Ok(Attempt::Missing),
            Attempt::Broken(reason) => return Ok(Attempt::Broken(reason)),
        };
        let start = if response.status() == StatusCode::PARTIAL_CONTENT {
            let begins = format!("bytes {have}-");
            let range = response.headers().get(CONTENT_RANGE).and_then(|v| v.to_str().ok());
            if !resume || !range.is_some_and(|range| range.starts_with(&begins)) {
                let _ = fs::remove_file(tag_path(to));
                return Ok(Attempt::Broken("the mirror sent another range".into()));
            }
            have
        } else {
            0
        };
        self.write(response, to, start, length).await
    }

    async fn write(
        &self,
        response: Response,
        to: &Path,
        start: u64,
        length: u64,
    ) -> Result<Attempt<()>, Error> {
        let act = Error::file("write", to);
        let validators = validators(response.headers());
        // A weak tag promises nothing about bytes.
        let strong = validators.etag.filter(|tag| !tag.starts_with("W/"));
        if start == 0 {
            let tag = strong.or(validators.last_modified).unwrap_or_default();
            fs::write(tag_path(to), tag).map_err(&act)?;
        }
        let mut options = OpenOptions::new();
        options.create(true).write(true).truncate(start == 0).append(start > 0);
        let mut file: File = options.open(to).await.map_err(&act)?;
        let mut have = start;
        let mut stream = response.bytes_stream();
        let mut broken = None;
        while let Some(piece) = stream.next().await {
            match piece {
                Ok(piece) => {
                    have += piece.len() as u64;
                    if have > length {
                        break;
                    }
                    file.write_all(&piece).await.map_err(&act)?;
                    self.count(piece.len()).await;
                }
                Err(error) => {
                    broken = Some(reason(&error));
                    break;
                }
            }
        }
        file.flush().await.map_err(&act)?;
        match broken {
            Some(reason) => Ok(Attempt::Broken(reason)),
            // The verdict on another length is the caller's: the digest cannot fit.
            None => Ok(Attempt::Done(())),
        }
    }

    fn get(&self, base: &Url, path: &str) -> Result<RequestBuilder, Error> {
        let mut url = base.clone();
        let bad = || Error::Client { reason: "a mirror's address is no base".into() };
        url.path_segments_mut().map_err(|()| bad())?.pop_if_empty().extend(path.split('/'));
        let known = self.credentials.iter().find(|c| Some(c.host.as_str()) == url.host_str());
        let request = self.client.get(url);
        Ok(match known {
            Some(known) => request.basic_auth(&known.login, Some(&known.password)),
            None => request,
        })
    }

    async fn send(&self, path: &str, request: RequestBuilder) -> Result<Attempt<Response>, Error> {
        let response = match self.follow(request).await {
            Ok(response) => response,
            Err(reason) => return Ok(Attempt::Broken(reason)),
        };
        let status = response.status();
        Ok(match status {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED => {
                Attempt::Done(response)
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => Attempt::Missing,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
                Attempt::Broken(format!("status {}", status.as_u16()))
            }
            status if status.is_server_error() => {
                Attempt::Broken(format!("status {}", status.as_u16()))
            }
            StatusCode::RANGE_NOT_SATISFIABLE => Attempt::Broken("status 416".into()),
            status => {
                return Err(Error::Denied { path: path.to_owned(), status: status.as_u16() });
            }
        })
    }

    /// Sends a request, and another one to wherever the answer points. The client would follow by
    /// itself, but without the proxy's password, which it gives to no second host.
    async fn follow(&self, request: RequestBuilder) -> Result<Response, String> {
        let told = |error: reqwest::Error| reason(&error);
        let mut request = request.build().map_err(told)?;
        for _ in 0..=REDIRECTS_MAX {
            let (from, mut headers) = (request.url().clone(), request.headers().clone());
            let response = self.client.execute(request).await.map_err(told)?;
            let Some(to) = points_to(&response) else { return Ok(response) };
            if from.scheme() == "https" && to.scheme() != "https" {
                return Err("a redirect away from HTTPS".into());
            }
            if from.origin() != to.origin() {
                headers.remove(AUTHORIZATION);
            }
            request = self.client.get(to).headers(headers).build().map_err(told)?;
        }
        Err("too many redirects".into())
    }

    /// Tries until it is done, with growing pauses; one permit at a time.
    async fn repeat<T, F>(&self, path: &str, once: impl Fn() -> F) -> Result<Option<T>, Error>
    where
        F: Future<Output = Result<Attempt<T>, Error>>,
    {
        let mut last = String::new();
        for attempt in 0..self.attempts {
            if attempt > 0 {
                sleep(Duration::from_millis(250 << attempt.min(7))).await;
            }
            let permit = self.permits.acquire().await;
            let ended = once().await?;
            drop(permit);
            match ended {
                Attempt::Done(done) => return Ok(Some(done)),
                Attempt::Missing => return Ok(None),
                Attempt::Broken(reason) => last = reason,
            }
        }
        Err(Error::Fetch { path: path.to_owned(), attempts: self.attempts, reason: last })
    }

    async fn count(&self, bytes: usize) {
        self.progress.bytes(bytes as u64);
        if let Some(pace) = &self.pace {
            pace.wait(bytes as u64).await;
        }
    }
}

/// Opens a file of a repository that lies in a folder. `None`: it is not there.
fn open(base: &Url, path: &str) -> Result<Option<fs::File>, Error> {
    let bad = || Error::Client { reason: "a file: address names no folder of this machine".into() };
    if !catalogue::is_safe_path(path) {
        return Err(Error::Altered { path: path.to_owned() });
    }
    let at = base.to_file_path().map_err(|()| bad())?.join(path);
    match fs::File::open(&at) {
        // A folder opens too.
        Ok(file) if file.metadata().is_ok_and(|meta| meta.is_file()) => Ok(Some(file)),
        Ok(_) => Ok(None),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::file("read", &at)(e)),
    }
}

/// Spreads bytes over time: each piece books its share, and waits for the end of it.
struct Pace {
    rate: u64,
    booked: Mutex<Instant>,
}

impl Pace {
    fn new(rate: u64) -> Self {
        Self { rate, booked: Mutex::new(Instant::now()) }
    }

    async fn wait(&self, bytes: u64) {
        sleep_until(self.book(Instant::now(), bytes)).await;
    }

    /// When the bytes that come in now will have been paid for.
    fn book(&self, now: Instant, bytes: u64) -> Instant {
        let share = Duration::from_secs_f64(bytes as f64 / self.rate as f64);
        let mut booked = self.booked.lock().unwrap_or_else(|poison| poison.into_inner());
        *booked = (*booked).max(now) + share;
        *booked
    }
}

struct Credential {
    host: String,
    login: String,
    password: String,
}

/// A netrc-like file: `machine HOST login NAME password SECRET`, in any white space.
fn parse_credentials(text: &str) -> Result<Vec<Credential>, String> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let mut words = lines.flat_map(str::split_ascii_whitespace);
    let mut known: Vec<Credential> = Vec::new();
    while let Some(word) = words.next() {
        let value = words.next().ok_or("a word at its end has no value")?.to_owned();
        match (word, known.last_mut()) {
            ("machine", _) => {
                let none = String::new;
                known.push(Credential { host: value, login: none(), password: none() });
            }
            ("login", Some(last)) => last.login = value,
            ("password", Some(last)) => last.password = value,
            _ => return Err("it is not `machine HOST login NAME password SECRET`".into()),
        }
    }
    Ok(known)
}

/// Reads a netrc-like file and tells how many machines it names: the door for fuzzing.
///
/// # Errors
/// What is wrong with it, in one phrase.
pub fn read_credentials(text: &str) -> Result<usize, String> {
    parse_credentials(text).map(|known| known.len())
}

/// Where a redirect leads.
fn points_to(response: &Response) -> Option<Url> {
    let redirects = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let to = response.headers().get(LOCATION).filter(|_| redirects)?;
    response.url().join(to.to_str().ok()?).ok()
}

fn validators(headers: &HeaderMap) -> Validators {
    let text = |name| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.filter(|value| value.len() <= 200).map(str::to_owned)
    };
    Validators { etag: text(ETAG), last_modified: text(LAST_MODIFIED) }
}

/// An error's causes on one line, without the address, which may carry a secret.
fn reason(error: &reqwest::Error) -> String {
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    match causes.pop() {
        Some(root) => root,
        None if error.is_timeout() => "it took too long".into(),
        None => "the connection failed".into(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn credentials_are_netrc_like() {
        let known = parse_credentials("# x\nmachine a.example login u password p\n").unwrap();
        assert_eq!((known[0].host.as_str(), known[0].password.as_str()), ("a.example", "p"));
        for bad in ["login u", "machine", "machine a.example account x"] {
            assert!(parse_credentials(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_cap_holds_over_all_connections() {
        let pace = Pace::new(1000);
        let start = Instant::now() + Duration::from_secs(1);
        assert_eq!(pace.book(start, 500), start + Duration::from_millis(500));
        assert_eq!(pace.book(start, 500), start + Duration::from_secs(1));
        let later = start + Duration::from_secs(60);
        assert_eq!(pace.book(later, 100), later + Duration::from_millis(100), "no credit is saved");
    }
}
