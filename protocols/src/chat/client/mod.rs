//! The other side of chat: a client, for bots and for people's programs.
//!
//! ```text
//!    a program ──say, join, …──▶ Client ──Outgoing: a line at a time──▶ Link ──▶ the server
//!       ▲                          │ ▲                                   │
//!       │                          │ └── Handshake, until it is welcomed │
//!       └──────── Event ───────────┴──── World: who is where ◀───────────┘
//! ```
//!
//! | file | what it is |
//! |---|---|
//! | `options`, `limits` | where to go and as whom; every bound and its reason |
//! | `handshake` | capabilities, logging in, a nick that is free: pure |
//! | `support` | what the server says of itself: pure |
//! | `roster` | who is where: pure |
//! | `world` | what a message means: pure |
//! | `text` | texts that are longer than a line: pure |
//! | `outgoing` | what waits to be said, and how fast it is: pure |
//! | `event` | what a program is told, and how it can fail |
//! | `caller` | what a program is asked and told |
//! | `life` | a client: from connecting to the end, and around again |
//! | `sending`, `ending` | what leaves, and when; goodbye |
//! | `watch` | what is late |
//! | `commands` | what a program can have it do |
//! | `link` | its side of one connection |
//!
//! ```
//! use protocols::chat::client::{Caller, Client, ClientId, Event, Failure, Options};
//! use reactor::{Reactor, Registry};
//!
//! /// Greets whoever comes to `#lobby`.
//! struct Greeter {
//!     client: Client,
//! }
//!
//! impl Caller for Greeter {
//!     fn client(&mut self, _: ClientId) -> Option<&mut Client> {
//!         Some(&mut self.client)
//!     }
//!
//!     fn on_event(&mut self, registry: &mut Registry<Self>, _: ClientId, event: Event) {
//!         if let Event::Joined { channel, who, own: false, .. } = event {
//!             let greeting = format!("Hello, {}!", who.nick);
//!             if let Err(why) = self.client.say(registry, &channel, &greeting) {
//!                 eprintln!("{} is not greeted: {why}", who.nick);
//!             }
//!         }
//!     }
//!
//!     fn on_finish(
//!         &mut self,
//!         registry: &mut Registry<Self>,
//!         _: ClientId,
//!         outcome: Result<(), Failure>,
//!     ) {
//!         println!("{outcome:?}");
//!         registry.shutdown(std::time::Duration::ZERO);
//!     }
//! }
//!
//! let mut reactor = Reactor::<Greeter>::new()?;
//! let mut options = Options::new("127.0.0.1:6667".parse()?, "greeter");
//! options.channels.push(("#lobby".into(), None));
//! # options.reconnect = false;
//! # options.servers = vec!["127.0.0.1:1".parse()?];
//! let client = Client::start(reactor.registry(), ClientId::default(), options);
//! reactor.run(&mut Greeter { client })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod caller;
mod commands;
mod ending;
mod event;
mod handshake;
mod life;
mod limits;
mod link;
mod options;
mod outgoing;
mod roster;
mod sending;
mod support;
mod text;
mod watch;
mod world;

pub use caller::{Caller, ClientId};
pub use event::{Event, Failure, Kind, Meta, NotSent, Source};
pub use life::Client;
pub use limits::ClientLimits;
pub use options::{Login, Options};
pub use roster::{Member, Room};
pub use support::Support;
