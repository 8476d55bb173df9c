//! Ranges and forms: what each key refuses.

use std::net::SocketAddr;

use crate::{APP, check_refused, load};

/// Keys of the file, below a valid app, with what follows the name of the file.
fn check_keys(table: &[(&str, &str)]) {
    for (key, message) in table {
        check_refused(&format!("{APP}{key}"), &[], &format!("config/reverb.toml: {message}"));
    }
}

#[test]
fn server_and_http_keys_out_of_range_are_refused() {
    check_keys(&[
        ("[server]\nport = 65536", "server.port is 65536; allowed are 0 to 65535"),
        ("[server]\nworkers = 2000", "server.workers is 2000; allowed are 0 to 1024"),
        ("[server]\ndrain_seconds = 0", "server.drain_seconds is 0; allowed are 1 to 86400"),
        (
            "[server]\ndrain_sockets_per_second = 0",
            "server.drain_sockets_per_second is 0; allowed are 1 to 1000000",
        ),
        (
            "[server]\nhost = \"example.com\"",
            "server.host is \"example.com\"; it must be an IP address such as 0.0.0.0, 127.0.0.1 \
             or [::], or localhost",
        ),
        (
            "[server]\npath = \"/a b\"",
            "server.path is \"/a b\"; it must be a path such as /ws, of letters, digits and \
             - . _ ~",
        ),
        ("[http]\nmax_body_bytes = 0", "http.max_body_bytes is 0; allowed are 1 to 1073741824"),
        (
            "[http]\nmax_header_bytes = 100",
            "http.max_header_bytes is 100; allowed are 8192 to 1048576",
        ),
        ("[http]\nmax_headers = 0", "http.max_headers is 0; allowed are 1 to 1000"),
        (
            "[websocket]\nmax_fragments = 0",
            "websocket.max_fragments is 0; allowed are 1 to 1048576",
        ),
        ("[cache]\nttl_seconds = 86401", "cache.ttl_seconds is 86401; allowed are 1 to 86400"),
    ]);
}

#[test]
fn the_bound_of_memory_is_auto_or_zero_or_more_than_the_process_needs() {
    let allowed =
        "it must be \"auto\", 0 for no bound, or a number from 16777216 to 1125899906842624";
    for value in ["16777215", "1125899906842625", "\"80%\"", "\"Auto\""] {
        let shown = value.trim_matches('"');
        let message = format!("limits.memory_bytes is {shown:?}; {allowed}");
        check_keys(&[(&format!("[limits]\nmemory_bytes = {value}"), &message)]);
    }
    let bound = |value: &str| {
        load(&format!("{APP}[limits]\nmemory_bytes = {value}"), &[]).unwrap().limits.memory
    };
    assert_eq!(bound("0"), None);
    assert_eq!(bound("\"0\""), None);
    let configured = bound("16777216").expect("a bound");
    assert_eq!(
        (configured.bytes, &*configured.source.to_string()),
        (16_777_216, "limits.memory_bytes")
    );
    let of_system = bound("\"auto\"").expect("this machine says how much memory it has");
    assert!(of_system.source.to_string().starts_with("85 % of the "), "{}", of_system.source);
}

#[test]
fn limits_of_webhooks_out_of_range_are_refused() {
    check_keys(&[
        ("[webhooks]\nqueue_events = 0", "webhooks.queue_events is 0; allowed are 1 to 1073741824"),
        (
            "[webhooks]\nconnect_timeout_seconds = 0",
            "webhooks.connect_timeout_seconds is 0; allowed are 1 to 86400",
        ),
        (
            "[webhooks]\nrequest_timeout_seconds = 86401",
            "webhooks.request_timeout_seconds is 86401; allowed are 1 to 86400",
        ),
        (
            "[webhooks]\nretry_for_seconds = 0",
            "webhooks.retry_for_seconds is 0; allowed are 1 to 86400",
        ),
    ]);
}

#[test]
fn log_and_metrics_keys_of_another_form_are_refused() {
    check_keys(&[
        ("[log]\nformat = \"xml\"", "log.format is \"xml\"; allowed are auto, human and json"),
        (
            "[log]\nlevel = \"inof\"",
            "log.level is \"inof\"; it must be error, warn, info, debug, trace or off, with \
             target=level pairs after commas",
        ),
        (
            "[log]\nlevel = \"info,hyper=loud\"",
            "log.level is \"info,hyper=loud\"; it must be error, warn, info, debug, trace or \
             off, with target=level pairs after commas",
        ),
        (
            "[log]\nlevel = \"info,hyper[{peer}]=warn\"",
            "log.level is \"info,hyper[{peer}]=warn\"; it must be error, warn, info, debug, trace \
             or off, with target=level pairs after commas",
        ),
        (
            "[metrics]\nlisten = \"9601\"",
            "metrics.listen is \"9601\"; it must be an address and a port such as \
             127.0.0.1:9601, or empty",
        ),
        (
            "[internal]\ntoken = \"short\"",
            "internal.token has fewer than 16 characters; take 32 random ones, as openssl rand \
             -hex 16 prints them",
        ),
        (
            "[internal]\ntoken = \"sixteen and a space\"",
            "internal.token has a character that a header field cannot hold; take letters and \
             digits",
        ),
        (
            "[internal]\ntoken = \"0123456789abcdef\"\nread_only_token = \"0123456789abcdef\"",
            "internal.read_only_token is the same as internal.token; take another one",
        ),
        (
            "[internal]\nhosts = [\"https://ops.example.com\"]",
            "internal.hosts is \"https://ops.example.com\"; it must be a name such as ops.example.com, without a scheme, \
             a port or a path",
        ),
        (
            "[internal]\npayloads = \"all\"",
            "internal.payloads is \"all\"; allowed are none, masked and full",
        ),
        (
            "[internal]\nlisten = [\"127.0.0.1:9600\", \"10.0.0.1:9600\"]",
            "internal.listen is 10.0.0.1:9600; other machines reach it, so it needs \
             internal.token (RESOUND_INTERNAL_TOKEN, or RESOUND_INTERNAL_TOKEN_FILE for a file); \
             127.0.0.1 and unix sockets do not",
        ),
        (
            "[internal]\nlisten = [\"127.0.0.1:8080\"]",
            "internal.listen is 127.0.0.1:8080; it must have another port: server.port has \
             0.0.0.0:8080",
        ),
        (
            "[metrics]\nlisten = \"127.0.0.1:9601\"\n[internal]\nlisten = [\"127.0.0.1:9601\"]",
            "internal.listen is 127.0.0.1:9601; it must have another port: metrics.listen has \
             127.0.0.1:9601",
        ),
    ]);
}

#[test]
fn app_keys_out_of_range_are_refused() {
    check_keys(&[
        ("[app]\nactivity_timeout = 0", "app.activity_timeout is 0; allowed are 1 to 86400"),
        (
            "[app]\nauthorization_timeout_seconds = 86401",
            "app.authorization_timeout_seconds is 86401; allowed are 0 to 86400",
        ),
        (
            "[app]\ngap_event = \"pusher:gap\"",
            "app.gap_event is \"pusher:gap\"; names that begin with pusher:, pusher_internal: and \
             client- are not the server's to give away",
        ),
        (
            "[app]\ngap_event = \"four\"\nmax_event_name_chars = 3",
            "app.gap_event is 4 characters long; it must not be longer than max_event_name_chars, \
             which is 3",
        ),
        (
            "[app]\nmax_watchlist_users = 0",
            "app.max_watchlist_users is 0; allowed are 1 to 1073741824",
        ),
        ("[app]\nmax_message_size = 0", "app.max_message_size is 0; allowed are 1 to 1073741824"),
        (
            "[app]\nmax_connections = 4294967296",
            "app.max_connections is 4294967296; allowed are 0 to 4294967295",
        ),
        (
            "[app]\naccept_client_events_from = \"some\"",
            "app.accept_client_events_from is \"some\"; allowed are members, all and none",
        ),
        (
            "[app.rate_limiting]\nmax_attempts = 0",
            "app.rate_limiting.max_attempts is 0; allowed are 1 to 4294967295",
        ),
        (
            "[app]\nallowed_origins = []",
            "app.allowed_origins is empty; it must have at least one pattern; [\"*\"] allows \
             every page",
        ),
        (
            "[app]\nallowed_origins = [\"*\", \"a.example/path\"]",
            "app.allowed_origins has \"a.example/path\"; a pattern is [scheme://]host[:port], \
             where * stands for any characters",
        ),
        (
            "[app]\nmax_event_data_bytes = 2000000",
            "app.max_event_data_bytes is 2000000; it must not be more than websocket.outbox_bytes, \
             which is 1048576: such an event would close every socket it is sent to",
        ),
    ]);
}

#[test]
fn metrics_are_refused_on_the_address_of_the_server() {
    for (host, listen, overlap) in [
        ("0.0.0.0", "127.0.0.1:8080", true),
        ("127.0.0.1", "127.0.0.1:8080", true),
        ("127.0.0.1", "0.0.0.0:8080", true),
        ("::", "127.0.0.1:8080", true),
        ("0.0.0.0", "[::1]:8080", false),
        ("127.0.0.1", "127.0.0.2:8080", false),
        ("0.0.0.0", "127.0.0.1:9601", false),
    ] {
        let file = format!("{APP}[server]\nhost = \"{host}\"\n[metrics]\nlisten = \"{listen}\"\n");
        match overlap {
            true => check_refused(
                &file,
                &[],
                &format!(
                    "config/reverb.toml: metrics.listen is {listen}; it must have another port: \
                     server.port has {}",
                    SocketAddr::new(host.parse().unwrap(), 8080)
                ),
            ),
            false => assert!(load(&file, &[]).is_ok(), "{host} {listen}"),
        }
    }
    let free = format!("{APP}[server]\nport = 0\n[metrics]\nlisten = \"0.0.0.0:0\"\n");
    assert!(load(&free, &[]).is_ok());
}

#[test]
fn lists_of_addresses_have_one_form_and_no_address_twice() {
    let forms = "it must be an IP address and a port such as 0.0.0.0:8080 or [::]:8080, or unix: \
                 and the full path of a socket, such as unix:/run/resound.sock?mode=0660";
    for text in [
        "8080",
        "0.0.0.0",
        "example.com:8080",
        "::1:8080",
        "unix:relative.sock",
        "unix:/",
        "unix:",
        "unix:/run/a.sock?mode=9",
        "unix:/run/a.sock?mode=1777",
        "unix:/run/a.sock?user=x",
    ] {
        let file = format!("{APP}[server]\nlisten = [\"{text}\"]\n");
        let message = format!("config/reverb.toml: server.listen is \"{text}\"; {forms}");
        check_refused(&file, &[], &message);
        let file = format!("{APP}[http]\nlisten = [\"{text}\"]\n");
        let message = format!("config/reverb.toml: http.listen is \"{text}\"; {forms}");
        check_refused(&file, &[], &message);
    }
    let long = format!("unix:/{}", "x".repeat(107));
    check_refused(
        &format!("{APP}[server]\nlisten = [\"{long}\"]\n"),
        &[],
        &format!("config/reverb.toml: server.listen is \"{long}\"; {forms}"),
    );
    for (first, second) in [
        ("0.0.0.0:8080", "[::]:8080"),
        ("127.0.0.1:8080", "0.0.0.0:8080"),
        ("127.0.0.1:8080", "localhost:8080"),
        ("unix:/run/a.sock", "unix:/run/a.sock?mode=0600"),
    ] {
        let file = format!("{APP}[server]\nlisten = [\"{first}\", \"{second}\"]\n");
        let second = second.replace("localhost", "127.0.0.1").replace("?mode=0600", "");
        let message = format!(
            "config/reverb.toml: server.listen is {second}; {first} takes the same connections \
             ([::] takes IPv4 too); leave one of them out"
        );
        check_refused(&file, &[], &message);
    }
}

#[test]
fn the_http_api_and_the_metrics_are_refused_on_an_address_of_another_list() {
    let app = format!("{APP}[server]\nlisten = [\"0.0.0.0:8080\", \"unix:/run/a.sock\"]\n");
    check_refused(
        &format!("{app}[http]\nlisten = [\"unix:/run/b.sock\", \"unix:/run/a.sock\"]\n"),
        &[],
        "config/reverb.toml: http.listen is unix:/run/a.sock; it must be another address: \
         server.listen has unix:/run/a.sock",
    );
    check_refused(
        &format!("{APP}[http]\nlisten = [\"127.0.0.1:8080\"]\n"),
        &[],
        "config/reverb.toml: http.listen is 127.0.0.1:8080; it must be another address: \
         server.port has 0.0.0.0:8080",
    );
    check_refused(
        &format!("{app}[http]\nlisten = [\"[::1]:81\"]\n[metrics]\nlisten = \"[::]:81\"\n"),
        &[],
        "config/reverb.toml: metrics.listen is [::]:81; it must have another port: http.listen \
         has [::1]:81",
    );
}

#[test]
fn proxies_and_limits_on_handshakes_out_of_form_are_refused() {
    let form = "it must be an IP address such as 10.0.0.5, a network such as 10.0.0.0/8, or unix \
                for the peers of unix sockets";
    for text in ["proxy.example", "10.0.0.0/33", "10.0.0.1:80", "*", "", "unix:/run/a.sock"] {
        let file = format!("{APP}[server]\nproxies = [\"10.0.0.5\", \"{text}\"]\n");
        let message = format!("config/reverb.toml: server.proxies is \"{text}\"; {form}");
        check_refused(&file, &[], &message);
    }
    check_keys(&[
        (
            "[server]\nproxy_protocol = \"auto\"",
            "server.proxy_protocol is auto; server.proxies must list the proxies from which it is \
             read",
        ),
        (
            "[server]\nproxy_protocol = \"v1\"",
            "server.proxy_protocol is \"v1\"; allowed are off, auto and on",
        ),
        (
            "[server]\nforwarded_header = \"via\"",
            "server.forwarded_header is \"via\"; allowed are x-forwarded-for, forwarded and \
             x-real-ip",
        ),
        (
            "[server]\nmax_handshakes_per_second = 1000001",
            "server.max_handshakes_per_second is 1000001; allowed are 0 to 1000000",
        ),
        (
            "[server]\nmax_handshake_wait_seconds = 0",
            "server.max_handshake_wait_seconds is 0; allowed are 1 to 60",
        ),
    ]);
    let file = format!("{APP}[server]\nproxies = [\"unix\"]\nproxy_protocol = \"on\"\n");
    assert!(load(&file, &[]).is_ok());
}
