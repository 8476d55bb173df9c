//! The log text of a failed call: its cause, and what to change.

use reqwest::StatusCode;

use crate::metrics::CallResult;
use crate::network_fault::NetworkFault;

/// Why a call failed.
#[derive(Debug)]
pub(super) struct CallFailure {
    /// What the metrics count.
    pub(super) result: CallResult,
    /// For the log.
    pub(super) cause: String,
}

impl CallFailure {
    /// An answer that is not 2xx.
    pub(super) fn of_status(status: StatusCode) -> Self {
        Self { result: CallResult::Status(status.as_u16()), cause: text_of_status(status) }
    }

    /// A call without an answer.
    pub(super) fn of_error(error: reqwest::Error) -> Self {
        let is_timeout = error.is_timeout();
        let result = if is_timeout { CallResult::TimedOut } else { CallResult::NoAnswer };
        Self { result, cause: text_of_error(error) }
    }
}

fn text_of_status(status: StatusCode) -> String {
    let remedy = match status.as_u16() {
        300..=399 => {
            "; redirects are not followed, so that the signed body goes nowhere else: configure the url that it leads to"
        }
        401 | 403 => {
            "; the endpoint refuses the call: does it check X-Pusher-Signature with the secret of this app?"
        }
        404 | 405 => "; is the path of the url right, and its route one for POST?",
        419 => {
            "; Laravel's CSRF check refuses the call: except the route from it (validateCsrfTokens in bootstrap/app.php)"
        }
        _ => "",
    };
    format!("it answered {status}{remedy}")
}

fn text_of_error(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return match error.is_connect() {
            true => "no connection within webhooks.connect_timeout_seconds: correct its url, or open the firewall on the way".to_owned(),
            false => "no answer within webhooks.request_timeout_seconds: endpoints should queue their work and answer".to_owned(),
        };
    }
    let Some(fault) = NetworkFault::of(&error) else {
        return error.without_url().to_string();
    };
    let remedy = match fault {
        NetworkFault::NotTls => "; write http:// in its url",
        NetworkFault::Closed => "; if it speaks TLS only, write https:// in its url",
        NetworkFault::UnknownIssuer | NetworkFault::CaCertificate => {
            "; let a public authority issue it, or add your own to those of this machine (SSL_CERT_FILE, or the package ca-certificates)"
        }
        NetworkFault::Expired => "; renew it, or set the clock of this machine",
        NetworkFault::WrongName => "; its url must have one of these names",
        _ => "",
    };
    format!("{fault}{remedy}")
}

#[cfg(test)]
mod tests {
    use super::{StatusCode, text_of_error as of_error, text_of_status as of_status};

    async fn failure(url: &str) -> String {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
        of_error(client.post(url).send().await.unwrap_err())
    }

    #[tokio::test]
    async fn each_cause_has_its_words() {
        assert_eq!(failure("http://127.0.0.1:9/").await, "nothing listens on that port");
        let unknown = failure("http://no-such-host.invalid/").await;
        assert_eq!(unknown, "the name of the host has no address (DNS)");
        // An endpoint that answers any connection with plain HTTP.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut peer, _) = listener.accept().await.unwrap();
            let answer = b"HTTP/1.1 400 Bad Request\r\n\r\n";
            tokio::io::AsyncWriteExt::write_all(&mut peer, answer).await.unwrap();
        });
        let plain = failure(&format!("https://{address}/")).await;
        assert_eq!(plain, "the peer answers without TLS; write http:// in its url");
    }

    #[test]
    fn answers_that_have_a_usual_cause_name_it() {
        assert_eq!(of_status(StatusCode::BAD_GATEWAY), "it answered 502 Bad Gateway");
        let moved = of_status(StatusCode::MOVED_PERMANENTLY);
        assert!(moved.starts_with("it answered 301 Moved Permanently; redirects are not followed"));
        let expired = of_status(StatusCode::from_u16(419).unwrap());
        assert!(expired.contains("CSRF"), "{expired}");
    }
}
