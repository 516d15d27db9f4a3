//! The plain door: whoever comes without TLS is sent to the people's door, and gets nothing else.
//!
//! Its only answers are 308 to the same path over HTTPS, 400 and 405. It reads a head of a request, no body, and ends
//! each connection after one answer.

use crate::{
    Limits, Reason,
    body::Answer,
    door::Takes,
    gate::Place,
    line::Line,
    reply::{Reply, reads, sentence},
};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{convert::Infallible, net::Ipv6Addr, pin::pin, sync::Arc, time::Duration};
use tokio::{net::TcpStream, sync::watch, time::timeout};

/// The longest head of a request, in bytes: the least that hyper takes.
const HEAD_BYTES_MAX: usize = 8 * 1024;
const HEADERS_MAX: usize = 64;
/// The longest host name (RFC 1035).
const HOST_BYTES_MAX: usize = 253;
/// Connections, in all and from one address: each is over in a moment.
const CONNECTIONS: usize = 256;
const CONNECTIONS_PER_ADDRESS: usize = 32;
/// Time for the head of a request, and time for all of a connection.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
const ALL_WITHIN: Duration = Duration::from_secs(20);
/// HTTPS' own port, which addresses leave out.
const HTTPS_PORT: u16 = 443;

/// Sends clients to the people's door.
pub(crate) struct Redirect {
    people_port: u16,
    limits: Limits,
}

impl Redirect {
    /// One that sends to the people's door at this port of the host that a client asked for.
    pub(crate) fn new(people_port: u16, limits: &Limits) -> Self {
        let limits = Limits {
            connections: limits.connections.min(CONNECTIONS),
            connections_per_address: limits.connections_per_address.min(CONNECTIONS_PER_ADDRESS),
            request_head: limits.request_head.min(HEAD_WITHIN),
            ..limits.clone()
        };
        Self { people_port, limits }
    }

    fn answer<B>(&self, request: &Request<B>) -> Reply {
        if !reads(request.method()) {
            return sentence(StatusCode::METHOD_NOT_ALLOWED);
        }
        let Some(there) = self.there(request) else {
            return plain(StatusCode::BAD_REQUEST, "Patchkeep is reached over HTTPS.\n");
        };
        let mut reply =
            plain(StatusCode::PERMANENT_REDIRECT, "Patchkeep is reached over HTTPS only.\n");
        reply.headers_mut().insert(header::LOCATION, there);
        reply
    }

    /// Where the same path is over HTTPS; `None` where the request does not say so plainly: no host or two, one that is
    /// none, or a target with a host of its own.
    fn there<B>(&self, request: &Request<B>) -> Option<HeaderValue> {
        let target = request.uri();
        if target.scheme().is_some() || target.authority().is_some() {
            return None;
        }
        let target = target.path_and_query()?.as_str();
        let mut hosts = request.headers().get_all(header::HOST).iter();
        let (Some(named), None) = (hosts.next(), hosts.next()) else { return None };
        let host = host(named.to_str().ok()?)?;
        if !target.starts_with('/') || !target.is_ascii() {
            return None;
        }
        let port = match self.people_port {
            HTTPS_PORT => String::new(),
            port => format!(":{port}"),
        };
        HeaderValue::try_from(format!("https://{host}{port}{target}")).ok()
    }
}

impl Takes for Redirect {
    fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Nobody was refused anything that is here: it is not counted.
    fn turned_away(&self, _reason: Reason) {}

    async fn connection(
        self: Arc<Self>,
        tcp: TcpStream,
        _place: Place,
        mut stop: watch::Receiver<()>,
    ) {
        let (head, stalled) = (self.limits.request_head, self.limits.stalled);
        let service = service_fn(move |request| {
            std::future::ready(Ok::<_, Infallible>(self.answer(&request)))
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(head)
            .max_headers(HEADERS_MAX)
            .max_buf_size(HEAD_BYTES_MAX)
            .keep_alive(false)
            .serve_connection(TokioIo::new(Line::new(tcp, stalled, None)), service);
        let mut connection = pin!(connection);
        let all = async {
            tokio::select! {
                // How it ended concerns nobody.
                _ = connection.as_mut() => return,
                _ = stop.changed() => {}
            }
            connection.as_mut().graceful_shutdown();
            drop(connection.await);
        };
        drop(timeout(ALL_WITHIN, all).await);
    }
}

/// The host of a `Host` header (RFC 9110, 7.2) without its port; `None` where it is none. Names are letters, digits,
/// hyphens, underscores and dots: all that names in certificates are made of.
fn host(named: &str) -> Option<&str> {
    let end = match named.strip_prefix('[') {
        Some(rest) => {
            let (address, _) = rest.split_once(']')?;
            address.parse::<Ipv6Addr>().ok()?;
            address.len() + 2
        }
        None => {
            let end = named.find(':').unwrap_or(named.len());
            let part = |part: &str| {
                !part.is_empty()
                    && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            };
            let name = named.get(..end)?;
            let name = name.strip_suffix('.').unwrap_or(name);
            if name.len() > HOST_BYTES_MAX || !name.split('.').all(part) {
                return None;
            }
            end
        }
    };
    let (host, port) = named.split_at_checked(end)?;
    let is_port = |port: &str| {
        port.is_empty() || port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok()
    };
    (port.is_empty() || port.strip_prefix(':').is_some_and(is_port)).then_some(host)
}

/// A sentence that nobody keeps: the people's door may move.
fn plain(status: StatusCode, text: &'static str) -> Reply {
    let mut reply = Response::new(Answer::Bytes(Bytes::from_static(text.as_bytes())));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

#[cfg(test)]
mod tests {
    use super::host;

    #[test]
    fn a_host_is_a_name_or_an_address_and_its_port_is_left_out() {
        for (named, expected) in [
            ("patch.lab.example", "patch.lab.example"),
            ("patch.lab.example.", "patch.lab.example."),
            ("patch_1:80", "patch_1"),
            ("192.0.2.1:8080", "192.0.2.1"),
            ("patch:", "patch"),
            ("[2001:db8::1]", "[2001:db8::1]"),
            ("[::1]:80", "[::1]"),
        ] {
            assert_eq!(host(named), Some(expected), "{named}");
        }
    }

    #[test]
    fn what_is_no_host_is_none() {
        let long = "a".repeat(254);
        for named in [
            "",
            ":80",
            ".",
            "a..b",
            ".a",
            "a b",
            "a/b",
            "a@b",
            "a?b",
            "a#b",
            "a\\b",
            "a%0d%0ab",
            "a:b",
            "a:99999",
            "a:80:80",
            "a:-1",
            "a:+1",
            "[::1",
            "[::1]x",
            "[::1]:x",
            "[a]",
            "[fe80::1%25eth0]",
            "::1",
            "pätch",
            &long,
        ] {
            assert_eq!(host(named), None, "{named}");
        }
    }
}
