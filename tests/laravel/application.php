<?php

// The back end of an application, with Laravel's own classes and a stock configuration: reads the `.env` of a folder as
// Laravel does and broadcasts events over the connection that it names.
//
// usage: php application.php FOLDER EVENTS [CONNECTION]
// EVENTS is JSON: [{"event": "CapacityChanged", "on": ["PrivateChannel:orders.1"], "socket": null}, …]
// Prints the headers `resound-explain` of the answers, one a line.

use Dotenv\Dotenv;
use Illuminate\Broadcasting\BroadcastEvent;
use Illuminate\Broadcasting\BroadcastManager;
use Illuminate\Broadcasting\Broadcasters\PusherBroadcaster;
use Illuminate\Container\Container;
use Illuminate\Redis\RedisManager;
use Illuminate\Support\Env;
use Illuminate\Support\Str;
use Pusher\Pusher;

error_reporting(E_ALL & ~E_DEPRECATED);
foreach (['Broadcasting', 'Redis', 'Container', 'Support'] as $package) {
    require_once "/usr/share/php/Illuminate/$package/autoload.php";
}
require_once '/usr/share/php/Dotenv/autoload.php';
require_once __DIR__.'/events.php';
require_once __DIR__.'/pusher.php';

/** Laravel 11 and later have this driver. */
class Manager extends BroadcastManager
{
    protected function createReverbDriver(array $config)
    {
        return $this->createPusherDriver($config);
    }

    protected function createPusherDriver(array $config)
    {
        ['key' => $key, 'secret' => $secret, 'app_id' => $id, 'options' => $options] = $config;

        return new PusherBroadcaster(new Pusher($key, $secret, $id, $options, $config['client_options'] ?? []));
    }
}

class Settings extends ArrayObject
{
    public function get($key, $default = null)
    {
        return $this[$key] ?? $default;
    }
}

[, $folder, $events] = $argv;
Dotenv::create(Env::getRepository(), $folder)->safeLoad();
// Asked for with the header, an event is explained in the answer.
$client_options = ['headers' => ['resound-explain' => '1']];
$config = new Settings([
    'broadcasting.default' => Env::get('BROADCAST_CONNECTION', 'null'),
    'broadcasting.connections.reverb' => [
        'driver' => 'reverb',
        'key' => Env::get('REVERB_APP_KEY'),
        'secret' => Env::get('REVERB_APP_SECRET'),
        'app_id' => Env::get('REVERB_APP_ID'),
        'options' => [
            'host' => Env::get('REVERB_HOST'),
            'port' => Env::get('REVERB_PORT', 443),
            'scheme' => Env::get('REVERB_SCHEME', 'https'),
            'useTLS' => Env::get('REVERB_SCHEME', 'https') === 'https',
        ],
        'client_options' => $client_options,
    ],
    'broadcasting.connections.pusher' => [
        'driver' => 'pusher',
        'key' => Env::get('PUSHER_APP_KEY'),
        'secret' => Env::get('PUSHER_APP_SECRET'),
        'app_id' => Env::get('PUSHER_APP_ID'),
        'options' => [
            'cluster' => Env::get('PUSHER_APP_CLUSTER'),
            'host' => Env::get('PUSHER_HOST') ?: 'api-'.Env::get('PUSHER_APP_CLUSTER', 'mt1').'.pusher.com',
            'port' => Env::get('PUSHER_PORT', 443),
            'scheme' => Env::get('PUSHER_SCHEME', 'https'),
            'encrypted' => true,
            'useTLS' => Env::get('PUSHER_SCHEME', 'https') === 'https',
        ],
        'client_options' => $client_options,
    ],
    'broadcasting.connections.redis' => ['driver' => 'redis', 'connection' => 'default'],
    'database.redis.options.prefix' => Env::get('REDIS_PREFIX', Str::slug(Env::get('APP_NAME', 'laravel')).'-database-'),
]);
$app = new Container;
$app->instance('config', $config);
$app->instance('redis', new RedisManager($app, Env::get('REDIS_CLIENT', 'phpredis'), [
    'default' => [
        'host' => Env::get('REDIS_HOST', '127.0.0.1'),
        'password' => Env::get('REDIS_PASSWORD'),
        'port' => Env::get('REDIS_PORT', '6379'),
        'database' => Env::get('REDIS_DB', '0'),
    ],
]));

foreach (json_decode($events, true, flags: JSON_THROW_ON_ERROR) as $described) {
    $channels = array_map(function (string $text) {
        [$class, $name] = explode(':', $text, 2);

        return new ("Illuminate\\Broadcasting\\$class")($name);
    }, $described['on']);
    $event = new ("App\\Events\\{$described['event']}")($channels);
    $event->socket = $described['socket'] ?? null;
    (new BroadcastEvent($event->broadcastVia($argv[3] ?? null)))->handle(new Manager($app));
}
foreach (Pusher::$explained as $verdict) {
    echo $verdict, "\n";
}
