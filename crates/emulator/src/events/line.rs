//! An event as one line for people.

use std::fmt;

use super::{EmulatorEvent, UpstreamCall};
use crate::auth::Caller;
use crate::log::LoggedRequest;
use crate::operation::Operation;

impl EmulatorEvent {
    /// The line with colors for a terminal (ANSI escape codes).
    #[must_use]
    pub fn colored(&self) -> impl fmt::Display + '_ {
        Line { event: self, has_colors: true }
    }
}

impl fmt::Display for EmulatorEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Line { event: self, has_colors: false }.fmt(f)
    }
}

struct Line<'e> {
    event: &'e EmulatorEvent,
    has_colors: bool,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.event {
            EmulatorEvent::ClientConnected { hub, connection_id, user_id, protocol } => {
                let user = user_id.as_deref().unwrap_or("somebody").escape_debug();
                self.subject(f, "client")?;
                write!(f, "{user} connected to {hub} with {protocol}, connection {connection_id}")
            }
            EmulatorEvent::ClientDisconnected { hub, connection_id, error } => {
                self.subject(f, "client")?;
                write!(f, "connection {connection_id} left {hub}")?;
                self.reason(f, error.as_deref())
            }
            EmulatorEvent::UpstreamCall(call) => self.upstream_call(f, call),
            EmulatorEvent::Request(request) => self.request(f, request),
        }
    }
}

impl Line<'_> {
    fn upstream_call(&self, f: &mut fmt::Formatter<'_>, call: &UpstreamCall) -> fmt::Result {
        let UpstreamCall { event, connection_id, url, attempts, .. } = call;
        self.subject(f, "upstream")?;
        // A client may choose a name of any length.
        let event: String = event.chars().take(MOST_CHARACTERS).collect();
        write!(f, "{} for connection {connection_id}, POST {url} -> ", event.escape_debug())?;
        if attempts.is_empty() {
            self.paint(f, RED, "not sendable")?;
        }
        for (number, status) in attempts.iter().enumerate() {
            f.write_str(if number == 0 { "" } else { ", then " })?;
            self.status(f, *status)?;
        }
        Ok(())
    }

    fn request(&self, f: &mut fmt::Formatter<'_>, request: &LoggedRequest) -> fmt::Result {
        let LoggedRequest { operation, method, target, status, rejection, reached, .. } = request;
        self.subject(
            f,
            match operation {
                Operation::Unknown => "request",
                operation if operation.is_client() => "client",
                operation if operation.is_entra() => "entra",
                _ => "REST",
            },
        )?;
        write!(f, "{method} {} -> ", target.escape_debug())?;
        self.status(f, *status)?;
        match &request.caller {
            Some(Caller::Entra { object_id, .. }) => write!(f, ", caller {object_id}")?,
            Some(Caller::AccessKey) => f.write_str(", with an access key")?,
            Some(Caller::TemporaryKey { .. }) => f.write_str(", with a temporary key")?,
            None => {}
        }
        if *reached > 0 {
            write!(f, ", reached {reached}")?;
        }
        self.reason(f, rejection.as_deref())
    }

    /// What the line is about, in a column of its own.
    fn subject(&self, f: &mut fmt::Formatter<'_>, word: &str) -> fmt::Result {
        let color = match word {
            "upstream" => MAGENTA,
            "REST" => BLUE,
            "client" => CYAN,
            _ => DIM,
        };
        self.paint(f, color, &format!("{word:<8}"))?;
        f.write_str("  ")
    }

    fn status(&self, f: &mut fmt::Formatter<'_>, status: Option<u16>) -> fmt::Result {
        match status {
            Some(status @ ..400) => self.paint(f, GREEN, &status.to_string()),
            Some(status) => self.paint(f, RED, &status.to_string()),
            None => self.paint(f, RED, "no answer"),
        }
    }

    fn reason(&self, f: &mut fmt::Formatter<'_>, text: Option<&str>) -> fmt::Result {
        let Some(text) = text else { return Ok(()) };
        f.write_str(": ")?;
        self.paint(f, RED, &text.escape_debug().to_string())
    }

    fn paint(&self, f: &mut fmt::Formatter<'_>, color: &str, text: &str) -> fmt::Result {
        if self.has_colors { write!(f, "{color}{text}{RESET}") } else { f.write_str(text) }
    }
}

const MOST_CHARACTERS: usize = 100;

const RED: &str = "\u{1b}[1;31m";
const GREEN: &str = "\u{1b}[32m";
const BLUE: &str = "\u{1b}[34m";
const MAGENTA: &str = "\u{1b}[35m";
const CYAN: &str = "\u{1b}[36m";
const DIM: &str = "\u{1b}[2m";
const RESET: &str = "\u{1b}[0m";

#[cfg(test)]
mod tests {
    use super::*;

    fn call(attempts: Vec<Option<u16>>) -> EmulatorEvent {
        EmulatorEvent::UpstreamCall(UpstreamCall {
            hub: "chat".to_owned(),
            category: "messages",
            event: "say\u{1b}".to_owned(),
            connection_id: "c1".to_owned(),
            url: "http://a.test/".to_owned(),
            attempts,
        })
    }

    #[test]
    fn attempts_stand_in_their_order() {
        let line = call(vec![None, Some(503), Some(200)]).to_string();
        assert_eq!(
            line,
            "upstream  say\\u{1b} for connection c1, POST http://a.test/ -> no answer, then 503, then 200"
        );
        assert!(call(Vec::new()).to_string().ends_with("-> not sendable"));
    }

    #[test]
    fn colors_add_nothing_but_escape_codes() {
        let left = EmulatorEvent::client_disconnected("chat", "c1", Some("gone\u{1b}[2J"));
        for event in [call(vec![None, Some(200)]), left] {
            let mut colored = event.colored().to_string();
            assert!(colored.starts_with("\u{1b}["), "{colored}");
            for code in [RED, GREEN, BLUE, MAGENTA, CYAN, DIM, RESET] {
                colored = colored.replace(code, "");
            }
            assert_eq!(colored, event.to_string());
            assert!(!colored.contains('\u{1b}'), "{colored}");
        }
    }
}
