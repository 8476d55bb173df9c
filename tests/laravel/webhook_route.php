<?php

// Serves the route of the HTTP recipe for `php -S`: Laravel's own Request, and a stand-in for each function of the
// framework that the route calls. RESOUND_TEST_ROUTE is the file with the route, RESOUND_TEST_LOG what it logs to.

foreach (['Contracts', 'Macroable', 'Collections', 'Support', 'Session', 'Http'] as $package) {
    require_once "/usr/share/php/Illuminate/$package/autoload.php";
}

class_alias(Routes::class, 'Illuminate\Support\Facades\Route');

/** The routes of one request: there is one. */
final class Routes
{
    public static ?Closure $action = null;

    public static function post(string $path, Closure $action): void
    {
        self::$action = $path === $_SERVER['REQUEST_URI'] ? $action : null;
    }
}

/** The answer that the route returns. */
final class Answer
{
    public function noContent(): int
    {
        return 204;
    }
}

/** The log of the application. */
final class Log
{
    public function info(string $line): void
    {
        file_put_contents(getenv('RESOUND_TEST_LOG'), "$line\n", FILE_APPEND);
    }
}

/** What `abort_unless` throws. */
final class Aborted extends Exception
{
}

function config(string $key): array
{
    return ['key' => 'reverb-key', 'secret' => getenv('RESOUND_TEST_SECRET')];
}

function response(): Answer
{
    return new Answer;
}

function logger(): Log
{
    return new Log;
}

if (! function_exists('abort_unless')) {
    function abort_unless(bool $condition, int $code): void
    {
        if (! $condition) {
            throw new Aborted('', $code);
        }
    }
}

require getenv('RESOUND_TEST_ROUTE');

try {
    $request = Illuminate\Http\Request::capture();
    http_response_code(Routes::$action ? (Routes::$action)($request) : 404);
} catch (Aborted $aborted) {
    http_response_code($aborted->getCode());
}
