//! The explanation of each error names its cause and what to change.

use std::io::{self, ErrorKind as Io};

use redis::{ErrorKind, RedisError, ServerErrorKind, make_extension_error};
use rustls::{AlertDescription, CertificateError, InvalidMessage};

use super::super::key_names::KeyNames;
use super::{FailureContext, LinkPhase, RedisTransport, RedisUser, ServerKind};

const REDIS: FailureContext<'_> = FailureContext {
    server: ServerKind::Redis,
    user: RedisUser { name: "node", prefix: "resound", keys: KeyNames::Cluster },
    transport: RedisTransport::Tcp,
    phase: LinkPhase::Connecting,
};
const TLS: FailureContext<'_> = FailureContext { transport: RedisTransport::Tls, ..REDIS };
const SENTINEL: FailureContext<'_> = FailureContext { server: ServerKind::Sentinel, ..REDIS };
const SERVING: FailureContext<'_> = FailureContext { phase: LinkPhase::Serving, ..REDIS };

fn answered(code: &str, detail: &str) -> RedisError {
    make_extension_error(code.to_owned(), Some(detail.to_owned()))
}

fn tls(error: rustls::Error) -> RedisError {
    io::Error::new(Io::InvalidData, error).into()
}

fn check(context: FailureContext<'_>, error: &RedisError, parts: &[&str]) {
    let text = context.explain(error);
    for part in parts {
        assert!(text.contains(part), "{error}: {text:?} lacks {part:?}");
    }
}

#[test]
fn an_answer_of_the_server_names_the_key_to_change() {
    for (code, detail, remedy) in [
        ("NOAUTH", "Authentication required.", "set cluster.password (REDIS_PASSWORD)"),
        ("WRONGPASS", "invalid username-password pair", "cluster.username and cluster.password"),
        (
            "NOPERM",
            "this user has no permissions to run the 'info' command",
            "ACL SETUSER node +info",
        ),
        ("DENIED", "Redis is running in protected mode", "requirepass"),
        ("ERR", "max number of clients reached", "maxclients"),
        ("ERR", "SELECT is not allowed in cluster mode", "set cluster.database (REDIS_DB) to 0"),
        ("MOVED", "1234 10.0.0.1:6379", "the link follows it"),
        ("TRYAGAIN", "Multiple keys request during rehashing of slot", "the link follows it"),
        ("CLUSTERDOWN", "Hash slot not served", "redis-cli --cluster check"),
        ("CROSSSLOT", "Keys in request don't hash to the same slot", "queue={default}"),
        ("OOM", "command not allowed when used memory > 'maxmemory'.", "raise maxmemory"),
        (
            "ERR",
            "Error running script: @user_script:3: -OOM command not allowed",
            "raise maxmemory",
        ),
        ("READONLY", "You can't write against a read only replica.", "to the primary"),
        ("MASTERDOWN", "Link with MASTER is down", "to the primary"),
        ("LOADING", "Redis is loading the dataset in memory", "wait until it has read"),
        ("MISCONF", "Redis is configured to save RDB snapshots", "a full disk"),
        ("NOREPLICAS", "Not enough good replicas to write.", "min-replicas-to-write"),
        ("BUSY", "Redis is busy running a script.", "busy-reply-threshold"),
        ("ERR", "unknown command 'INFO'", "renamed"),
    ] {
        check(REDIS, &answered(code, detail), &[code, detail, "; ", remedy]);
    }
    let unknown = REDIS.explain(&answered("BUSYGROUP", "Consumer group exists"));
    assert_eq!(unknown, r#"it answered "BUSYGROUP Consumer group exists""#);
}

#[test]
fn an_error_of_a_sentinel_names_the_keys_for_sentinels() {
    let none = answered("NOAUTH", "Authentication required.");
    check(SENTINEL, &none, &["cluster.sentinel_password (REDIS_SENTINEL_PASSWORD)"]);
    let wrong = answered("WRONGPASS", "invalid username-password pair");
    check(SENTINEL, &wrong, &["cluster.sentinel_username and cluster.sentinel_password"]);
    let forbidden = answered("NOPERM", "this user has no permissions");
    check(SENTINEL, &forbidden, &["+sentinel|get-master-addr-by-name"]);
}

#[test]
fn errors_that_the_library_words_itself_are_recognized() {
    let select = "Redis server refused to switch database";
    let kind = ErrorKind::Server(ServerErrorKind::ResponseError);
    let range = RedisError::from((kind, select, "DB index is out of range".to_owned()));
    check(REDIS, &range, &["DB index is out of range", "set cluster.database"]);
    let auth = (ErrorKind::AuthenticationFailed, "Password authentication failed");
    check(REDIS, &auth.into(), &["Password authentication failed", "cluster.password"]);
    let old = (ErrorKind::RESP3NotSupported, "Redis Server doesn't support HELLO command");
    check(REDIS, &old.into(), &["6.2"]);
    let http = (ErrorKind::Parse, "unexpected token");
    check(REDIS, &http.into(), &["another server listens there", "cluster.port"]);
    check(SENTINEL, &http.into(), &["another server listens there", "cluster.url"]);
}

#[test]
fn a_network_fault_is_explained_by_its_cause_below_the_error_of_the_library() {
    let check_io =
        |context, kind: Io, parts: &[&str]| check(context, &io::Error::from(kind).into(), parts);
    check_io(REDIS, Io::ConnectionRefused, &["nothing listens on that port", "cluster.port"]);
    check_io(SENTINEL, Io::ConnectionRefused, &["start the sentinel"]);
    check_io(REDIS, Io::NotFound, &["no such file", "cluster.host"]);
    check_io(REDIS, Io::PermissionDenied, &["unixsocketperm"]);
    check_io(REDIS, Io::ConnectionReset, &["closed the connection", "rediss://"]);
    check_io(TLS, Io::UnexpectedEof, &["closed the connection", "tls-auth-clients no"]);
    check_io(SERVING, Io::ConnectionReset, &["client-output-buffer-limit"]);
    check_io(TLS, Io::TimedOut, &["no answer came in time", "redis://"]);
    check_io(REDIS, Io::TimedOut, &["no answer came in time", "cluster.timeout_ms"]);
    let lookup = io::Error::other("failed to lookup address information: Name not known");
    check(REDIS, &lookup.into(), &["no address (DNS)", "cluster.host"]);
}

#[test]
fn a_refused_certificate_is_explained_by_its_fault() {
    let certificate = |error| tls(rustls::Error::InvalidCertificate(error));
    check(TLS, &certificate(CertificateError::UnknownIssuer), &["not trusted", "cluster.ca_file"]);
    check(TLS, &certificate(CertificateError::Expired), &["expired", "clock"]);
    check(
        TLS,
        &certificate(CertificateError::NotValidForName),
        &["other host names", "cluster.host"],
    );
    let plain = rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType);
    check(TLS, &tls(plain), &["without TLS", "begin cluster.url with redis://"]);
    let wanted = rustls::Error::AlertReceived(AlertDescription::CertificateRequired);
    check(TLS, &tls(wanted), &["CertificateRequired", "tls-auth-clients no"]);
}
