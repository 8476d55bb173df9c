<?php

// Publishes events with Laravel's own classes: php publisher.php MODE, with the rest in variables.

use Illuminate\Broadcasting\BroadcastEvent;
use Illuminate\Broadcasting\BroadcastManager;
use Illuminate\Broadcasting\Channel;
use Illuminate\Broadcasting\EncryptedPrivateChannel;
use Illuminate\Broadcasting\InteractsWithBroadcasting;
use Illuminate\Broadcasting\InteractsWithSockets;
use Illuminate\Broadcasting\PresenceChannel;
use Illuminate\Broadcasting\PrivateChannel;
use Illuminate\Container\Container;
use Illuminate\Contracts\Broadcasting\ShouldBroadcast;
use Illuminate\Redis\RedisManager;
use Illuminate\Support\Facades\Facade;
use Pusher\Pusher;

error_reporting(E_ALL & ~E_DEPRECATED);
foreach (['Broadcasting', 'Redis', 'Container', 'Http'] as $package) {
    require_once "Illuminate/$package/autoload.php";
}
require_once __DIR__.'/../laravel/pusher.php';

/** Laravel 9 and later have `pusher` here. */
class Manager extends BroadcastManager
{
    public function pusher(array $config)
    {
        return new Pusher($config['key'], $config['secret'], $config['app_id'], $config['options']);
    }
}

class Settings extends ArrayObject
{
    public function get($key, $default = null)
    {
        return $this[$key] ?? $default;
    }
}

$reverb = [
    'driver' => 'pusher', 'key' => 'reverb-key', 'secret' => 'reverb-secret', 'app_id' => '123456',
    'options' => ['host' => '127.0.0.1', 'port' => getenv('SERVER_PORT')],
];
$config = new Settings([
    'broadcasting.default' => getenv('CONNECTION') ?: 'reverb',
    'broadcasting.connections.reverb' => $reverb,
    'broadcasting.connections.redis' => ['driver' => 'redis', 'connection' => 'default'],
    'broadcasting.connections.reverb-redis' => ['driver' => 'reverb-redis'],
    'database.redis.options.prefix' => getenv('PREFIX'),
]);
$app = new Container;
$app->instance('config', $config);
$app->instance('redis', new RedisManager($app, 'phpredis', [
    'default' => ['host' => '127.0.0.1', 'port' => getenv('REDIS_PORT'), 'database' => 0],
]));
$manager = new Manager($app);
$app->instance(Illuminate\Contracts\Broadcasting\Factory::class, $manager);
Facade::setFacadeApplication($app);

function config($key)
{
    return Container::getInstance()['config'][$key];
}
Container::setInstance($app);

abstract class Event implements ShouldBroadcast
{
    use InteractsWithBroadcasting, InteractsWithSockets;
}

class OrderShipped extends Event
{
    public $text = "ä \u{2603} \"q\" \\ </script> \u{1f600}";
    public $numbers = [1.5, 0.1, 1e100, -0.0, PHP_INT_MAX];
    public $nested = ['list' => [], 'map' => ['socket' => 'kept', 'null' => null], 'truth' => false];
    public $empty = '';
    protected $hidden = 'not sent';

    public function __construct(private array $channels) {}

    public function broadcastOn()
    {
        return $this->channels;
    }
}

class Named extends OrderShipped
{
    public function broadcastAs()
    {
        return 'order.shipped';
    }

    public function __construct(array $channels, private array $with)
    {
        parent::__construct($channels);
    }

    public function broadcastWith()
    {
        return $this->with;
    }
}

function publish(Event $event, ?string $connection, ?string $socket = null)
{
    global $manager;
    $event->socket = $socket;
    (new BroadcastEvent($event->broadcastVia($connection)))->handle($manager);
}

function publish_all(?string $connection)
{
    $all = [new Channel('orders'), new PrivateChannel('orders.1'), new PresenceChannel('room')];
    publish(new OrderShipped($all), $connection);
    publish(new OrderShipped([new Channel('orders')]), $connection, getenv('SOCKET'));
    publish(new Named([new Channel('orders')], []), $connection);
    publish(new Named([new Channel('orders')], ['a', ['b' => 1], null]), $connection, '1.2');
    publish(new Named([new Channel('orders')], ['long' => str_repeat('é"', 5000)]), $connection, 'undefined' === getenv('ODD') ? 'undefined' : null);
    publish(new Named($all, ['last' => true]), $connection);
}

switch ($argv[1]) {
    case 'publish':
        publish_all($argv[2]);
        break;
    case 'recipe':
        $guide = file_get_contents($argv[2]);
        preg_match("/```php\n(Broadcast::extend\('reverb-redis'.*?)```/s", $guide, $recipe);
        eval('use Illuminate\Broadcasting\Broadcasters\PusherBroadcaster; use Illuminate\Support\Facades\Broadcast; '.$recipe[1]);
        $manager->channel('orders.{id}', fn ($user, $id) => $user->id === 7 && $id === '1');
        $request = new class
        {
            public $channel_name = 'private-orders.1';
            public $socket_id;

            public function user()
            {
                return (object) ['id' => 7];
            }

            public function input()
            {
                return null;
            }
        };
        $request->socket_id = getenv('SOCKET');
        echo json_encode($manager->auth($request));
        break;
    case 'recipe-publish':
        $guide = file_get_contents($argv[2]);
        preg_match("/```php\n(Broadcast::extend\('reverb-redis'.*?)```/s", $guide, $recipe);
        eval('use Illuminate\Broadcasting\Broadcasters\PusherBroadcaster; use Illuminate\Support\Facades\Broadcast; '.$recipe[1]);
        publish(new Named([new PrivateChannel('orders.1')], ['n' => 1]), null);
        publish(new Named([new EncryptedPrivateChannel('secret')], ['ciphertext' => 'x']), null);
        break;
}
