//! What there is to say of an exchange when it is over.

use std::fmt::Write;
use std::time::{Duration, Instant, SystemTime};

use reactor::{Address, Transport};

use crate::http::wire::{Request, format_date};

/// An exchange that is over, as an access log has it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Record {
    /// The client.
    pub peer: Address,
    /// When the head of the request was complete.
    pub at: SystemTime,
    /// The method, as it came.
    pub method: String,
    /// The target, as it came.
    pub target: String,
    /// Whether it was HTTP/1.0.
    pub is_old: bool,
    /// What it was answered with; zero if the connection ended before.
    pub status: u16,
    /// Bytes of the answer's body.
    pub bytes: u64,
    /// Where the client comes from, as it says.
    pub referer: Option<String>,
    /// What the client is, as it says.
    pub agent: Option<String>,
    /// From the request's head to the end of the answer.
    pub duration: Duration,
    began: Instant,
}

impl Record {
    // As of where it is told: most requests have none.
    #[inline(never)]
    pub(super) fn new<App>(transport: &mut Transport<'_, App>, request: &Request<'_>) -> Self {
        let text =
            |name| request.fields().get(name).map(|it| String::from_utf8_lossy(it).into_owned());
        Self {
            peer: transport.peer(),
            at: transport.registry().wall_clock(),
            method: request.method().to_owned(),
            target: request.target().as_str().to_owned(),
            is_old: request.meaning().is_old,
            status: 0,
            bytes: 0,
            referer: text("referer"),
            agent: text("user-agent"),
            duration: Duration::ZERO,
            began: transport.registry().now(),
        }
    }

    pub(super) fn end(&mut self, now: Instant) {
        self.duration = self.lasted(now);
    }

    /// How long it has been since the head of the request was there.
    pub(super) fn lasted(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.began)
    }

    /// As Apache's "combined" format has it, without the end of the line. What could pass for something else
    /// in it, or move the cursor of who reads it, is written as `\xhh`.
    #[must_use]
    pub fn combined(&self) -> String {
        let mut line = String::with_capacity(160);
        let host = self.peer.ip().map_or_else(|| "-".to_owned(), |ip| ip.to_string());
        let version = if self.is_old { "1.0" } else { "1.1" };
        let _ = write!(line, "{host} - - [{}] \"", self.date());
        escape(&mut line, &self.method);
        line.push(' ');
        escape(&mut line, &self.target);
        let _ = write!(line, " HTTP/{version}\" {:03} ", self.status);
        match self.bytes {
            0 => line.push('-'),
            bytes => {
                let _ = write!(line, "{bytes}");
            }
        }
        for said in [&self.referer, &self.agent] {
            line.push_str(" \"");
            escape(&mut line, said.as_deref().unwrap_or("-"));
            line.push('"');
        }
        line
    }

    /// As a JSON object, in one line.
    #[must_use]
    pub fn json(&self) -> String {
        let mut line = String::with_capacity(240);
        let seconds = self.at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let _ = write!(line, "{{\"time\":{:.3},\"peer\":", seconds.as_secs_f64());
        quote(&mut line, &self.peer.to_string());
        for (name, value) in [
            ("method", Some(&self.method)),
            ("target", Some(&self.target)),
            ("referer", self.referer.as_ref()),
            ("agent", self.agent.as_ref()),
        ] {
            let _ = write!(line, ",\"{name}\":");
            match value {
                Some(value) => quote(&mut line, value),
                None => line.push_str("null"),
            }
        }
        let version = if self.is_old { "1.0" } else { "1.1" };
        let (status, bytes, took) = (self.status, self.bytes, self.duration.as_secs_f64());
        let _ = write!(
            line,
            ",\"version\":\"{version}\",\"status\":{status},\"bytes\":{bytes},\"seconds\":{took:.6}}}"
        );
        line
    }

    /// `10/Oct/2000:13:55:36 +0000`.
    fn date(&self) -> String {
        let date = format_date(self.at);
        let words: Vec<_> = date.split(' ').collect();
        match words[..] {
            [_, day, month, year, time, _] => format!("{day}/{month}/{year}:{time} +0000"),
            _ => date,
        }
    }
}

fn escape(line: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                line.push('\\');
                line.push(character);
            }
            ' '..='~' => line.push(character),
            other => {
                let mut bytes = [0; 4];
                for byte in other.encode_utf8(&mut bytes).bytes() {
                    let _ = write!(line, "\\x{byte:02x}");
                }
            }
        }
    }
}

/// A JSON string (RFC 8259, 7).
pub(super) fn quote(line: &mut String, text: &str) {
    line.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                line.push('\\');
                line.push(character);
            }
            control if control.is_control() => {
                let _ = write!(line, "\\u{:04x}", u32::from(control));
            }
            other => line.push(other),
        }
    }
    line.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_a_line() {
        let record = Record {
            peer: "192.0.2.1:4000".parse().expect("an address"),
            at: SystemTime::UNIX_EPOCH + Duration::from_millis(784_111_777_250),
            method: "GET".to_owned(),
            target: "/\"a\"\u{1b}[2J?é".to_owned(),
            is_old: false,
            status: 200,
            bytes: 13,
            referer: None,
            agent: Some("x\ny".to_owned()),
            duration: Duration::from_micros(1_500),
            began: Instant::now(),
        };
        assert_eq!(
            record.combined(),
            "192.0.2.1 - - [06/Nov/1994:08:49:37 +0000] \
             \"GET /\\\"a\\\"\\x1b[2J?\\xc3\\xa9 HTTP/1.1\" 200 13 \"-\" \"x\\x0ay\""
        );
        assert_eq!(
            record.json(),
            "{\"time\":784111777.250,\"peer\":\"192.0.2.1:4000\",\"method\":\"GET\",\
             \"target\":\"/\\\"a\\\"\\u001b[2J?é\",\"referer\":null,\"agent\":\"x\\u000ay\",\
             \"version\":\"1.1\",\"status\":200,\"bytes\":13,\"seconds\":0.001500}"
        );
    }
}
