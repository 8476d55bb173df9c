//! Authorization of subscriptions and sign-ins in the place of an app's own endpoint: by a token, by asking
//! that endpoint once for many sockets, or, on this machine alone, without a question.
//!
//! Owns which app a path belongs to and what decides there. The answer is signed with the app's secret, as the
//! app signs it. HTTP (bodies, origins, CORS) is left to `http`.

use std::sync::Arc;

use arc_swap::ArcSwap;
use serde_json::json;

use crate::app::{App, Apps, AuthMode, AuthSettings, TokenKeys, TokenRules};
use crate::call_targets::CallTargets;
use crate::metrics::{AuthResult, Metrics};
use crate::protocol::ChannelType;

mod app_answer;
mod ask;
mod bounded_body;
mod claims;
mod grant;
mod key_set;
mod key_source;
mod memory;
mod refusal;
mod request;
mod tasks;
mod token;
mod token_crypto;

pub use ask::SOCKET_ID;
pub use refusal::AuthRefusal;
pub use request::{AuthCaller, AuthRequest, AuthSubject};

use ask::Questions;
use claims::TokenUser;
use grant::Grant;
use key_set::KeySet;
use key_source::KeySource;
use memory::Permission;
use tasks::Tasks;
use token::{TokenFlaw, TokenHead};

/// The endpoints of all apps.
pub struct ChannelAuth {
    apps: ArcSwap<Vec<Arc<AppAuth>>>,
    targets: CallTargets,
    tasks: Arc<Tasks>,
    metrics: Arc<Metrics>,
}

/// The endpoints of a configuration, checked and ready to serve.
pub struct PreparedAuth(Vec<Arc<AppAuth>>);

/// The endpoint of one app, with the app as it was configured.
pub struct AppAuth {
    app: Arc<App>,
    settings: AuthSettings,
    decider: Decider,
    metrics: Arc<Metrics>,
}

enum Decider {
    Token { rules: Box<TokenRules>, keys: Keys },
    Ask(Arc<Questions>),
    Everything,
}

enum Keys {
    Fixed(KeySet),
    Fetched(Arc<KeySource>),
}

/// What a path is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthPath {
    /// Subscriptions.
    Channel,
    /// Sign-ins.
    User,
}

impl ChannelAuth {
    /// No app has an endpoint yet. To be called on the runtime that is to ask and to fetch.
    pub fn new(targets: CallTargets, metrics: Arc<Metrics>) -> Self {
        Self { apps: ArcSwap::default(), targets, tasks: Arc::new(Tasks::here()), metrics }
    }

    /// Prepares the endpoints of these apps; changes nothing. An app that has not changed keeps what it
    /// remembers.
    pub fn prepare(&self, apps: &Apps) -> anyhow::Result<PreparedAuth> {
        let running = self.apps.load();
        let mut prepared = Vec::new();
        for app in apps.iter() {
            let Some(settings) = &app.auth else { continue };
            let same = running.iter().find(|known| *known.app == **app);
            prepared.push(match same {
                Some(known) => known.clone(),
                None => Arc::new(self.of_app(app, settings)?),
            });
        }
        prepared.sort_by(|left, right| left.app.id.cmp(&right.app.id));
        Ok(PreparedAuth(prepared))
    }

    /// Serves these endpoints from now on. Warns of those that sign everything.
    pub fn apply(&self, PreparedAuth(prepared): PreparedAuth) {
        for auth in &prepared {
            let app = &auth.app.id;
            self.metrics.channel_auth.expose(app);
            if matches!(auth.decider, Decider::Everything) {
                tracing::warn!(
                    app,
                    "app.auth.mode is sign-everything: every process of this machine may subscribe to every channel as any user; it is for development alone"
                );
            }
        }
        self.apps.store(Arc::new(prepared));
    }

    /// The endpoints at a path below the prefix of the server, and what the path is for. Several apps may
    /// share one; none where it is no path for authorization.
    pub fn at(&self, path: &str) -> Option<(AuthPath, Vec<Arc<AppAuth>>)> {
        let apps = self.apps.load();
        if apps.is_empty() {
            return None;
        }
        let at = |of: fn(&AuthSettings) -> &String| -> Vec<Arc<AppAuth>> {
            apps.iter().filter(|auth| of(&auth.settings) == path).cloned().collect()
        };
        let channel = at(|settings| &settings.path);
        if !channel.is_empty() {
            return Some((AuthPath::Channel, channel));
        }
        let user = at(|settings| &settings.user_path);
        (!user.is_empty()).then_some((AuthPath::User, user))
    }

    fn of_app(&self, app: &Arc<App>, settings: &AuthSettings) -> anyhow::Result<AppAuth> {
        let (tasks, metrics, targets) = (&self.tasks, &self.metrics, &self.targets);
        let decider = match &settings.mode {
            AuthMode::Jwt(rules) => Decider::Token {
                rules: with_useful_patterns(rules, &app.id)?,
                keys: match &rules.keys {
                    TokenKeys::Secret(secret) => Keys::Fixed(KeySet::of_secret(secret)),
                    TokenKeys::Public(key) => Keys::Fixed(KeySet::of_public(key)),
                    TokenKeys::Set { location, max_age } => Keys::Fetched(Arc::new(
                        KeySource::new(&app.id, location, *max_age, targets, tasks, metrics)?,
                    )),
                },
            },
            AuthMode::Ask(rules) => {
                Decider::Ask(Arc::new(Questions::new(app, rules, targets, tasks, metrics)?))
            }
            AuthMode::SignEverything => Decider::Everything,
        };
        let (app, settings, metrics) = (app.clone(), settings.clone(), metrics.clone());
        Ok(AppAuth { app, settings, decider, metrics })
    }
}

/// The rules, if each pattern is for channels that need authorization.
fn with_useful_patterns(rules: &TokenRules, app_id: &str) -> anyhow::Result<Box<TokenRules>> {
    let is_public = |pattern: &&String| ChannelType::of_prefix(pattern) == ChannelType::Public;
    if let Some(pattern) = rules.channels.iter().find(is_public) {
        anyhow::bail!(
            "app {app_id}: auth.jwt.channels has {pattern:?}; a pattern begins with private- or presence-, since other channels need no authorization"
        );
    }
    Ok(Box::new(rules.clone()))
}

impl AppAuth {
    /// The app.
    pub fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// Counts an answer.
    pub fn answered(&self, result: AuthResult) {
        self.metrics.channel_auth.answered(&self.app.id, result);
    }

    /// The answer to a request, as JSON.
    pub async fn authorize(&self, request: &AuthRequest<'_>) -> Result<String, AuthRefusal> {
        if !self.app.enabled {
            return Err(AuthRefusal::not_permitted(
                "The application is disabled (enabled = false)",
            ));
        }
        if let AuthSubject::Channel(channel) = &request.subject
            && !channel.needs_auth()
        {
            return Err(AuthRefusal::invalid(
                "Public channels need no authorization: channel_name must begin with private- or presence-",
            ));
        }
        let grant = match &self.decider {
            Decider::Token { rules, keys } => self.by_token(rules, keys, request).await?,
            Decider::Ask(questions) => questions.permission(request).await?,
            Decider::Everything => self.without_question(request)?,
        };
        Ok(grant.sign(&self.app, request))
    }

    async fn by_token(
        &self,
        rules: &TokenRules,
        keys: &Keys,
        request: &AuthRequest<'_>,
    ) -> Permission {
        let token = request.bearer().or_else(|| request.field(&rules.parameter));
        let token = token.filter(|token| !token.is_empty()).ok_or_else(|| {
            let text = format!(
                "The request has no token: send it as Authorization: Bearer (bearerToken in Echo), or in the field {:?} of the body",
                rules.parameter
            );
            AuthRefusal::new(401, AuthResult::NoCredentials, text)
        })?;
        let invalid =
            |flaw: TokenFlaw| AuthRefusal::new(401, AuthResult::InvalidToken, flaw.to_string());
        let head = TokenHead::of(token).map_err(invalid)?;
        let claims = match keys {
            Keys::Fixed(keys) => token::verify(token, &head, keys, rules),
            Keys::Fetched(source) => {
                let keys = source.keys(&head).await.map_err(|failure| {
                    let text = format!(
                        "The keys of tokens cannot be fetched: {failure} (app.auth.jwt.jwks)"
                    );
                    AuthRefusal::new(503, AuthResult::NoAnswer, text)
                })?;
                token::verify(token, &head, &keys, rules)
            }
        };
        let claims = claims.map_err(invalid)?;
        let user = claims::user(rules, &claims);
        if let AuthSubject::Channel(channel) = &request.subject
            && !claims::permits(rules, &claims, channel.as_str())
        {
            return Err(AuthRefusal::not_permitted(format!(
                "The token does not permit the channel {:?}: see app.auth.jwt.channels and channels_claim",
                channel.as_str()
            )));
        }
        self.grant(request, user, || {
            format!(
                "The token has no user id: app.auth.jwt.user_id names the claim {:?}",
                rules.user_id
            )
        })
    }

    /// For development: the page names the user.
    fn without_question(&self, request: &AuthRequest<'_>) -> Permission {
        if !request.caller.is_local {
            return Err(AuthRefusal::not_permitted(
                "app.auth.mode is sign-everything, which is for processes of this machine alone: set it to jwt or ask",
            ));
        }
        let id = request.field("user_id").filter(|id| !id.is_empty());
        let id = id.map_or_else(|| request.socket_id.to_string(), str::to_owned);
        let info = request
            .field("user_info")
            .map(|info| serde_json::from_str(info).unwrap_or_else(|_| info.into()));
        self.grant(request, Some(TokenUser { id, info, watchlist: None }), String::new)
    }

    /// What is granted to a user; private channels need none.
    fn grant(
        &self,
        request: &AuthRequest<'_>,
        user: Option<TokenUser>,
        no_user: impl FnOnce() -> String,
    ) -> Permission {
        let needs_user = match &request.subject {
            AuthSubject::Channel(channel) => channel.is_presence(),
            AuthSubject::User => true,
        };
        let shared_secret = self.shared_secret(&request.subject)?;
        if !needs_user {
            return Ok(Grant { data: None, shared_secret });
        }
        let TokenUser { id, info, watchlist } =
            user.ok_or_else(|| AuthRefusal::not_permitted(no_user()))?;
        let mut data = match &request.subject {
            AuthSubject::Channel(_) => json!({ "user_id": id }),
            AuthSubject::User => json!({ "id": id }),
        };
        if let Some(info) = info {
            data["user_info"] = info;
        }
        if let (AuthSubject::User, Some(watchlist)) = (&request.subject, watchlist) {
            data["watchlist"] = watchlist;
        }
        let grant = Grant { data: Some(data.to_string()), shared_secret };
        grant.check(&self.app, &request.subject)?;
        Ok(grant)
    }

    /// The secret of an encrypted channel.
    fn shared_secret(&self, subject: &AuthSubject) -> Result<Option<String>, AuthRefusal> {
        match (subject, &self.settings.master_key) {
            (AuthSubject::Channel(channel), Some(key)) if channel.is_encrypted() => {
                Ok(Some(key.shared_secret(channel.as_str())))
            }
            (AuthSubject::Channel(channel), None) if channel.is_encrypted() => {
                Err(AuthRefusal::not_permitted(
                    "Encrypted channels need app.auth.encryption_master_key, the encryption_master_key_base64 of the back end",
                ))
            }
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests;
