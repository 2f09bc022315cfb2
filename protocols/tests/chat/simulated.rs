//! What takes minutes, in virtual time: to the millisecond, and on no clock but the loop's.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use protocols::chat::accounts::{AccountLimits, Accounts};
use protocols::chat::{self, Limits, Server, Settings};
use reactor::sim::{HostId, Network, Outcome, Simulation};
use reactor::{Closed, Input, ListenOptions, Protocol, Registry, TimerKey, Transport};

/// What a client heard, and how long after it had connected.
type Heard = Rc<RefCell<Vec<(Duration, String)>>>;

/// Says something when it connects, and nothing after that but that it is there.
struct Client {
    says: String,
    /// From the line on that has this in it, it reads for an instant and rests for a minute.
    tires_at: Option<&'static str>,
    began: Option<Instant>,
    heard: Heard,
}

impl Protocol<()> for Client {
    fn on_open(&mut self, transport: &mut Transport<'_, ()>, (): &mut ()) {
        self.began = Some(transport.registry().now());
        transport.write(self.says.as_bytes());
    }

    fn on_data(&mut self, transport: &mut Transport<'_, ()>, input: &mut Input<'_>, (): &mut ()) {
        let after = transport.registry().now() - self.began.expect("it is open");
        let known = self.heard.borrow().len();
        while let Some(end) = input.windows(2).position(|two| two == b"\r\n") {
            let line = String::from_utf8_lossy(&input.take_front(end + 2)[..end]).into_owned();
            if self.tires_at.is_some_and(|text| line.contains(text)) {
                self.tires_at = Some("");
            }
            if self.tires_at.is_some() && line.starts_with("PING") {
                transport.write(b"PONG :it is there\r\n");
            }
            self.heard.borrow_mut().push((after, line));
        }
        if self.tires_at == Some("") && self.heard.borrow().len() > known {
            transport.pause();
            transport.set_timer(TimerKey(0), Duration::from_secs(60));
        }
    }

    fn on_timer(&mut self, transport: &mut Transport<'_, ()>, _: TimerKey, (): &mut ()) {
        transport.resume();
    }

    fn on_close(&mut self, _: &mut Registry<()>, _: &Closed, (): &mut ()) {
        self.heard.borrow_mut().push((Duration::ZERO, "closed".to_owned()));
    }
}

/// A server with these settings, and a client; what it has heard after a time.
fn hears(settings: Settings, says: &str, time: Duration) -> Vec<(Duration, String)> {
    hears_under(settings, says, |_, _| Ok(()), None, time)
}

/// As [`hears`], after something has happened to the server, until it tires.
fn hears_under(
    settings: Settings,
    says: &str,
    event: fn(&mut Network, HostId) -> Outcome,
    tires_at: Option<&'static str>,
    time: Duration,
) -> Vec<(Duration, String)> {
    let heard: Heard = Rc::default();
    let (says, ears) = (says.to_owned(), Rc::clone(&heard));
    let simulation = Simulation::new(move |network: &mut Network| -> Outcome {
        ears.borrow_mut().clear();
        let settings = settings.clone();
        let server = network.host("server", move |registry| {
            let limits = settings.limits.stream_limits();
            let options = ListenOptions { limits, ..ListenOptions::default() };
            chat::listen(registry, "0.0.0.0:6667".parse()?, &options)?;
            Ok(Server::new(settings.clone(), Accounts::in_memory(AccountLimits::default())))
        });
        let address = network.address(server, 6667);
        let (says, heard) = (says.clone(), Rc::clone(&ears));
        network.host("client", move |registry| {
            let (says, heard) = (says.clone(), Rc::clone(&heard));
            let client = Client { says, tires_at, began: None, heard };
            registry.connect(address.clone(), client)?;
            Ok(())
        });
        event(network, server.into())?;
        network.run_for(time)?;
        Ok(())
    });
    let run = simulation.run_seed(0);
    assert!(!run.has_failed(), "{run:?}");
    heard.take()
}

const REGISTER: &str = "NICK ann\r\nUSER ann 0 * :Ann\r\n";

fn when(heard: &[(Duration, String)], text: &str) -> Option<u64> {
    heard.iter().find(|(_, line)| line.contains(text)).map(|(after, _)| after.as_millis() as u64)
}

#[test]
fn silence_is_asked_about_and_then_ends_the_connection() {
    let heard = hears(Settings::default(), REGISTER, Duration::from_secs(400));
    let asked = when(&heard, "PING :chat.local").expect("it is asked");
    let ended = when(&heard, "(Ping timeout: 180 seconds)").expect("it is ended");
    assert!((90_000..90_100).contains(&asked), "after ninety seconds, not {asked} ms");
    assert!((180_000..180_100).contains(&ended), "ninety seconds later, not {ended} ms");
    assert_eq!(heard.last().map(|(_, line)| line.as_str()), Some("closed"));
}

#[test]
fn who_says_nothing_at_all_has_half_a_minute() {
    let heard = hears(Settings::default(), "NICK ann\r\n", Duration::from_secs(100));
    let ended = when(&heard, "(Registration timed out)").expect("it is ended");
    assert!((30_000..30_100).contains(&ended), "{ended} ms");
}

#[test]
fn whoever_is_asked_often_still_has_half_a_minute_to_register() {
    let limits = Limits { ping_interval: Duration::from_secs(10), ..Limits::default() };
    let settings = Settings { limits, ..Settings::default() };
    let heard = hears(settings.clone(), "NICK ann\r\n", Duration::from_secs(100));
    let ended = when(&heard, "(Registration timed out)").expect("it is ended");
    assert!((30_000..30_100).contains(&ended), "{ended} ms");
    assert_eq!(when(&heard, "PING"), None);
    let heard = hears(settings, REGISTER, Duration::from_secs(20));
    let asked = when(&heard, "PING :chat.local").expect("it is asked");
    assert!((10_000..10_100).contains(&asked), "{asked} ms");
}

#[test]
fn five_commands_at_once_and_then_two_a_second() {
    let pings: String = (0..9).map(|at| format!("PING {at}\r\n")).collect();
    let heard = hears(Settings::default(), &format!("{REGISTER}{pings}"), Duration::from_secs(20));
    let begun = when(&heard, "PONG chat.local :0").expect("it is answered");
    let times: Vec<_> = (0..9)
        .map(|at| when(&heard, &format!("PONG chat.local :{at}")).expect("it is answered") - begun)
        .collect();
    // NICK and USER were of another burst.
    for (at, expected) in [0, 0, 0, 0, 0, 500, 1_000, 1_500, 2_000].into_iter().enumerate() {
        assert!((expected..expected + 20).contains(&times[at]), "{times:?}");
    }
}

#[test]
fn a_long_answer_counts_as_several_commands() {
    let limits = Limits { send_queue: 1024 * 1024, ..Limits::default() };
    let motd = Some(vec!["m".repeat(400); 240]); // 103 KiB as it is told
    let settings = Settings { limits, motd, ..Settings::default() };
    let says = format!("{REGISTER}MOTD\r\nPING 0\r\nPING 1\r\nPING 2\r\n");
    let heard = hears(settings, &says, Duration::from_secs(20));
    assert_eq!(heard.iter().filter(|(_, line)| line.contains(":- mmm")).count(), 480);
    let times = [0, 1, 2].map(|at| when(&heard, &format!("PONG chat.local :{at}")));
    let [zero, one, two] = times.map(|time| time.expect("it is answered"));
    // What it is greeted with is free, though the same is in it.
    assert!(zero < 20, "one, and three and one, make five, not {times:?}");
    assert!((480..520).contains(&(one - zero)), "the sixth, not {times:?}");
    assert!((480..520).contains(&(two - one)), "{times:?}");
}

#[test]
fn who_reads_a_long_answer_slowly_is_there_for_as_long_as_it_reads() {
    let limits = Limits {
        flood_burst: 10_000,
        receive_queue: 1024 * 1024,
        channels_per_user: 2_000,
        ..Limits::default()
    };
    let settings = Settings { limits, ..Settings::default() };
    let topic = "t".repeat(380);
    let join = |at| format!("JOIN #{at}\r\nTOPIC #{at} :{topic}\r\n");
    let joins: String = (0..900).map(join).collect();
    let says = format!("{REGISTER}{joins}LIST\r\n");
    let heard =
        hears_under(settings, &says, |_, _| Ok(()), Some(" 321 "), Duration::from_secs(2_000));
    let told = heard.iter().filter(|(_, line)| line.contains(" 322 ")).count();
    assert_eq!(when(&heard, "Ping timeout"), None);
    assert_eq!(told, 900);
}

#[test]
fn a_question_that_takes_long_to_answer_counts_as_several_commands() {
    let limits = Limits { flood_burst: 310, flood_rate: 1, ..Limits::default() };
    let settings = Settings { limits, ..Settings::default() };
    let nicks: String = (0..300).map(|at| format!("NICK ann{at}\r\n")).collect();
    let masks = ["x*"; 150].join(",");
    let says = format!("{REGISTER}{nicks}WHOWAS {masks}\r\nPING done\r\n");
    let heard = hears(settings, &says, Duration::from_secs(20));
    let [told, done] = [" 369 ", "PONG"].map(|text| when(&heard, text).expect("it is answered"));
    assert!((7_900..8_100).contains(&(done - told)), "sixteen of nine that were left: {heard:?}");
}

#[test]
fn lines_are_told_apart_by_time_though_the_clock_is_set_back() {
    let lines: String = (0..12).map(|at| format!("PRIVMSG #a :{at}\r\n")).collect();
    let says = format!(
        "CAP REQ :echo-message server-time\r\nCAP END\r\n{REGISTER}JOIN #a\r\n{lines}\
         CHATHISTORY LATEST #a * 100\r\n"
    );
    let limits = Limits { flood_rate: 1, ..Limits::default() };
    let settings = Settings { limits, ..Settings::default() };
    let set_back = |network: &mut Network, server: HostId| {
        network.run_for(Duration::from_secs(4))?;
        network.set_wall_clock(server, -3_600);
        Ok(())
    };
    let heard = hears_under(settings, &says, set_back, None, Duration::from_secs(20));
    let times: Vec<_> = heard
        .iter()
        .filter(|(_, line)| line.contains(" PRIVMSG #a :"))
        .map(|(_, line)| line.split(' ').next().unwrap_or_default())
        .collect();
    let (said, remembered) = times.split_at(12);
    assert!(said.is_sorted_by(|one, next| one < next), "{said:?}");
    assert_eq!(said, remembered);
}
