//! Finds out why a subscription was refused, for the operator: the client gets only what the protocol says.
//!
//! Costs nothing before a refusal, and a bounded number of signatures a second after it.

use std::time::Instant;

use super::channels::Channels;
use crate::explanation::{self, AuthEvidence, Reason, RefusedSubscription};
use crate::protocol::server_message::SubscriptionError;
use crate::protocol::session::AuthClaim;
use crate::protocol::{RefusalCause, SocketId};

impl Channels {
    /// Why the subscription was refused, which the app's history keeps; `None` if too many were refused in this
    /// second.
    pub(super) fn reason_of_refusal(
        &self,
        socket: SocketId,
        channel: &str,
        error: &SubscriptionError,
        claim: Option<&AuthClaim>,
        now: Instant,
    ) -> Option<Reason> {
        if !self.budget().may_find_reason(now) {
            return None;
        }
        let reason = match claim {
            Some(claim) => self.reason_of_claim(socket, channel, claim),
            None => Reason { code: code(error.cause), sentence: error.error.clone() },
        };
        let refused = RefusedSubscription {
            channel: channel.into(),
            socket,
            at: now,
            reason: reason.clone(),
        };
        self.hub().history().refused(refused);
        Some(reason)
    }

    fn reason_of_claim(&self, socket: SocketId, channel: &str, claim: &AuthClaim) -> Reason {
        let (app, served) = (self.app(), self.served_apps().all());
        explanation::reason(&AuthEvidence {
            app: &app,
            apps: &served,
            socket,
            recent_sockets: &self.hub().history().sockets().ids(),
            channel,
            auth: claim.auth.as_deref(),
            channel_data: claim.channel_data.as_deref(),
        })
    }
}

fn code(cause: RefusalCause) -> &'static str {
    match cause {
        RefusalCause::Signature(code) | RefusalCause::Limit(code) => code,
        RefusalCause::Other => "not_valid",
    }
}
