//! The texts to copy, to the letter.

use super::{CopiedData, CopiedEvent, class_of, echo_listener, shell_word, snippets};

#[test]
fn a_page_listens_with_the_method_of_the_channel_and_the_name_of_the_event() {
    for (channel, event, expected) in [
        (
            "private-orders.7",
            Some(r"App\Events\Orders\Shipped"),
            "Echo.private('orders.7')\n    .listen('Orders.Shipped', (event) => console.log(event));",
        ),
        (
            "servers",
            Some("ServerUpdated"),
            "Echo.channel('servers')\n    .listen('.ServerUpdated', (event) => console.log(event));",
        ),
        ("presence-room", None, "Echo.join('room');"),
        (
            "private-App.Models.User.1",
            Some(r"Illuminate\Notifications\Events\BroadcastNotificationCreated"),
            "Echo.private('App.Models.User.1')\n    .notification((event) => console.log(event));",
        ),
        (
            "#server-to-user-7",
            Some("it's"),
            "Echo.connector.pusher.signin();\nEcho.connector.pusher.user.bind('it\\'s', (event) => console.log(event));",
        ),
    ] {
        assert_eq!(echo_listener(channel, event), expected);
    }
}

#[test]
fn commands_quote_what_a_shell_would_read() {
    let event = CopiedEvent {
        app: "7",
        channels: &["private-a", "b"],
        event: r"App\Events\It's",
        data: CopiedData::Whole(r#"{"price":"$(id)"}"#),
    };
    let all = snippets(event);
    assert_eq!(
        all.resound,
        "resound trigger private-a 'App\\Events\\It'\\''s' '{\"price\":\"$(id)\"}' --app 7\nresound trigger b 'App\\Events\\It'\\''s' '{\"price\":\"$(id)\"}' --app 7"
    );
    assert!(all.curl.contains(r#"body='{"name":"App\\Events\\It'\''s","channels":["private-a","b"],"data":"{\"price\":\"$(id)\"}"}'"#), "{}", all.curl);
    assert_eq!(shell_word(""), "''");
    assert_eq!(shell_word("a b"), "'a b'");
}

#[test]
fn a_back_end_has_the_class_of_the_event() {
    let event = CopiedEvent {
        app: "7",
        channels: &["private-orders.7", "presence-room"],
        event: r"App\Events\Orders\Shipped",
        data: CopiedData::Whole("{}"),
    };
    assert_eq!(
        snippets(event).php,
        r"namespace App\Events\Orders;

use Illuminate\Broadcasting\PresenceChannel;
use Illuminate\Broadcasting\PrivateChannel;
use Illuminate\Contracts\Broadcasting\ShouldBroadcastNow;

class Shipped implements ShouldBroadcastNow
{
    public function broadcastOn(): array
    {
        return [new PrivateChannel('orders.7'), new PresenceChannel('room')];
    }

    public function broadcastWith(): array
    {
        return json_decode('{}', true);
    }
}

broadcast(new Shipped());
"
    );
    let named = CopiedEvent { event: "server.updated", ..event };
    assert!(snippets(named).php.contains("class ServerUpdated implements"));
    assert!(snippets(named).php.contains("        return 'server.updated';\n"));
}

#[test]
fn data_that_are_missing_are_named_in_a_comment() {
    let channels: &[&str] = &["a"];
    let event = CopiedEvent { app: "7", channels, event: "e", data: CopiedData::Masked };
    let masked = snippets(event);
    let comment = "The payload is masked, and {} stands for it: choose full for Payload on the page Live (payloads=full), which internal.payloads has to allow.";
    assert_eq!(masked.resound, format!("# {comment}\nresound trigger a e '{{}}' --app 7"));
    assert!(masked.curl.starts_with(&format!("# {comment}\n# REVERB_APP_KEY")), "{}", masked.curl);
    assert!(masked.php.starts_with(&format!("// {comment}\nnamespace ")), "{}", masked.php);
    assert_eq!(masked.echo, echo_listener("a", Some("e")), "it has no data");
    let cut = snippets(CopiedEvent { data: CopiedData::Cut, ..event });
    let comment = "# The payload is longer than the 4 KB that are kept, and {} stands for it: take it from the back end.\n";
    assert!(cut.resound.starts_with(comment), "{}", cut.resound);
    let whole = snippets(CopiedEvent { data: CopiedData::Whole("[]"), ..event });
    assert_eq!(whole.resound, "resound trigger a e '[]' --app 7");
}

#[test]
fn any_name_gives_a_class() {
    for (name, namespace, class) in [
        (r"App\Events\Shipped", r"App\Events", "Shipped"),
        (r"Domain\Orders\Shipped", r"Domain\Orders", "Shipped"),
        ("server.updated", r"App\Events", "ServerUpdated"),
        ("7", r"App\Events", "Event7"),
        ("…", r"App\Events", "Event"),
        (r"App\Events\a-b", r"App\Events", "AppEventsAB"),
        ("client-typing", r"App\Events", "ClientTyping"),
    ] {
        assert_eq!(class_of(name), (namespace.to_owned(), class.to_owned()), "{name}");
    }
}
