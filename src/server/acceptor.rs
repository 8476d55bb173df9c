//! The accept loop of one listener, down to the last file descriptor.
//!
//! Owns when a connection is accepted, and has one closed when there are too many. [`HttpConnection`]
//! serves it.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection_tracker::ConnectionTracker;
use super::http_connection::{HttpConnection, HttpContext};
use super::listen::SocketFile;
use super::listener_close;
use super::rejection_log::RejectReason;
use super::spare_descriptor::{self, NoDescriptor, SpareDescriptor};
use crate::stream::{ByteStream, Listener, Peer};
use crate::supervision;

/// The pause after an error that may persist: long enough not to spin, short enough to go unnoticed
/// once the cause is gone.
const ERROR_PAUSE: Duration = Duration::from_millis(50);

/// Between two looks at a connection of another thread that is being closed.
const EVICTION_POLL: Duration = Duration::from_millis(1);

/// Accepts the connections of one listener.
pub(super) struct Acceptor {
    pub(super) context: Arc<HttpContext>,
    /// The connections of all listeners.
    pub(super) tracker: Arc<Mutex<ConnectionTracker>>,
    /// Connections are served as tasks of it.
    pub(super) tasks: TaskTracker,
    /// Cancelled to stop accepting.
    pub(super) closed: CancellationToken,
    /// The file of the listener, if that is a unix socket.
    pub(super) file: Option<Arc<SocketFile>>,
    /// Only the user of this process and root may connect.
    pub(super) is_for_owner: bool,
}

impl Acceptor {
    /// Accepts until `closed` is cancelled, and then the connections whose TCP handshake is under way,
    /// unless another process accepts on the same socket.
    pub(super) async fn run(self, listener: Listener) {
        self.file.iter().for_each(|file| file.own());
        let mut is_failing = false;
        let mut spare = SpareDescriptor::reserve();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.closed.cancelled() => break,
            };
            match accepted {
                Ok((stream, peer)) => {
                    is_failing = false;
                    self.spawn(stream, peer);
                    self.evict_surplus().await;
                }
                Err(error) if concerns_one_connection(&error) => {}
                Err(error) if spare_descriptor::is_exhaustion(&error) => {
                    match self.accept_on_spare(&mut spare, &listener).await {
                        Ok(Some((stream, peer))) => self.spawn(stream, peer),
                        Ok(None) => {}
                        Err(NoDescriptor) => tokio::time::sleep(ERROR_PAUSE).await,
                    }
                }
                Err(error) => {
                    if !std::mem::replace(&mut is_failing, true) {
                        tracing::error!(%error, "cannot accept connections, and those that are open go on: the error is of the system (memory, a firewall)");
                    }
                    tokio::time::sleep(ERROR_PAUSE).await;
                }
            }
        }
        if self.context.stopping.is_handed_over() {
            // What waits in the backlog is accepted by the other process.
            self.file.iter().for_each(|file| file.leave());
            return;
        }
        for (stream, peer) in listener_close::close(listener, self.file.as_deref()).await {
            self.spawn(stream, peer);
        }
    }

    /// Starts to serve a connection.
    fn spawn(&self, stream: ByteStream, peer: Peer) {
        if self.is_for_owner && !is_of_owner(&stream) {
            tracing::debug!("another user is refused at the socket of the commands");
            return;
        }
        let mut tracker = self.tracker.lock();
        let connection = HttpConnection::new(self.context.clone(), peer, tracker.token());
        let phase = connection.phase();
        // Boxed: a task is moved several times on its way into the runtime and at its end, and this one has 4 KB.
        let served = Box::pin(connection.serve(stream, self.tasks.clone(), self.closed.clone()));
        let evicted = tracker.track(phase, self.tasks.spawn(served).abort_handle());
        if evicted > 0 {
            tracing::debug!(evicted, "silent connections over the bound were closed");
        }
    }

    /// Closes one connection if there are too many, once those that were accepted have been read.
    async fn evict_surplus(&self) {
        if !self.tracker.lock().is_over_limit() {
            return;
        }
        let_other_tasks_run().await;
        let mut tracker = self.tracker.lock();
        if tracker.is_over_limit() {
            tracker.evict();
        }
    }

    /// Accepts the next connection on the spare descriptor. It is served if an evicted connection
    /// leaves a descriptor for the next spare one; otherwise it is refused, since nothing would serve it.
    async fn accept_on_spare(
        &self,
        spare: &mut SpareDescriptor,
        listener: &Listener,
    ) -> Result<Option<(ByteStream, Peer)>, NoDescriptor> {
        let accepted = match spare.accept(listener).await {
            Ok(None) => Ok(None),
            Ok(Some((stream, peer))) => match self.free_descriptor().await {
                true => Ok(Some((stream, peer))),
                false => {
                    spare_descriptor::refuse(&stream, self.context.tls.as_ref()).await;
                    Ok(None)
                }
            },
            Err(NoDescriptor) => match self.free_descriptor().await {
                true => Ok(None),
                false => Err(NoDescriptor),
            },
        };
        spare.renew();
        accepted
    }

    /// Reports that no descriptor is free, and closes a connection to free one; false if there is none.
    async fn free_descriptor(&self) -> bool {
        let now = Instant::now();
        self.context.node.capacity().record_exhaustion(now);
        self.context.rejections.record_connection(RejectReason::Descriptors, None);
        let evicted = self.tracker.lock().evict();
        let_other_tasks_run().await;
        let Some(evicted) = evicted else { return false };
        // A connection of another worker closes on that one's thread. Without the wait the next attempt fails
        // too, and evicts one more.
        let deadline = now + ERROR_PAUSE;
        while !evicted.is_finished() && Instant::now() < deadline {
            tokio::time::sleep(EVICTION_POLL).await;
        }
        true
    }
}

/// Yields twice: the runtime polls for readiness the first time, and runs the tasks that became ready
/// the second time.
async fn let_other_tasks_run() {
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
}

/// Whether the other end is a process of the user of this one, or of root.
fn is_of_owner(stream: &ByteStream) -> bool {
    match stream {
        ByteStream::Unix(stream) => supervision::is_of_owner(stream),
        ByteStream::Tcp(_) | ByteStream::Tls(_) => false,
    }
}

/// Errors after which the next connection may be accepted at once.
fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
