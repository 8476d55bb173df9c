<?php

// Prints the token of a user, by the class that the recipe in config/laravel.md has: php realtime_token.php GUIDE USER, with
// the user as JSON and the secret in REALTIME_SECRET.

[, $guide, $user] = $argv;

function config(string $key): string
{
    return $key === 'services.realtime.secret' ? getenv('REALTIME_SECRET') : throw new Exception($key);
}

preg_match('/```php\n<\?php (\/\/ app\/RealtimeToken\.php.*?)```/s', file_get_contents($guide), $recipe);
eval($recipe[1]);
echo App\RealtimeToken::for(json_decode($user));
