//! With which call of Laravel Echo a page receives an event of this name, and subscribes to a channel.
//!
//! Echo puts `App\Events\` before a name and makes backslashes of its dots, unless the name begins with a dot or
//! a backslash, which it removes. What pages really listen for is not visible on the wire.

use crate::protocol::channel_name::{ChannelType, without_type};

/// What Echo puts before a name by default.
const NAMESPACE: &str = "App\\Events\\";

/// The event by which Laravel sends a notification.
const NOTIFICATION: &str = "Illuminate\\Notifications\\Events\\BroadcastNotificationCreated";

/// The prefix of the events that clients send.
const CLIENT: &str = "client-";

/// The call that receives an event with this wire name.
pub(super) fn listen_call(event: &str) -> String {
    if event == NOTIFICATION {
        return ".notification(callback)".to_owned();
    }
    if let Some(whisper) = event.strip_prefix(CLIENT) {
        return format!(".listenForWhisper({})", literal(whisper));
    }
    match event.strip_prefix(NAMESPACE) {
        // With a dot in it Echo would make a backslash of the dot.
        Some(class) if !class.is_empty() && !class.contains('.') => {
            format!(".listen({})", literal(&class.replace('\\', ".")))
        }
        _ if event.contains('\\') => format!(".listen({})", literal(&format!("\\{event}"))),
        _ => format!(".listen({})", literal(&format!(".{event}"))),
    }
}

/// What is easily written instead, and why it does not receive the event.
pub(super) fn dot_note(event: &str) -> &'static str {
    if event.starts_with(CLIENT) || event == NOTIFICATION {
        ""
    } else if event.contains('\\') {
        ", without a dot in front"
    } else {
        ", with the dot in front"
    }
}

/// Whether clients send events of this name.
pub(super) fn is_client_event(event: &str) -> bool {
    event.starts_with(CLIENT)
}

/// The class of Laravel's channels of a type.
pub(super) fn laravel_class(channel_type: ChannelType) -> &'static str {
    match channel_type {
        ChannelType::Public | ChannelType::ServerToUser => "Channel",
        ChannelType::Private => "PrivateChannel",
        ChannelType::Encrypted => "EncryptedPrivateChannel",
        ChannelType::Presence => "PresenceChannel",
    }
}

/// The expression by which a Laravel back end names a channel.
pub(super) fn laravel_channel(channel: &str) -> String {
    let (channel_type, name) = without_type(channel);
    format!("new {}({})", laravel_class(channel_type), literal(name))
}

/// The call by which a page subscribes to a channel.
pub(super) fn subscribe_call(channel: &str) -> String {
    let (channel_type, name) = without_type(channel);
    let method = match channel_type {
        ChannelType::Public | ChannelType::ServerToUser => "channel",
        ChannelType::Private => "private",
        ChannelType::Encrypted => "encryptedPrivate",
        ChannelType::Presence => "join",
    };
    format!("Echo.{method}({})", literal(name))
}

/// A text as a string literal of JavaScript and PHP: both read `\\` and `\'` in single quotes alike.
pub(super) fn literal(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('\'', "\\'");
    format!("'{escaped}'")
}

#[cfg(test)]
mod tests {
    use super::{laravel_channel, listen_call, subscribe_call};

    #[test]
    fn each_wire_name_has_its_call() {
        for (event, call) in [
            (r"App\Events\ServerUpdated", ".listen('ServerUpdated')"),
            (r"App\Events\Orders\Shipped", ".listen('Orders.Shipped')"),
            ("server.updated", ".listen('.server.updated')"),
            ("ServerUpdated", ".listen('.ServerUpdated')"),
            (r"Ns\Name", r".listen('\\Ns\\Name')"),
            (r"Domain\Orders\Shipped", r".listen('\\Domain\\Orders\\Shipped')"),
            (r"App\Events\", r".listen('\\App\\Events\\')"),
            (r"App\Events\a.b", r".listen('\\App\\Events\\a.b')"),
            ("it's", r".listen('.it\'s')"),
            ("client-typing", ".listenForWhisper('typing')"),
            (
                r"Illuminate\Notifications\Events\BroadcastNotificationCreated",
                ".notification(callback)",
            ),
        ] {
            assert_eq!(listen_call(event), call, "{event}");
        }
    }

    #[test]
    fn a_call_is_read_by_echo_as_the_wire_name() {
        // Echo's formatter.
        let formatted = |name: &str| match name.strip_prefix(['.', '\\']) {
            Some(rest) => rest.to_owned(),
            None => format!("App.Events.{name}").replace('.', "\\"),
        };
        for event in [r"App\Events\A", r"App\Events\A\B", r"App\Events\a.b", "a.b", r"N\M", "a"] {
            let call = listen_call(event);
            let argument = &call[".listen('".len()..call.len() - "')".len()];
            assert_eq!(formatted(&argument.replace("\\\\", "\\")), event, "{call}");
        }
    }

    #[test]
    fn each_type_has_its_class_and_its_call() {
        for (channel, class, call) in [
            ("orders.1", "new Channel('orders.1')", "Echo.channel('orders.1')"),
            ("private-orders.1", "new PrivateChannel('orders.1')", "Echo.private('orders.1')"),
            ("presence-room", "new PresenceChannel('room')", "Echo.join('room')"),
            (
                "private-encrypted-x",
                "new EncryptedPrivateChannel('x')",
                "Echo.encryptedPrivate('x')",
            ),
            ("private-cache-x", "new PrivateChannel('cache-x')", "Echo.private('cache-x')"),
        ] {
            assert_eq!(laravel_channel(channel), class);
            assert_eq!(subscribe_call(channel), call);
        }
    }
}
