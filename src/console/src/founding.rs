//! The first start of an appliance that is no site yet: one page, behind the code on its own screen, that founds it.
//! What it shows afterwards is for paper.

use crate::{Failure, assets, failure::sentence, frame::Frame, visit::from_here};
use askama::Template;
use axum::{
    Router,
    extract::{DefaultBodyLimit, Multipart, State},
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
    routing::get,
};
use site::{Founding, code_digest};
use std::{sync::Arc, time::Duration};
use tokio::{sync::Semaphore, task::spawn_blocking, time::sleep};

/// Most bytes of a form: roots and keyrings.
const FORM_BYTES_MAX: usize = 4 << 20;
/// How long a wrong code is thought about.
const WRONG_CODE_TIME: Duration = Duration::from_secs(1);

/// Founds a site; gives its audit key's fingerprint.
pub type Found = Box<dyn Fn(&Founding) -> Result<String, site::Error> + Send + Sync>;

/// What an appliance that is no site yet shows, and what it does with the answer.
pub struct FirstStart {
    /// The code on its screen.
    pub code: String,
    /// SHA-256 of its root certificate, as people compare it.
    pub authority: String,
    /// Its root certificate, PEM.
    pub root_pem: String,
    /// Debian's own archive keyring, where the machine has it.
    pub debian_keyring: Option<Vec<u8>>,
    /// Founds the site.
    pub found: Found,
}

struct Shown {
    start: FirstStart,
    /// One try at a time: a code that is guessed is guessed slowly.
    one: Semaphore,
}

#[derive(Template)]
#[template(path = "founding.html")]
struct Form {
    frame: Frame,
    wrong: Option<String>,
    authority: String,
    debian: bool,
    typed: Typed,
}

#[derive(Template)]
#[template(path = "founded.html")]
struct Founded {
    frame: Frame,
    site: String,
    authority: String,
    audit_key: String,
}

/// What a person typed, and the files that they chose.
#[derive(Default)]
struct Typed {
    code: String,
    site: String,
    ring: String,
    fingerprint: String,
    root: Vec<u8>,
    debian: bool,
    keyrings: Vec<(String, Vec<u8>)>,
}

/// The people's door before there is a site.
pub fn first_start(start: FirstStart) -> Router {
    let shown = Arc::new(Shown { start, one: Semaphore::new(1) });
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/ca.pem", get(root))
        .route("/assets/{name}", get(assets::asset))
        .route("/first-start", get(page).post(found))
        .fallback(|| async { Redirect::to("/first-start") })
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .layer(axum::middleware::map_response(crate::harden))
        .with_state(shown)
}

async fn root(State(shown): State<Arc<Shown>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/x-pem-file")], shown.start.root_pem.clone())
}

fn form(shown: &Shown, wrong: Option<String>, typed: Typed) -> Result<Html<String>, Failure> {
    let form = Form {
        frame: Frame::outside("Found the site"),
        wrong,
        authority: shown.start.authority.clone(),
        debian: shown.start.debian_keyring.is_some(),
        typed,
    };
    Ok(Html(form.render()?))
}

async fn page(State(shown): State<Arc<Shown>>) -> Result<Html<String>, Failure> {
    form(&shown, None, Typed { ring: "broad".to_owned(), debian: true, ..Typed::default() })
}

async fn found(
    State(shown): State<Arc<Shown>>,
    headers: HeaderMap,
    form_data: Multipart,
) -> Result<Response, Failure> {
    from_here(&headers)?;
    let typed = Typed::read(form_data).await?;
    let tried = try_to_found(&shown, &typed).await?;
    match tried {
        Ok(audit_key) => {
            let page = Founded {
                frame: Frame::outside("The site is founded"),
                site: typed.site,
                authority: shown.start.authority.clone(),
                audit_key,
            };
            Ok(Html(page.render()?).into_response())
        }
        Err(wrong) => {
            let page = form(&shown, Some(sentence(&wrong)), typed)?;
            Ok((StatusCode::BAD_REQUEST, page).into_response())
        }
    }
}

/// Founds the site; what a person can mend is a sentence.
async fn try_to_found(
    shown: &Arc<Shown>,
    typed: &Typed,
) -> Result<Result<String, String>, Failure> {
    let stopping = |_| Failure::unavailable("the appliance is stopping");
    let _one = shown.one.acquire().await.map_err(stopping)?;
    if code_digest(&typed.code) != code_digest(&shown.start.code) {
        sleep(WRONG_CODE_TIME).await;
        return Ok(Err(
            "the code is not the one on the appliance's screen: nothing was founded".into()
        ));
    }
    let founding = match typed.founding(shown.start.debian_keyring.as_deref()) {
        Ok(founding) => founding,
        Err(wrong) => return Ok(Err(wrong)),
    };
    let shown = Arc::clone(shown);
    let done = spawn_blocking(move || (shown.start.found)(&founding)).await;
    let done = done.map_err(|_| Failure::broken("the founding did not come to an end"))?;
    Ok(match done {
        Ok(audit_key) => Ok(audit_key),
        Err(error) if error.fault() == ids::Fault::Broken => return Err(error.into()),
        Err(error) => Err(site::chain(&error)),
    })
}

impl Typed {
    async fn read(mut form: Multipart) -> Result<Self, Failure> {
        let unfit = |e: axum::extract::multipart::MultipartError| {
            Failure::input(format!(
                "the form cannot be read, and nothing was founded: {}",
                e.body_text()
            ))
        };
        let mut typed = Self::default();
        while let Some(field) = form.next_field().await.map_err(unfit)? {
            let name = field.name().unwrap_or_default().to_owned();
            let file = field.file_name().unwrap_or_default().to_owned();
            let bytes = field.bytes().await.map_err(unfit)?;
            let text = || String::from_utf8_lossy(&bytes).trim().to_owned();
            match name.as_str() {
                "code" => typed.code = text(),
                "site" => typed.site = text(),
                "ring" => typed.ring = text(),
                "fingerprint" => typed.fingerprint = text(),
                "debian" => typed.debian = text() == "yes",
                "root" => typed.root = bytes.to_vec(),
                "keyrings" if !bytes.is_empty() => {
                    let name = file.rsplit(['/', '\\']).next().unwrap_or_default();
                    let name = name.split('.').next().unwrap_or_default().to_lowercase();
                    typed.keyrings.push((name, bytes.to_vec()));
                }
                _ => {}
            }
        }
        Ok(typed)
    }

    fn founding(&self, debian: Option<&[u8]>) -> Result<Founding, String> {
        let unfit = |what: &str, e: &dyn std::fmt::Display| format!("{what} cannot be used: {e}");
        let site = self.site.parse().map_err(|e| unfit("the site's name", &e))?;
        let ring = self.ring.parse().map_err(|e| unfit("the first ring's name", &e))?;
        if self.root.is_empty() {
            return Err("choose the publisher's first root: the file 1.root.json".to_owned());
        }
        let typed: String =
            self.fingerprint.chars().filter(|c| !c.is_whitespace() && *c != ':').collect();
        let root_fingerprint =
            typed.to_lowercase().parse().map_err(|e| unfit("the root's fingerprint", &e))?;
        let mut vendor_keyrings = self.keyrings.clone();
        if let Some(debian) = debian.filter(|_| self.debian) {
            vendor_keyrings.push(("debian-archive".to_owned(), debian.to_vec()));
        }
        if vendor_keyrings.is_empty() {
            return Err(
                "choose at least one vendor's OpenPGP certificates: without them no vendor's \
                        signature can be checked"
                    .to_owned(),
            );
        }
        let publisher_root = self.root.clone();
        Ok(Founding { site, publisher_root, root_fingerprint, vendor_keyrings, ring })
    }
}
