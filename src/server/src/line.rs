//! The line to one client: ends it when it stalls, and keeps to the bandwidth cap.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep_until},
};

/// A TCP connection that fails when bytes wait for its client longer than the limit.
pub(crate) struct Line {
    tcp: TcpStream,
    stalled: Duration,
    /// When the client last took something, while bytes wait for it.
    deadline: Option<Pin<Box<Sleep>>>,
    cap: Option<Arc<Cap>>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Line {
    pub(crate) fn new(tcp: TcpStream, stalled: Duration, cap: Option<Arc<Cap>>) -> Self {
        Self { tcp, stalled, deadline: None, cap, pause: None }
    }

    /// The bytes that may be written now, at most `wanted`.
    fn poll_allowance(&mut self, cx: &mut Context<'_>, wanted: usize) -> Poll<usize> {
        let Some(cap) = &self.cap else { return Poll::Ready(wanted) };
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            match cap.take(wanted, Instant::now()) {
                Ok(allowed) => return Poll::Ready(allowed),
                Err(until) => self.pause = Some(Box::pin(sleep_until(until))),
            }
        }
    }

    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.deadline = None;
            return written;
        }
        let until = Instant::now() + self.stalled;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep_until(until)));
        ready!(deadline.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, buf)
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let allowed = ready!(self.poll_allowance(cx, buf.len()));
        let written = Pin::new(&mut self.tcp).poll_write(cx, &buf[..allowed]);
        self.watch(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.cap.is_some() {
            let first = bufs.iter().find(|buf| !buf.is_empty());
            return self.poll_write(cx, first.map_or(&[], |buf| buf));
        }
        let written = Pin::new(&mut self.tcp).poll_write_vectored(cx, bufs);
        self.watch(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

/// A bandwidth cap that many lines share: a bucket that fills with time.
pub(crate) struct Cap {
    bytes_per_second: f64,
    bucket: Mutex<Bucket>,
}

struct Bucket {
    bytes: f64,
    at: Instant,
}

impl Cap {
    pub(crate) fn new(bytes_per_second: u64, now: Instant) -> Self {
        // At least one byte a second, or nothing would ever end.
        let bytes_per_second = bytes_per_second.max(1) as f64;
        Self { bytes_per_second, bucket: Mutex::new(Bucket { bytes: 0.0, at: now }) }
    }

    /// Takes at most `wanted` bytes, or says when there will be some. A twentieth of a second's worth
    /// is the least that is handed out and the most that is saved.
    fn take(&self, wanted: usize, now: Instant) -> Result<usize, Instant> {
        let slice = (self.bytes_per_second / 20.0).max(1.0);
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let new = now.saturating_duration_since(bucket.at).as_secs_f64() * self.bytes_per_second;
        bucket.bytes = (bucket.bytes + new).min(slice);
        bucket.at = now;
        if bucket.bytes < slice.min(wanted as f64) {
            let missing = (slice.min(wanted as f64) - bucket.bytes) / self.bytes_per_second;
            return Err(now + Duration::from_secs_f64(missing.max(0.001)));
        }
        let taken = wanted.min(bucket.bytes as usize);
        bucket.bytes -= taken as f64;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cap_hands_out_its_rate_and_no_more() {
        let start = Instant::now();
        let cap = Cap::new(1_000_000, start);
        let (mut now, mut taken) = (start, 0);
        while now < start + Duration::from_secs(10) {
            match cap.take(16_384, now) {
                Ok(bytes) => taken += bytes,
                Err(until) => {
                    assert!(until > now, "time stands still");
                    now = until;
                }
            }
        }
        assert!((9_900_000..=10_100_000).contains(&taken), "{taken}");
    }
}
