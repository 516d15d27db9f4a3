//! An appliance on another machine: its API over HTTPS, with a token of one person's. It is asked by no other way than
//! scripts are, so it has no more rights here than they have.
//!
//! What does not work is told in one sentence: the appliance's own, or why there is no answer.

use crate::failure::Failure;
use ids::{Fault, PersonId};
use reqwest::{
    Certificate, Client, Method, Response, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER},
    redirect::Policy,
    tls::Version,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use std::{
    cell::OnceCell,
    error::Error,
    fmt,
    fs::File,
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};
use tokio::runtime::{Builder, Runtime};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// Longest silence: an appliance may take minutes for an audit bundle.
const SILENCE: Duration = Duration::from_secs(600);
/// Most bytes of an answer that is kept in memory.
const ANSWER_BYTES_MAX: usize = 256 << 20;
/// Far longer than any token, and than any certificate.
const TOKEN_BYTES_MAX: u64 = 4 << 10;
const PEM_BYTES_MAX: u64 = 1 << 20;
/// Rows of a part of a list: the most that the API gives.
const ROWS: &str = "500";

/// Where an appliance's people's door is: `https://HOST[:PORT]`.
#[derive(Debug, Clone)]
pub(crate) struct Address(Url);

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|e| format!("it is no address: {e}"))?;
        let plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let nobody = url.username().is_empty() && url.password().is_none();
        if url.scheme() != "https" || url.host().is_none() || !plain || !nobody {
            return Err(
                "an appliance's address is https://HOST or https://HOST:PORT, and nothing more"
                    .into(),
            );
        }
        Ok(Self(url))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

/// An appliance on another machine. Nothing is opened before it is asked.
#[derive(Debug)]
pub(crate) struct Remote {
    address: Address,
    token_file: PathBuf,
    ca: Option<PathBuf>,
    open: OnceCell<Open>,
    me: OnceCell<PersonId>,
}

#[derive(Debug)]
struct Open {
    runtime: Runtime,
    client: Client,
}

/// Why there is no good answer, with the status of the one that came, where one did.
struct Unanswered {
    status: Option<u16>,
    failure: Failure,
}

impl From<Failure> for Unanswered {
    fn from(failure: Failure) -> Self {
        Self { status: None, failure }
    }
}

impl From<Unanswered> for Failure {
    fn from(unanswered: Unanswered) -> Self {
        unanswered.failure
    }
}

/// What did not work, as the API says it (RFC 9457).
#[derive(Deserialize)]
struct Problem {
    detail: String,
}

#[derive(Deserialize)]
struct Me {
    person: PersonId,
}

impl Remote {
    pub(crate) fn new(address: Address, token_file: PathBuf, ca: Option<PathBuf>) -> Self {
        Self { address, token_file, ca, open: OnceCell::new(), me: OnceCell::new() }
    }

    pub(crate) const fn address(&self) -> &Address {
        &self.address
    }

    /// As whom the token acts.
    pub(crate) fn me(&self) -> Result<&PersonId, Failure> {
        if let Some(person) = self.me.get() {
            return Ok(person);
        }
        let Me { person } = self.get(&["me"])?;
        Ok(self.me.get_or_init(|| person))
    }

    /// What there is under a path below `/api/v1`.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, Failure> {
        told(self.ask(Method::GET, path, &[], None)?)
    }

    /// The same, where there may be nothing.
    pub(crate) fn get_if_any<T: DeserializeOwned>(
        &self,
        path: &[&str],
    ) -> Result<Option<T>, Failure> {
        match self.ask(Method::GET, path, &[], None) {
            Ok(value) => told(value).map(Some),
            Err(Unanswered { status: Some(404), .. }) => Ok(None),
            Err(unanswered) => Err(unanswered.into()),
        }
    }

    /// The same with words of a query.
    pub(crate) fn get_with<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<T, Failure> {
        told(self.ask(Method::GET, path, query, None)?)
    }

    /// Has something done.
    pub(crate) fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &Value,
    ) -> Result<T, Failure> {
        told(self.ask(Method::POST, path, &[], Some(body))?)
    }

    /// Has something done of which there is no more to say.
    pub(crate) fn post_bare<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, Failure> {
        told(self.ask(Method::POST, path, &[], None)?)
    }

    /// Has something set.
    pub(crate) fn put<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &Value,
    ) -> Result<T, Failure> {
        told(self.ask(Method::PUT, path, &[], Some(body))?)
    }

    /// Has something taken away.
    pub(crate) fn delete(&self, path: &[&str]) -> Result<(), Failure> {
        told(self.ask(Method::DELETE, path, &[], None)?)
    }

    /// Something with rows, all parts of it put together.
    pub(crate) fn whole(&self, path: &[&str]) -> Result<Value, Failure> {
        let (mut whole, mut rows) = (Value::Null, Vec::new());
        loop {
            let place = [("from", rows.len().to_string()), ("limit", ROWS.to_owned())];
            let mut part: Value = self.get_with(path, &place)?;
            if !whole.is_null() && whole["total"] != part["total"] {
                let message = "the list changed while it was read: ask again";
                return Err(Failure::say(Fault::Conflict, message));
            }
            let Value::Array(more) = part["rows"].take() else {
                return Err(not_understood("it has no rows"));
            };
            let is_last = more.is_empty();
            rows.extend(more);
            if whole.is_null() {
                whole = part;
            }
            if is_last || whole["total"].as_u64().is_none_or(|total| rows.len() as u64 >= total) {
                whole["rows"] = Value::Array(rows);
                return Ok(whole);
            }
        }
    }

    /// All rows of a list.
    pub(crate) fn all<T: DeserializeOwned>(&self, path: &[&str]) -> Result<Vec<T>, Failure> {
        told(self.whole(path)?["rows"].take())
    }

    /// Writes what comes back to a new file; gives the header `about` of the answer.
    pub(crate) fn save(
        &self,
        path: &[&str],
        body: &Value,
        into: &Path,
        about: &str,
    ) -> Result<String, Failure> {
        let unwritten = |e: io::Error| Failure::file("write", into, &e);
        let open = self.open()?;
        let request = self.request(open, Method::POST, path, &[], Some(body))?;
        open.runtime.block_on(async {
            let mut response = self.good(request.send().await).await?;
            let about = response.headers().get(about).and_then(|value| value.to_str().ok());
            let about = about.unwrap_or_default().to_owned();
            let mut options = File::options();
            let mut file =
                options.write(true).create_new(true).mode(0o600).open(into).map_err(unwritten)?;
            let written = async {
                while let Some(piece) = response.chunk().await.map_err(|e| self.unanswered(&e))? {
                    file.write_all(&piece).map_err(unwritten)?;
                }
                file.sync_all().map_err(unwritten)
            };
            let written = written.await;
            if written.is_err() {
                // Half a file would look like a whole one.
                drop(std::fs::remove_file(into));
            }
            written.map(|()| about)
        })
    }

    fn ask(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
        body: Option<&Value>,
    ) -> Result<Value, Unanswered> {
        let open = self.open()?;
        let request = self.request(open, method, path, query, body)?;
        let bytes = open.runtime.block_on(async {
            let response = self.good(request.send().await).await?;
            Ok::<_, Unanswered>(self.bytes(response).await?)
        })?;
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        Ok(parsed(&bytes)?)
    }

    fn request(
        &self,
        open: &Open,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
        body: Option<&Value>,
    ) -> Result<reqwest::RequestBuilder, Failure> {
        let mut url = self.address.0.clone();
        url.set_path(rest::BASE);
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = open.client.request(method, url);
        Ok(match body {
            None => request,
            Some(body) => {
                request.header(CONTENT_TYPE, "application/json").body(serde_json::to_vec(body)?)
            }
        })
    }

    /// An answer that is one, or why it is none.
    async fn good(&self, sent: Result<Response, reqwest::Error>) -> Result<Response, Unanswered> {
        let response = sent.map_err(|e| self.unanswered(&e))?;
        let status = response.status().as_u16();
        if response.status().is_success() {
            return Ok(response);
        }
        let wait = response.headers().get(RETRY_AFTER).and_then(|wait| wait.to_str().ok());
        let wait = wait.map(|wait| format!(" ({wait} seconds)")).unwrap_or_default();
        let said = parsed(&self.bytes(response).await?).and_then(told);
        let said = said.map(|Problem { detail }| detail);
        let said = said.unwrap_or_else(|_| {
            format!("{} answered with status {status}, and not as an appliance does", self.address)
        });
        let token = self.token_file.display();
        let failure = match status {
            401 => Failure::say(
                Fault::Refused,
                format!(
                    "{} does not take the token in {token}: it has ended or was revoked, or is another site's; \
                     nothing was changed, and an administrator issues another (`patchkeep account token issue`)",
                    self.address
                ),
            ),
            429 => Failure::say(
                Fault::Unavailable,
                format!(
                    "{} is asked too often: ask again later{wait}; nothing was changed",
                    self.address
                ),
            ),
            _ => Failure::say(fault_of(status), said),
        };
        Err(Unanswered { status: Some(status), failure })
    }

    async fn bytes(&self, mut response: Response) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|e| self.unanswered(&e))? {
            if bytes.len() + piece.len() > ANSWER_BYTES_MAX {
                return Err(not_understood("it is too long"));
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }

    /// Why there is no answer.
    fn unanswered(&self, error: &reqwest::Error) -> Failure {
        let address = &self.address;
        match tls_error(error) {
            Some(why) => Failure::say(Fault::Refused, self.untrusted(why)),
            None => Failure::say(
                Fault::Unavailable,
                format!(
                    "{address} does not answer ({}): is it the people's door, and does it serve?",
                    cause(error)
                ),
            ),
        }
    }

    fn untrusted(&self, why: &rustls::Error) -> String {
        let (address, nothing) = (&self.address, "your token was not sent");
        match (why, &self.ca) {
            (rustls::Error::InvalidCertificate(kind), ca) if is_stranger(kind) => {
                let tried = match ca {
                    Some(ca) => format!("{} vouches not for it", ca.display()),
                    None => "nothing that this machine trusts vouches for it".to_owned(),
                };
                format!(
                    "the certificate of {address} is not trusted: {tried}; {nothing}. Fetch {address}/ca.pem, hold its \
                     fingerprint (openssl x509 -in ca.pem -noout -fingerprint -sha256) against the site CA's on the \
                     appliance's screen, and say --ca ca.pem"
                )
            }
            (rustls::Error::InvalidCertificate(_), _) => {
                format!("the certificate of {address} cannot be taken ({why}); {nothing}")
            }
            _ => format!("there is no safe connection to {address} ({why}); {nothing}"),
        }
    }

    fn open(&self) -> Result<&Open, Failure> {
        if let Some(open) = self.open.get() {
            return Ok(open);
        }
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|e| Failure::new(Fault::Unavailable, &e))?;
        let mut shown = HeaderMap::new();
        shown.insert(AUTHORIZATION, self.token()?);
        let mut builder = Client::builder()
            .user_agent(concat!("patchkeep/", env!("CARGO_PKG_VERSION")))
            .default_headers(shown)
            .https_only(true)
            .tls_version_min(Version::TLS_1_3)
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(SILENCE)
            .redirect(Policy::none())
            // A proxy of the environment is not the site's.
            .no_proxy();
        if let Some(file) = &self.ca {
            builder = builder.tls_certs_only(roots(file)?);
        }
        let client = builder.build().map_err(|e| {
            let why = cause(&e);
            let message = format!(
                "no connection can be made from here ({why}): say --ca with the site's ca.pem"
            );
            Failure::say(Fault::Unavailable, message)
        })?;
        Ok(self.open.get_or_init(|| Open { runtime, client }))
    }

    /// The header that shows the token. The file holds the token, or that header as curl takes it.
    fn token(&self) -> Result<HeaderValue, Failure> {
        let path = &self.token_file;
        let unread = |e: io::Error| Failure::file("read", path, &e);
        let file = File::open(path).map_err(unread)?;
        if file.metadata().map_err(unread)?.mode() & 0o077 != 0 {
            let message = format!(
                "others can read {}, so the token in it was not used: chmod 600 it, and have the token replaced if \
                 somebody else may have seen it",
                path.display()
            );
            return Err(Failure::say(Fault::Refused, message));
        }
        let mut text = String::new();
        file.take(TOKEN_BYTES_MAX).read_to_string(&mut text).map_err(unread)?;
        let token = text.trim();
        let token = token.strip_prefix("Authorization: Bearer ").unwrap_or(token).trim();
        let odd = || {
            let message = format!("{} holds no API token (pk_...)", path.display());
            Failure::say(Fault::Input, message)
        };
        if !token.starts_with("pk_")
            || !token.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        {
            return Err(odd());
        }
        let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| odd())?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// The certificates in a file, by which the appliance's is judged.
fn roots(file: &Path) -> Result<Vec<Certificate>, Failure> {
    let unread = |e: io::Error| Failure::file("read", file, &e);
    let mut pem = Vec::new();
    File::open(file).map_err(unread)?.take(PEM_BYTES_MAX).read_to_end(&mut pem).map_err(unread)?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(roots) if !roots.is_empty() => Ok(roots),
        _ => Err(Failure::say(
            Fault::Input,
            format!("{} holds no certificate (PEM)", file.display()),
        )),
    }
}

/// Whose fault a status is: the API gives each fault one (`rest`).
const fn fault_of(status: u16) -> Fault {
    match status {
        401 | 403 => Fault::Refused,
        409 => Fault::Conflict,
        500 => Fault::Broken,
        502..=504 => Fault::Unavailable,
        _ => Fault::Input,
    }
}

/// JSON that came. What it says goes to a terminal, perhaps above what somebody signs: nothing in it moves the cursor.
fn parsed(bytes: &[u8]) -> Result<Value, Failure> {
    fn plain(value: &mut Value) {
        match value {
            Value::String(text) => {
                *text =
                    text.replace(|c: char| c.is_control() && c != '\n' && c != '\t', "\u{fffd}");
            }
            Value::Array(items) => items.iter_mut().for_each(plain),
            Value::Object(fields) => fields.values_mut().for_each(plain),
            _ => {}
        }
    }
    let mut value = serde_json::from_slice(bytes).map_err(|e| not_understood(&e.to_string()))?;
    plain(&mut value);
    Ok(value)
}

/// What an answer says, in words of this program.
pub(crate) fn told<T: DeserializeOwned>(value: Value) -> Result<T, Failure> {
    serde_json::from_value(value).map_err(|e| not_understood(&e.to_string()))
}

fn not_understood(why: &str) -> Failure {
    let message = format!(
        "the appliance's answer is not understood ({why}): is it of another version than this program?"
    );
    Failure::say(Fault::Broken, message)
}

/// Whether nobody known vouches for a certificate.
fn is_stranger(kind: &rustls::CertificateError) -> bool {
    use rustls::CertificateError as E;
    matches!(kind, E::UnknownIssuer | E::BadSignature | E::Other(_))
}

/// What TLS said, where it is TLS that failed.
fn tls_error(error: &reqwest::Error) -> Option<&rustls::Error> {
    let mut source: Option<&(dyn Error + 'static)> = error.source();
    while let Some(cause) = source {
        if let Some(found) = cause.downcast_ref() {
            return Some(found);
        }
        // What an io::Error was made of is not among its sources.
        let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(found) = inner.and_then(|inner| inner.downcast_ref()) {
            return Some(found);
        }
        source = inner.map(|inner| inner as &(dyn Error + 'static)).or_else(|| cause.source());
    }
    None
}

/// The last cause, which says most.
fn cause(error: &reqwest::Error) -> String {
    let (mut text, mut source) = (error.to_string(), error.source());
    while let Some(cause) = source {
        text = cause.to_string();
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{Address, parsed};

    #[test]
    fn an_address_is_a_host_and_perhaps_a_port() {
        for good in ["https://lab.example", "https://lab.example:8444", "https://[::1]:443/"] {
            assert!(good.parse::<Address>().is_ok(), "{good}");
        }
        for bad in [
            "lab.example",
            "http://lab.example",
            "https://a/x",
            "https://u:p@a",
            "https://a?b",
            "https://",
        ] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_an_appliance_says_moves_no_cursor() {
        let said = parsed(b"{\"detail\":\"a\\u001b[2Jb\\rc\\nd\"}").unwrap();
        assert_eq!(said["detail"], "a\u{fffd}[2Jb\u{fffd}c\nd");
    }
}
