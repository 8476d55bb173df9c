//! What a page and its back end do together, done once: sign in, subscribe, trigger, receive, presence.
//!
//! Owns the steps and their timings, on channels of its own with a random name, so that no client of the
//! application receives anything. What a failed step means is left to the check.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::destinations::AppCredentials;
use crate::probe::{ProbeError, ProbeRoute, PusherSocket, SocketFailure};
use crate::protocol::ChannelType;

/// For each step.
const STEP_LIMIT: Duration = Duration::from_millis(2500);

const EVENT: &str = "resound-doctor";

/// The timings of a round trip that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoundTrip {
    /// From the connection to the greeting.
    pub opened: Duration,
    /// From `pusher:signin` to its answer.
    pub signed_in: Duration,
    /// From `pusher:subscribe` to its answer.
    pub subscribed: Duration,
    /// From the request to its answer.
    pub triggered: Duration,
    /// From the request to the event at the last of two sockets.
    pub received: Duration,
    /// From the join of the second member to what the first one receives of it.
    pub joined: Duration,
}

/// The step that failed.
#[derive(Debug, Clone, PartialEq)]
pub struct BrokenStep {
    /// What was tried, as the middle of a sentence.
    pub step: &'static str,
    /// Why it failed.
    pub failure: SocketFailure,
}

/// How sockets and requests get to the server.
#[derive(Debug)]
pub(super) struct TripRoutes {
    pub(super) sockets: ProbeRoute,
    /// The same unless the HTTP API has an address of its own.
    pub(super) api: ProbeRoute,
}

/// What the steps have in common.
struct Trip<'a> {
    api: &'a ProbeRoute,
    app: &'a AppCredentials,
    /// Names the channels and the users.
    name: String,
}

/// Does it all once, over two sockets of pages with this origin.
pub(super) async fn round_trip(
    routes: &TripRoutes,
    app: &AppCredentials,
    origin: Option<&str>,
) -> Result<RoundTrip, BrokenStep> {
    let name = format!("resound-doctor-{:016x}", rand::random::<u64>());
    let trip = Trip { api: &routes.api, app, name };
    let open = || async { PusherSocket::open(&routes.sockets, &app.key, origin, STEP_LIMIT).await };
    let (first, second) = tokio::join!(open(), open());
    let mut first = step("a socket", first)?;
    let mut second = step("a second socket", second)?;
    let signed_in = step("the sign-in of a user", trip.sign_in(&mut first).await)?;
    let channel = ChannelType::Private.named(&trip.name);
    let subscribing = async {
        let since = Instant::now();
        trip.subscribe(&mut first, &channel, None).await?;
        trip.subscribe(&mut second, &channel, None).await?;
        Ok(since.elapsed() / 2)
    };
    let subscribed = step("the subscription to a private channel", subscribing.await)?;
    let since = Instant::now();
    let triggered = step("a trigger over HTTP", trip.trigger(&channel, "all", None).await)?;
    let both = async {
        expect(&mut first, &channel, "all").await?;
        expect(&mut second, &channel, "all").await
    };
    step("the event of that trigger at both sockets", both.await)?;
    let received = since.elapsed();
    let excluded = trip.to_others(&mut first, &mut second, &channel).await;
    step("a trigger to the others (toOthers)", excluded)?;
    let joined = step("presence", trip.presence(&mut first, &mut second).await)?;
    let opened = first.opened_in;
    tokio::join!(first.close(STEP_LIMIT), second.close(STEP_LIMIT));
    Ok(RoundTrip { opened, signed_in, subscribed, triggered, received, joined })
}

fn step<T>(step: &'static str, done: Result<T, SocketFailure>) -> Result<T, BrokenStep> {
    done.map_err(|failure| BrokenStep { step, failure })
}

impl Trip<'_> {
    async fn sign_in(&self, socket: &mut PusherSocket) -> Result<Duration, SocketFailure> {
        let since = Instant::now();
        let user = json!({ "id": self.name }).to_string();
        let auth = self.app.signing_key().user_auth(&socket.socket_id, &user);
        socket.send("pusher:signin", &json!({ "auth": auth, "user_data": user })).await?;
        socket.wait_for("pusher:signin_success", "", STEP_LIMIT).await?;
        Ok(since.elapsed())
    }

    /// The data of the answer.
    async fn subscribe(
        &self,
        socket: &mut PusherSocket,
        channel: &str,
        member: Option<&str>,
    ) -> Result<Value, SocketFailure> {
        let auth = self.app.signing_key().channel_auth(&socket.socket_id, channel, member);
        let mut data = json!({ "channel": channel, "auth": auth });
        if let Some(member) = member {
            data["channel_data"] = member.into();
        }
        socket.send("pusher:subscribe", &data).await?;
        let event = "pusher_internal:subscription_succeeded";
        Ok(socket.wait_for(event, channel, STEP_LIMIT).await?.data)
    }

    /// Publishes an event, to all sockets of the channel but `except`.
    async fn trigger(
        &self,
        channel: &str,
        data: &str,
        except: Option<&str>,
    ) -> Result<Duration, SocketFailure> {
        let mut body = json!({ "name": EVENT, "channels": [channel], "data": data });
        if let Some(except) = except {
            body["socket_id"] = except.into();
        }
        let request = self.app.post("events", body.to_string().into_bytes());
        let answer = self.api.request(request, STEP_LIMIT).await?;
        match answer.status {
            200 => Ok(answer.took),
            _ => Err(SocketFailure::NotUpgraded(Box::new(answer))),
        }
    }

    /// Nothing has to be waited for in vain: the second event tells whether the first one came before it.
    async fn to_others(
        &self,
        first: &mut PusherSocket,
        second: &mut PusherSocket,
        channel: &str,
    ) -> Result<(), SocketFailure> {
        self.trigger(channel, "others", Some(&first.socket_id)).await?;
        self.trigger(channel, "again", None).await?;
        expect(second, channel, "others").await?;
        expect(second, channel, "again").await?;
        expect(first, channel, "again").await
    }

    async fn presence(
        &self,
        first: &mut PusherSocket,
        second: &mut PusherSocket,
    ) -> Result<Duration, SocketFailure> {
        let channel = ChannelType::Presence.named(&self.name);
        let member = |id: &str| json!({ "user_id": format!("{}-{id}", self.name) }).to_string();
        self.subscribe(first, &channel, Some(&member("1"))).await?;
        let since = Instant::now();
        let here = self.subscribe(second, &channel, Some(&member("2"))).await?;
        let count = here["presence"]["count"].as_u64();
        if count != Some(2) {
            let count = count.map_or("none".to_owned(), |count| count.to_string());
            return Err(unexpected(format!("the roster of two members has {count}")));
        }
        first.wait_for("pusher_internal:member_added", &channel, STEP_LIMIT).await?;
        let joined = since.elapsed();
        second.send("pusher:unsubscribe", &json!({ "channel": channel })).await?;
        first.wait_for("pusher_internal:member_removed", &channel, STEP_LIMIT).await?;
        Ok(joined)
    }
}

/// Waits for the next event of the doctor, which must be this one.
async fn expect(socket: &mut PusherSocket, channel: &str, data: &str) -> Result<(), SocketFailure> {
    let message = socket.wait_for(EVENT, channel, STEP_LIMIT).await?;
    match message.data.as_str() {
        Some(found) if found == data => Ok(()),
        _ => Err(unexpected(format!("{} arrived instead of {data:?}", message.data))),
    }
}

fn unexpected(text: String) -> SocketFailure {
    SocketFailure::Probe(ProbeError::Other(text))
}
