//! What Laravel reads where an application has no `config/reverb.php` of its own.
//!
//! Owns the variables of Reverb 1.10 and their defaults, in the form of that file.

pub(super) const REVERB: &str = "<?php return ['default' => 'reverb',
'servers' => ['reverb' => [
    'host' => env('REVERB_SERVER_HOST', '0.0.0.0'), 'port' => env('REVERB_SERVER_PORT', 8080),
    'path' => env('REVERB_SERVER_PATH', ''), 'hostname' => env('REVERB_HOST'),
    'max_request_size' => env('REVERB_MAX_REQUEST_SIZE', 10000),
    'scaling' => [
        'enabled' => env('REVERB_SCALING_ENABLED', false), 'channel' => env('REVERB_SCALING_CHANNEL', 'reverb'),
        'server' => [
            'url' => env('REDIS_URL'), 'host' => env('REDIS_HOST', '127.0.0.1'), 'port' => env('REDIS_PORT', 6379),
            'username' => env('REDIS_USERNAME'), 'password' => env('REDIS_PASSWORD'), 'database' => env('REDIS_DB', 0),
        ],
    ],
]],
'apps' => ['provider' => 'config', 'apps' => [[
    'app_id' => env('REVERB_APP_ID'), 'key' => env('REVERB_APP_KEY'), 'secret' => env('REVERB_APP_SECRET'),
    'allowed_origins' => ['*'],
    'ping_interval' => env('REVERB_APP_PING_INTERVAL', 60), 'activity_timeout' => env('REVERB_APP_ACTIVITY_TIMEOUT', 30),
    'max_connections' => env('REVERB_APP_MAX_CONNECTIONS'),
    'max_message_size' => env('REVERB_APP_MAX_MESSAGE_SIZE', 10000),
    'accept_client_events_from' => env('REVERB_APP_ACCEPT_CLIENT_EVENTS_FROM', 'members'),
    'rate_limiting' => [
        'enabled' => env('REVERB_APP_RATE_LIMITING_ENABLED', false),
        'max_attempts' => env('REVERB_APP_RATE_LIMIT_MAX_ATTEMPTS', 60),
        'decay_seconds' => env('REVERB_APP_RATE_LIMIT_DECAY_SECONDS', 60),
        'terminate_on_limit' => env('REVERB_APP_RATE_LIMIT_TERMINATE', false),
    ],
]]]];";

/// The app of an application that was made for Pusher.
pub(super) const PUSHER: &str = "<?php return [
    'app_id' => env('PUSHER_APP_ID'), 'key' => env('PUSHER_APP_KEY'), 'secret' => env('PUSHER_APP_SECRET'),
    'accept_client_events_from' => 'members',
];";
