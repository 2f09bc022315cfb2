//! The client on networks where everything goes wrong: each request ends once, nothing is delivered twice, what is
//! subscribed to is subscribed to again; and a broker that delivers twice is found.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::error::Error;
use std::rc::Rc;
use std::time::Duration;

use protocols::nats::{Client, ClientOptions, RequestError, ServerAddr};
use reactor::sim::{Network, Outcome, Simulation};
use reactor::{Address, ListenOptions, Registry, StreamLimits};

use crate::broker::{Broker, Seat};

const PORT: u16 = 4_222;
const ROUNDS: u64 = 15;
const PATIENCE: Duration = Duration::from_secs(20);

/// What outlives the programs, as it is the test's.
#[derive(Clone, Default)]
struct Book(Rc<Page>);

#[derive(Default)]
struct Page {
    /// How often each of the programs has booted.
    boots: Cell<u64>,
    /// What was published and has come: once, then.
    heard: RefCell<BTreeSet<(u64, u64)>>,
    /// The last that has come, and on which connections of both it was.
    last: Cell<((u64, u64, u64), u64)>,
    open: RefCell<BTreeSet<(u64, u64)>>,
    answered: Cell<u64>,
    late: Cell<u64>,
    wrong: RefCell<Option<String>>,
}

impl Page {
    fn object(&self, why: String) {
        self.wrong.borrow_mut().get_or_insert(why);
    }
}

/// A program with a client.
struct Program {
    client: Client<Program>,
    book: Book,
    boot: u64,
    next: u64,
}

impl Program {
    fn boot(registry: &mut Registry<Self>, server: &Address, book: Book) -> Self {
        let boot = book.0.boots.get() + 1;
        book.0.boots.set(boot);
        let mut options = ClientOptions::new([ServerAddr::from(server.clone())]);
        options.retry_on_failed_connect = true;
        options.limits.ping_interval = Duration::from_secs(2);
        let client = Client::connect(registry, options, |_, _, _| {});
        Self { client, book, boot, next: 0 }
    }

    /// It hears what is published, and answers.
    fn boot_service(
        registry: &mut Registry<Self>,
        server: &Address,
        book: Book,
    ) -> Result<Self, Box<dyn Error>> {
        let program = Self::boot(registry, server, book);
        program.client.subscribe(registry, "news.>", |_, program: &mut Self, message| {
            program.hear(message.payload);
        })?;
        program.client.queue_subscribe(
            registry,
            "double",
            "doublers",
            |registry, program: &mut Self, message| {
                let number: u64 =
                    String::from_utf8_lossy(message.payload).parse().unwrap_or_default();
                let answer = (2 * number).to_string();
                // Without room nobody is answered, and who has asked is told so in time.
                let _ = program.client.clone().respond(registry, message, answer.as_bytes());
            },
        )?;
        Ok(program)
    }

    fn hear(&mut self, payload: &[u8]) {
        let page = &self.book.0;
        let text = String::from_utf8_lossy(payload).into_owned();
        let mut numbers = text.split(' ').map(|word| word.parse::<u64>().expect("it is ours"));
        let mut next = || numbers.next().expect("it is ours");
        let (boot, connection, number) = (next(), next(), next());
        if !page.heard.borrow_mut().insert((boot, number)) {
            page.object(format!("{text} is delivered twice"));
        }
        let on = (boot, connection, self.client.statistics().connects + (self.boot << 32));
        let (before, last) = page.last.replace((on, number));
        if before == on && last >= number {
            page.object(format!("{text} comes behind {last}"));
        }
    }

    /// It publishes and asks, every few moments.
    fn boot_asker(
        registry: &mut Registry<Self>,
        server: &Address,
        book: Book,
    ) -> Result<Self, Box<dyn Error>> {
        // What it had asked before it crashed, nobody waits for.
        book.0.open.borrow_mut().clear();
        let program = Self::boot(registry, server, book);
        for round in 0..ROUNDS {
            registry.after(
                Duration::from_millis(300 * round),
                |registry, program: &mut Self| {
                    (0..4).for_each(|_| program.publish(registry));
                    program.ask(registry, Duration::from_secs(2));
                    program.ask(registry, PATIENCE);
                },
            )?;
        }
        Ok(program)
    }

    fn publish(&mut self, registry: &mut Registry<Self>) {
        self.next += 1;
        // What is kept leaves by the next connection.
        let connection = self.client.statistics().connects + u64::from(!self.client.is_connected());
        let text = format!("{} {connection} {}", self.boot, self.next);
        // Without room it is not published.
        let _ = self.client.publish(registry, "news.tea", text.as_bytes());
    }

    fn ask(&mut self, registry: &mut Registry<Self>, timeout: Duration) {
        self.next += 1;
        let (number, boot) = (self.next, self.boot);
        let asked = self.client.request(
            registry,
            "double",
            number.to_string().as_bytes(),
            timeout,
            move |_, program: &mut Self, answer| {
                let page = &program.book.0;
                if !page.open.borrow_mut().remove(&(boot, number)) {
                    page.object(format!("{number} ends twice"));
                }
                match answer {
                    Ok(answer) if answer.payload == (2 * number).to_string().as_bytes() => {
                        page.answered.set(page.answered.get() + 1);
                    }
                    Ok(answer) => page.object(format!("twice {number} is {:?}", answer.payload)),
                    // An answer may still come, or may have been on its way.
                    Err(RequestError::TimedOut(_) | RequestError::Lost) => {
                        page.late.set(page.late.get() + 1);
                    }
                    Err(_) => {}
                }
            },
        );
        if asked.is_ok() {
            self.book.0.open.borrow_mut().insert((boot, number));
        }
    }
}

fn scenario(network: &mut Network, times: Option<fn(u64) -> usize>) -> Outcome {
    network.swarm();
    let broker = network.host("broker", move |registry| {
        // Whose connection has gone silent is gone: its client asks every two seconds.
        let limits = StreamLimits { read_timeout: Some(PATIENCE / 2), ..StreamLimits::default() };
        let options = ListenOptions { limits, ..ListenOptions::default() };
        registry.listen_with(format!("0.0.0.0:{PORT}").parse()?, &options, |_, _| {
            Some(Box::new(Seat::new()))
        })?;
        Ok(Broker::with_fault(times))
    });
    let (address, book) = (network.address(broker, PORT), Book::default());
    let (there, page) = (address.clone(), book.clone());
    let service = network
        .host("service", move |registry| Program::boot_service(registry, &there, page.clone()));
    let (there, page) = (address.clone(), book.clone());
    let asker =
        network.host("asker", move |registry| Program::boot_asker(registry, &there, page.clone()));
    let page = Rc::clone(&book.0);
    network.invariant("each request ends once, and each message comes once", move |network| {
        let late = page.late.get();
        let strays = network.app(asker).map_or(0, |asker| asker.client.statistics().strays);
        match &*page.wrong.borrow() {
            Some(wrong) => Err(wrong.clone()),
            None if strays > late => Err(format!("{strays} answers too many")),
            None => Ok(()),
        }
    });
    network.run_for(Duration::from_secs(6))?;
    network.calm();
    let page = Rc::clone(&book.0);
    let ended = network.run_until(2 * PATIENCE, |_| page.open.borrow().is_empty())?;
    if !ended {
        return Err(format!("{:?} do not end", page.open.borrow()).into());
    }
    subscriptions_are_there(network, asker, &book.0)?;
    for host in [service, asker] {
        if let Some((registry, program)) = network.parts(host) {
            program.client.close(registry);
        }
    }
    let gone = network
        .run_until(PATIENCE, |network| network.app(broker).is_none_or(|it| it.seats() == 0))?;
    if !gone {
        return Err("the broker has connections of clients that are closed".into());
    }
    Ok(network.finish(Duration::from_secs(20))?)
}

/// What was subscribed to once, is again: another request is answered, by whoever has lost his connection.
fn subscriptions_are_there(
    network: &mut Network,
    asker: reactor::sim::Host<Program>,
    page: &Rc<Page>,
) -> Outcome {
    for _ in 0..10 {
        let before = page.answered.get();
        if let Some((registry, program)) = network.parts(asker) {
            program.ask(registry, Duration::from_secs(5));
        }
        let answered = network.run_until(PATIENCE, |_| page.open.borrow().is_empty())?;
        if answered && page.answered.get() > before {
            return Ok(());
        }
        // A connection that has gone silent is known to be lost by its questions without answers.
        network.run_for(Duration::from_secs(3))?;
    }
    Err("nobody is subscribed any more".into())
}

#[test]
fn each_request_ends_once_and_each_message_comes_once_whatever_happens() {
    match Simulation::new(|network: &mut Network| scenario(network, None)).search(0..60) {
        Ok(summary) => eprintln!("{summary}"),
        Err(failure) => panic!("{failure}"),
    }
}

#[test]
fn a_broker_that_delivers_once_in_a_while_twice_is_found() {
    let flawed = Simulation::new(|network: &mut Network| {
        scenario(network, Some(|chance| if chance % 32 == 0 { 2 } else { 1 }))
    });
    let failure = flawed.search(0..60).expect_err("the canary is not found").to_string();
    assert!(failure.contains("twice") || failure.contains("too many"), "{failure}");
}
