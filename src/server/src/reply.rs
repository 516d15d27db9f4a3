//! Answers without a file: one plain sentence each.

use crate::body::Answer;
use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};

pub(crate) type Reply = Response<Answer>;

/// One plain sentence for this status.
pub(crate) fn sentence(status: StatusCode) -> Reply {
    let text = match status {
        StatusCode::NOT_FOUND => "There is nothing under this name.\n",
        StatusCode::GONE => "This file was served here and is not any more.\n",
        StatusCode::METHOD_NOT_ALLOWED => "Only GET and HEAD are answered here.\n",
        StatusCode::MISDIRECTED_REQUEST => "This server does not answer for that host name.\n",
        StatusCode::FORBIDDEN => "The certificate of this client was revoked.\n",
        StatusCode::PRECONDITION_FAILED => "The file is not the one that was asked for.\n",
        StatusCode::RANGE_NOT_SATISFIABLE => "The file has no such bytes.\n",
        _ => "The file cannot be read at the moment; try again later.\n",
    };
    let mut reply = Response::new(Answer::Bytes(Bytes::from_static(text.as_bytes())));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    reply
}

/// Whether a request only reads.
pub(crate) fn reads(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}
