//! The texts of an audit bundle: what it is, and how to check it by hand.

use super::{
    AuditError, NAMESPACE, PRINCIPAL, Scope,
    html::{STYLE, style_hash},
    sentence::time,
};
use askama::Template;
use ids::Timestamp;
use merkle::{Checkpoint, VerifierKey};

#[derive(Template)]
#[template(path = "procedure.html")]
struct ProcedurePage<'a> {
    style: &'a str,
    style_hash: String,
    words: &'a Words<'a>,
}

#[derive(Template)]
#[template(path = "procedure.txt")]
struct ProcedureText<'a> {
    words: &'a Words<'a>,
}

#[derive(Template)]
#[template(path = "readme.txt")]
struct Readme<'a> {
    words: &'a Words<'a>,
}

/// What the texts say.
struct Words<'a> {
    key: &'a str,
    origin: &'a str,
    size: u64,
    vkey: String,
    log_key_id: String,
    principal: &'static str,
    namespace: &'static str,
    scope: Scope,
    generated: String,
}

/// `README.txt`, `PROCEDURE.html` and `PROCEDURE.txt`.
pub(super) fn texts(
    key: &str,
    checkpoint: &Checkpoint,
    log: &VerifierKey,
    scope: Scope,
    generated_at: Timestamp,
) -> Result<[(&'static str, String); 3], AuditError> {
    let vkey = log.to_string();
    let words = &Words {
        key,
        origin: &checkpoint.origin,
        size: checkpoint.size,
        log_key_id: vkey.split('+').nth(1).unwrap_or_default().to_owned(),
        vkey,
        principal: PRINCIPAL,
        namespace: NAMESPACE,
        scope,
        generated: time(generated_at),
    };
    let failed = |page| move |source| AuditError::Page { page, source };
    let page = ProcedurePage { style: STYLE, style_hash: style_hash(), words };
    let readme = Readme { words }.render().map_err(failed("README.txt"))?;
    Ok([
        ("PROCEDURE.html", page.render().map_err(failed("PROCEDURE.html"))?),
        ("PROCEDURE.txt", ProcedureText { words }.render().map_err(failed("PROCEDURE.txt"))?),
        ("README.txt", readme.replace('\n', "\r\n")),
    ])
}
