//! The client library of a socket, as far as it changes what the server sends.

/// The `client` parameter of the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientLibrary {
    /// pusher-websocket-java, on which Android apps and the plug-ins for Flutter and React Native
    /// are built.
    Java,
    /// pusher-websocket-dotnet.
    DotNet,
    /// Any other, such as pusher-js and pusher-websocket-swift, or an unknown one.
    Other,
}

impl ClientLibrary {
    /// Reads the library from the query of a handshake.
    pub fn of_query(query: &str) -> Self {
        match query.split('&').find_map(|pair| pair.strip_prefix("client=")) {
            Some("java-client") => Self::Java,
            Some("pusher-dotnet-client") => Self::DotNet,
            _ => Self::Other,
        }
    }

    /// Whether the library decrypts every message of an encrypted channel, the server's own included.
    /// On `pusher:subscription_error` the Java library then throws on its event thread, which ends an
    /// Android app, and the .NET library reports missing data instead of the cause of the refusal.
    pub fn decrypts_every_message(self) -> bool {
        self != Self::Other
    }
}

#[cfg(test)]
mod tests {
    use super::ClientLibrary::{self, DotNet, Java, Other};

    #[test]
    fn java_and_dotnet_are_recognised_by_the_client_parameter() {
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
