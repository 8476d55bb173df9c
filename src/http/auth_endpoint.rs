//! `POST /broadcasting/auth` and `/broadcasting/user-auth`: requests of pages for the authorization of a
//! subscription or a sign-in.
//!
//! Owns what is HTTP about them: the app of a path, the body, origins. The decision is left to
//! `channel_auth`. These requests are not signed: they are how a socket gets a signature.

use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use axum::response::IntoResponse;

use super::api_error::ApiError;
use super::refused_app::AnsweredApp;
use super::route::{CHANNEL_AUTH, Route, USER_AUTH, may_be_auth};
use super::{body, cross_origin};
use crate::app::App;
use crate::channel_auth::{
    AppAuth, AuthCaller, AuthPath, AuthRefusal, AuthRequest, AuthSubject, ChannelAuth, SOCKET_ID,
};
use crate::config::HttpConfig;
use crate::metrics::AuthResult;
use crate::protocol::{ChannelName, SocketId};

/// A body has two short fields and perhaps a token.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// The field of a body, or the parameter of a query, that names the app where several share a path.
const APP_KEY: &str = "app_key";

const CHANNEL_NAME: &str = "channel_name";

/// The endpoints of all apps, below the prefix of the server.
pub struct AuthEndpoint {
    auth: Arc<ChannelAuth>,
    prefix: Arc<str>,
    limits: HttpConfig,
}

/// A path for authorization, and the apps that have it.
pub struct AuthRoute {
    path: AuthPath,
    apps: Vec<Arc<AppAuth>>,
}

impl AuthRoute {
    /// The label of its requests.
    pub fn label(&self) -> Route {
        match self.path {
            AuthPath::Channel => CHANNEL_AUTH,
            AuthPath::User => USER_AUTH,
        }
    }
}

impl AuthEndpoint {
    /// The endpoints of `auth`.
    pub fn new(auth: Arc<ChannelAuth>, prefix: Arc<str>, limits: HttpConfig) -> Self {
        let max_body_bytes = limits.max_body_bytes.min(BODY_BYTES_MAX);
        Self { auth, prefix, limits: HttpConfig { max_body_bytes, ..limits } }
    }

    /// What a path of this route is for, if it is one for authorization.
    pub fn route(&self, route: Route, path: &str) -> Option<AuthRoute> {
        if !may_be_auth(route) {
            return None;
        }
        let (path, apps) = self.auth.at(path.strip_prefix(&*self.prefix)?)?;
        Some(AuthRoute { path, apps })
    }

    /// The answer to a request of such a path.
    pub async fn answer(
        &self,
        route: AuthRoute,
        request: Request<Body>,
        caller: AuthCaller,
    ) -> Response<Body> {
        let apps = &route.apps;
        if cross_origin::is_preflight(&request) {
            let query = request.uri().query().unwrap_or_default();
            let origin = cross_origin::origin(request.headers());
            let named = named(apps, query, &[]).ok();
            let app = named.or_else(|| apps.iter().find(|auth| allows(auth.app(), origin)));
            let app = app.or(apps.first()).expect("a route has an app").app();
            return cross_origin::preflight(request.headers(), &app.allowed_origins);
        }
        let origin = cross_origin::origin(request.headers()).cloned();
        let (app, answered) = self.authorize(&route, request, caller).await;
        let result = answered.as_ref().map_or_else(|(result, _)| *result, |_| AuthResult::Granted);
        let mut answer = match answered {
            Ok(json) => ([(CONTENT_TYPE, "application/json")], json).into_response(),
            Err((_, refusal)) => refusal.into_response(),
        };
        if answer.status() == StatusCode::METHOD_NOT_ALLOWED {
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static("POST, OPTIONS"));
        }
        if matches!(answer.status().as_u16(), 429 | 503) {
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        match app {
            Some(auth) => {
                auth.answered(result);
                if !answer.status().is_success() {
                    answer.extensions_mut().insert(AnsweredApp(auth.app().id.clone()));
                }
                cross_origin::allow(&mut answer, origin.as_ref(), &auth.app().allowed_origins);
            }
            None => {
                for auth in apps.iter().filter(|auth| allows(auth.app(), origin.as_ref())).take(1) {
                    cross_origin::allow(&mut answer, origin.as_ref(), &auth.app().allowed_origins);
                }
            }
        }
        answer
    }

    /// The app, once it is known, and its answer.
    async fn authorize(
        &self,
        route: &AuthRoute,
        request: Request<Body>,
        caller: AuthCaller,
    ) -> (Option<Arc<AppAuth>>, Result<String, (AuthResult, ApiError)>) {
        let invalid = |error| (AuthResult::Invalid, error);
        let (parts, body) = request.into_parts();
        let alone = || match route.apps.as_slice() {
            [only] => Some(only.clone()),
            _ => None,
        };
        if parts.method != Method::POST {
            let text = format!(
                "{} is not allowed here: pages send POST (pusher-js: transport \"ajax\")",
                parts.method
            );
            let error = ApiError::new(StatusCode::METHOD_NOT_ALLOWED, text);
            return (alone(), Err(invalid(error)));
        }
        let read = async {
            let body = body::read(body, self.limits).await?;
            let kind = parts.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
            let fields = super::auth_body::fields(kind.unwrap_or_default(), &body)?;
            Ok((body, fields))
        };
        let (body, fields) = match read.await {
            Ok(read) => read,
            Err(error) => return (alone(), Err(invalid(error))),
        };
        let query = parts.uri.query().unwrap_or_default();
        let auth = match named(&route.apps, query, &fields) {
            Ok(auth) => auth.clone(),
            Err(error) => return (None, Err(invalid(error))),
        };
        if let Err(refused) = check_origin(auth.app(), &parts.headers) {
            return (Some(auth), Err(refused));
        }
        let (subject, socket_id) = match subject(route.path, &fields, auth.app()) {
            Ok(read) => read,
            Err(error) => return (Some(auth), Err(invalid(error))),
        };
        let query = without_app_key(query);
        let (headers, fields, query) = (&parts.headers, &fields[..], query.as_str());
        let request =
            AuthRequest { subject, socket_id, fields, headers, query, body: &body, caller };
        let answer = auth.authorize(&request).await;
        let answer = answer.map_err(|refusal| (refusal.result, refusal.into()));
        (Some(auth), answer)
    }
}

impl From<AuthRefusal> for ApiError {
    fn from(refusal: AuthRefusal) -> Self {
        let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_GATEWAY);
        Self::new(status, &*refusal.text)
    }
}

fn allows(app: &App, origin: Option<&HeaderValue>) -> bool {
    origin
        .is_some_and(|origin| app.allowed_origins.allow(Some(origin.to_str().unwrap_or("invalid"))))
}

/// A request that is no page's has no origin, and is no less trusted: what it brings along decides.
fn check_origin(app: &App, headers: &HeaderMap) -> Result<(), (AuthResult, ApiError)> {
    let Some(origin) = cross_origin::origin(headers) else { return Ok(()) };
    if allows(app, Some(origin)) {
        return Ok(());
    }
    let origin: String = String::from_utf8_lossy(origin.as_bytes()).chars().take(200).collect();
    let text = format!("The origin {origin:?} is not among allowed_origins of this app");
    Err((AuthResult::Origin, ApiError::new(StatusCode::FORBIDDEN, text)))
}

/// The app that a request is for: the only one of its path, or the one that it names.
fn named<'a>(
    apps: &'a [Arc<AppAuth>],
    query: &str,
    fields: &[(String, String)],
) -> Result<&'a Arc<AppAuth>, ApiError> {
    let of_query = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == APP_KEY);
    let key = of_query.map(|(_, key)| key.into_owned()).or_else(|| field(fields, APP_KEY));
    match (key, apps) {
        (Some(key), apps) => apps.iter().find(|auth| auth.app().key == key).ok_or_else(|| {
            let key: String = key.chars().take(64).collect();
            ApiError::not_found(format!(
                "No app with the key {key:?} is authorized at this path: check app_key and app.auth.path"
            ))
        }),
        (None, [only]) => Ok(only),
        (None, _) => Err(ApiError::bad_request(
            "Several apps are authorized at this path: put ?app_key= and the key of the app behind authEndpoint, or give each its own app.auth.path",
        )),
    }
}

/// The query that belongs to the app's own endpoint.
fn without_app_key(query: &str) -> String {
    let parts = query.split('&').filter(|part| {
        !part.is_empty() && part.split('=').next().is_some_and(|name| name != APP_KEY)
    });
    parts.collect::<Vec<_>>().join("&")
}

/// Of several fields with one name the last counts, as in PHP.
fn field(fields: &[(String, String)], name: &str) -> Option<String> {
    fields.iter().rev().find_map(|(key, value)| (key == name).then(|| value.clone()))
}

/// What is to be authorized, and for which socket.
fn subject(
    path: AuthPath,
    fields: &[(String, String)],
    app: &App,
) -> Result<(AuthSubject, SocketId), ApiError> {
    let socket_id = field(fields, SOCKET_ID).and_then(|text| SocketId::parse(&text));
    let socket_id = socket_id.ok_or_else(|| {
        ApiError::bad_request(
            "socket_id is missing or not of the form 123.456: pusher-js sends it, other clients take it from pusher:connection_established",
        )
    })?;
    if path == AuthPath::User {
        return Ok((AuthSubject::User, socket_id));
    }
    let is_list = fields.iter().any(|(name, _)| name.starts_with("channel_name["));
    let name = field(fields, CHANNEL_NAME).filter(|name| !name.starts_with('[') && !is_list);
    let name = name.ok_or_else(|| {
        ApiError::bad_request(
            "channel_name is missing, or a list: send one channel a request, as pusher-js and Echo do",
        )
    })?;
    let channel = ChannelName::parse(&name, app.limits.channel_name_bytes)?;
    Ok((AuthSubject::Channel(channel), socket_id))
}
