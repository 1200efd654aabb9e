//! A headless Chromium, driven over its DevTools pipe.

use serde_json::{json, Value};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

const PROGRAMS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

const FLAGS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
];

/// A browser with one page.
pub struct Browser {
    process: Child,
    commands: ChildStdin,
    replies: BufReader<ChildStdout>,
    session: Option<String>,
    last: u64,
    /// What the browser said unasked.
    pub events: Vec<Value>,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// `None` if there is no Chromium.
    pub fn start() -> Option<Self> {
        let program = PROGRAMS.into_iter().find(|p| {
            let version = Command::new(p).arg("--version").stderr(Stdio::null()).output();
            version.is_ok_and(|o| o.status.success())
        })?;
        let profile = tempfile::tempdir().unwrap();
        // Chromium takes commands from descriptor 3 and writes replies to 4.
        let mut process = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", program])
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let commands = process.stdin.take().unwrap();
        let replies = BufReader::new(process.stdout.take().unwrap());
        let (session, last, events) = (None, 0, Vec::new());
        let mut browser =
            Self { process, commands, replies, session, last, events, _profile: profile };
        browser.attach();
        Some(browser)
    }

    fn attach(&mut self) {
        let target = self.call("Target.createTarget", json!({ "url": "about:blank" }));
        let arguments = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = self.call("Target.attachToTarget", arguments);
        self.session = Some(attached["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Page", "Runtime", "Log", "Network"] {
            self.call(&format!("{domain}.enable"), json!({}));
        }
    }

    /// The result of a DevTools method.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let mut message = json!({ "id": self.last, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        write!(self.commands, "{message}\0").unwrap();
        loop {
            let reply = self.read();
            if reply["id"] == self.last {
                assert!(reply["error"].is_null(), "{method}: {reply}");
                return reply["result"].clone();
            }
            self.events.push(reply);
        }
    }

    fn read(&mut self) -> Value {
        let mut bytes = Vec::new();
        self.replies.read_until(0, &mut bytes).unwrap();
        assert_eq!(bytes.pop(), Some(0), "the browser ended");
        serde_json::from_slice(&bytes).unwrap()
    }

    /// Opens a file and waits until it is loaded.
    pub fn open(&mut self, file: &Path) {
        self.events.clear();
        let url = format!("file://{}", file.display());
        self.call("Page.navigate", json!({ "url": url }));
        while !self.events.iter().any(|e| e["method"] == "Page.loadEventFired") {
            let event = self.read();
            self.events.push(event);
        }
    }

    /// The value of an expression, awaited.
    pub fn value(&mut self, expression: &str) -> Value {
        let arguments =
            json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let out = self.call("Runtime.evaluate", arguments);
        assert!(out["exceptionDetails"].is_null(), "{expression}: {out}");
        out["result"]["value"].clone()
    }

    pub fn number(&mut self, expression: &str) -> f64 {
        let value = self.value(expression);
        value.as_f64().unwrap_or_else(|| panic!("{expression}: {value}"))
    }

    /// Waits until an expression is true.
    pub fn until(&mut self, expression: &str) {
        for _ in 0..500 {
            if self.value(expression) == true {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("never true: {expression}");
    }

    /// Scrolls to what a selector finds first; its place in the window.
    pub fn place(&mut self, selector: &str) -> [f64; 4] {
        let expression = format!(
            "(() => {{ const e = document.querySelector({selector:?});
            e.scrollIntoView({{ block: 'center', behavior: 'instant' }});
            const b = e.getBoundingClientRect(); return [b.x, b.y, b.width, b.height]; }})()"
        );
        serde_json::from_value(self.value(&expression)).unwrap()
    }

    pub fn mouse(&mut self, kind: &str, (x, y): (f64, f64)) {
        let held = if kind == "mouseMoved" { 1 } else { 0 };
        let arguments = json!({ "type": kind, "x": x, "y": y, "button": "left", "buttons": held,
            "clickCount": 1 });
        self.call("Input.dispatchMouseEvent", arguments);
    }

    /// Presses the button at one place and releases it at another.
    pub fn drag(&mut self, from: (f64, f64), to: (f64, f64)) {
        self.mouse("mousePressed", from);
        self.mouse("mouseMoved", to);
        self.mouse("mouseReleased", to);
    }

    /// Clicks the middle of what a selector finds first.
    pub fn click(&mut self, selector: &str) {
        let [x, y, width, height] = self.place(selector);
        let middle = (x + width / 2.0, y + height / 2.0);
        self.mouse("mousePressed", middle);
        self.mouse("mouseReleased", middle);
    }

    pub fn wheel(&mut self, (x, y): (f64, f64), delta: f64) {
        let arguments =
            json!({ "type": "mouseWheel", "x": x, "y": y, "deltaX": 0, "deltaY": delta });
        self.call("Input.dispatchMouseEvent", arguments);
    }

    /// Two fingers above and below a place move apart.
    pub fn pinch(&mut self, (x, y): (f64, f64), from: f64, to: f64) {
        for (kind, apart) in [("touchStart", from), ("touchMove", to), ("touchEnd", to)] {
            let finger = |id: u32, y: f64| json!({ "id": id, "x": x, "y": y });
            let both = vec![finger(0, y - apart / 2.0), finger(1, y + apart / 2.0)];
            let points = if kind == "touchEnd" { Vec::new() } else { both };
            let arguments = json!({ "type": kind, "touchPoints": points });
            self.call("Input.dispatchTouchEvent", arguments);
        }
    }

    pub fn key(&mut self, key: &str) {
        let code = match key {
            "ArrowLeft" => 37,
            "ArrowUp" => 38,
            "ArrowRight" => 39,
            "ArrowDown" => 40,
            "Home" => 36,
            _ => 0,
        };
        let mut arguments = json!({ "type": "keyDown", "key": key, "windowsVirtualKeyCode": code });
        if key.len() == 1 {
            arguments["text"] = json!(key);
        }
        self.call("Input.dispatchKeyEvent", arguments.clone());
        arguments["type"] = json!("keyUp");
        self.call("Input.dispatchKeyEvent", arguments);
    }

    /// Sets the window's width and the colours that the page prefers.
    pub fn look(&mut self, width: u32, scheme: &str) {
        let size =
            json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", size);
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call("Emulation.setEmulatedMedia", features);
        self.value("new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))");
    }

    /// The whole page as a PNG.
    pub fn screenshot(&mut self) -> Vec<u8> {
        let size = self.call("Page.getLayoutMetrics", json!({}))["cssContentSize"].clone();
        let clip =
            json!({ "x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1 });
        let arguments = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let shot = self.call("Page.captureScreenshot", arguments);
        from_base64(shot["data"].as_str().unwrap())
    }

    /// Errors in the console and requests for anything but the page itself and data URIs.
    pub fn complaints(&self) -> Vec<&Value> {
        let complaint = |event: &&Value| {
            let params = &event["params"];
            match event["method"].as_str().unwrap_or_default() {
                "Runtime.exceptionThrown" => true,
                "Runtime.consoleAPICalled" => params["type"] == "error",
                "Log.entryAdded" => params["entry"]["level"] == "error",
                "Network.requestWillBeSent" => {
                    let url = params["request"]["url"].as_str().unwrap();
                    !url.starts_with("data:") && params["type"] != "Document"
                }
                _ => false,
            }
        };
        self.events.iter().filter(complaint).collect()
    }
}

fn from_base64(text: &str) -> Vec<u8> {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u8> = text.bytes().filter(|c| *c != b'=').map(digit).collect();
    let three = |four: &[u8]| {
        let bits = four.iter().enumerate().fold(0, |n, (i, d)| n | u32::from(*d) << (18 - 6 * i));
        let bytes = [bits >> 16, bits >> 8, bits].map(|b| b as u8);
        bytes.into_iter().take(four.len() - 1)
    };
    digits.chunks(4).flat_map(three).collect()
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = write!(self.commands, "{}\0", json!({ "id": 0, "method": "Browser.close" }));
        let _ = self.process.wait();
    }
}
