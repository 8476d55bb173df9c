//! One of the sockets an app may have, on this node or on all of them together.

use std::sync::Arc;

use super::Channels;
use crate::cluster;
use crate::protocol::CloseCode;

/// One of them. Dropping it gives it back.
pub struct Place(Arc<Channels>);

/// Whether a socket may open.
pub enum Admission {
    /// It may, or may not.
    Decided(Result<Place, CloseCode>),
    /// The app has a bound over all nodes, and Redis will tell.
    Asked(Asked),
}

/// A question under way.
pub struct Asked {
    channels: Arc<Channels>,
    answer: tokio::sync::oneshot::Receiver<bool>,
}

impl Place {
    /// Asks for one. Decided at once unless the app has a bound and there are other nodes.
    pub fn ask(channels: &Arc<Channels>) -> Admission {
        let Some(membership) = channels.membership() else {
            return Admission::Decided(Self::take(channels));
        };
        let decided = |taken: bool| {
            let place = taken.then(|| Self(channels.clone()));
            Admission::Decided(place.ok_or(CloseCode::OverConnectionLimit))
        };
        match membership.cluster.act(|core| core.request_permit(membership.app)) {
            cluster::PermitDecision::Granted => decided(true),
            cluster::PermitDecision::Refused => decided(false),
            cluster::PermitDecision::Pending(answer) => {
                Admission::Asked(Asked { channels: channels.clone(), answer })
            }
        }
    }

    /// Takes one of this node, unless the app has all it may have.
    pub fn take(channels: &Arc<Channels>) -> Result<Self, CloseCode> {
        let taken = channels.hub().reserve_socket().then(|| Self(channels.clone()));
        taken.ok_or(CloseCode::OverConnectionLimit)
    }

    /// The channels of the app.
    pub fn channels(&self) -> &Arc<Channels> {
        &self.0
    }
}

impl Asked {
    /// The answer.
    pub async fn answer(mut self) -> Result<Place, CloseCode> {
        let taken = (&mut self.answer).await.unwrap_or(false);
        taken.then(|| Place(self.channels.clone())).ok_or(CloseCode::OverConnectionLimit)
    }
}

/// Whoever asked is gone: what was granted meanwhile is given back.
impl Drop for Asked {
    fn drop(&mut self) {
        self.answer.close();
        if self.answer.try_recv() == Ok(true) {
            drop(Place(self.channels.clone()));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        match self.0.membership() {
            None => self.0.hub().release_socket(),
            Some(membership) => {
                membership.cluster.act(|core| core.release_permit(membership.app));
            }
        }
    }
}
