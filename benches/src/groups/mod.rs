//! The groups of measurements: what is timed, of whom, in which cases. Those whose work is theirs alone have a file.

mod connect;
mod echo;
mod loops;
#[cfg(feature = "tls")]
mod tls;

use clap::ValueEnum;

use crate::askers::{Asked, AskingWork};
use crate::audience::{RoomWork, Seats};
use crate::calls::Calls;
use crate::channel::ChannelWork;
use crate::chats::Chat;
use crate::codecs::{self, Codec, Decoding};
use crate::correspondents::DatagramWork;
use crate::datagrams::{Datagrams, Duty};
use crate::messages::{Form, Mailbox, MessageWork};
use crate::nats::{Nats, NatsWork, Way};
use crate::servers::Peer;
use crate::timers::{Keeper, Operation, TimerWork};
use crate::webs::Web;
use crate::work::{Case, Clock, Contender, Group};
use crate::{parts, processor};

/// The name of the group that needs a program which is no part of this workspace.
pub const NATS: &str = "nats";

/// Every group, in the order of the report.
pub fn all() -> Vec<Group> {
    vec![
        echo::group(),
        connect::group(),
        loops::group(),
        fan_out(),
        datagrams(),
        timers(),
        messages(),
        parts(),
        codecs(),
        chat(),
        nats(),
        web(),
        #[cfg(feature = "tls")]
        tls::group(),
        calls(),
    ]
}

fn case(
    name: impl Into<String>,
    unit: &'static str,
    clock: Clock,
    contenders: Vec<Contender>,
) -> Case {
    Case { name: name.into(), grows_to: None, unit, clock, contenders }
}

/// One line to a hundred and to a thousand members, and among them some who do not read.
fn fan_out() -> Group {
    let case = |(members, stalled)| {
        let seats = Seats { members, stalled };
        let name = format!("{members} members, {stalled} stalled");
        let rooms = Contender::each(&seats.rooms(), move |room| RoomWork::start(room, seats));
        let grows_to = (stalled == 0).then_some(members);
        Case { grows_to, ..case(name, "delivery", Clock::Processor, rooms) }
    };
    Group {
        name: "fan-out",
        about: "What it costs a server to deliver a line of 64 bytes to one of its members. The \
                stalled ones, beside them, read nothing; a line that is not delivered to them is not \
                counted. (message-io has no way to keep a member that does not read.) The ruler is a raw \
                epoll loop.",
        shown: "1000 members, 0 stalled",
        cases: [(100, 0), (100, 10), (1000, 0), (1000, 100)].map(case).into(),
    }
}

/// One socket that echoes for many peers, and one that sends runs to one peer.
fn datagrams() -> Group {
    let case = |name, duty, clients| {
        let start = move |server| DatagramWork::start(server, duty, clients);
        case(name, "datagram", Clock::Processor, Contender::each(Datagrams::all(), start))
    };
    Group {
        name: "datagrams",
        about: "What it costs a server to send a datagram: 64 bytes back to one of 50 peers, or 1200 \
                bytes of a run of 32 to one peer. The ruler is a raw epoll loop with recvfrom and \
                sendto.",
        shown: "64 bytes back to 50 peers",
        cases: vec![
            case("64 bytes back to 50 peers", Duty::Echo, 50),
            case("runs to one peer", Duty::Bulk, 1),
        ],
    }
}

/// Insert, re-arm, cancel, expire, among a thousand and among a million.
fn timers() -> Group {
    const LIVE: [usize; 2] = [1_000, 1_000_000];
    let cases = LIVE.iter().flat_map(|live| {
        Operation::value_variants().iter().map(move |operation| (*operation, *live))
    });
    // A thousand that fire are over sooner than they can be measured.
    let cases = cases.filter(|case| *case != (Operation::Expire, LIVE[0]));
    let case = |(operation, live)| {
        let start = move |keeper| TimerWork::new(keeper, operation, live);
        let keepers = Contender::each(Keeper::value_variants(), start);
        case(format!("{operation}, {live} live"), "timer", Clock::Wall, keepers)
    };
    Group {
        name: "timers",
        about: "What it costs to set a timer, to move it, to cancel it, and to have it fire, while so \
                many are set. The ruler is a binary heap that cancels lazily.",
        shown: "re-arm, 1000000 live",
        cases: cases.map(case).collect(),
    }
}

/// Messages to a loop from another thread: as many as it takes, and one at a time.
fn messages() -> Group {
    let case = |name, form| {
        let start = move |mailbox| MessageWork::start(mailbox, form);
        case(name, "message", Clock::Wall, Contender::each(Mailbox::all(), start))
    };
    Group {
        name: "messages",
        about: "How long a message from another thread takes: in a stream, where the loop finds many at \
                once, and alone, from the sender to the loop, which sleeps, and back to the sender, \
                which sleeps too. The ruler is a bare mio loop, its waker, and the standard library's \
                channel.",
        shown: "a stream",
        cases: vec![case("a stream", Form::Stream), case("there and back", Form::PingPong)],
    }
}

/// Slots and queues, what the loop is made of.
fn parts() -> Group {
    Group {
        name: "parts",
        about: "What the loop is made of, alone and in cache: its slots, which know a stale id and lend \
                out what they find while it runs, beside a bare slab, the crate slotmap and a hash map; \
                and its outbox, which counts what it holds and owns nothing while it is empty, beside a \
                bare deque and a buffer. The rulers do less: they are what one would begin with.",
        shown: "find one among 10000 by its id and change it",
        cases: parts::cases(),
    }
}

/// What it costs to find the messages in a stream of bytes.
fn codecs() -> Group {
    let case = |codec: Codec| {
        let decoder = |(name, decode): &(&'static str, codecs::Decode)| {
            let (text, messages, decode) = (codec.text.clone(), codec.messages, *decode);
            Contender::new(name, move || Ok(Decoding { text: text.clone(), messages, decode }))
        };
        case(codec.name, "message", Clock::Wall, codec.decoders.iter().map(decoder).collect())
    };
    Group {
        name: "codecs",
        about: "What it costs to find a message in bytes that are there already, of each protocol's wire \
                format, beside what others use for it. The ruler is the shortest way in the standard \
                library.",
        shown: "",
        cases: codecs::all().into_iter().map(case).collect(),
    }
}

/// A line to everyone on a channel of a thousand.
fn chat() -> Group {
    let members = 1_000;
    let ruler = Contender::new(Peer::Epoll, move || {
        RoomWork::start(Peer::Epoll, Seats { members, stalled: 0 })
    });
    let servers = Contender::each(Chat::all(), move |chat| ChannelWork::start(chat, members));
    let all = [ruler].into_iter().chain(servers).collect();
    let name = format!("a line to {members} users on a channel");
    Group {
        name: "chat",
        about: "What it costs an IRC server to deliver what one user says to one of a thousand others on \
                the channel: a line of about a hundred bytes. The ruler is a raw epoll loop that sends 64 \
                bytes to each of as many, and knows nothing of users, channels or their modes. Then a \
                whole network, all of whose channels talk at once: what one user costs in memory who has \
                registered, what it costs to let one in and have it join, and how long what is said takes \
                to each who hears it, counted from when it was due. Between the two, the same channel on three of our \
                servers, which are one network over a `nats-server`. (ngircd takes part where it is \
                installed.)",
        shown: "a line to 1000 users on a channel",
        cases: vec![case(name, "delivery", Clock::Processor, all)],
    }
}

/// A client of NATS: what it publishes, and what it hears.
fn nats() -> Group {
    let case = |name, way| {
        let clients = Contender::each(Nats::all(), move |nats| NatsWork::start(nats, way));
        case(name, "message", Clock::Client, clients)
    };
    Group {
        name: NATS,
        about: "What a message of 64 bytes costs a client of NATS, which publishes it or is subscribed to it. The \
                ruler is async-nats on tokio's current-thread runtime; the other one is `nats` of npm, on Node. The \
                `nats-server` and who speaks with the client through it are on the other processor, and neither is \
                counted. (Whoever is not installed takes no part.)",
        shown: "heard",
        cases: vec![case("published", Way::Published), case("heard", Way::Heard)],
    }
}

/// Those who are asked the same, so many questions in flight on each of so many connections.
fn asked<A: Asked>(
    what: &str,
    unit: &'static str,
    (connections, depth): (usize, usize),
    servers: &[A],
) -> Case {
    let name = format!("{what}, connections: {connections}, in flight on each: {depth}");
    let contender = |&server: &A| {
        Contender::new(server.peer(), move || {
            let running = processor::start_apart(|| server.start())?;
            AskingWork::start(running, server.asking(connections, depth))
        })
    };
    case(name, unit, Clock::Processor, servers.iter().map(contender).collect())
}

/// A short answer, a small file, an echo over WebSocket.
fn web() -> Group {
    const HELLOS: &[Web] = &[Web::Epoll, Web::Mio, Web::Reactor, Web::Hyper, Web::Nginx];
    let case = |what, load, webs: &[Web]| asked(what, "request", load, webs);
    Group {
        name: "web",
        about: "What a request costs a web server, and a message of 64 bytes a server of WebSockets. The \
                ruler of the first two is a raw epoll loop that has httparse read each request and always \
                says the same; of the file it is nginx; of WebSocket tokio-tungstenite. (nginx takes part \
                where it is installed.)",
        shown: "Hello, World!, connections: 64, in flight on each: 1",
        cases: vec![
            case("Hello, World!", (64, 1), HELLOS),
            case("Hello, World!", (64, 16), HELLOS),
            case("a file of 1 KiB", (64, 1), &[Web::NginxFile, Web::ReactorFile]),
            case("WebSocket, an echo", (50, 1), &[Web::TungsteniteSocket, Web::ReactorSocket]),
        ],
    }
}

/// Calls of JSON-RPC: one at a time, and many in flight, by all that carries them.
fn calls() -> Group {
    use Calls::{
        EpollHttp, EpollLines, EpollSocket, JaysonHttp, JaysonLines, JaysonSocket, JsonrpseeHttp,
        JsonrpseeSocket, ReactorHttp, ReactorLines, ReactorSocket,
    };
    const LINES: &[Calls] = &[JaysonLines, EpollLines, ReactorLines];
    const SOCKETS: &[Calls] = &[JsonrpseeSocket, JaysonSocket, EpollSocket, ReactorSocket];
    let case = |what, depth, calls: &[Calls]| asked(what, "call", (50, depth), calls);
    Group {
        name: "calls",
        about: "What a call of JSON-RPC costs its server: three numbers are added. The ruler is jsonrpsee on \
                tokio's current-thread runtime, where there is one of it, and jayson on Node where there is \
                none: jsonrpsee does not speak in lines. (jayson takes part where it is installed.) epoll is a raw loop \
                that reads nothing of what it is asked, and has its answer ready: what the kernel takes of a call \
                that comes by itself, and nobody can save. What each does in user space is under \
                [counts](#counts).",
        shown: "sum by WebSocket, connections: 50, in flight on each: 1",
        cases: vec![
            case("sum in lines", 1, LINES),
            case("sum in lines", 16, LINES),
            case("sum by HTTP", 1, &[JsonrpseeHttp, JaysonHttp, EpollHttp, ReactorHttp]),
            case("sum by WebSocket", 1, SOCKETS),
            case("sum by WebSocket", 16, SOCKETS),
        ],
    }
}
