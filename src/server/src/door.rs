//! A door: takes connections, sees them through TLS and HTTP, and ends them when it closes.

use crate::{
    Door, Limits, Reason, Refusal, Revoked, Who,
    agents::Agents,
    body::Answer,
    config::OnRefusal,
    files::Files,
    gate::{Gate, Place},
    line::{Cap, Line},
    reply::{Reply, sentence},
    tls,
};
use api::{CHECK_IN_PATH, ENROL_PATH};
use axum::Router;
use http::{Request, StatusCode, Version, header};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use ids::Digest;
use std::{collections::HashSet, convert::Infallible, pin::pin, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tower::ServiceExt as _;

/// The longest head of a request, in bytes; also what is read ahead at once.
const HEAD_BYTES_MAX: usize = 16 * 1024;
const HEADERS_MAX: usize = 64;
const STREAMS_MAX: u32 = 64;
/// Plaintext that is encrypted before it is handed to the kernel.
const TLS_BUFFER_BYTES: usize = 128 * 1024;

/// What answers behind a door.
pub(crate) enum Behind {
    Files(Files, Agents),
    People(Router, Agents),
}

pub(crate) struct Doorway {
    pub(crate) door: Door,
    pub(crate) behind: Behind,
    pub(crate) acceptor: TlsAcceptor,
    pub(crate) limits: Limits,
    pub(crate) names: HashSet<String>,
    pub(crate) revoked: Revoked,
    pub(crate) cap: Option<Arc<Cap>>,
    pub(crate) on_refusal: OnRefusal,
}

/// What takes connections.
pub(crate) trait Takes: Send + Sync + 'static {
    fn limits(&self) -> &Limits;

    /// A connection was not taken.
    fn turned_away(&self, reason: Reason);

    /// Sees a connection to its end, which comes soon once `stop` changes.
    fn connection(
        self: Arc<Self>,
        tcp: TcpStream,
        place: Place,
        stop: watch::Receiver<()>,
    ) -> impl Future<Output = ()> + Send;
}

/// Takes connections until `stop` changes; then waits for those under way, as long as the limits say.
pub(crate) async fn serve<D: Takes>(
    way: Arc<D>,
    listener: TcpListener,
    mut stop: watch::Receiver<()>,
) {
    let limits = way.limits();
    let gate = Gate::new(limits.connections, limits.connections_per_address);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = stop.changed() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((tcp, from)) => match gate.enter(from.ip()) {
                    Ok(place) => {
                        connections.spawn(Arc::clone(&way).connection(tcp, place, stop.clone()));
                    }
                    Err(reason) => way.turned_away(reason),
                },
                // Out of file descriptors, most likely: the next one may go better.
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    if timeout(way.limits().stop, ended).await.is_err() {
        connections.shutdown().await;
    }
}

impl Takes for Doorway {
    fn limits(&self) -> &Limits {
        &self.limits
    }

    fn turned_away(&self, reason: Reason) {
        self.refused(Who::Unknown, reason);
    }

    async fn connection(self: Arc<Self>, tcp: TcpStream, _place: Place, stop: watch::Receiver<()>) {
        // Answers are written whole; waiting for more would only delay them.
        let _ = tcp.set_nodelay(true);
        let line = Line::new(tcp, self.limits.stalled, self.cap.clone());
        let accept = self.acceptor.accept_with(line, |tls| {
            tls.set_buffer_limit(Some(TLS_BUFFER_BYTES));
        });
        let stream = match timeout(self.limits.handshake, accept).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                if let Some(reason) = tls::reason(&error) {
                    let known = reason == Reason::RevokedCertificate
                        || reason == Reason::ExpiredCertificate;
                    self.refused(if known { Who::Certified } else { Who::Unknown }, reason);
                }
                return;
            }
            Err(_) => return self.refused(Who::Unknown, Reason::SlowHandshake),
        };
        let (_, session) = stream.get_ref();
        let peer = session.peer_certificates().and_then(|c| c.first()).map(|c| Digest::of(c));
        let who = if peer.is_some() { Who::Certified } else { Who::Unknown };
        let http2 = session.alpn_protocol() == Some(b"h2");
        let ended = if http2 {
            Arc::clone(&self).http2(stream, peer, stop).await
        } else {
            Arc::clone(&self).http1(stream, peer, stop).await
        };
        if ended.is_err_and(|error| error.is_parse()) {
            self.refused(who, Reason::BadRequest);
        }
    }
}

impl Doorway {
    fn refused(&self, who: Who, reason: Reason) {
        (self.on_refusal)(Refusal { door: self.door, who, reason });
    }

    async fn http1(
        self: Arc<Self>,
        stream: TlsStream<Line>,
        peer: Option<Digest>,
        mut stop: watch::Receiver<()>,
    ) -> hyper::Result<()> {
        let head = self.limits.request_head;
        let service = service_fn(move |request| Arc::clone(&self).answer(request, peer));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(head)
            .max_headers(HEADERS_MAX)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        tokio::select! {
            ended = connection.as_mut() => return ended,
            _ = stop.changed() => {}
        }
        connection.as_mut().graceful_shutdown();
        connection.await
    }

    async fn http2(
        self: Arc<Self>,
        stream: TlsStream<Line>,
        peer: Option<Digest>,
        mut stop: watch::Receiver<()>,
    ) -> hyper::Result<()> {
        let head = self.limits.request_head;
        let service = service_fn(move |request| Arc::clone(&self).answer(request, peer));
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(head)
            .keep_alive_timeout(head)
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(HEAD_BYTES_MAX as u32)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        tokio::select! {
            ended = connection.as_mut() => return ended,
            _ = stop.changed() => {}
        }
        connection.as_mut().graceful_shutdown();
        connection.await
    }

    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: Option<Digest>,
    ) -> Result<Reply, Infallible> {
        let who = if peer.is_some() { Who::Certified } else { Who::Unknown };
        // Again for each request: connections live longer than decisions.
        if peer.is_some_and(|peer| self.revoked.contains(&peer)) {
            self.refused(who, Reason::RevokedCertificate);
            return Ok(closing(sentence(StatusCode::FORBIDDEN), request.version()));
        }
        if !self.is_mine(&request) {
            self.refused(who, Reason::OtherHost);
            return Ok(closing(sentence(StatusCode::MISDIRECTED_REQUEST), request.version()));
        }
        let reply = match &self.behind {
            Behind::Files(_, agents) if request.uri().path() == CHECK_IN_PATH => {
                // Everybody has a certificate here, but where a measurement lets everybody in.
                let (reply, refused) = match peer {
                    Some(peer) => agents.check_in(request, peer).await,
                    None => (sentence(StatusCode::NOT_FOUND), None),
                };
                refused.into_iter().for_each(|reason| self.refused(who, reason));
                return Ok(reply);
            }
            Behind::Files(files, _) => files.answer(&request).await,
            Behind::People(_, agents) if request.uri().path() == ENROL_PATH => {
                let (reply, refused) = agents.enrol(request).await;
                refused.into_iter().for_each(|reason| self.refused(who, reason));
                reply
            }
            Behind::People(router, _) => {
                let Ok(reply) = router.clone().oneshot(request).await;
                reply.map(Answer::Page)
            }
        };
        let status = reply.status();
        if who == Who::Unknown
            && (status == StatusCode::NOT_FOUND || status == StatusCode::METHOD_NOT_ALLOWED)
        {
            self.refused(who, Reason::NotFound);
        }
        Ok(reply)
    }

    fn is_mine<B>(&self, request: &Request<B>) -> bool {
        let host = match request.uri().host() {
            Some(host) => Some(host),
            None => request.headers().get(header::HOST).map(|host| {
                let host = host.to_str().unwrap_or("");
                match host.rsplit_once(':') {
                    Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
                    _ => host,
                }
            }),
        };
        let Some(host) = host.filter(|_| !self.names.is_empty()) else { return true };
        let host = host.trim_start_matches('[').trim_end_matches([']', '.']);
        self.names.contains(&host.to_ascii_lowercase())
    }
}

/// Ends an HTTP/1 connection after this answer.
fn closing(mut reply: Reply, version: Version) -> Reply {
    if version < Version::HTTP_2 {
        let close = http::HeaderValue::from_static("close");
        reply.headers_mut().insert(header::CONNECTION, close);
    }
    reply
}
