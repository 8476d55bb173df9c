<?php

// The events of an application, as `php artisan make:event` begins them; Laravel's classes are loaded before.

namespace App\Events;

use Illuminate\Broadcasting\InteractsWithBroadcasting;
use Illuminate\Broadcasting\InteractsWithSockets;
use Illuminate\Contracts\Broadcasting\ShouldBroadcast;

abstract class Event implements ShouldBroadcast
{
    use InteractsWithBroadcasting, InteractsWithSockets;

    public $capacity = 85;

    public $name = "Zoë \u{2603} \"q\" \\ </script> \u{1f600}";

    public function __construct(private array $channels) {}

    public function broadcastOn()
    {
        return $this->channels;
    }
}

class CapacityChanged extends Event {}

class ServerUpdated extends Event {}
