//! Calls on networks where everything goes wrong: each is answered once, or fails once with a reason; and a
//! server that answers twice is found.

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::rc::Rc;
use std::time::Duration;

use protocols::rpc::{self, CallError, Carrier, Client, ClientOptions, ServerOptions, Service};
use reactor::sim::{Network, Outcome, Simulation};
use reactor::{Address, Closed, Input, Protocol, Registry, TimerKey, Transport};

const PORT: u16 = 7_008;
const CALLS: u64 = 12;
const PATIENCE: Duration = Duration::from_secs(600);

/// What becomes of the calls of all clients.
#[derive(Clone, Default)]
struct Book(Rc<Page>);

#[derive(Default)]
struct Page {
    made: Cell<u64>,
    ended: Cell<u64>,
    late: Cell<u64>,
    wrong: RefCell<Option<String>>,
}

/// A program with a client that calls every few moments.
struct Caller {
    client: Client<Caller>,
    service: Rc<Service<Caller>>,
    book: Book,
}

impl Caller {
    fn boot(
        registry: &mut Registry<Self>,
        server: &Address,
        book: Book,
    ) -> Result<Self, Box<dyn Error>> {
        let service = Rc::new(Service::new("a caller", "1.0.0"));
        let client =
            Client::start(registry, ClientOptions::new(server.clone()), Rc::clone(&service));
        for number in 0..CALLS {
            registry.after(
                Duration::from_millis(200 * number),
                move |registry, caller: &mut Self| {
                    caller.call(registry, number);
                },
            )?;
        }
        Ok(Self { client, service, book })
    }

    fn call(&mut self, registry: &mut Registry<Self>, number: u64) {
        let remote = self.client.remote();
        let made = remote.call(registry, "double", &[number], PATIENCE, move |_, caller, told| {
            let caller: &mut Self = caller;
            caller.ended(number, &told);
        });
        if made.is_ok() {
            self.book.0.made.set(self.book.0.made.get() + 1);
        }
    }

    fn ended(&mut self, number: u64, told: &Result<u64, CallError>) {
        let page = &self.book.0;
        page.ended.set(page.ended.get() + 1);
        match told {
            Ok(doubled) if *doubled == 2 * number => {}
            Ok(doubled) => {
                page.wrong.replace(Some(format!("twice {number} is {doubled}")));
            }
            Err(CallError::Timeout(_) | CallError::Unreachable { .. }) => {
                page.late.set(page.late.get() + 1);
            }
            Err(_) => {}
        }
    }
}

/// A server that answers in lines; how often, it decides anew each time.
struct Parrot(fn(u64) -> usize);

impl<App> Protocol<App> for Parrot {
    fn on_data(&mut self, transport: &mut Transport<'_, App>, input: &mut Input<'_>, _: &mut App) {
        while let Some(end) = input.iter().position(|byte| *byte == b'\n') {
            let line: serde_json::Value =
                serde_json::from_slice(input.take_front(end + 1)).expect("a client says JSON");
            let number = line["params"][0].as_u64().expect("a number");
            let answer = format!(
                "{{\"jsonrpc\":\"2.0\",\"result\":{},\"id\":{}}}\n",
                2 * number,
                line["id"]
            );
            let chance = transport.registry().random();
            (0..(self.0)(chance)).for_each(|_| transport.write(answer.as_bytes()));
        }
    }
}

fn scenario(network: &mut Network, parrot: Option<fn(u64) -> usize>) -> Outcome {
    network.swarm();
    let server = network.host("server", move |registry| {
        let address: Address = format!("0.0.0.0:{PORT}").parse()?;
        match parrot {
            Some(times) => drop(registry.listen(address, move |_, ()| Parrot(times))?),
            None => {
                let mut service = Service::<()>::new("a server", "1.0.0");
                service.method("double", "Twice as much", |_, (number,): (u64,)| Ok(2 * number));
                rpc::listen(registry, address, &ServerOptions::default(), Rc::new(service))?;
            }
        }
        Ok(())
    });
    let (address, book) = (network.address(server, PORT), Book::default());
    let ours = book.clone();
    let caller =
        network.host("caller", move |registry| Caller::boot(registry, &address, ours.clone()));
    network.invariant("each call is answered once", move |network| {
        let Some(caller) = network.app(caller) else {
            return Ok(());
        };
        let (page, strays) = (&caller.book.0, caller.service.counters().strays);
        if let Some(wrong) = &*page.wrong.borrow() {
            return Err(wrong.clone());
        }
        if strays > page.late.get() { Err(format!("{strays} answers too many")) } else { Ok(()) }
    });
    network.run_for(Duration::from_secs(5))?;
    network.calm();
    let page = Rc::clone(&book.0);
    let ended = network.run_until(2 * PATIENCE, |_| page.made.get() == page.ended.get())?;
    if !ended {
        return Err(format!("{} of {} calls end", page.ended.get(), page.made.get()).into());
    }
    if let Some((registry, caller)) = network.parts(caller) {
        caller.client.close(registry);
    }
    Ok(network.finish(Duration::from_secs(20))?)
}

#[test]
fn each_call_is_answered_once_or_fails_once_whatever_happens() {
    match Simulation::new(|network: &mut Network| scenario(network, None)).search(0..60) {
        Ok(summary) => eprintln!("{summary}"),
        Err(failure) => panic!("{failure}"),
    }
}

#[test]
fn a_server_that_answers_once_in_a_while_twice_is_found() {
    let flawed = Simulation::new(|network: &mut Network| {
        scenario(network, Some(|chance| if chance % 64 == 0 { 2 } else { 1 }))
    });
    let failure = flawed.search(0..60).expect_err("the canary is not found");
    assert!(failure.to_string().contains("answers too many"), "{failure}");
    // And one that does not is not.
    let right = Simulation::new(|network: &mut Network| scenario(network, Some(|_| 1)));
    assert!(right.search(0..20).is_ok());
}

/// Answers a post, and sends the body of its answer a byte a second, without an end.
struct Drip(Rc<Cell<u64>>);

impl Protocol<()> for Drip {
    fn on_data(&mut self, transport: &mut Transport<'_, ()>, input: &mut Input<'_>, (): &mut ()) {
        input.take_all();
        transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
        transport.set_timer(TimerKey(0), Duration::ZERO);
    }

    fn on_timer(&mut self, transport: &mut Transport<'_, ()>, key: TimerKey, (): &mut ()) {
        transport.write(b" ");
        transport.set_timer(key, Duration::from_secs(1));
    }

    fn on_close(&mut self, _: &mut Registry<()>, _: &Closed, (): &mut ()) {
        self.0.set(self.0.get() + 1);
    }
}

#[test]
fn a_server_that_drips_what_it_says_to_a_post_holds_no_connection_once_nobody_waits() {
    const SECOND: Duration = Duration::from_secs(1);
    let mut network = Network::from_seed(0);
    let closed = Rc::new(Cell::new(0));
    let ours = Rc::clone(&closed);
    let server = network.host("server", move |registry| {
        let closed = Rc::clone(&ours);
        registry.listen("0.0.0.0:80".parse()?, move |_, ()| Drip(Rc::clone(&closed)))?;
        Ok(())
    });
    let server = network.address(server, 80);
    let caller = network.host("caller", move |registry| {
        let mut options = ClientOptions::new(server.clone());
        options.carrier = Carrier::Http("http://h/".parse()?);
        let service = Rc::new(Service::new("a caller", "1.0.0"));
        let client = Client::start(registry, options, service);
        let remote = client.remote();
        remote.call(registry, "double", &[1], 2 * SECOND, |_, told: &mut Vec<_>, answer| {
            told.push(answer.map(|_: u64| ()));
        })?;
        remote.notify(registry, "update", &[1])?;
        Ok(Vec::new())
    });
    network.run_for(10 * SECOND).expect("nothing breaks");
    let told = network.app(caller).expect("it is up");
    assert_eq!(*told, [Err(CallError::Timeout(2 * SECOND))]);
    assert_eq!(closed.get(), 1, "that of the call");
    network.run_for(100 * SECOND).expect("nothing breaks");
    assert_eq!(closed.get(), 2, "that of the notification");
}
