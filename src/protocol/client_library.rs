//! What a client states of itself in its handshake, and its library, as far as that changes what the server sends.

/// The parameters of a handshake, read in one pass; of several with one name the first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClientParameters<'q> {
    /// `client`: the library.
    pub client: Option<&'q str>,
    /// `version`: that of the library.
    pub version: Option<&'q str>,
    /// `protocol`: the version of the protocol.
    pub protocol: Option<&'q str>,
}

impl<'q> ClientParameters<'q> {
    /// Reads the query of a handshake.
    pub fn of_query(query: &'q str) -> Self {
        let mut parameters = Self::default();
        for pair in query.split('&') {
            let (place, value) = if let Some(value) = pair.strip_prefix("client=") {
                (&mut parameters.client, value)
            } else if let Some(value) = pair.strip_prefix("version=") {
                (&mut parameters.version, value)
            } else if let Some(value) = pair.strip_prefix("protocol=") {
                (&mut parameters.protocol, value)
            } else {
                continue;
            };
            *place = place.or(Some(value));
        }
        parameters
    }

    /// The library that `client` names.
    pub fn library(&self) -> ClientLibrary {
        match self.client {
            Some("java-client") => ClientLibrary::Java,
            Some("pusher-dotnet-client") => ClientLibrary::DotNet,
            _ => ClientLibrary::Other,
        }
    }
}

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
    /// Whether the library decrypts every message of an encrypted channel, the server's own included.
    /// On `pusher:subscription_error` the Java library then throws on its event thread, which ends an
    /// Android app, and the .NET library reports missing data instead of the cause of the refusal.
    pub fn decrypts_every_message(self) -> bool {
        self != Self::Other
    }
}

#[cfg(test)]
mod tests {
    use super::ClientLibrary::{DotNet, Java, Other};
    use super::ClientParameters;

    #[test]
    fn java_and_dotnet_are_recognised_by_the_client_parameter() {
        for (query, library) in [
            ("client=java-client&protocol=5&version=2.4.4", Java),
            ("protocol=5&client=java-client", Java),
            ("protocol=7&client=js&version=8.4.0&flash=false", Other),
            ("protocol=5&client=pusher-dotnet-client&version=2.3.0", DotNet),
            ("client=pusher-websocket-swift&version=10.1.5&protocol=7", Other),
            ("myclient=java-client", Other),
            ("client=java-client&client=js", Java),
            ("client=&client=java-client", Other),
            ("", Other),
        ] {
            assert_eq!(ClientParameters::of_query(query).library(), library, "{query}");
        }
    }

    #[test]
    fn each_parameter_is_found_anywhere_in_the_query() {
        let all =
            ClientParameters { client: Some("js"), version: Some("8.4.0"), protocol: Some("7") };
        for query in [
            "protocol=7&client=js&version=8.4.0&flash=false",
            "flash=false&&version=8.4.0&client=js&version=9&protocol=7&protocol=",
            "myprotocol=6&version=8.4.0&client&client=js&protocol=7",
        ] {
            assert_eq!(ClientParameters::of_query(query), all, "{query}");
        }
        assert_eq!(ClientParameters::of_query("protocol=").protocol, Some(""));
        assert_eq!(ClientParameters::of_query("protocol"), ClientParameters::default());
    }
}
