//! The READMEs and the chapters of the book, as documentation tests: their code compiles, and runs
//! where that makes sense.

#[doc = include_str!("../../README.md")]
struct Readme;

#[doc = include_str!("../../reactor/README.md")]
struct ReactorReadme;

#[doc = include_str!("../../protocols/README.md")]
struct ProtocolsReadme;

#[doc = include_str!("../../docs/README.md")]
struct Contents;

#[doc = include_str!("../../docs/how-the-loop-works.md")]
struct HowTheLoopWorks;

#[doc = include_str!("../../docs/clients.md")]
struct Clients;

#[doc = include_str!("../../docs/names.md")]
struct Names;

#[doc = include_str!("../../docs/embedding.md")]
struct Embedding;

#[doc = include_str!("../../docs/loops.md")]
struct SeveralLoops;

#[doc = include_str!("../../docs/proxying.md")]
struct Proxying;

#[doc = include_str!("../../docs/callbacks.md")]
struct Callbacks;

#[doc = include_str!("../../docs/limits-and-operation.md")]
struct LimitsAndOperation;

#[doc = include_str!("../../docs/restarts.md")]
struct Restarts;

#[doc = include_str!("../../docs/design.md")]
struct Design;

#[doc = include_str!("../../docs/hazards.md")]
struct Hazards;

#[doc = include_str!("../../docs/chat.md")]
struct Chat;

#[doc = include_str!("../../docs/transfer.md")]
struct Transfer;

#[doc = include_str!("../../docs/torrent.md")]
struct Torrent;

#[doc = include_str!("../../docs/web.md")]
struct Web;

#[doc = include_str!("../../docs/websocket.md")]
struct WebSocket;

#[doc = include_str!("../../docs/rpc.md")]
struct Calls;

#[doc = include_str!("../../docs/nats.md")]
struct Messages;
