//! What `resound import` writes, loaded: the same apps, limits, origins, TLS and scaling as Reverb would have.

use std::time::Duration;

use resound::app::{App, ClientEvents, MessageRate};
use resound::config::{Config, ConfigFile, EnvFile, Sources};
use resound::laravel_import::{LaravelFile, LaravelFiles, SecretForm, import};

use crate::tls::CERTIFICATE;

const ENV: &str = "REVERB_APP_ID=7\nREVERB_APP_KEY=key\nREVERB_APP_SECRET='se${cret'\nREVERB_HOST=ws.example.com\n\
                   REVERB_SERVER_HOST=127.0.0.1\nREVERB_SERVER_PORT=9000\nREVERB_SERVER_PATH=/ws\n\
                   REVERB_MAX_REQUEST_SIZE=20000\nREVERB_APP_MAX_MESSAGE_SIZE=30000\nREVERB_APP_PING_INTERVAL=40\n\
                   REVERB_APP_ACTIVITY_TIMEOUT=25\nREVERB_APP_MAX_CONNECTIONS=100\n\
                   REVERB_APP_ACCEPT_CLIENT_EVENTS_FROM=none\nREVERB_APP_RATE_LIMITING_ENABLED=true\n\
                   REVERB_APP_RATE_LIMIT_MAX_ATTEMPTS=5\nREVERB_SCALING_ENABLED=true\nREVERB_SCALING_CHANNEL=shop\n\
                   REDIS_HOST=10.0.0.5\nREDIS_PASSWORD=hidden\nREDIS_DB=2\n";

/// The shapes that versions of Reverb publish: which keys of a server and of an app they have.
const SHAPES: [(&str, &str, &str, &str); 6] = [
    ("1.0", "", "", ""),
    ("1.3", "", "", "'activity_timeout' => env('REVERB_APP_ACTIVITY_TIMEOUT', 30),"),
    ("1.5", PATH, "", "'activity_timeout' => env('REVERB_APP_ACTIVITY_TIMEOUT', 30),"),
    ("1.6", PATH, TIMEOUT, "'activity_timeout' => env('REVERB_APP_ACTIVITY_TIMEOUT', 30),"),
    ("1.8", PATH, TIMEOUT, MEMBERS),
    ("1.10", PATH, TIMEOUT, RATE),
];
const PATH: &str = "'path' => env('REVERB_SERVER_PATH', ''),";
const TIMEOUT: &str = "'timeout' => env('REDIS_TIMEOUT', 60),";
const MEMBERS: &str = "'activity_timeout' => env('REVERB_APP_ACTIVITY_TIMEOUT', 30),
    'max_connections' => env('REVERB_APP_MAX_CONNECTIONS'),
    'accept_client_events_from' => env('REVERB_APP_ACCEPT_CLIENT_EVENTS_FROM', 'members'),";
const RATE: &str = "'activity_timeout' => env('REVERB_APP_ACTIVITY_TIMEOUT', 30),
    'max_connections' => env('REVERB_APP_MAX_CONNECTIONS'),
    'accept_client_events_from' => env('REVERB_APP_ACCEPT_CLIENT_EVENTS_FROM', 'members'),
    'rate_limiting' => [
        'enabled' => env('REVERB_APP_RATE_LIMITING_ENABLED', false),
        'max_attempts' => env('REVERB_APP_RATE_LIMIT_MAX_ATTEMPTS', 60),
        'decay_seconds' => env('REVERB_APP_RATE_LIMIT_DECAY_SECONDS', 60),
        'terminate_on_limit' => env('REVERB_APP_RATE_LIMIT_TERMINATE', false),
    ],";

fn published(server: &str, redis: &str, app: &str) -> String {
    format!(
        "<?php\n\nreturn [\n\n    /* Default Reverb Server */\n    'default' => env('REVERB_SERVER', 'reverb'),
    'servers' => [
        'reverb' => [
            'host' => env('REVERB_SERVER_HOST', '0.0.0.0'),
            'port' => env('REVERB_SERVER_PORT', 8080),
            {server}
            'hostname' => env('REVERB_HOST'),
            'options' => [
                'tls' => [],
            ],
            'max_request_size' => env('REVERB_MAX_REQUEST_SIZE', 10_000),
            'scaling' => [
                'enabled' => env('REVERB_SCALING_ENABLED', false),
                'channel' => env('REVERB_SCALING_CHANNEL', 'reverb'),
                'server' => [
                    'url' => env('REDIS_URL'),
                    'host' => env('REDIS_HOST', '127.0.0.1'),
                    'port' => env('REDIS_PORT', '6379'),
                    'username' => env('REDIS_USERNAME'),
                    'password' => env('REDIS_PASSWORD'),
                    'database' => env('REDIS_DB', '0'),
                    {redis}
                ],
            ],
            'pulse_ingest_interval' => env('REVERB_PULSE_INGEST_INTERVAL', 15),
            'telescope_ingest_interval' => env('REVERB_TELESCOPE_INGEST_INTERVAL', 15),
        ],
    ],
    'apps' => [
        'provider' => 'config',
        'apps' => [
            [
                'key' => env('REVERB_APP_KEY'),
                'secret' => env('REVERB_APP_SECRET'),
                'app_id' => env('REVERB_APP_ID'),
                'options' => [
                    'host' => env('REVERB_HOST'),
                    'port' => env('REVERB_PORT', 443),
                    'scheme' => env('REVERB_SCHEME', 'https'),
                    'useTLS' => env('REVERB_SCHEME', 'https') === 'https',
                ],
                'allowed_origins' => ['*'],
                'ping_interval' => env('REVERB_APP_PING_INTERVAL', 60),
                'max_message_size' => env('REVERB_APP_MAX_MESSAGE_SIZE', 10_000),
                {app}
            ],
        ],
    ],
];\n"
    )
}

/// What is imported and then loaded, with `.env` beside it or without.
fn loaded(env: &str, php: Option<&str>, form: SecretForm) -> Config {
    let file =
        |name: &str, text: &str| Some(LaravelFile { name: name.to_owned(), text: text.to_owned() });
    let reverb = php.and_then(|php| file("config/reverb.php", php));
    let imported = import(&LaravelFiles { env: file(".env", env), reverb }, form).unwrap();
    assert_eq!(imported.unread, Vec::<String>::new(), "{}", imported.text);
    let env_file = match form {
        SecretForm::Reference => Some(EnvFile::parse(".env", env).unwrap()),
        SecretForm::Inline => None,
    };
    let file = Some(ConfigFile { name: "resound.toml".to_owned(), text: imported.text.clone() });
    let config = Config::new(&Sources { file, env_file, ..Sources::default() });
    config.unwrap_or_else(|error| panic!("{error}\n{}", imported.text))
}

fn only(config: &Config) -> App {
    assert_eq!(config.apps.iter().count(), 1);
    App::clone(config.apps.iter().next().unwrap())
}

#[test]
fn each_published_form_gives_what_reverb_would_have() {
    for (version, server, redis, app) in SHAPES {
        let php = published(server, redis, app);
        for form in [SecretForm::Reference, SecretForm::Inline] {
            let config = loaded(ENV, Some(&php), form);
            assert_eq!(config.server.host.to_string(), "127.0.0.1", "{version}");
            assert_eq!(config.server.port, 9000);
            assert_eq!(config.server.hostname.as_deref(), Some("ws.example.com"));
            assert_eq!(config.http.max_body_bytes, 20_000);
            assert!(config.tls.is_none());
            let cluster = config.cluster.as_ref().unwrap();
            assert_eq!(cluster.redis.address.to_string(), "redis://10.0.0.5:6379");
            assert_eq!((cluster.redis.database, cluster.prefix.as_str()), (2, "shop"));
            let read = only(&config);
            assert_eq!(
                (read.id.as_str(), read.key.as_str(), read.secret.reveal()),
                ("7", "key", "se${cret")
            );
            assert!(read.allowed_origins.allow(Some("https://any.example")), "{version}");
            assert_eq!(read.ping_interval, Duration::from_secs(40));
            assert_eq!(read.limits.message_bytes, 30_000);
            let has = |key: &str| app.contains(key);
            let timeout = if has("activity_timeout") { 25 } else { 30 };
            let connections = has("max_connections").then_some(100);
            let senders = if has("accept_") { ClientEvents::None } else { ClientEvents::All };
            let rate = MessageRate {
                max_attempts: 5,
                decay: Duration::from_secs(60),
                terminate_on_limit: false,
            };
            // Without .env beside it, what the file of Reverb does not read has no effect.
            if form == SecretForm::Inline {
                assert_eq!(
                    config.server.path,
                    if server.is_empty() { "" } else { "/ws" },
                    "{version}"
                );
                assert_eq!(read.activity_timeout, Duration::from_secs(timeout), "{version}");
                assert_eq!(read.limits.connections, connections, "{version}");
                assert_eq!(read.limits.messages, has("rate_limiting").then_some(rate), "{version}");
            }
            assert_eq!(read.accept_client_events_from, senders, "{version}");
        }
    }
}

#[test]
fn an_app_without_a_file_of_reverb_has_its_defaults() {
    let env = "REVERB_APP_ID=7\nREVERB_APP_KEY=key\nREVERB_APP_SECRET=s\n";
    let config = loaded(env, None, SecretForm::Reference);
    assert_eq!((config.server.port, only(&config).ping_interval), (8080, Duration::from_secs(60)));
    assert!(config.cluster.is_none());
    let pusher = env.replace("REVERB_", "PUSHER_");
    let file = Some(LaravelFile { name: ".env".to_owned(), text: pusher });
    let text =
        import(&LaravelFiles { env: file, reverb: None }, SecretForm::Reference).unwrap().text;
    assert!(
        text.contains("\nsecret = \"${PUSHER_APP_SECRET}\"  # .env:3: PUSHER_APP_SECRET\n"),
        "{text}"
    );
}

#[test]
fn several_apps_origins_and_certificates_are_taken_over() {
    let php = format!(
        "<?php return ['servers' => ['reverb' => ['port' => 8080,
            'options' => ['tls' => ['local_cert' => '{CERTIFICATE}', 'local_pk' => null]]]],
        'apps' => ['apps' => [
            ['app_id' => 1, 'key' => 'k1', 'secret' => 'say \"s1\"', 'ping_interval' => 60, 'max_message_size' => 10_000,
             'allowed_origins' => explode(',', env('ORIGINS', '*'))],
            ['app_id' => '2', 'key' => 'k2', 'secret' => env('SECOND', 'none'), 'ping_interval' => (int) env('PING', 60),
             'max_message_size' => 10_000, 'allowed_origins' => ['*.b.example'],
             'accept_client_events_from' => 'members'],
        ]]];"
    );
    let env = "ORIGINS=a.example,*.a.example\nSECOND=s2\nPING=45\n";
    for form in [SecretForm::Reference, SecretForm::Inline] {
        let config = loaded(env, Some(&php), form);
        let app = |id: &str| App::clone(config.apps.by_id(id).unwrap());
        assert_eq!((app("1").secret.reveal(), app("2").secret.reveal()), ("say \"s1\"", "s2"));
        let allows = |id: &str, origin: &str| app(id).allowed_origins.allow(Some(origin));
        assert!(allows("1", "https://x.a.example") && !allows("1", "https://b.example"));
        assert!(allows("2", "https://x.b.example") && !allows("2", "https://a.example"));
        assert_eq!(app("2").ping_interval, Duration::from_secs(45));
        assert!(config.tls.is_some());
    }
}
