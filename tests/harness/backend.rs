//! A back end that signs requests, by an implementation of its own, over a kept-alive connection.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use md5::{Digest, Md5};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::net::TcpStream;

use super::within;

/// What the HTTP API answered.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }
}

/// One app's back end.
pub struct Backend {
    address: SocketAddr,
    app_id: String,
    key: String,
    secret: String,
    connection: Option<SendRequest<Body>>,
}

impl Backend {
    pub fn new(address: SocketAddr, app_id: &str, key: &str, secret: &str) -> Self {
        let [app_id, key, secret] = [app_id, key, secret].map(str::to_owned);
        Self { address, app_id, key, secret, connection: None }
    }

    /// Publishes one event on one channel; it must be accepted.
    pub async fn trigger(&mut self, channel: &str, event: &str, data: &str) {
        self.trigger_except(channel, event, data, None).await;
    }

    /// The same without the socket that caused it.
    pub async fn trigger_except(
        &mut self,
        channel: &str,
        event: &str,
        data: &str,
        socket: Option<&str>,
    ) {
        let mut body = json!({ "name": event, "channels": [channel], "data": data });
        if let Some(socket) = socket {
            body["socket_id"] = socket.into();
        }
        let answer = self.post("/events", &body.to_string()).await;
        assert_eq!(answer, Answer { status: 200, body: "{}".into() });
    }

    /// `POST /apps/{id}{path}`, signed.
    pub async fn post(&mut self, path: &str, body: &str) -> Answer {
        self.signed("POST", path, &[], body).await
    }

    /// `GET /apps/{id}{path}` with parameters, signed.
    pub async fn get(&mut self, path: &str, parameters: &[(&str, &str)]) -> Answer {
        self.signed("GET", path, parameters, "").await
    }

    /// `POST /apps/{id}{path}`, signed, where the server may be gone or stopped: connects if need be; `None` if no answer
    /// comes in time.
    pub async fn post_within(&mut self, time: Duration, path: &str, body: &str) -> Option<Answer> {
        let exchange = async {
            if self.connection.as_ref().is_none_or(|connection| connection.is_closed()) {
                self.try_connect().await.ok()?;
            }
            self.try_post(path, body).await
        };
        let answer = tokio::time::timeout(time, exchange).await.ok().flatten();
        if answer.is_none() {
            // Half an exchange is of no use for the next one.
            self.connection = None;
        }
        answer.map(|(answer, _)| answer)
    }

    async fn signed(
        &mut self,
        method: &str,
        path: &str,
        parameters: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let path = format!("/apps/{}{path}", self.app_id);
        let query = self.query(method, &path, parameters, body);
        self.send(method, &format!("{path}?{query}"), body).await
    }

    /// The signed query of a request.
    pub fn query(
        &self,
        method: &str,
        path: &str,
        parameters: &[(&str, &str)],
        body: &str,
    ) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().to_string();
        let md5 = hex::encode(Md5::digest(body));
        let mut all =
            vec![("auth_key", &*self.key), ("auth_timestamp", &now), ("auth_version", "1.0")];
        if !body.is_empty() {
            all.push(("body_md5", &md5));
        }
        all.extend_from_slice(parameters);
        all.sort_unstable();
        let pairs: Vec<String> = all.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let query = pairs.join("&");
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()).unwrap();
        mac.update(format!("{method}\n{path}\n{query}").as_bytes());
        format!("{query}&auth_signature={}", hex::encode(mac.finalize().into_bytes()))
    }

    /// `POST /apps/{id}{path}` with these header fields, signed; and those of the answer.
    pub async fn post_with(
        &mut self,
        path: &str,
        fields: &[(&str, &str)],
        body: &str,
    ) -> (Answer, HeaderMap) {
        let path = format!("/apps/{}{path}", self.app_id);
        let query = self.query("POST", &path, &[], body);
        self.exchange("POST", &format!("{path}?{query}"), fields, body).await
    }

    /// The verdicts on the events of a request, which must be accepted.
    pub async fn explained(&mut self, path: &str, body: &str) -> Vec<Value> {
        let (answer, fields) = self.post_with(path, &[("resound-explain", "1")], body).await;
        assert_eq!((answer.status, &*answer.body), (200, "{}"));
        let verdicts = fields.get_all("resound-explain").into_iter();
        verdicts.map(|verdict| serde_json::from_slice(verdict.as_bytes()).unwrap()).collect()
    }

    /// Any request, as it stands.
    pub async fn send(&mut self, method: &str, target: &str, body: &str) -> Answer {
        self.exchange(method, target, &[], body).await.0
    }

    /// The same with these header fields.
    pub async fn send_with(
        &mut self,
        method: &str,
        target: &str,
        fields: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        self.exchange(method, target, fields, body).await.0
    }

    async fn exchange(
        &mut self,
        method: &str,
        target: &str,
        fields: &[(&str, &str)],
        body: &str,
    ) -> (Answer, HeaderMap) {
        let request = self.request(method, target, fields, body);
        let connection = self.connection().await;
        let answer = within("an answer", connection.send_request(request)).await;
        read(answer.expect("an answer")).await.expect("a body")
    }

    fn request(
        &self,
        method: &str,
        target: &str,
        fields: &[(&str, &str)],
        body: &str,
    ) -> hyper::Request<Body> {
        let request = hyper::Request::builder()
            .method(method)
            .uri(target)
            .header("Host", self.address.to_string());
        let request =
            fields.iter().fold(request, |request, field| request.header(field.0, field.1));
        request.body(Body::from(body.to_owned())).expect("a well-formed request")
    }

    /// Connects where nothing may listen; [`try_post`](Self::try_post) sends over this connection alone.
    pub async fn try_connect(&mut self) -> std::io::Result<()> {
        let stream = within("a connection", TcpStream::connect(self.address)).await?;
        self.use_connection(stream).await;
        Ok(())
    }

    /// `POST /apps/{id}{path}`, signed, where the server may have ended; `None` if there is no answer.
    pub async fn try_post(&mut self, path: &str, body: &str) -> Option<(Answer, HeaderMap)> {
        let path = format!("/apps/{}{path}", self.app_id);
        let query = self.query("POST", &path, &[], body);
        let request = self.request("POST", &format!("{path}?{query}"), &[], body);
        let connection = self.connection.as_mut()?;
        let sent = async {
            connection.ready().await?;
            read(connection.send_request(request).await?).await
        };
        within("an answer", sent).await.ok()
    }

    /// Sends what follows over a connection that was made elsewhere.
    pub async fn use_connection(&mut self, stream: TcpStream) {
        stream.set_nodelay(true).unwrap();
        let (sender, driver) = handshake(TokioIo::new(stream)).await.expect("a connection");
        tokio::spawn(driver);
        self.connection = Some(sender);
    }

    async fn connection(&mut self) -> &mut SendRequest<Body> {
        if self.connection.as_ref().is_none_or(|connection| connection.is_closed()) {
            let stream =
                within("a connection", TcpStream::connect(self.address)).await.expect("a listener");
            self.use_connection(stream).await;
        }
        let connection = self.connection.as_mut().unwrap();
        within("the connection", connection.ready()).await.expect("an open connection");
        connection
    }
}

async fn read(
    answer: hyper::Response<hyper::body::Incoming>,
) -> hyper::Result<(Answer, HeaderMap)> {
    let (status, fields) = (answer.status().as_u16(), answer.headers().clone());
    let body = within("the body", answer.into_body().collect()).await?.to_bytes();
    let body = String::from_utf8(body.to_vec()).expect("text");
    Ok((Answer { status, body }, fields))
}
