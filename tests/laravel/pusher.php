<?php

// Pusher's SDK for PHP, which Debian does not have, as far as Laravel's broadcaster uses it: what it sends is what
// pusher-php-server 7 sends. `$client_options` are those of the HTTP client, as in config/broadcasting.php.

namespace Pusher;

class ApiErrorException extends \Exception {}

class Pusher
{
    /** The headers `resound-explain` of all answers. */
    public static array $explained = [];

    public function __construct(
        private string $key,
        private string $secret,
        private string $id,
        private array $options,
        private array $client_options = [],
    ) {}

    public function trigger(array $channels, string $event, $data, array $parameters = [])
    {
        $body = json_encode(['name' => $event, 'data' => json_encode($data), 'channels' => array_values($channels)] + $parameters);
        $path = "/apps/{$this->id}/events";
        $query = 'auth_key='.$this->key.'&auth_timestamp='.time().'&auth_version=1.0&body_md5='.md5($body);
        $signature = hash_hmac('sha256', "POST\n$path\n$query", $this->secret);
        $scheme = ($this->options['useTLS'] ?? false) ? 'https' : 'http';
        $call = curl_init("$scheme://{$this->options['host']}:{$this->options['port']}$path?$query&auth_signature=$signature");
        $headers = ['Content-Type' => 'application/json'] + ($this->client_options['headers'] ?? []);
        curl_setopt_array($call, [
            CURLOPT_POSTFIELDS => $body,
            CURLOPT_HTTPHEADER => array_map(fn ($name, $value) => "$name: $value", array_keys($headers), $headers),
            CURLOPT_RETURNTRANSFER => true,
            CURLOPT_HEADERFUNCTION => function ($call, string $line) {
                if (preg_match('/^resound-explain: (.*?)\s*$/i', $line, $found)) {
                    self::$explained[] = $found[1];
                }

                return strlen($line);
            },
        ]);
        $answer = curl_exec($call);
        if (curl_getinfo($call, CURLINFO_RESPONSE_CODE) !== 200) {
            throw new ApiErrorException($answer === false ? curl_error($call) : $answer);
        }
    }

    public function socket_auth($channel, $socket)
    {
        return json_encode(['auth' => $this->key.':'.hash_hmac('sha256', "$socket:$channel", $this->secret)]);
    }
}
