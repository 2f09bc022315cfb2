//! Web seeds on a simulated network: good ones, and such as lie, lack, stall and send on.

use std::time::Duration;

use bytes::Bytes;
use protocols::torrent::peer::WebFailed;
use reactor::sim::{Host as At, Network};
use reactor::{Address, Input, ListenOptions, Protocol, Reach, Transport};

use crate::stage::{Content, Member, Part, address, content, until_whole, watch};

const MINUTE: Duration = Duration::from_secs(60);
const HTTP: u16 = 80;

/// How a server behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Good,
    /// It is good, and has no ranges.
    Whole,
    /// A byte of each answer is another.
    Lies,
    Lacks,
    /// It is too busy for the first three requests.
    Busy,
    /// It sends another part than was asked for.
    Elsewhere,
    /// It is cut off in the middle of each answer, three times.
    Cut,
    /// More than it said.
    Endless,
    /// It never answers.
    Silent,
    /// A few bytes a second.
    Slow,
    /// It sends on, with this status, to a server of this name, or again and again to itself.
    Moved(u16, &'static str),
}

/// A server of one file, and what it was asked.
struct Server {
    way: Way,
    bytes: Bytes,
    asked: Vec<String>,
    connections: usize,
}

struct Serving(Vec<u8>);

impl Protocol<Server> for Serving {
    fn on_open(&mut self, _: &mut Transport<'_, Server>, server: &mut Server) {
        server.connections += 1;
    }

    fn on_data(
        &mut self,
        transport: &mut Transport<'_, Server>,
        input: &mut Input<'_>,
        server: &mut Server,
    ) {
        self.0.extend_from_slice(input.take_all());
        while let Some(end) = self.0.windows(4).position(|window| window == b"\r\n\r\n") {
            let head: Vec<u8> = self.0.drain(..end + 4).collect();
            server.answer(&String::from_utf8_lossy(&head), transport);
        }
    }
}

impl Server {
    fn answer(&mut self, head: &str, transport: &mut Transport<'_, Self>) {
        self.asked.push(head.lines().next().unwrap_or_default().to_owned());
        let range = head.lines().find_map(|line| line.strip_prefix("Range: bytes="));
        let (first, last) =
            range.and_then(|range| range.split_once('-')).expect("a range is asked for");
        let (first, last): (usize, usize) = (first.parse().expect("a"), last.parse().expect("b"));
        let mut part = self.bytes[first..=last].to_vec();
        let size = self.bytes.len();
        let mut says = format!("206 Partial Content\r\nContent-Range: bytes {first}-{last}/{size}");
        match self.way {
            Way::Good | Way::Slow => {}
            Way::Silent => return,
            Way::Whole => {
                "200 OK".clone_into(&mut says);
                part = self.bytes.to_vec();
            }
            Way::Lies => part[0] ^= 1,
            Way::Elsewhere => says = says.replace(&format!("{first}-"), &format!("{}-", first + 1)),
            Way::Lacks => "404 Not Found".clone_into(&mut says),
            Way::Busy if self.asked.len() <= 3 => "503 Busy".clone_into(&mut says),
            Way::Moved(status, host) => {
                says = format!("{status} Moved\r\nLocation: http://{host}/content");
            }
            Way::Busy | Way::Cut | Way::Endless => {}
        }
        let (mut length, is_cut) = (part.len(), self.way == Way::Cut && self.asked.len() <= 3);
        match self.way {
            Way::Endless => {
                says.push_str("\r\nTransfer-Encoding: chunked");
                length = 0;
                part = [format!("{:x}\r\n", part.len() + 1).as_bytes(), &part, b"x\r\n0\r\n\r\n"]
                    .concat();
            }
            _ if is_cut => part.truncate(length / 2),
            _ if !says.starts_with("20") => (part, length) = (Vec::new(), 0),
            _ => {}
        }
        let length = if self.way == Way::Endless {
            String::new()
        } else {
            format!("\r\nContent-Length: {length}")
        };
        transport.write(format!("HTTP/1.1 {says}{length}\r\n\r\n").as_bytes());
        if self.way == Way::Slow {
            part.truncate(1_000);
        }
        transport.send(part.into());
        if is_cut {
            transport.end();
        }
    }
}

fn server(network: &mut Network, name: &'static str, way: Way, content: &Content) -> At<Server> {
    let bytes = Bytes::from(content.bytes.to_vec());
    let server = network.host(name, move |registry| {
        let everywhere = Address::Ip(([0, 0, 0, 0], HTTP).into());
        registry.listen_with(everywhere, &ListenOptions::default(), |_, _| {
            Some(Box::new(Serving(Vec::new())))
        })?;
        Ok(Server { way, bytes: bytes.clone(), asked: Vec::new(), connections: 0 })
    });
    let Address::Ip(at) = network.address(server, HTTP) else { panic!("it has an address") };
    network.set_name(name, [at.ip()], Duration::from_millis(5));
    server
}

/// A leecher that is told of these servers.
fn leecher(
    network: &mut Network,
    content: &Content,
    seeds: &'static [&str],
    mut part: Part,
) -> At<Member> {
    // The names of the simulated network lead to addresses of a network of one's own.
    part.options.reach = Reach::Anywhere;
    told_of(network, content, seeds, part)
}

fn told_of(
    network: &mut Network,
    content: &Content,
    seeds: &'static [&str],
    part: Part,
) -> At<Member> {
    let hash = content.info.hash();
    network.host("leecher", move |registry| {
        let mut member = part.clone().begin(registry, crate::stage::PORT)?;
        for seed in seeds {
            let url = format!("http://{seed}/content");
            member.swarms.add_web_seed(registry, hash, &url).expect("it is shared");
        }
        Ok(member)
    })
}

fn told(network: &Network, host: At<Member>) -> Vec<String> {
    network.app(host).map(|member| member.told.clone()).unwrap_or_default()
}

#[test]
fn everything_comes_from_a_server_alone_over_one_connection_by_the_torrent_and_by_its_link() {
    for magnet in [false, true] {
        let mut network = Network::from_seed(1);
        let content = content(3_000_000, false);
        let good = server(&mut network, "good", Way::Good, &content);
        let mut part = Part { magnet, ..Part::leecher(&content, 1) };
        if magnet {
            let seed = Part { has: |_| false, ..Part::leecher(&content, 2) };
            let knows = seed.enter(&mut network, "knows");
            part = part.dialling([address(&network, knows)]);
        }
        let leecher = leecher(&mut network, &content, &["good"], part);
        watch(&mut network, &[leecher]);
        until_whole(&mut network, &[leecher], &content, MINUTE);
        let server = network.app(good).expect("it is up");
        assert_eq!(server.connections, 1);
        assert!(server.asked.iter().all(|asked| asked == "GET /content HTTP/1.1"));
        assert!(server.asked.len() <= 75, "{} requests for 75 pieces", server.asked.len());
    }
}

#[test]
fn who_cannot_be_used_is_left_alone_and_the_peers_have_it_all_the_same() {
    let final_ones = [
        (Way::Lies, WebFailed::Lies.to_string()),
        (Way::Lacks, WebFailed::Status(404).to_string()),
        (Way::Elsewhere, WebFailed::Range.to_string()),
        (Way::Endless, WebFailed::Range.to_string()),
        (Way::Whole, WebFailed::Range.to_string()),
        (Way::Moved(302, "odd"), WebFailed::Redirect.to_string()),
        (Way::Moved(302, "localhost"), WebFailed::Inward("localhost:80".to_owned()).to_string()),
    ];
    for (number, (way, why)) in (1..).zip(final_ones) {
        let mut network = Network::from_seed(number);
        let content = content(400_000, false);
        let odd = server(&mut network, "odd", way, &content);
        let seed = Part::seed(&content, 2).enter(&mut network, "seed");
        let at = address(&network, seed);
        // The peer comes later, so that the server is asked.
        let leecher = leecher(&mut network, &content, &["odd"], Part::leecher(&content, 1));
        network.run_for(Duration::from_secs(5)).expect("nothing is broken");
        let asked = network.app(odd).expect("it is up").asked.len();
        assert!((1..=4).contains(&asked), "{way:?}: {asked} requests");
        assert_eq!(told(&network, leecher), [format!("web: {why}, never again")], "{way:?}");
        let hash = content.info.hash();
        network.at(Duration::from_secs(6), move |network| {
            if let Some((registry, member)) = network.parts(leecher) {
                member.swarms.add_peer(registry, hash, at, true).expect("it is shared");
            }
        });
        watch(&mut network, &[leecher]);
        until_whole(&mut network, &[leecher], &content, MINUTE);
        assert_eq!(
            network.app(odd).expect("it is up").asked.len(),
            asked,
            "{way:?} is not asked again"
        );
    }
}

#[test]
fn a_name_in_a_torrent_that_leads_into_this_network_is_not_asked_and_an_address_there_for_no_query()
{
    let mut network = Network::from_seed(8);
    let content = content(400_000, false);
    let asked = server(&mut network, "inside", Way::Good, &content);
    let Address::Ip(at) = network.address(asked, HTTP) else { panic!("it has an address") };
    let named = told_of(&mut network, &content, &["inside"], Part::leecher(&content, 1));
    let part = Part::leecher(&content, 2);
    let told_of = |network: &mut Network, url: String| {
        let (hash, part) = (content.info.hash(), part.clone());
        network.host("leecher", move |registry| {
            let mut member = part.clone().begin(registry, crate::stage::PORT)?;
            member.swarms.add_web_seed(registry, hash, &url).expect("it is shared");
            Ok(member)
        })
    };
    let query = told_of(&mut network, format!("http://{at}/content?reboot"));
    let secrets = told_of(&mut network, "http://169.254.169.254/content".to_owned());
    network.run_for(Duration::from_secs(3)).expect("nothing is broken");
    let why = told(&network, named);
    assert!(why[0].contains("leads to this machine or its network"), "{why:?}");
    for (of, host) in [(query, at.to_string()), (secrets, "169.254.169.254:80".to_owned())] {
        let why = WebFailed::Inside(host);
        assert_eq!(told(&network, of), [format!("web: {why}, never again")]);
    }
    assert!(network.app(asked).expect("it is up").asked.is_empty());
    let address = told_of(&mut network, format!("http://{at}/content"));
    until_whole(&mut network, &[address], &content, MINUTE);
}

#[test]
fn who_has_trouble_for_a_while_is_asked_again() {
    for (seed, way) in [(1, Way::Busy), (2, Way::Cut)] {
        let mut network = Network::from_seed(seed);
        let content = content(400_000, false);
        server(&mut network, "ill", way, &content);
        let leecher = leecher(&mut network, &content, &["ill"], Part::leecher(&content, 1));
        watch(&mut network, &[leecher]);
        until_whole(&mut network, &[leecher], &content, 3 * MINUTE);
        let told = told(&network, leecher);
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told.iter().all(|told| told.ends_with("again")), "{told:?}");
    }
}

#[test]
fn a_server_that_sends_on_and_one_that_has_one_file_and_no_ranges_are_used() {
    let mut network = Network::from_seed(3);
    // One piece is all of it.
    let content = content(40_000, false);
    server(&mut network, "moved", Way::Moved(302, "whole"), &content);
    let whole = server(&mut network, "whole", Way::Whole, &content);
    let leecher = leecher(&mut network, &content, &["moved"], Part::leecher(&content, 1));
    watch(&mut network, &[leecher]);
    until_whole(&mut network, &[leecher], &content, MINUTE);
    assert_eq!(network.app(whole).map(|whole| whole.asked.len()), Some(1));
}

#[test]
fn what_has_moved_for_good_is_remembered_unless_the_way_there_is_a_detour() {
    for (first, second, once) in [(301, 301, true), (301, 302, true), (302, 301, false)] {
        let mut network = Network::from_seed(6);
        let content = content(400_000, false);
        let asked = server(&mut network, "first", Way::Moved(first, "second"), &content);
        server(&mut network, "second", Way::Moved(second, "good"), &content);
        let good = server(&mut network, "good", Way::Good, &content);
        let leecher = leecher(&mut network, &content, &["first"], Part::leecher(&content, 1));
        until_whole(&mut network, &[leecher], &content, MINUTE);
        let [asked, good] = [asked, good].map(|it| network.app(it).map_or(0, |it| it.asked.len()));
        assert!(good > 1, "there are several requests");
        assert_eq!(asked, if once { 1 } else { good }, "{first}, {second}");
    }
}

#[test]
fn one_that_is_slow_or_says_nothing_holds_nobody_up() {
    for way in [Way::Silent, Way::Slow] {
        let mut network = Network::from_seed(4);
        let content = content(1_000_000, false);
        server(&mut network, "slow", way, &content);
        let seed = Part::seed(&content, 2).enter(&mut network, "seed");
        let part = Part::leecher(&content, 1).dialling([address(&network, seed)]);
        let leecher = leecher(&mut network, &content, &["slow"], part);
        watch(&mut network, &[leecher]);
        until_whole(&mut network, &[leecher], &content, Duration::from_secs(20));
    }
}

#[test]
fn peers_and_servers_give_together_and_a_server_is_asked_only_for_what_is_missing() {
    let mut network = Network::from_seed(5);
    let content = content(4_000_000, false);
    let good = server(&mut network, "good", Way::Good, &content);
    let half = Part { has: |piece| piece % 2 == 0, ..Part::leecher(&content, 2) };
    let half = half.enter(&mut network, "half");
    let part = Part::leecher(&content, 1).dialling([address(&network, half)]);
    let leecher = leecher(&mut network, &content, &["good"], part);
    watch(&mut network, &[half, leecher]);
    until_whole(&mut network, &[half, leecher], &content, MINUTE);
    assert!(network.app(good).is_some_and(|good| !good.asked.is_empty()));
    let view = network.app(leecher).expect("it is up").swarm().web_seeds().next();
    assert!(view.is_some_and(|row| row.view.is_none()), "it is not needed any more");
}
