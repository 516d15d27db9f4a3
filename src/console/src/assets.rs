//! What pages load: built by `just web`, carried in the program, named by its content and so kept for ever.

use axum::{
    extract::Path,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

/// A file that is served as it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asset {
    pub(crate) path: &'static str,
    bytes: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

const ALL: [(Asset, &str); 3] = [
    (STYLE, "text/css; charset=utf-8"),
    (SCRIPT, "text/javascript; charset=utf-8"),
    (MARK, "image/svg+xml"),
];

/// Paths of what each page loads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Assets {
    pub(crate) style: &'static str,
    pub(crate) script: &'static str,
    pub(crate) mark: &'static str,
}

pub(crate) const PATHS: Assets = Assets { style: STYLE.path, script: SCRIPT.path, mark: MARK.path };

pub(crate) async fn asset(Path(name): Path<String>) -> Response {
    let known = ALL.iter().find(|(asset, _)| asset.path.strip_prefix("/assets/") == Some(&*name));
    match known {
        Some((asset, kind)) => (
            [
                (header::CONTENT_TYPE, *kind),
                (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
            ],
            asset.bytes,
        )
            .into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
