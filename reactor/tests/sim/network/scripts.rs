//! Scripts, checks, and the end.

use super::*;

#[test]
fn scripts_run_at_their_times_and_in_their_order() {
    let mut network = Network::from_seed(1);
    let host = idle(&mut network, "host");
    let note = move |text: &'static str| {
        move |network: &mut Network| {
            let now = network.now();
            let (_, log) = network.parts(host).expect("it is up");
            log.note("script", format!("{text} at {now:?}"));
        }
    };
    network.at(2 * SECOND, note("third"));
    network.at(SECOND, note("first"));
    network.at(SECOND, note("second"));
    network.at(3 * SECOND, move |network| {
        // One that is late runs at once, and one may lead to another.
        network.at(SECOND, note("fourth"));
        let next = network.now() + MS;
        network.at(next, note("fifth"));
    });
    run(&mut network, 10 * SECOND);
    assert_eq!(
        network.app(host).unwrap().of("script"),
        ["first at 1s", "second at 1s", "third at 2s", "fourth at 3s", "fifth at 3.001s"]
    );
}

#[test]
fn what_must_always_hold_is_named_when_it_does_not() {
    let mut pair = Pair::new();
    let server = pair.server;
    pair.network.invariant("silence", move |network| {
        match network.app(server).map_or(0, |log| log.bytes("server").len()) {
            0 => Ok(()),
            heard => Err(format!("{heard} bytes were heard")),
        }
    });
    run(&mut pair.network, SECOND);
    pair.send(b"hello");
    let broken = pair.network.run_for(SECOND).expect_err("somebody spoke");
    let Broken { at, what, how } = broken.clone();
    assert_eq!((at, &*what, &*how), (2 * SECOND + LATENCY, "silence", "5 bytes were heard"));
    assert_eq!(broken.to_string(), "after 2.001s, silence is broken: 5 bytes were heard");
}

#[test]
fn time_goes_as_far_as_it_is_told_to() {
    let mut network = Network::from_seed(1);
    idle(&mut network, "host");
    assert_eq!(network.run_until(SECOND, |_| false), Ok(false));
    assert_eq!(network.now(), SECOND);
    assert_eq!(network.run_until(SECOND, |network| network.now() >= SECOND), Ok(true));
    assert_eq!(network.now(), SECOND, "it is so already");
    network.at(1_500 * MS, |_| {});
    let steps = network.steps();
    assert_eq!(network.run_until(SECOND, |network| network.steps() > steps), Ok(true));
    assert_eq!(network.now(), 1_500 * MS);
    while network.step().expect("nothing breaks") {}
    assert_eq!(network.now(), 1_500 * MS, "nothing is left that could happen");
}

#[test]
fn the_end_finds_what_is_left() {
    let mut pair = Pair::new();
    pair.network.finish(SECOND).expect("both close");
    let report = pair.network.report(pair.server).expect("it has ended");
    assert_eq!((report.finished, report.cut_off.len()), (1, 0));
    // Somebody opens a socket at the very end, and nobody closes it.
    let (registry, _) = pair.network.parts(pair.server).expect("it was not down");
    registry.listen("0.0.0.0:9".parse().unwrap(), |_, _| echo()).expect("it is free");
    let Broken { what, how, .. } = pair.network.finish(SECOND).expect_err("it is left");
    assert_eq!((&*what, &*how), ("tidiness", "server has 1 sockets left"));
}

#[test]
fn the_end_finds_a_loop_that_does_not() {
    let mut pair = Pair::new();
    pair.network.pause(pair.server, 3_600 * SECOND);
    let Broken { at, what, how } = pair.network.finish(SECOND).expect_err("it stands still");
    assert_eq!((&*what, &*how), ("shutdown", "a loop does not end"));
    assert_eq!(at, 62 * SECOND);
}

#[test]
fn whoever_cannot_boot_in_calm_has_a_fault_of_its_own() {
    let mut network = Network::from_seed(1);
    run(&mut network, SECOND);
    network.host("server", |_| -> Result<Log, _> { Err("there is no disk".into()) });
    let broken = network.run_for(SECOND).expect_err("it cannot boot");
    let expected = "after 1s, the boot of server is broken: there is no disk";
    assert_eq!(broken.to_string(), expected);
}

#[test]
fn whoever_cannot_boot_under_faults_tries_again() {
    let mut network = Network::from_seed(1);
    network.set_faults(Faults::calm().with(Fault::OpenError, Rate::MOSTLY));
    let server = network.host("server", |registry| {
        registry.listen("0.0.0.0:7".parse()?, |_, _| echo())?;
        Ok(Log::default())
    });
    assert!(!network.is_up(server));
    network.at(2_500 * MS, |network| network.set_faults(Faults::calm()));
    let booted = elapsed(&mut network, |network| network.is_up(server));
    assert_eq!(booted, 3 * SECOND, "once a second");
    assert_eq!(network.fault_counts().of(Fault::OpenError), 3);
    assert_eq!(network.snapshot(server).expect("it is up").sockets.len(), 1);
}

#[test]
fn calm_ends_what_goes_wrong_and_not_what_has_gone_wrong() {
    let mut pair = Pair::new();
    pair.network.set_faults(Faults::calm().with(Fault::DatagramLost, Rate::MOSTLY));
    pair.network.rule(|_| Verdict::Drop);
    pair.network.partition(pair.client, pair.server, Duration::MAX);
    pair.network.pause(pair.client, PATIENCE);
    let third = idle(&mut pair.network, "third");
    pair.network.crash(third);
    pair.network.calm();
    assert!(pair.network.is_up(third));
    pair.send_datagram(b"hello");
    assert_eq!(pair.until("socket", "datagram 5"), 2 * LATENCY);
    assert_eq!(pair.network.fault_counts().of(Fault::DatagramLost), 0);
}

#[test]
fn an_error_can_be_told_from_another() {
    for (errno, code) in [(Errno::ECONNRESET, 104), (Errno::EMFILE, 24), (Errno::EPROTOTYPE, 91)] {
        if cfg!(target_os = "linux") {
            assert_eq!(std::io::Error::from(errno).raw_os_error(), Some(code));
        }
    }
}

#[test]
fn a_hundred_hosts_pass_a_word_around() {
    const HOSTS: u16 = 100;
    let mut network = Network::from_seed(1);
    let ids: Vec<HostId> = (0..HOSTS)
        .map(|nth| {
            let next = Address::Ip(([10, 0, 0, (nth + 1) as u8 % 100 + 1], 7).into());
            // Whoever hears the word tells the next, but the first, who began.
            let host = network.host(&format!("host {nth}"), move |registry| {
                let next = next.clone();
                registry.listen("0.0.0.0:7".parse()?, move |_, _| {
                    let next = next.clone();
                    Probe::new("listener").on_data(move |transport, input, log: &mut Log| {
                        let word = input.take_all().to_vec();
                        log.note("word", String::from_utf8_lossy(&word));
                        if nth > 0 {
                            let teller = teller(word);
                            let connecting = transport.registry().connect(next.clone(), teller);
                            connecting.expect("it begins to connect");
                        }
                    })
                })?;
                Ok(Log::default())
            });
            host.id()
        })
        .collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 100);
    let first: Host<Log> = idle(&mut network, "the first");
    let (registry, _) = network.parts(first).expect("it is up");
    let begin = "10.0.0.2:7".parse().unwrap();
    registry.connect(begin, teller(b"psst".to_vec())).expect("it begins to connect");
    // A round trip to connect, half of one for the word, and a turn to accept and one to read.
    let last = ids[0];
    let heard = elapsed(&mut network, |network| {
        network.stats(last).is_some_and(|stats| stats.read_bytes == 4)
    });
    assert_eq!(heard, 100 * (3 * LATENCY + Duration::from_micros(2)));
    network.finish(10 * SECOND).expect("nothing is left");
}

/// Says a word, and goes.
fn teller(word: Vec<u8>) -> Probe {
    Probe::new("teller").on_open(move |transport, _| {
        transport.write(&word);
        transport.close();
    })
}

#[test]
fn much_arrives_whole_over_a_path_that_loses_and_delays() {
    let mut pair = Pair::new();
    let bad = [Fault::SegmentLost, Fault::ShortRead, Fault::ShortWrite, Fault::WouldBlock];
    let faults =
        bad.into_iter().fold(Faults::calm(), |all, fault| all.with(fault, Rate::one_in(3)));
    pair.network.set_faults(faults);
    let text = pattern(300_000);
    pair.send(&text);
    let client = pair.client;
    elapsed(&mut pair.network, |network| {
        network.app(client).unwrap().bytes("client").len() == text.len()
    });
    support::assert_same_bytes(pair.log(pair.client).bytes("client"), &text);
    for fault in bad {
        assert!(pair.network.fault_counts().of(fault) > 0, "{fault}");
    }
}

#[test]
fn a_timer_fires_at_its_time_and_a_slow_handler_makes_it_late() {
    let mut network = Network::from_seed(1);
    let server = network.host("server", |registry| {
        registry.listen("0.0.0.0:7".parse()?, |_, _| {
            Probe::new("server").on_open(|transport, _| {
                transport.set_timer(TimerKey(1), 250 * MS);
            })
        })?;
        Ok(Log::default())
    });
    let address = network.address(server, 7);
    network.host("client", move |registry| {
        registry.connect(address.clone(), Probe::new("client"))?;
        Ok(Log::default())
    });
    let fired =
        elapsed(&mut network, |network| network.app(server).unwrap().has("server", "timer 1"));
    assert_eq!(fired, 3 * LATENCY + 250 * MS);
    network.set_faults(Faults::calm().with(Fault::SlowHandler, Rate::MOSTLY));
    let (registry, _) = network.parts(server).expect("it is up");
    for after in [MS, 2 * MS] {
        let late = move |_: &mut reactor::Registry<Log>, log: &mut Log| {
            log.note("late", format!("{after:?}"));
        };
        registry.after(after, late).expect("there is one left");
    }
    let both = elapsed(&mut network, |network| network.app(server).unwrap().has("late", "2ms"));
    assert!(both > 2 * MS && both < 200 * MS, "{both:?}");
}
