//! The evidence of the network checks, gathered once however many checks look at it.
//!
//! Owns what is probed at each address, in which order, and the time each probe has. Judges nothing.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::OnceCell;

use super::destinations::{AppCredentials, Destination, Destinations, Place};
use super::round_trip::{BrokenStep, RoundTrip, TripRoutes, round_trip};
use crate::probe::{
    Dialled, Handshake, HttpAnswer, HttpRequest, ProbeError, ProbeRoute, PusherSocket,
    SocketFailure, TlsClient, dial, resolve,
};

/// Of one probe. A chain of five that each take this long has time within the ten seconds of the doctor.
pub(super) const PROBE_LIMIT: Duration = Duration::from_secs(2);

/// How long a socket is left silent.
const SILENCE: Duration = Duration::from_millis(2500);

/// A second ping is sent if the first one took longer.
const SLOW_PONG: Duration = Duration::from_millis(500);

/// Longer than another probe: what is held back for two seconds is a late answer, not a socket that cannot be opened.
const PONG_LIMIT: Duration = Duration::from_secs(3);

/// The longest body that is sent to find the limit of a proxy, and the time it has.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The name of the key that a socket asks for where no app is known.
const NO_KEY: &str = "resound-doctor";

/// All evidence.
#[derive(Default)]
pub struct Network {
    /// Where everything is.
    pub destinations: Destinations,
    tls: OnceCell<Result<TlsClient, ProbeError>>,
    server: PlaceEvidence,
    public: PlaceEvidence,
    back_end: PlaceEvidence,
    api: PlaceEvidence,
}

/// The evidence at one address.
#[derive(Default)]
pub(super) struct PlaceEvidence {
    names: OnceCell<Result<Vec<IpAddr>, ProbeError>>,
    dialled: OnceCell<Vec<Dialled>>,
    handshake: OnceCell<Result<Handshake, ProbeError>>,
    plain: OnceCell<Result<HttpAnswer, ProbeError>>,
    up: OnceCell<TimedAnswer>,
    channels: OnceCell<Result<HttpAnswer, ProbeError>>,
    socket: OnceCell<Result<SocketEvidence, SocketFailure>>,
    silence: OnceCell<Result<Silence, SocketFailure>>,
    body: OnceCell<BodyEvidence>,
    round_trip: OnceCell<Result<RoundTrip, BrokenStep>>,
}

/// An answer, and the time of this machine when it came.
#[derive(Debug, Clone)]
pub struct TimedAnswer {
    /// The answer.
    pub answer: Result<HttpAnswer, ProbeError>,
    /// The clock of this machine.
    pub now: SystemTime,
}

/// An open socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketEvidence {
    /// From the connection to the greeting.
    pub opened: Duration,
    /// From `pusher:ping` to `pusher:pong`.
    pub pong: Duration,
    /// Seconds without a message after which clients send a ping.
    pub activity_timeout: u64,
}

/// What became of a socket that was left silent.
#[derive(Debug, Clone, PartialEq)]
pub enum Silence {
    /// It was open for so long.
    Kept(Duration),
    /// It ended before.
    Ended(SocketFailure),
}

/// A request with a large body.
#[derive(Debug, Clone)]
pub struct BodyEvidence {
    /// Its size.
    pub bytes: usize,
    /// The answer.
    pub answer: Result<HttpAnswer, ProbeError>,
}

impl Network {
    /// Nothing is connected to before a check asks for it.
    pub fn new(destinations: Destinations) -> Self {
        Self { destinations, ..Self::default() }
    }

    fn evidence(&self, place: Place) -> &PlaceEvidence {
        match place {
            Place::Server => &self.server,
            Place::Public => &self.public,
            Place::BackEnd => &self.back_end,
            Place::Api => &self.api,
        }
    }

    /// The app that is asked for.
    pub fn app(&self) -> Option<&AppCredentials> {
        self.destinations.app.as_ref()
    }

    /// The TLS client of all probes. The certificate of an address without a proxy is not checked: it is for
    /// the name in the public URL.
    async fn tls(&self, place: Place) -> Result<TlsClient, ProbeError> {
        let client =
            self.tls.get_or_init(|| async { TlsClient::of_this_system() }).await.clone()?;
        let is_own = matches!(place, Place::Server | Place::Api);
        Ok(if is_own { client.accepting_any() } else { client })
    }

    /// The addresses of the name.
    pub async fn names(&self, place: Place, at: &Destination) -> &Result<Vec<IpAddr>, ProbeError> {
        self.evidence(place).names.get_or_init(|| resolve(&at.url, PROBE_LIMIT)).await
    }

    /// Every address of the name, and what came of connecting to it.
    pub async fn dialled(&self, place: Place, at: &Destination) -> &[Dialled] {
        let dial_all = || async {
            let Ok(names) = self.names(place, at).await else { return Vec::new() };
            let addresses = names.iter().map(|ip| SocketAddr::new(*ip, at.url.port));
            futures_util::future::join_all(addresses.map(|address| dial(address, PROBE_LIMIT)))
                .await
        };
        self.evidence(place).dialled.get_or_init(dial_all).await
    }

    /// The first address that accepts connections.
    async fn address(&self, place: Place, at: &Destination) -> Result<SocketAddr, ProbeError> {
        let dialled = self.dialled(place, at).await;
        if let Some(open) = dialled.iter().find(|one| one.outcome.is_ok()) {
            return Ok(open.address);
        }
        match (self.names(place, at).await, dialled.first().map(|one| &one.outcome)) {
            (Err(error), _) | (_, Some(Err(error))) => Err(error.clone()),
            _ => Err(ProbeError::Other("the name has no address".to_owned())),
        }
    }

    /// How requests get there.
    pub async fn route(&self, place: Place, at: &Destination) -> Result<ProbeRoute, ProbeError> {
        let address = self.address(place, at).await?;
        let tls = if at.url.tls { Some(self.tls(place).await?) } else { None };
        Ok(ProbeRoute { url: at.url.clone(), address, tls })
    }

    /// A TLS handshake, whether the URL has TLS or not.
    pub async fn handshake(
        &self,
        place: Place,
        at: &Destination,
    ) -> &Result<Handshake, ProbeError> {
        let shake_hands = || async {
            let route = self.route(place, at).await?;
            route.handshake(&self.tls(place).await?, PROBE_LIMIT).await
        };
        self.evidence(place).handshake.get_or_init(shake_hands).await
    }

    /// A request without TLS, whether the URL has TLS or not.
    pub async fn plain(&self, place: Place, at: &Destination) -> &Result<HttpAnswer, ProbeError> {
        let request = || async {
            let route = ProbeRoute { tls: None, ..self.route(place, at).await? };
            route.request(HttpRequest::get("/up"), PROBE_LIMIT).await
        };
        self.evidence(place).plain.get_or_init(request).await
    }

    /// `GET /up`.
    pub async fn up(&self, place: Place, at: &Destination) -> &TimedAnswer {
        let request = || async {
            let answer = match self.route(place, at).await {
                Ok(route) => route.request(HttpRequest::get("/up"), PROBE_LIMIT).await,
                Err(error) => Err(error),
            };
            TimedAnswer { answer, now: SystemTime::now() }
        };
        self.evidence(place).up.get_or_init(request).await
    }

    /// `GET /ready`, at the first that answers: a listener of those who operate the server, then the server's own
    /// address. The last one that was asked if none answers, `None` where none is known.
    pub async fn ready(&self) -> Option<(&Destination, Result<HttpAnswer, ProbeError>)> {
        let mut last = None;
        for at in self.destinations.health.iter().chain(&self.destinations.server) {
            let answer = self.ready_at(at).await;
            let is_answered =
                answer.as_ref().is_ok_and(|answer| matches!(answer.status, 200 | 503));
            last = Some((at, answer));
            if is_answered {
                break;
            }
        }
        last
    }

    async fn ready_at(&self, at: &Destination) -> Result<HttpAnswer, ProbeError> {
        let address = match resolve(&at.url, PROBE_LIMIT).await?.first() {
            Some(ip) => SocketAddr::new(*ip, at.url.port),
            None => return Err(ProbeError::Other("the name has no address".to_owned())),
        };
        let tls = if at.url.tls { Some(self.tls(Place::Server).await?) } else { None };
        let route = ProbeRoute { url: at.url.clone(), address, tls };
        route.request(HttpRequest::get("/ready"), PROBE_LIMIT).await
    }

    /// `GET /apps/{id}/channels`, signed.
    pub async fn channels(
        &self,
        place: Place,
        at: &Destination,
        app: &AppCredentials,
    ) -> &Result<HttpAnswer, ProbeError> {
        let request = || async {
            let route = self.route(place, at).await?;
            route.request(app.get("channels"), PROBE_LIMIT).await
        };
        self.evidence(place).channels.get_or_init(request).await
    }

    /// A socket of the app, as a page of the application opens it.
    pub async fn socket(
        &self,
        place: Place,
        at: &Destination,
    ) -> &Result<SocketEvidence, SocketFailure> {
        let open = || async {
            let mut socket = self.open(place, at).await?;
            let mut pong = ping(&mut socket).await?;
            // A busy machine answers late once; what holds frames back holds the next one back too.
            if pong > SLOW_PONG {
                pong = ping(&mut socket).await.map_or(pong, |again| pong.min(again));
            }
            let opened = socket.opened_in;
            let activity_timeout = socket.activity_timeout;
            socket.close(PROBE_LIMIT).await;
            Ok(SocketEvidence { opened, pong, activity_timeout })
        };
        self.evidence(place).socket.get_or_init(open).await
    }

    /// What becomes of a socket without a message; the error is that of one that could not be opened.
    pub async fn silence(&self, place: Place, at: &Destination) -> &Result<Silence, SocketFailure> {
        let wait = || async {
            let mut socket = self.open(place, at).await?;
            let since = Instant::now();
            if let Ok(Err(ended)) = tokio::time::timeout(SILENCE, socket.next()).await {
                return Ok(Silence::Ended(ended));
            }
            let silent = since.elapsed();
            socket.close(PROBE_LIMIT).await;
            Ok(Silence::Kept(silent))
        };
        self.evidence(place).silence.get_or_init(wait).await
    }

    async fn open(&self, place: Place, at: &Destination) -> Result<PusherSocket, SocketFailure> {
        let route = self.route(place, at).await?;
        let key = self.app().map_or(NO_KEY, |app| &app.key);
        PusherSocket::open(&route, key, self.origin(place), PROBE_LIMIT).await
    }

    /// Pages connect through the public URL; directly, the question is whether the server serves the app.
    fn origin(&self, place: Place) -> Option<&str> {
        match place {
            Place::Server | Place::Api => None,
            Place::Public | Place::BackEnd => self.destinations.origin.as_deref(),
        }
    }

    /// A trigger whose body is padded with spaces to the size that the server accepts.
    pub async fn body(
        &self,
        place: Place,
        at: &Destination,
        app: &AppCredentials,
    ) -> &BodyEvidence {
        let bytes = self.destinations.body_bytes.unwrap_or(BODY_BYTES_MAX).min(BODY_BYTES_MAX);
        let request = || async {
            let name = format!("resound-doctor-{:016x}", rand::random::<u64>());
            let body = serde_json::json!({ "name": name, "channels": [name], "data": "" });
            let mut body = body.to_string().into_bytes();
            body.resize(bytes.max(body.len()), b' ');
            let answer = match self.route(place, at).await {
                Ok(route) => route.request(app.post("events", body), PROBE_LIMIT).await,
                Err(error) => Err(error),
            };
            BodyEvidence { bytes, answer }
        };
        self.evidence(place).body.get_or_init(request).await
    }

    /// Sign-in, subscription, trigger and presence, once.
    pub async fn round_trip(
        &self,
        place: Place,
        at: &Destination,
        app: &AppCredentials,
    ) -> &Result<RoundTrip, BrokenStep> {
        let go = || async {
            let broken =
                |error: ProbeError| BrokenStep { step: "a connection", failure: error.into() };
            let sockets = self.route(place, at).await.map_err(broken)?;
            let publishing = self.destinations.publishing(place).unwrap_or(place);
            let api = match self.destinations.at(publishing).filter(|_| publishing != place) {
                Some(at) => self.route(publishing, at).await.map_err(broken)?,
                None => sockets.clone(),
            };
            round_trip(&TripRoutes { sockets, api }, app, self.origin(place)).await
        };
        self.evidence(place).round_trip.get_or_init(go).await
    }
}

/// How long a ping takes.
async fn ping(socket: &mut PusherSocket) -> Result<Duration, SocketFailure> {
    let since = Instant::now();
    socket.send("pusher:ping", &serde_json::json!({})).await?;
    socket.wait_for("pusher:pong", "", PONG_LIMIT).await?;
    Ok(since.elapsed())
}
