//! Which library a client is built on, as far as its messages must differ for it.

/// The `client` parameter of the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientLibrary {
    /// pusher-websocket-java, on which Android apps and the plug-ins for Flutter and React Native
    /// are built.
    Java,
    /// Any other: pusher-js, .NET, Swift, or none that is known.
    Other,
}

impl ClientLibrary {
    /// Reads the query of a handshake.
    pub fn of_query(query: &str) -> Self {
        match query.split('&').find_map(|pair| pair.strip_prefix("client=")) {
            Some("java-client") => Self::Java,
            _ => Self::Other,
        }
    }

    /// Whether it decrypts whatever arrives for an encrypted channel, the protocol's own messages
    /// too, unless their data is `{}`. It throws on its event thread over plain text, which ends an
    /// Android app. The others know the protocol's messages or report an error.
    pub fn decrypts_every_message(self) -> bool {
        self == Self::Java
    }
}

#[cfg(test)]
mod tests {
    use super::ClientLibrary::{self, Java, Other};

    #[test]
    fn the_java_sdk_is_known_by_its_name() {
        for (query, library) in [
            ("client=java-client&protocol=5&version=2.4.4", Java),
            ("protocol=5&client=java-client", Java),
            ("protocol=7&client=js&version=8.4.0&flash=false", Other),
            ("protocol=5&client=pusher-dotnet-client&version=2.3.0", Other),
            ("client=pusher-websocket-swift&version=10.1.5&protocol=7", Other),
            ("myclient=java-client", Other),
            ("", Other),
        ] {
            assert_eq!(ClientLibrary::of_query(query), library, "{query}");
        }
    }
}
