//! Asking the app's own endpoint, once for each session and channel.
//!
//! Owns what is passed on, the bound on questions at once, and which answers are shared and remembered. What an
//! answer means is left to `app_answer`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use parking_lot::Mutex;
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderMap, HeaderName, HeaderValue,
};
use reqwest::{Client, Url};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::app_answer;
use super::memory::{Known, Memory, Permission, QuestionKey};
use super::refusal::AuthRefusal;
use super::request::{AuthRequest, AuthSubject};
use super::tasks::Tasks;
use crate::app::{App, AskRules};
use crate::call_targets::CallTargets;
use crate::http_client::http_client;
use crate::metrics::{AuthResult, Metrics};
use crate::protocol::SocketId;

/// An endpoint that is up accepts within a round trip or two.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The field of a body that the app's answer does not depend on, but for its signature.
pub const SOCKET_ID: &str = "socket_id";

/// The questions to one app.
pub(super) struct Questions {
    app: Arc<App>,
    rules: AskRules,
    channel_client: (Url, Client),
    user_client: Option<(Url, Client)>,
    headers: Vec<HeaderName>,
    memory: Mutex<Memory>,
    permits: Semaphore,
    tasks: Arc<Tasks>,
    metrics: Arc<Metrics>,
}

/// One question, ready to be sent.
struct Question {
    url: Url,
    client: Client,
    headers: HeaderMap,
    body: Vec<u8>,
    subject: AuthSubject,
    socket_id: SocketId,
}

impl Questions {
    pub(super) fn new(
        app: &Arc<App>,
        rules: &AskRules,
        targets: &CallTargets,
        tasks: &Arc<Tasks>,
        metrics: &Arc<Metrics>,
    ) -> anyhow::Result<Self> {
        let client = |text: &String| -> anyhow::Result<(Url, Client)> {
            let app_id = &app.id;
            let url = Url::parse(text)
                .with_context(|| format!("app {app_id}: {text:?} of auth.ask is no URL; it must be like https://shop.example/broadcasting/auth"))?;
            let builder = http_client(&url, targets, CONNECT_TIMEOUT, rules.timeout)
                .with_context(|| format!("app {app_id}: {text} of auth.ask"))?;
            let client = builder.pool_max_idle_per_host(rules.concurrent).build();
            let client = client.with_context(|| {
                format!("app {app_id}: cannot prepare {text} of auth.ask: are the certificates of authorities (package ca-certificates) installed?")
            })?;
            Ok((url, client))
        };
        let headers = rules.headers.iter().filter_map(|name| name.parse().ok());
        Ok(Self {
            app: app.clone(),
            rules: rules.clone(),
            channel_client: client(&rules.url)?,
            user_client: rules.user_url.as_ref().map(client).transpose()?,
            headers: headers.collect(),
            memory: Mutex::new(Memory::new(rules.remembered_bytes)),
            permits: Semaphore::new(rules.concurrent),
            tasks: tasks.clone(),
            metrics: metrics.clone(),
        })
    }

    /// The app's permission: remembered, awaited together with others, or asked for.
    pub(super) async fn permission(self: &Arc<Self>, request: &AuthRequest<'_>) -> Permission {
        let question = self.question(request)?;
        let has_session =
            [COOKIE, AUTHORIZATION].iter().any(|name| question.headers.contains_key(name));
        if !has_session {
            // Nothing tells one caller from another, so no answer is shared.
            return self.ask(&question).await;
        }
        let key = question.key(request);
        let known = self.memory.lock().look_up(key, Instant::now());
        let mut answer = match known {
            Known::Answered(permission) => {
                self.metrics.channel_auth.remembered(&self.app.id);
                return permission;
            }
            Known::Asked(answer) => {
                self.metrics.channel_auth.remembered(&self.app.id);
                answer
            }
            Known::Unasked(sender) => {
                let (questions, answer) = (self.clone(), sender.subscribe());
                self.tasks.spawn(async move {
                    let permission = questions.ask(&question).await;
                    questions.remember(key, &permission);
                    sender.send_replace(Some(permission));
                });
                answer
            }
            Known::Full => return Err(overloaded()),
        };
        match answer.wait_for(Option::is_some).await {
            Ok(permission) => permission.clone().unwrap_or_else(|| Err(ending())),
            Err(_) => Err(ending()),
        }
    }

    fn remember(&self, key: QuestionKey, permission: &Permission) {
        let time = match permission {
            Ok(_) => self.rules.remember,
            Err(refusal) if app_answer::is_lasting(refusal) => self.rules.remember_refusals,
            Err(_) => Duration::ZERO,
        };
        let mut memory = self.memory.lock();
        memory.answered(key, permission, time, Instant::now());
        self.metrics.channel_auth.set_remembered_bytes(&self.app.id, memory.bytes());
    }

    /// Asks the app, when there is a permit for it.
    async fn ask(&self, question: &Question) -> Permission {
        let Ok(permit) = timeout(self.rules.timeout, self.permits.acquire()).await else {
            return Err(overloaded());
        };
        let asked = Instant::now();
        let permission = question.send(&self.app).await;
        drop(permit);
        let result =
            permission.as_ref().map_or_else(|refusal| refusal.result, |_| AuthResult::Granted);
        self.metrics.channel_auth.asked(&self.app.id, result, asked.elapsed());
        if let Err(refusal) = &permission
            && matches!(refusal.result, AuthResult::AppFailed | AuthResult::NoAnswer)
        {
            let (app, url, cause) = (&self.app.id, question.url.as_str(), &*refusal.text);
            tracing::warn!(
                app,
                url,
                cause,
                "the app's own endpoint does not authorize: correct what the cause names, in the app or in app.auth.ask"
            );
        }
        permission
    }

    fn question(&self, request: &AuthRequest<'_>) -> Result<Question, AuthRefusal> {
        let (url, client) = match request.subject {
            AuthSubject::Channel(_) => Some(&self.channel_client),
            AuthSubject::User => self.user_client.as_ref(),
        }
        .ok_or_else(|| {
            let text = "Sign-ins are not authorized here: app.auth.ask.user_url is not set";
            AuthRefusal::new(404, AuthResult::Invalid, text)
        })?;
        let mut url = url.clone();
        if !request.query.is_empty() {
            let query = url.query().map(|own| format!("{own}&")).unwrap_or_default();
            url.set_query(Some(&format!("{query}{}", request.query)));
        }
        let mut headers = HeaderMap::new();
        let passed_on = [&COOKIE, &AUTHORIZATION, &CONTENT_TYPE];
        for name in passed_on.into_iter().chain(&self.headers) {
            for value in request.headers.get_all(name) {
                headers.append(name, value.clone());
            }
        }
        if let Some(address) = request.caller.address
            && let Ok(value) = HeaderValue::try_from(address.to_string())
        {
            headers.insert(X_FORWARDED_FOR, value);
        }
        // Laravel then answers 401 and no redirect to a page for people.
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        Ok(Question {
            url,
            client: client.clone(),
            headers,
            body: request.body.to_vec(),
            subject: request.subject.clone(),
            socket_id: request.socket_id,
        })
    }
}

impl Question {
    /// A hash over everything that is passed on but the socket id.
    fn key(&self, request: &AuthRequest<'_>) -> QuestionKey {
        let mut hash = Sha256::new();
        // Each part with its length, so that no two questions have the same bytes.
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        part(self.url.as_str().as_bytes());
        for (name, value) in &self.headers {
            part(name.as_str().as_bytes());
            part(value.as_bytes());
        }
        for (name, value) in request.fields.iter().filter(|(name, _)| name != SOCKET_ID) {
            part(name.as_bytes());
            part(value.as_bytes());
        }
        hash.finalize().into()
    }

    async fn send(&self, app: &App) -> Permission {
        let request = self.client.post(self.url.clone()).headers(self.headers.clone());
        let answer = request.body(self.body.clone()).send().await;
        app_answer::permission(answer, app, &self.subject, self.socket_id).await
    }
}

fn overloaded() -> AuthRefusal {
    AuthRefusal::new(
        503,
        AuthResult::Overloaded,
        "Too many questions wait for the app's own endpoint: make it faster, or raise app.auth.ask.max_concurrent",
    )
}

fn ending() -> AuthRefusal {
    AuthRefusal::new(503, AuthResult::NoAnswer, "The server shuts down: send the request again")
}
