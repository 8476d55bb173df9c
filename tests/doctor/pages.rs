//! Built JavaScript, as Vite made it of the sources that Laravel publishes, and the pages around it.
//!
//! `bundles` has what Vite 5 and 8 make of `echo.js` with the variables of the fixture and without variables, and of
//! `configureEcho` of `@laravel/echo-vue`, in each case with laravel-echo, pusher-js and Vue left out of the bundle.

use crate::environment::check;

const BUNDLE: &str = "public/build/assets/app-3f2c.js";

#[test]
fn what_vite_builds_is_read() {
    for bundle in [
        include_str!("bundles/vite-5.js"),
        include_str!("bundles/vite-8.js"),
        include_str!("bundles/vite-8-echo-vue.js"),
    ] {
        check("what-vite-builds-is-read", |app| app.with(BUNDLE, bundle), &[]);
        let stale = bundle.replace("ws.example.com", "old.example.com");
        let says = "The built page dials wss://old.example.com:443, but .env has wss://ws.example.com:443.";
        check("what-vite-builds-is-read", |app| app.with(BUNDLE, &stale), &[("R019", says)]);
    }
    let says = "The built page has no key: it was built without VITE_REVERB_APP_KEY.";
    check(
        "what-vite-builds-is-read",
        |app| app.with(BUNDLE, include_str!("bundles/vite-8-without-variables.js")),
        &[("R019", says)],
    );
}

#[test]
fn handwritten_bundles_are_read() {
    for (options, expected) in [
        (
            "broadcaster:\"reverb\",key:\"other-key\",wsHost:\"ws.example.com\",wssPort:443,forceTLS:!0",
            Some("The built page has the key other-key, but .env has fixture-key."),
        ),
        (
            "broadcaster:\"pusher\",key:\"fixture-key\",cluster:\"eu\",forceTLS:!0",
            Some("The built page dials wss://ws-eu.pusher.com:443, which is Pusher's own service."),
        ),
        (
            "broadcaster:\"reverb\",key:\"fixture-key\",wsHost:\"ws.example.com\",wsPort:parseInt(\"8080\"),\
             wssPort:parseInt(\"8080\")??443,forceTLS:(\"http\"??\"https\")===\"https\"",
            Some(
                "The built page dials ws://ws.example.com:8080, but .env has wss://ws.example.com:443.",
            ),
        ),
        (
            "broadcaster:\"reverb\",key:\"fixture-key\",wsHost:window.location.hostname,forceTLS:!0",
            None,
        ),
    ] {
        let bundle = format!("(()=>{{window.Echo=new t({{{options}}})}})();");
        let expected: Vec<_> = expected.into_iter().map(|says| ("R019", says)).collect();
        check("handwritten-bundles-are-read", |app| app.with(BUNDLE, &bundle), &expected);
    }
}

#[test]
fn bundles_that_are_not_loaded_do_not_count() {
    let old = "new t({broadcaster:\"reverb\",key:\"k\",wsHost:\"old.example.com\"})";
    check(
        "bundles-that-are-not-loaded-do-not-count",
        |app| app.with("public/build/assets/app-0000.js", old),
        &[],
    );
    check(
        "bundles-that-are-not-loaded-do-not-count",
        |app| app.with(BUNDLE, old).with("public/hot", "http://localhost:5173"),
        &[],
    );
}

#[test]
fn old_bundles_that_cannot_be_read_are_a_warning() {
    let says = "The built pages are older than .env, and what they connect to cannot be read.";
    check(
        "old-bundles-that-cannot-be-read-are-a-warning",
        |app| app.with(BUNDLE, "start(window.options)").older(BUNDLE),
        &[("R019", says)],
    );
    check(
        "old-bundles-that-cannot-be-read-are-a-warning",
        |app| app.with(BUNDLE, "start(window.options)"),
        &[],
    );
}

#[test]
fn an_https_page_without_tls() {
    let says = "The page would dial ws.example.com:8080 without TLS, but is itself https.";
    check(
        "an-https-page-without-tls",
        |app| {
            app.env("REVERB_PORT=443", "REVERB_PORT=8080")
                .env("REVERB_SCHEME=https", "REVERB_SCHEME=http")
        },
        &[("R017", says)],
    );
    // PHP may use another address than pages.
    check(
        "an-https-page-without-tls",
        |app| {
            app.env("REVERB_HOST=\"ws.example.com\"", "REVERB_HOST=reverb")
                .env("REVERB_PORT=443", "REVERB_PORT=8080")
                .env("REVERB_SCHEME=https", "REVERB_SCHEME=http")
                .env("VITE_REVERB_HOST=\"${REVERB_HOST}\"", "VITE_REVERB_HOST=ws.example.com")
                .env("VITE_REVERB_PORT=\"${REVERB_PORT}\"", "VITE_REVERB_PORT=443")
                .env("VITE_REVERB_SCHEME=\"${REVERB_SCHEME}\"", "VITE_REVERB_SCHEME=https")
        },
        &[],
    );
}

#[test]
fn a_page_with_the_options_of_pushers_own_service() {
    let says = "Pages would connect to pusher.com, for Echo's options have no wsHost.";
    let (source, host) = ("resources/js/echo.js", "wsHost: import.meta.env.VITE_REVERB_HOST,");
    check(
        "a-page-with-the-options-of-pusher",
        |app| app.replaced(source, "'reverb'", "'pusher'").replaced(source, host, "cluster: 'eu',"),
        &[("R013", says)],
    );
    // Beside one that connects here, it may be meant.
    let other = "new Echo({ broadcaster: 'pusher', key: 'other-key', cluster: 'eu' });\n";
    check(
        "a-page-with-the-options-of-pusher",
        |app| app.with("resources/js/prices.js", other),
        &[],
    );
}
