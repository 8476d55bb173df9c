//! The configuration from a file, a `.env`, the environment and flags: the same sources give the same, an error is one
//! sentence that names a source, and no secret is shown.

use std::collections::BTreeMap;

use resound::config::{Config, ConfigFile, EnvFile, Flag, Sources};

use super::Target;
use crate::outcomes::reached;

pub(crate) const TARGET: Target = Target {
    name: "configuration",
    run,
    words: &[
        "[server]\n",
        "port = ",
        "[[apps]]\n",
        "[app]\n",
        "id = \"1\"\n",
        "key = \"k\"\n",
        "secret = \"s\"\n",
        "[http]\n",
        "[websocket]\n",
        "[cluster]\n",
        "url = \"redis://127.0.0.1\"\n",
        "[limits]\n",
        "[[apps.webhooks]]\n",
        "[[apps.pacing]]\n",
        "[[laravel_redis]]\n",
        "[beside_reverb]\n",
        "[internal]\n",
        "[log]\n",
        "[metrics]\n",
        "listen = \"127.0.0.1:1\"\n",
        "= 0\n",
        "= -1\n",
        "= 18446744073709551616\n",
        "= true\n",
        "= \"\"\n",
        "= []\n",
        "= {}\n",
        "= 1.5\n",
        "${A}",
        "${A:-x}",
        "$",
        "\"\"\"",
        "---\n",
        "RESOUND_CLUSTER_URLS=[\"redis://:",
        "REVERB_APP_KEY=",
        "REVERB_SERVER_PORT=",
        "REVERB_SCALING_ENABLED=true\n",
        "REDIS_URL=",
        "SOKETI_PORT=",
        "RESOUND_LOG_LEVEL=",
        "PUSHER_APP_KEY=",
        "*",
        "::1",
        "[::]:80",
        "unix:/x",
        "http://",
        "é",
        "\t",
        "\u{0}",
        "= 2026-01-01\n",
        "= inf\n",
        "= 0x10\n",
    ],
    outcomes: &[
        "accepted",
        "refused",
        "development app",
        "several apps",
        "cluster",
        ".env",
        "no .env",
        "environment",
        "flag",
        "webhook",
        "note",
        "secret",
    ],
};

/// What stands between file, `.env`, environment and flags.
const BETWEEN: &str = "---\n";

/// A secret that no other text has a part of.
const SECRET: &str = "q7Zx-secret-9Jw";

const FLAGS: [(&str, &str); 4] = [
    ("--port", "server.port"),
    ("--host", "server.host"),
    ("--path", "server.path"),
    ("--debug", "log.debug"),
];

fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    // Files are no part of an input.
    if ["_file", "_FILE", "tls", "TLS", "certificate", "unix"]
        .iter()
        .any(|word| text.contains(word))
    {
        return;
    }
    let mut parts = text.split(BETWEEN);
    let mut part = || parts.next().unwrap_or_default();
    let (file, env, environment, flags) = (part(), part(), part(), part());
    let env_file = match EnvFile::parse("app/.env", env) {
        Ok(env_file) => Some(env_file),
        Err(error) => {
            reached("no .env");
            return sentence(&error.to_string(), text);
        }
    };
    let pairs = |text: &str| -> Vec<(String, String)> {
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    let environment: BTreeMap<String, String> = pairs(environment).into_iter().collect();
    let known = |name: &str| FLAGS.iter().find(|(known, _)| *known == name);
    let flag =
        |(name, text): (String, String)| known(&name).map(|&(name, key)| Flag { name, key, text });
    let flags: Vec<Flag> = pairs(flags).into_iter().filter_map(flag).collect();
    let uses = [
        (!env.is_empty(), ".env"),
        (!environment.is_empty(), "environment"),
        (!flags.is_empty(), "flag"),
    ];
    uses.into_iter().filter(|(is_used, _)| *is_used).for_each(|(_, name)| reached(name));
    let file = Some(ConfigFile { name: "reverb.toml".to_owned(), text: file.to_owned() });
    let file = file.filter(|file| !file.text.is_empty());
    let sources = Sources { file, env_file, environment, flags };
    match (Config::new(&sources), Config::new(&sources)) {
        (Ok(config), Ok(again)) => accepted(&config, &again, text),
        (Err(error), Err(again)) => {
            reached("refused");
            assert_eq!(error, again);
            sentence(&error.to_string(), text);
        }
        (first, second) => panic!("{:?} and {:?}", first.err(), second.err()),
    }
}

/// Whether the secret of the seeds stands in the input as the value of a secret, and nowhere else.
fn has_secret(input: &str) -> bool {
    let forms = [
        "secret = \"",
        "password = \"",
        "token = \"",
        "REVERB_APP_SECRET=",
        "REDIS_PASSWORD=",
        "RESOUND_CLUSTER_URLS=[\"redis://:",
    ];
    let as_secret: usize =
        forms.iter().map(|form| input.matches(&format!("{form}{SECRET}")).count()).sum();
    as_secret > 0 && as_secret == input.matches(SECRET).count()
}

fn sentence(error: &str, input: &str) {
    assert!(!error.is_empty() && error.chars().count() < 10_000, "{error}");
    assert!(
        !error.contains(|sign: char| sign.is_control() && sign != '\n'),
        "{error:?} of {input:?}"
    );
    if has_secret(input) {
        reached("secret");
        assert!(!error.contains(SECRET), "{error} of {input}");
    }
}

fn accepted(config: &Config, again: &Config, input: &str) {
    reached("accepted");
    for app in config.apps.iter() {
        assert_eq!(config.apps.by_id(&app.id), Some(app));
        assert_eq!(config.apps.by_key(&app.key), Some(app));
        assert!(!app.id.is_empty() && !app.key.is_empty() && !app.secret.reveal().is_empty());
        if !app.webhooks.is_empty() {
            reached("webhook");
        }
    }
    let apps = config.apps.iter().count();
    assert!(apps > 0);
    reached(if config.development.is_some() { "development app" } else { "apps" });
    if apps > 1 {
        reached("several apps");
    }
    if config.cluster.is_some() {
        reached("cluster");
    }
    let rows = |config: &Config| -> Vec<String> {
        let keys = config.resolved.keys();
        keys.map(|key| format!("{} = {} # {}", key.key, key.value, key.source)).collect()
    };
    assert_eq!(rows(config), rows(again));
    let shown =
        [rows(config), config.notes.clone(), vec![format!("{config:?}")]].concat().join("\n");
    if !config.notes.is_empty() {
        reached("note");
    }
    if has_secret(input) {
        reached("secret");
        assert!(!shown.contains(SECRET), "{input}");
    }
}
