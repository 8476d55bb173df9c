//! `[telemetry]` and the variables of the OpenTelemetry specification.

use crate::{APP, load};

fn check_refused(variables: &[(&str, &str)], message: &str) {
    assert_eq!(load(APP, variables).unwrap_err().to_string(), message);
}

#[test]
fn the_variables_of_the_specification_are_read() {
    let off = load(APP, &[]).unwrap().telemetry;
    assert_eq!((off.endpoint, &*off.service_name, off.sample_ratio), (None, "resound", 1.0));
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20a%2Cb,x-tenant=7"),
        ("OTEL_SERVICE_NAME", "orders"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
    ];
    let telemetry = load(APP, &variables).unwrap().telemetry;
    assert_eq!(telemetry.endpoint.as_deref(), Some("http://collector:4318/v1/traces"));
    assert_eq!((&*telemetry.service_name, telemetry.sample_ratio), ("orders", 0.25));
    let headers =
        telemetry.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
    assert_eq!(headers.collect::<Vec<_>>(), [("authorization", "Bearer a,b"), ("x-tenant", "7")]);
    assert!(!format!("{telemetry:?}").contains("Bearer"), "a token is not shown");
    for switch in [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")] {
        assert_eq!(load(APP, &[variables[0], switch]).unwrap().telemetry.endpoint, None);
    }
    let both =
        [variables[0], ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://traces.example/v1/traces/")];
    let endpoint = load(APP, &both).unwrap().telemetry.endpoint;
    assert_eq!(endpoint.as_deref(), Some("https://traces.example/v1/traces"));
}

#[test]
fn a_bad_value_is_named_and_no_token_shown() {
    check_refused(
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317")],
        "environment variable OTEL_EXPORTER_OTLP_ENDPOINT is \"collector:4317\"; it must be the http:// or https:// address of a collector that takes OTLP over HTTP, such as http://localhost:4318",
    );
    check_refused(
        &[("RESOUND_TELEMETRY_ENDPOINT", "http://me:secret@collector")],
        "environment variable RESOUND_TELEMETRY_ENDPOINT has a user name or password; send them in telemetry.headers, as authorization",
    );
    check_refused(
        &[("RESOUND_TELEMETRY_HEADERS", "Bearer secret")],
        "environment variable RESOUND_TELEMETRY_HEADERS has an entry that is not name=value, as in authorization=Bearer%20token",
    );
    check_refused(
        &[("OTEL_TRACES_SAMPLER_ARG", "1.5")],
        "environment variable OTEL_TRACES_SAMPLER_ARG is 1.5; it must be a number from 0 to 1, such as 0.25",
    );
    check_refused(
        &[("OTEL_TRACES_SAMPLER_ARG", "half")],
        "environment variable OTEL_TRACES_SAMPLER_ARG is \"half\"; it must be a number from 0 to 1, such as 0.25",
    );
    let quoted = format!("{APP}[telemetry]\nsample_ratio = \"0.5\"\n");
    let message = load(&quoted, &[]).unwrap_err().to_string();
    assert!(message.contains("it must be a number from 0 to 1"), "{message}");
    let whole = format!("{APP}[telemetry]\nsample_ratio = 0\n");
    assert_eq!(load(&whole, &[]).unwrap().telemetry.sample_ratio, 0.0);
}
