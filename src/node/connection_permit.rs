//! The permit of one socket: an app may bound its sockets, on a single node or on all nodes together.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::channels::Channels;
use crate::cluster::PermitDecision;
use crate::protocol::CloseCode;

/// The right to have one socket open. Dropping it releases it.
pub struct ConnectionPermit(Arc<Channels>);

/// A request that Redis decides.
struct PendingPermit {
    channels: Arc<Channels>,
    granted: oneshot::Receiver<bool>,
}

impl ConnectionPermit {
    /// Acquires a permit for a socket of the app. Ready at once unless the app has a bound and there are
    /// other nodes. Dropping the future cancels the request.
    pub async fn acquire(channels: &Arc<Channels>) -> Result<Self, CloseCode> {
        let is_granted = match channels.coordinator().request_permit() {
            PermitDecision::Granted => true,
            PermitDecision::Refused => false,
            PermitDecision::Pending(granted) => {
                let mut pending = PendingPermit { channels: channels.clone(), granted };
                (&mut pending.granted).await.unwrap_or(false)
            }
        };
        is_granted.then(|| Self(channels.clone())).ok_or(CloseCode::OverConnectionLimit)
    }

    /// The channels of the app.
    pub fn channels(&self) -> &Arc<Channels> {
        &self.0
    }
}

/// Releases what was granted to a request that is cancelled.
impl Drop for PendingPermit {
    fn drop(&mut self) {
        self.granted.close();
        if self.granted.try_recv() == Ok(true) {
            self.channels.coordinator().release_permit();
        }
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.0.coordinator().release_permit();
    }
}
