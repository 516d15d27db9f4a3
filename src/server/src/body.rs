//! Bodies of answers: nothing, bytes in memory, or a part of a file.

use axum::body::Body as Page;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use rustix::io::{Errno, ReadWriteFlags, preadv2};
use std::{
    fs::File,
    io,
    ops::Range,
    os::unix::fs::FileExt,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};
use tokio::task::JoinHandle;

/// Bytes that are read from a file at once: few system calls, and still in the processor's cache
/// when they are encrypted.
const CHUNK_BYTES: usize = 128 * 1024;
/// Chunks that are kept for the next reader.
const SPARE_CHUNKS: usize = 64;

/// The body of an answer.
pub(crate) enum Answer {
    Bytes(Bytes),
    File(FileBody),
    Page(Page),
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            Self::Bytes(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Bytes(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::File(file) => file
                .poll_chunk(cx)
                .map(|chunk| chunk.map(|result| result.map(Frame::data).map_err(Into::into))),
            Self::Page(page) => Pin::new(page).poll_frame(cx).map_err(Into::into),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Bytes(bytes) => bytes.is_empty(),
            Self::File(file) => file.range.is_empty(),
            Self::Page(page) => page.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Bytes(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::File(file) => SizeHint::with_exact(file.range.end - file.range.start),
            Self::Page(page) => page.size_hint(),
        }
    }
}

/// A part of a file. What the page cache holds is read at once, without another thread; what it does
/// not hold, by a thread that may wait for the disk.
pub(crate) struct FileBody {
    file: Arc<File>,
    range: Range<u64>,
    chunks: Chunks,
    waiting: Option<JoinHandle<io::Result<Chunk>>>,
}

impl FileBody {
    pub(crate) fn new(file: File, range: Range<u64>, chunks: Chunks) -> Self {
        Self { file: Arc::new(file), range, chunks, waiting: None }
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.range.is_empty() {
            return Poll::Ready(None);
        }
        let chunk = match &mut self.waiting {
            Some(waiting) => {
                let read = ready!(Pin::new(waiting).poll(cx));
                self.waiting = None;
                read.unwrap_or_else(|panic| Err(io::Error::other(panic)))
            }
            None => match self.read_cached() {
                Some(chunk) => Ok(chunk),
                None => {
                    self.waiting = Some(self.read_elsewhere());
                    return self.poll_chunk(cx);
                }
            },
        };
        Poll::Ready(Some(chunk.map(|chunk| {
            self.range.start += chunk.length as u64;
            Bytes::from_owner(chunk)
        })))
    }

    fn next_length(&self) -> usize {
        usize::try_from(self.range.end - self.range.start).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES)
    }

    /// What the page cache holds of the next bytes; `None` when that is nothing.
    fn read_cached(&self) -> Option<Chunk> {
        let mut chunk = self.chunks.get(self.next_length());
        let read = loop {
            let mut buffers = [io::IoSliceMut::new(chunk.writable())];
            let flags = ReadWriteFlags::NOWAIT;
            match preadv2(&*self.file, &mut buffers, self.range.start, flags) {
                Err(Errno::INTR) => {}
                done => break done.unwrap_or(0),
            }
        };
        chunk.length = read;
        (read > 0).then_some(chunk)
    }

    fn read_elsewhere(&self) -> JoinHandle<io::Result<Chunk>> {
        let (file, at) = (Arc::clone(&self.file), self.range.start);
        let mut chunk = self.chunks.get(self.next_length());
        tokio::task::spawn_blocking(move || {
            // A file that is shorter than it was when it was opened is an error here.
            file.read_exact_at(chunk.writable(), at)?;
            Ok(chunk)
        })
    }
}

/// Buffers that are used again, so that nobody has to clear memory for each chunk.
#[derive(Clone, Default)]
pub(crate) struct Chunks(Arc<Mutex<Vec<Box<[u8]>>>>);

impl Chunks {
    fn get(&self, length: usize) -> Chunk {
        let spare = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let buffer = spare.unwrap_or_else(|| vec![0; CHUNK_BYTES].into_boxed_slice());
        Chunk { buffer, length, home: self.clone() }
    }
}

struct Chunk {
    buffer: Box<[u8]>,
    length: usize,
    home: Chunks,
}

impl Chunk {
    fn writable(&mut self) -> &mut [u8] {
        &mut self.buffer[..self.length]
    }
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.length]
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        let mut spare = self.home.0.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < SPARE_CHUNKS {
            spare.push(std::mem::take(&mut self.buffer));
        }
    }
}
