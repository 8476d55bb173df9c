//! Requests of the HTTP API, signed with the credentials of an app as a back end signs them.

use std::time::SystemTime;

use axum::http::header::CONTENT_TYPE;

use super::destinations::AppCredentials;
use crate::probe::HttpRequest;
use crate::protocol::signature::SigningKey;

impl AppCredentials {
    /// What signs for the app.
    pub(super) fn signing_key(&self) -> SigningKey<'_> {
        SigningKey { key: &self.key, secret: &self.secret }
    }

    /// A GET request to `/apps/{id}/{route}`.
    pub(super) fn get(&self, route: &str) -> HttpRequest {
        self.request("GET", route, Vec::new())
    }

    /// A POST request with this JSON.
    pub(super) fn post(&self, route: &str, body: Vec<u8>) -> HttpRequest {
        self.request("POST", route, body)
    }

    fn request(&self, method: &'static str, route: &str, body: Vec<u8>) -> HttpRequest {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        // The prefix is no part of the signed path: servers remove it first.
        let path = format!("/apps/{}/{route}", self.id);
        let query = self.signing_key().request_query(method, &path, &body, now.as_secs());
        let headers = vec![(CONTENT_TYPE, "application/json".to_owned())];
        HttpRequest { method, target: format!("{path}?{query}"), headers, body }
    }
}
