//! How long a session may take over what it does, to the second: on a simulated network, where a minute
//! takes no time.

use std::cell::RefCell;
use std::error::Error;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use protocols::transfer::ftp::reply::Replies;
use protocols::transfer::ftp::users::Users;
use protocols::transfer::ftp::{self, Limits, Server, Settings};
use protocols::transfer::store::{Access, Store};
use reactor::sim::Network;
use reactor::{Closed, Input, ListenOptions, Protocol, Registry, Transport};

const PORT: u16 = 2121;

/// The code of a reply, and the second in which it came; 0 is the end.
type Heard = Rc<RefCell<Vec<(u64, u16)>>>;

/// Keeps when it was told what.
struct Watch {
    begun: Instant,
    replies: Replies,
    heard: Heard,
}

impl Watch {
    fn note(&self, now: Instant, code: u16) {
        self.heard.borrow_mut().push(((now - self.begun).as_secs(), code));
    }
}

impl Protocol<()> for Watch {
    fn on_data(&mut self, transport: &mut Transport<'_, ()>, input: &mut Input<'_>, _: &mut ()) {
        let now = transport.registry().now();
        while let Some(end) = input.iter().position(|&byte| byte == b'\n') {
            let line = input.take_front(end + 1);
            let line = line.strip_suffix(b"\r\n").expect("lines end so");
            if let Some(reply) = self.replies.handle_line(line).expect("it is a reply") {
                self.note(now, reply.code);
            }
        }
    }

    fn on_close(&mut self, registry: &mut Registry<()>, _: &Closed, _: &mut ()) {
        self.note(registry.now(), 0);
    }
}

/// What a client hears that says each of these lines in that second, within so many seconds.
fn hears(limits: Limits, lines: &[(u64, &'static str)], seconds: u64) -> Vec<(u64, u16)> {
    let tree = tempfile::tempdir().expect("a directory");
    let mut network = Network::from_seed(0);
    let (root, settings) = (tree.path().to_owned(), Settings { limits, ..Settings::default() });
    let server = network.host("server", move |registry| serve(registry, &root, &settings));
    let address = network.address(server, PORT);
    let heard = Heard::default();
    let (told, lines) = (Rc::clone(&heard), lines.to_vec());
    network.host("client", move |registry| {
        let watch =
            Watch { begun: registry.now(), replies: Replies::default(), heard: Rc::clone(&told) };
        let id = registry.connect(address.clone(), watch)?;
        for &(second, line) in &lines {
            // Half of a second later, so that what takes a moment is in the same one.
            let when = Duration::from_secs(second) + Duration::from_millis(500);
            registry.after(when, move |registry, ()| {
                // It may have ended.
                let _ = registry.send(id, format!("{line}\r\n").into_bytes().into());
            })?;
        }
        Ok(())
    });
    network.run_for(Duration::from_secs(seconds)).expect("nothing breaks");
    heard.take()
}

fn serve(
    registry: &mut Registry<Server>,
    root: &Path,
    settings: &Settings,
) -> Result<Server, Box<dyn Error>> {
    ftp::listen(registry, format!("0.0.0.0:{PORT}").parse()?, &ListenOptions::default())?;
    let store = Store::open(root, Access::ReadOnly)?;
    Ok(Server::new(settings.clone(), Users::anonymous_only(), store))
}

fn idle(seconds: u64) -> Limits {
    Limits { idle_timeout: Duration::from_secs(seconds), ..Limits::default() }
}

const LOGIN: [(u64, &str); 2] = [(0, "USER anonymous"), (0, "PASS me")];

#[test]
fn an_idle_timeout_of_seconds_is_kept_though_a_login_may_take_a_minute() {
    let heard = hears(idle(5), &LOGIN, 100);
    assert_eq!(heard, [(0, 220), (0, 331), (0, 230), (5, 421), (5, 0)]);
    // Whatever is said begins it anew.
    let lines = [&LOGIN[..], &[(4, "NOOP"), (8, "PWD"), (12, "XYZZY")]].concat();
    let heard = hears(idle(5), &lines, 100);
    assert_eq!(heard[3..], [(4, 200), (8, 257), (12, 500), (17, 421), (17, 0)]);
}

#[test]
fn a_login_that_takes_too_long_is_ended_in_time_whatever_is_said_meanwhile() {
    let lines = [(10, "NOOP"), (30, "USER anonymous"), (59, "NOOP")];
    let heard = hears(idle(300), &lines, 100);
    assert_eq!(heard, [(0, 220), (10, 200), (30, 331), (59, 200), (60, 421), (60, 0)]);
    // A client that has not been in gains nothing by beginning again.
    let heard = hears(idle(300), &[(40, "REIN"), (50, "USER anonymous")], 100);
    assert_eq!(heard, [(0, 220), (40, 220), (50, 331), (60, 421), (60, 0)]);
    // Nor by an answer that is held back when the time is over: it is told with that.
    let wrong = [(58, "USER nobody"), (59, "PASS wrong")];
    let limits = Limits { login_delay: Duration::from_secs(4), ..idle(300) };
    let heard = hears(limits, &wrong, 100);
    assert_eq!(heard, [(0, 220), (58, 331), (63, 530), (63, 421), (63, 0)]);
}

#[test]
fn whoever_begins_again_has_the_time_for_a_login_again() {
    for again in ["REIN", "USER anonymous"] {
        let (code, limits) = (if again == "REIN" { 220 } else { 331 }, idle(300));
        let lines = [&LOGIN[..], &[(200, again)]].concat();
        let heard = hears(limits.clone(), &lines, 400);
        assert_eq!(heard[3..], [(200, code), (260, 421), (260, 0)], "{again}");
        let lines = [&LOGIN[..], &[(200, again), (250, LOGIN[0].1), (258, LOGIN[1].1)]].concat();
        let heard = hears(limits, &lines, 1_000);
        let then = [(200, code), (250, 331), (258, 230), (558, 421), (558, 0)];
        assert_eq!(heard[3..], then, "{again}");
    }
}

#[test]
fn a_time_that_never_comes_is_never() {
    let limits = Limits { idle_timeout: Duration::MAX, ..Limits::default() };
    let lines = [&LOGIN[..], &[(100_000, "NOOP")]].concat();
    assert_eq!(hears(limits, &lines, 200_000)[3..], [(100_000, 200)]);
}
