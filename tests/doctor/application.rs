//! A Laravel application in files, as a new one looks after `install:broadcasting`, and changes to it.
//!
//! Owns the healthy application: everything in it fits together.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

/// The secrets of the application: no output may have one of them.
pub(super) const SECRETS: [&str; 5] = [
    "base64:c2VjcmV0LW9mLWxhcmF2ZWw=",
    "reverb-secret-of-the-fixture",
    "redis-password-of-the-fixture",
    "mail-password-of-the-fixture",
    "old-secret-of-the-fixture",
];

pub(super) const ENV: &str = r#"APP_NAME=Shop
APP_ENV=production
APP_KEY=base64:c2VjcmV0LW9mLWxhcmF2ZWw=
APP_URL=https://shop.example.com

BROADCAST_CONNECTION=reverb
QUEUE_CONNECTION=sync

REDIS_PASSWORD=redis-password-of-the-fixture
MAIL_PASSWORD="mail-password-of-the-fixture"

REVERB_APP_ID=123456
REVERB_APP_KEY=fixture-key
REVERB_APP_SECRET=reverb-secret-of-the-fixture
REVERB_HOST="ws.example.com"
REVERB_PORT=443
REVERB_SCHEME=https
REVERB_SERVER_HOST=0.0.0.0
REVERB_SERVER_PORT=8080

VITE_REVERB_APP_KEY="${REVERB_APP_KEY}"
VITE_REVERB_HOST="${REVERB_HOST}"
VITE_REVERB_PORT="${REVERB_PORT}"
VITE_REVERB_SCHEME="${REVERB_SCHEME}"
"#;

const BROADCASTING: &str = r"<?php
return [
    'default' => env('BROADCAST_CONNECTION', 'null'),
    'connections' => [
        'reverb' => [
            'driver' => 'reverb',
            'key' => env('REVERB_APP_KEY'),
            'secret' => env('REVERB_APP_SECRET'),
            'app_id' => env('REVERB_APP_ID'),
            'options' => [
                'host' => env('REVERB_HOST'),
                'port' => env('REVERB_PORT', 443),
                'scheme' => env('REVERB_SCHEME', 'https'),
                'useTLS' => env('REVERB_SCHEME', 'https') === 'https',
            ],
        ],
        'log' => ['driver' => 'log'],
    ],
];
";

const ECHO: &str = r"import Echo from 'laravel-echo';
import Pusher from 'pusher-js';
window.Pusher = Pusher;

window.Echo = new Echo({
    broadcaster: 'reverb',
    key: import.meta.env.VITE_REVERB_APP_KEY,
    wsHost: import.meta.env.VITE_REVERB_HOST,
    wsPort: import.meta.env.VITE_REVERB_PORT ?? 80,
    wssPort: import.meta.env.VITE_REVERB_PORT ?? 443,
    forceTLS: (import.meta.env.VITE_REVERB_SCHEME ?? 'https') === 'https',
    enabledTransports: ['ws', 'wss'],
});
";

const PAGE: &str = "Echo.private(`orders.${order.id}`)\n    .listen('OrderShipped', (e) => show(e));\n\
                    Echo.private(`organization.${id}.capacity`).listen('.capacity.changed', show);\n";

const EVENT: &str = r"<?php

namespace App\Events;

class OrderShipped implements ShouldBroadcast
{
    public function broadcastOn(): array
    {
        return [new PrivateChannel('orders.'.$this->order->id)];
    }
}
";

const NAMED_EVENT: &str = r"<?php

namespace App\Events;

class CapacityChanged implements ShouldBroadcastNow
{
    public function broadcastOn(): array
    {
        return [new PrivateChannel('organization.'.$this->organization->id.'.capacity')];
    }

    public function broadcastAs(): string
    {
        return 'capacity.changed';
    }
}
";

const BOOTSTRAP: &str = "<?php\nreturn Application::configure(basePath: dirname(__DIR__))\n    ->withRouting(\n        \
                         web: __DIR__.'/../routes/web.php',\n        channels: __DIR__.'/../routes/channels.php',\n    \
                         )->create();\n";

/// A folder with an application.
pub(super) struct Application {
    folder: PathBuf,
    files: BTreeMap<String, String>,
    /// Seconds that a file is older than the others.
    older: BTreeMap<String, u64>,
}

impl Application {
    /// The healthy one, in a folder of this name.
    pub(super) fn healthy(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("doctor").join(name);
        let files = [
            (".env", ENV),
            ("artisan", "#!/usr/bin/env php\n"),
            (
                "composer.lock",
                r#"{"packages":[{"name":"laravel/framework","version":"v12.28.1"}]}"#,
            ),
            ("config/broadcasting.php", BROADCASTING),
            ("bootstrap/app.php", BOOTSTRAP),
            ("routes/channels.php", "<?php\nBroadcast::channel('orders.{id}', fn () => true);\n"),
            ("resources/js/echo.js", ECHO),
            ("resources/js/app.js", PAGE),
            ("app/Events/OrderShipped.php", EVENT),
            ("app/Events/CapacityChanged.php", NAMED_EVENT),
            ("public/build/assets/app-3f2c.js", include_str!("bundles/vite-8.js")),
            (
                "public/build/manifest.json",
                r#"{"resources/js/app.js":{"file":"assets/app-3f2c.js"}}"#,
            ),
        ];
        let files = files.map(|(name, text)| (name.to_owned(), text.to_owned()));
        Self { folder, files: files.into(), older: BTreeMap::new() }
    }

    /// With another file.
    pub(super) fn with(mut self, name: &str, text: &str) -> Self {
        self.files.insert(name.to_owned(), text.to_owned());
        self
    }

    /// Without a file.
    pub(super) fn without(mut self, name: &str) -> Self {
        assert!(self.files.remove(name).is_some(), "{name}");
        self
    }

    /// With a text of a file replaced, which is in it.
    pub(super) fn replaced(mut self, name: &str, old: &str, new: &str) -> Self {
        let text = &self.files[name];
        assert!(text.contains(old), "{old:?} is not in {name}");
        self.files.insert(name.to_owned(), text.replace(old, new));
        self
    }

    /// With a line of `.env` replaced.
    pub(super) fn env(self, old: &str, new: &str) -> Self {
        self.replaced(".env", old, new)
    }

    /// With a file that is a day older than the others.
    pub(super) fn older(mut self, name: &str) -> Self {
        self.older.insert(name.to_owned(), 86_400);
        self
    }

    /// Writes the files.
    pub(super) fn write(&self) -> &Path {
        let _ = fs::remove_dir_all(&self.folder);
        let now = SystemTime::now();
        for (name, text) in &self.files {
            let path = self.folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            let age = Duration::from_secs(self.older.get(name).copied().unwrap_or_default());
            File::options().write(true).open(&path).unwrap().set_modified(now - age).unwrap();
        }
        &self.folder
    }

    /// Writes the files, and asks the doctor about them.
    pub(super) fn examined(&self) -> Examined {
        self.examined_with(&[])
    }

    /// The same with more arguments.
    pub(super) fn examined_with(&self, arguments: &[&str]) -> Examined {
        self.write();
        self.ask(arguments)
    }

    /// Asks the doctor about the files as they are.
    pub(super) fn ask(&self, arguments: &[&str]) -> Examined {
        let folder = &self.folder;
        let run = |more: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_resound"));
            command.current_dir(folder).env_clear().args(["doctor", "--offline", "--app", "."]);
            command.args(arguments).args(more).output().unwrap()
        };
        let hints = ["--json", "--fix-hints"];
        let more = if arguments.contains(&"--fix-hints") { &hints[..1] } else { &hints };
        let (text, json) = (run(&[]), run(more));
        let code = text.status.code().unwrap();
        assert_eq!(json.status.code(), Some(code));
        let text = String::from_utf8(text.stdout).unwrap();
        let json_text = String::from_utf8(json.stdout).unwrap();
        for secret in SECRETS {
            assert!(!text.contains(secret) && !json_text.contains(secret), "{secret}\n{json_text}");
        }
        assert_eq!((text.contains('\u{1b}'), &*json.stderr), (false, &b""[..]));
        Examined { code, text, json: serde_json::from_str(&json_text).unwrap() }
    }
}

/// What the doctor said.
pub(super) struct Examined {
    pub(super) code: i32,
    pub(super) text: String,
    pub(super) json: serde_json::Value,
}

impl Examined {
    /// The ids of the checks with this outcome.
    pub(super) fn of(&self, outcome: &str) -> Vec<&str> {
        let checks = self.json["checks"].as_array().unwrap();
        let of = checks.iter().filter(|check| check["outcome"] == outcome);
        of.map(|check| check["id"].as_str().unwrap()).collect()
    }

    /// The sentences of all findings.
    pub(super) fn says(&self) -> Vec<(&str, &str)> {
        let checks = self.json["checks"].as_array().unwrap();
        let findings = checks.iter().flat_map(|check| {
            let id = check["id"].as_str().unwrap();
            check["findings"].as_array().unwrap().iter().map(move |finding| (id, finding))
        });
        findings.map(|(id, finding)| (id, finding["says"].as_str().unwrap())).collect()
    }
}
