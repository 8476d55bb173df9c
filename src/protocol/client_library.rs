//! Which library a client is built on, as far as its messages must differ for it.

/// The `client` parameter of the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientLibrary {
    /// pusher-websocket-java, on which Android apps and the plug-ins for Flutter and React Native
    /// are built.
    Java,
    /// pusher-websocket-dotnet.
    DotNet,
    /// Any other: pusher-js, Swift, or none that is known.
    Other,
}

impl ClientLibrary {
    /// Reads the query of a handshake.
    pub fn of_query(query: &str) -> Self {
        match query.split('&').find_map(|pair| pair.strip_prefix("client=")) {
            Some("java-client") => Self::Java,
            Some("pusher-dotnet-client") => Self::DotNet,
            _ => Self::Other,
        }
    }

    /// Whether it decrypts `pusher:subscription_error` if that names an encrypted channel. Java throws
    /// on its event thread, which ends an Android app; .NET reports that data is missing, and not why
    /// the subscription was refused. The others read the protocol's messages as they are.
    pub fn decrypts_every_message(self) -> bool {
        self != Self::Other
    }
}

#[cfg(test)]
mod tests {
    use super::ClientLibrary::{self, DotNet, Java, Other};

    #[test]
    fn the_sdks_for_java_and_dotnet_are_known_by_their_names() {
        for (query, library) in [
            ("client=java-client&protocol=5&version=2.4.4", Java),
            ("protocol=5&client=java-client", Java),
            ("protocol=7&client=js&version=8.4.0&flash=false", Other),
            ("protocol=5&client=pusher-dotnet-client&version=2.3.0", DotNet),
            ("client=pusher-websocket-swift&version=10.1.5&protocol=7", Other),
            ("myclient=java-client", Other),
            ("", Other),
        ] {
            assert_eq!(ClientLibrary::of_query(query), library, "{query}");
        }
    }
}
