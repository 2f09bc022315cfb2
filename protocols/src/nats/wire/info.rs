//! The JSON of `INFO` and of `CONNECT`.

use serde::{Deserialize, Serialize};

/// What a server says of itself. What it leaves out is 0, false or empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ServerInfo {
    /// Its id, which it has anew each time it starts.
    pub server_id: String,
    /// Its name, as its operator calls it.
    pub server_name: String,
    /// Its version.
    pub version: String,
    /// The version of the protocol: 1 if it sends `INFO` again when something changes.
    pub proto: u32,
    /// Whether messages may have headers.
    pub headers: bool,
    /// Whether it wants to know who connects.
    pub auth_required: bool,
    /// Whether it goes on in TLS only.
    pub tls_required: bool,
    /// Whether it would go on in TLS.
    pub tls_available: bool,
    /// Bytes of a message, its headers included.
    pub max_payload: usize,
    /// Whether JetStream is on.
    pub jetstream: bool,
    /// The number of this connection.
    pub client_id: u64,
    /// What a client with a key has to sign.
    pub nonce: String,
    /// The name of its cluster.
    pub cluster: String,
    /// Other servers of its cluster, and itself: `HOST:PORT`.
    pub connect_urls: Vec<String>,
    /// It is about to stop: clients should go elsewhere ("lame duck mode").
    pub ldm: bool,
}

impl ServerInfo {
    /// Reads the JSON behind `INFO`. What it does not know is passed over.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub fn read(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }
}

/// What a client says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[allow(clippy::struct_excessive_bools, reason = "they are the protocol's")]
pub struct Connect<'a> {
    /// Whether each verb is answered with `+OK`.
    pub verbose: bool,
    /// Whether subjects are looked at more strictly.
    pub pedantic: bool,
    /// Whether this side wants TLS.
    pub tls_required: bool,
    /// What the client is called, in the lists of its operators.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub name: &'a str,
    /// What it is written in.
    pub lang: &'a str,
    /// Its version.
    pub version: &'a str,
    /// 1: `INFO` may come again.
    pub protocol: u32,
    /// Whether it is sent what it has published itself.
    pub echo: bool,
    /// Whether it understands headers.
    pub headers: bool,
    /// Whether it wants to be told that nobody is there to answer.
    pub no_responders: bool,
    /// A token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_token: Option<&'a str>,
    /// A user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<&'a str>,
    /// The user's password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pass: Option<&'a str>,
    /// The public key of a user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nkey: Option<&'a str>,
    /// The server's nonce, signed with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sig: Option<&'a str>,
}

impl Connect<'_> {
    /// The JSON of it.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_is_read_and_the_rest_passed_over() {
        let json = br#"{"server_id":"NX","version":"2.9.10","go":"go1.19.8","host":"127.0.0.1","port":4222,
            "headers":true,"max_payload":1048576,"client_id":5,"connect_urls":["127.0.0.1:4223"],"ldm":true} "#;
        let info = ServerInfo::read(json).expect("it is JSON");
        assert_eq!((&*info.version, info.max_payload, info.ldm), ("2.9.10", 1_048_576, true));
        assert_eq!(info.connect_urls, ["127.0.0.1:4223"]);
        assert!(!info.tls_required);
        assert!(ServerInfo::read(b"{\"ldm\":1}").is_err() && ServerInfo::read(b"").is_err());
    }
}
