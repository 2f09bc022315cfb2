//! Chromium, driven by its DevTools protocol: JSON over a WebSocket, spoken by `web socket`.

use std::io::Write;
use std::process::ChildStdin;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{PATIENCE, Program};

const WEB: &str = env!("CARGO_BIN_EXE_web");

pub(crate) struct Browser {
    talk: Program,
    say: ChildStdin,
    said: u64,
    /// What the pages complained of: their scripts, or the browser about them.
    pub(crate) complaints: Vec<String>,
    chromium: Program,
    _profile: tempfile::TempDir,
}

/// A page that is open, by the session in which it is spoken to.
pub(crate) struct Page(String);

impl Browser {
    pub(crate) fn start(chromium: &str) -> Self {
        let profile = tempfile::tempdir().expect("a directory");
        let place = format!("--user-data-dir={}", profile.path().display());
        let chromium = Program::start(
            chromium,
            &[
                "--headless=new",
                // Its own walls need rights that a container may not give.
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                "--remote-debugging-port=0",
                &place,
                "about:blank",
            ],
        );
        let line = chromium.error_with("DevTools listening on ");
        let (_, url) = line.split_once("listening on ").expect("it says where");
        let mut talk = Program::start(WEB, &["socket", url.trim()]);
        let say = talk.stdin();
        let complaints = Vec::new();
        Self { talk, say, said: 0, complaints, chromium, _profile: profile }
    }

    /// Opens a page; it is loaded when a script of its own says so.
    pub(crate) fn open(&mut self, url: &str, width: u32) -> Page {
        let target = self.call(None, "Target.createTarget", &json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = self.call(None, "Target.attachToTarget", &attach);
        let page = Page(session["sessionId"].as_str().expect("a session").to_owned());
        for domain in ["Runtime", "Log", "Page"] {
            self.call(Some(&page), &format!("{domain}.enable"), &json!({}));
        }
        let screen =
            json!({"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600});
        self.call(Some(&page), "Emulation.setDeviceMetricsOverride", &screen);
        self.call(Some(&page), "Page.navigate", &json!({"url": url}));
        page
    }

    /// What an expression is in a page.
    pub(crate) fn look(&mut self, page: &Page, expression: &str) -> Value {
        let asked = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        self.call(Some(page), "Runtime.evaluate", &asked)["result"]["value"].clone()
    }

    /// Waits until an expression is true in a page.
    #[track_caller]
    pub(crate) fn until(&mut self, page: &Page, expression: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.look(page, expression) != Value::Bool(true) {
            if Instant::now() > deadline {
                let shown = self.look(page, "document.body.innerText");
                panic!("never {expression}: {shown}\n{:?}", self.complaints);
            }
            // The page is asked again, not slept for: it does not tell by itself.
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Types into what has the focus, as a person does, and presses Enter.
    pub(crate) fn type_line(&mut self, page: &Page, text: &str) {
        self.call(Some(page), "Input.insertText", &json!({"text": text}));
        let enter = |kind| {
            json!({"type": kind, "key": "Enter", "code": "Enter", "text": "\r",
                "windowsVirtualKeyCode": 13})
        };
        self.call(Some(page), "Input.dispatchKeyEvent", &enter("keyDown"));
        self.call(Some(page), "Input.dispatchKeyEvent", &enter("keyUp"));
    }

    fn call(&mut self, page: Option<&Page>, method: &str, params: &Value) -> Value {
        self.said += 1;
        let mut said = json!({"id": self.said, "method": method, "params": params});
        if let Some(Page(session)) = page {
            said["sessionId"] = session.as_str().into();
        }
        writeln!(self.say, "{said}").expect("it listens");
        loop {
            let heard: Value = serde_json::from_str(&self.talk.line()).expect("JSON");
            if heard["id"] == self.said {
                assert!(heard.get("error").is_none(), "{method}: {heard}");
                return heard["result"].clone();
            }
            let event = heard["method"].as_str();
            if matches!(event, Some("Runtime.exceptionThrown" | "Log.entryAdded")) {
                self.complaints.push(heard["params"].to_string());
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // With its helpers, which would outlive it.
        let _ = writeln!(self.say, "{}", json!({"id": 0, "method": "Browser.close"}));
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline && self.chromium.is_running() {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
