<?php

// Runs Laravel's own queue worker on one queue until it is empty, and prints what the jobs do.
//
// usage: php worker.php SOURCE HOST PORT DATABASE PREFIX QUEUE
// SOURCE is a file with the class that the jobs name. RESOUND_TEST_PASSWORD has the password of Redis.

foreach (['Contracts', 'Support', 'Collections', 'Container', 'Events', 'Redis', 'Queue'] as $package) {
    require_once "/usr/share/php/Illuminate/$package/autoload.php";
}

use Illuminate\Container\Container;
use Illuminate\Contracts\Debug\ExceptionHandler;
use Illuminate\Events\Dispatcher;
use Illuminate\Queue\Connectors\RedisConnector;
use Illuminate\Queue\Events\JobFailed;
use Illuminate\Queue\QueueManager;
use Illuminate\Queue\Worker;
use Illuminate\Queue\WorkerOptions;
use Illuminate\Redis\RedisManager;

[, $source, $host, $port, $database, $prefix, $queue] = $argv;

/** The log of the application. */
final class Log
{
    public function info(string $line): void
    {
        echo $line, "\n";
    }
}

function logger(): Log
{
    return new Log;
}

/** Prints what an exception says, as Laravel's own would log it. */
final class Exceptions implements ExceptionHandler
{
    public function report(Throwable $e)
    {
        echo 'exception: ', $e->getMessage(), "\n";
    }

    public function shouldReport(Throwable $e)
    {
        return true;
    }

    public function render($request, Throwable $e)
    {
    }

    public function renderForConsole($output, Throwable $e)
    {
    }
}

require $source;

$app = new Container;
$redis = new RedisManager($app, 'phpredis', [
    'options' => ['prefix' => $prefix],
    'default' => [
        'host' => $host,
        'port' => (int) $port,
        'database' => (int) $database,
        'password' => getenv('RESOUND_TEST_PASSWORD') ?: null,
    ],
]);
$app->instance('redis', $redis);
$events = new Dispatcher($app);
$app->instance('events', $events);
$app->instance('config', ['queue.default' => 'redis', 'queue.connections.redis' => [
    'driver' => 'redis', 'connection' => 'default', 'queue' => $queue, 'retry_after' => 90,
]]);
$events->listen(JobFailed::class, function (JobFailed $failed) {
    echo 'failed: ', $failed->job->getRawBody(), "\n";
});

$queues = new QueueManager($app);
$queues->addConnector('redis', fn () => new RedisConnector($redis));
if (getenv('RESOUND_TEST_PUSH')) {
    // What the framework itself pushes for such a job, for comparison.
    $queues->connection('redis')->push('App\\Realtime@handle', ['name' => 'own']);
    exit;
}
$options = new WorkerOptions(sleep: 0, stopWhenEmpty: true);
$worker = new Worker($queues, $events, new Exceptions, fn () => false);
$worker->daemon('redis', $queue, $options);
