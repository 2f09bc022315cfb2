//! Socket options, with the defaults a server or client most often wants.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

#[cfg(feature = "tls")]
use crate::tls::{ClientTls, ServerTls};
use crate::{Address, DatagramLimits, ProxyProtocol, StreamLimits};

/// Options of one stream socket, of an accepted connection or an outgoing one.
///
/// The options of a listener are inherited by what it accepts, where the system does that
/// (Linux, FreeBSD), so they cost no system call a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamOptions {
    /// Send small segments at once (`TCP_NODELAY`). Default `true`: the loop already gathers the
    /// writes of a callback, and Nagle's algorithm with delayed acknowledgements adds 40 ms.
    pub nodelay: bool,
    /// Probes that find a peer which is gone (`SO_KEEPALIVE`). Default: after two minutes of
    /// silence, every 15 s, four times; so three minutes to find out. `None` is off.
    pub keepalive: Option<Keepalive>,
    /// Bytes of the kernel's receive buffer (`SO_RCVBUF`). Default `None`: the kernel tunes it.
    pub receive_buffer: Option<usize>,
    /// Bytes of the kernel's send buffer (`SO_SNDBUF`). Default `None`: the kernel tunes it.
    pub send_buffer: Option<usize>,
    /// Routers a packet may pass (`IP_TTL`, `IPV6_UNICAST_HOPS`). Default `None`: the system's, 64.
    pub ttl: Option<u32>,
    /// Leave an urgent byte where it stands among the others (`SO_OOBINLINE`). Default `false`: the system
    /// takes it out, and nobody asks for it. Telnet, and with it FTP, may have sent anything so.
    pub urgent_inline: bool,
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self {
            nodelay: true,
            keepalive: Some(Keepalive::default()),
            receive_buffer: None,
            send_buffer: None,
            ttl: None,
            urgent_inline: false,
        }
    }
}

/// When TCP probes a silent peer, and when it gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// Silence before the first probe (`TCP_KEEPIDLE`), in whole seconds. Default 2 min.
    pub idle: Duration,
    /// Time between probes (`TCP_KEEPINTVL`), in whole seconds. Default 15 s.
    pub interval: Duration,
    /// Probes without an answer before the connection fails (`TCP_KEEPCNT`). Default 4.
    pub probes: u32,
}

impl Default for Keepalive {
    fn default() -> Self {
        Self { idle: Duration::from_secs(120), interval: Duration::from_secs(15), probes: 4 }
    }
}

/// Options of a listening socket, and of what it accepts.
///
/// ```
/// use reactor::ListenOptions;
/// let options = ListenOptions { backlog: 64, reuse_port: true, ..ListenOptions::default() };
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ListenOptions {
    /// Limits of the connections.
    pub limits: StreamLimits,
    /// Options of the connections.
    pub stream: StreamOptions,
    /// Connections the kernel completes ahead of us. Default 1,024; the kernel may cap it.
    pub backlog: u32,
    /// Take an address whose last connections still wait in TIME_WAIT (`SO_REUSEADDR`). Default
    /// `true`, so that a server can be restarted. Not used on Windows, where it means theft.
    pub reuse_address: bool,
    /// Share the address with other sockets of the same user, and have the kernel spread the
    /// connections (`SO_REUSEPORT`). Default `false`. Unix only.
    pub reuse_port: bool,
    /// Whether an IPv6 socket refuses IPv4 peers (`IPV6_V6ONLY`). Default `Some(true)`: an address
    /// of one family listens to that family, on every system. `Some(false)` on `[::]` is dual
    /// stack; `None` leaves the choice to the system.
    pub only_v6: Option<bool>,
    /// Take over the path of a Unix socket that nobody listens on any more, as a crash leaves it
    /// behind. Default `true`. A path that somebody listens on, or that is no socket, is never
    /// touched; one that a client is bound to cannot be told from one that was left behind.
    pub replace_stale: bool,
    /// Who may connect to a Unix socket at a path, as permission bits of its file: 0o660 is its owner and its
    /// group, and who connects needs the right to write (unix(7)). They are set before anybody can connect, and
    /// whatever the umask is. Default `None`: 0o777 without what the umask takes away, mostly 0o755, the owner
    /// alone. What is in the way to it, the directories above, counts as well; abstract names have no file.
    pub unix_mode: Option<u32>,
    /// Speak TLS, below whatever protocol the factory makes, whose `on_open` comes when the handshake is over.
    /// Default `None`.
    #[cfg(feature = "tls")]
    pub tls: Option<ServerTls>,
    /// Expect the PROXY protocol, of those who are trusted: what they say of a connection before its first byte is
    /// believed. Its peer is then the client that the proxy speaks for: for the factory and the protocol, for the
    /// limits, and in what is printed; [`Registry::proxied`](crate::Registry::proxied) tells the rest. Both versions
    /// are understood, and come before TLS. One that says nothing of the kind is closed, and counted in
    /// [`Stats::refused_proxy`](crate::Stats::refused_proxy); until its header is there it counts as a connection,
    /// and among [`Limits::handshakes`](crate::Limits::handshakes). Default `None`.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Connections a second this listener accepts in the long run, with bursts of as many; the rest
    /// wait in the kernel's backlog. Default `None`: no bound.
    pub accept_rate: Option<u32>,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self {
            backlog: 1_024,
            reuse_address: true,
            reuse_port: false,
            only_v6: Some(true),
            replace_stale: true,
            unix_mode: None,
            stream: StreamOptions::default(),
            limits: StreamLimits::default(),
            #[cfg(feature = "tls")]
            tls: None,
            proxy_protocol: None,
            accept_rate: None,
        }
    }
}

/// Connections with these limits, and everything else by default.
impl From<StreamLimits> for ListenOptions {
    fn from(limits: StreamLimits) -> Self {
        Self { limits, ..Self::default() }
    }
}

/// Options of an outgoing connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectOptions {
    /// Limits of the connection, [`connect_timeout`](StreamLimits::connect_timeout) among them.
    pub limits: StreamLimits,
    /// Options of the socket.
    pub stream: StreamOptions,
    /// The local address to connect from. Default `None`: the system chooses.
    pub from: Option<Address>,
    /// Speak TLS, below whatever protocol: its `on_open` comes when the handshake is over and the peer's
    /// certificate is verified. Default `None`.
    #[cfg(feature = "tls")]
    pub tls: Option<ClientTls>,
    /// How the addresses of a host are tried, where one is connected to by its name.
    pub race: RaceOptions,
    /// Which of them. Default [`Reach::Anywhere`].
    pub reach: Reach,
}

/// Where the name of a host may lead. It is asked of each address that the name stands for, right before that is
/// connected to. An address that the program names itself is not asked about: that it can see, and [judge](Self::allows).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reach {
    /// Anywhere.
    #[default]
    Anywhere,
    /// Out of this machine and of its network: for names that strangers have chosen, who could else have this program ask
    /// what only it can reach. A name without another address is not found: [`LookupError::Inside`].
    ///
    /// [`LookupError::Inside`]: crate::LookupError::Inside
    Outside,
}

impl Reach {
    /// Whether an address may be connected to.
    ///
    /// ```
    /// use reactor::Reach;
    ///
    /// for inside in [
    ///     "127.0.0.1", "10.1.2.3", "169.254.169.254", "240.0.0.1", "::1", "fd00::1", "fec0::1", "::ffff:192.168.0.1",
    ///     "::10.1.2.3", "64:ff9b::10.1.2.3", "64:ff9b:1::1", "2002:a01:203::1",
    /// ] {
    ///     assert!(!Reach::Outside.allows(inside.parse()?), "{inside}");
    /// }
    /// for outside in ["2001:db8::1", "64:ff9b::192.0.2.1", "2002:c000:201::1"] {
    ///     assert!(Reach::Outside.allows(outside.parse()?), "{outside}");
    /// }
    /// assert!(Reach::Outside.allows("192.0.2.1".parse()?) && Reach::Anywhere.allows("::1".parse()?));
    /// # Ok::<(), std::net::AddrParseError>(())
    /// ```
    #[must_use]
    pub fn allows(self, ip: IpAddr) -> bool {
        match self {
            Self::Anywhere => true,
            Self::Outside => !is_inside(ip),
        }
    }
}

/// Addresses that are not of the Internet: of this machine, of networks of one's own (RFC 1918, 4193), of links (RFC 3927,
/// 4291), of a site (RFC 3879), of a provider's own network (RFC 6598) and its translators (RFC 8215), of nobody, and of
/// everybody; and those that no host has (RFC 1112, 4; RFC 4291, 2.5.5.1).
fn is_inside(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            first == 0
                || first >= 240
                || (first == 100 && second & 0xc0 == 0x40)
                || ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_multicast()
        }
        IpAddr::V6(ip) => match ip.segments() {
            // What a translator makes an IPv4 address of (RFC 6052, 2.1), and what a tunnel does (RFC 3056, 2).
            [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
                is_inside(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)).into())
            }
            [0, 0, 0, 0, 0, 0, ..] | [0x64, 0xff9b, 1, ..] => true,
            [first, ..] => {
                first & 0xffc0 == 0xfec0
                    || ip.is_unique_local()
                    || ip.is_unicast_link_local()
                    || ip.is_multicast()
            }
        },
    }
}

/// How the addresses of a host are tried: one after the other, without waiting for those before, until one is
/// connected (RFC 8305, 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RaceOptions {
    /// How long one address has before the next is tried as well; one that fails hands over at once. Default 250 ms,
    /// and less than 10 ms is taken for that.
    pub delay: Duration,
    /// What an address has to come to.
    pub finish: Finish,
}

/// What decides the race between the addresses of a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Finish {
    /// The first that is connected. With TLS, a server that then fails at the handshake fails the connection.
    #[default]
    Connected,
    /// The first whose TLS is open too, for hosts some of whose servers may be reachable and yet of no use. It costs
    /// those that lose a handshake. Without TLS it is as `Connected`.
    Secured,
}

impl Default for RaceOptions {
    fn default() -> Self {
        Self { delay: Duration::from_millis(250), finish: Finish::default() }
    }
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            from: None,
            stream: StreamOptions::default(),
            limits: StreamLimits { outbox_holds_reading: false, ..StreamLimits::default() },
            #[cfg(feature = "tls")]
            tls: None,
            race: RaceOptions::default(),
            reach: Reach::default(),
        }
    }
}

/// Options of a datagram socket.
///
/// One that hears a multicast group beside other programs of this machine, and sends to it:
///
/// ```
/// use reactor::{Address, DatagramOptions, DatagramProtocol, DatagramTransport, Membership, Reactor};
/// use std::net::Ipv4Addr;
///
/// const GROUP: Ipv4Addr = Ipv4Addr::new(239, 255, 70, 70);
///
/// struct Beacon;
///
/// impl<App> DatagramProtocol<App> for Beacon {
///     fn on_open(&mut self, socket: &mut DatagramTransport<'_, App>, _: &mut App) {
///         let group = Address::Ip((GROUP, 7070).into());
///         if let Err(error) = socket.send_to(b"I am here", &group) {
///             eprintln!("{group}: {error}");
///         }
///     }
/// }
///
/// let options = DatagramOptions {
///     reuse_address: true,
///     // On the interface of the system's choice; `multicast_interface` is for what is sent.
///     groups: vec![Membership::V4 { group: GROUP, interface: Ipv4Addr::UNSPECIFIED }],
///     ..DatagramOptions::default()
/// };
/// # fn bind(options: &DatagramOptions) -> Result<(), Box<dyn std::error::Error>> {
/// let mut reactor = Reactor::<()>::new()?;
/// reactor.registry().bind_datagram_with("0.0.0.0:7070".parse()?, options, Beacon)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatagramOptions {
    /// The only peer: the socket is connected to it, receives from nobody else, and hears its ICMP
    /// errors in [`on_error`](crate::DatagramProtocol::on_error). Default `None`.
    ///
    /// It is an address, and no name, which is refused: a name may have several, and a UDP socket cannot find out
    /// which of them is alive. [`ToSocketAddrs`](std::net::ToSocketAddrs) looks one up. That may take seconds, so it
    /// is for the start of a program, or for [`Registry::offload`](crate::Registry::offload).
    pub peer: Option<Address>,
    /// Hear of ICMP errors without a [`peer`](Self::peer), too, in
    /// [`on_error`](crate::DatagramProtocol::on_error), which is not told whom they are about
    /// (`IP_RECVERR`). For who asks at one address and is answered from another. It needs the feature
    /// `icmp`, and Linux; elsewhere nothing is heard. Default `false`.
    pub icmp: bool,
    /// Let several sockets bind one address, as receivers of one multicast group do
    /// (`SO_REUSEADDR`). Default `false`.
    pub reuse_address: bool,
    /// Share the address, and have the kernel spread the peers (`SO_REUSEPORT`). Default `false`.
    pub reuse_port: bool,
    /// Whether an IPv6 socket refuses IPv4 peers (`IPV6_V6ONLY`). Default `None`: the system's.
    pub only_v6: Option<bool>,
    /// Allow sending to broadcast addresses (`SO_BROADCAST`). Default `false`.
    pub broadcast: bool,
    /// Bytes of the kernel's receive buffer (`SO_RCVBUF`). Default `None`.
    pub receive_buffer: Option<usize>,
    /// Bytes of the kernel's send buffer (`SO_SNDBUF`). Default `None`.
    pub send_buffer: Option<usize>,
    /// Routers a packet may pass. Default `None`: the system's.
    pub ttl: Option<u32>,
    /// Multicast groups to join at once.
    pub groups: Vec<Membership>,
    /// The interface multicasts leave by. Default `None`: the system's choice.
    pub multicast_interface: Option<MulticastInterface>,
    /// Routers a multicast may pass. Default `None`: the system's, 1.
    pub multicast_ttl: Option<u32>,
    /// Whether this machine hears its own multicasts. Default `None`: the system's, yes.
    pub multicast_loop: Option<bool>,
    /// Tell of every datagram to which local address it was sent and how congested its way was, and
    /// let answers leave from that address and with a mark: [`Datagram::to`](crate::Datagram::to),
    /// [`Datagram::ecn`](crate::Datagram::ecn), [`Envelope`](crate::Envelope). Default `false`.
    ///
    /// A server that is bound to all addresses of a machine needs it, else its answers may come from
    /// another address than the one that was asked, and be dropped. It is for UDP, and needs the
    /// feature `quinn-udp`. It costs a few hundred instructions more, and datagrams of such a socket are
    /// not fragmented: one that is too long for its way is an error, or is lost on it.
    ///
    /// It also has what comes and goes in bulk pass the kernel together: datagrams of one size from one
    /// peer may be received by one call, and those of
    /// [`send_run`](crate::DatagramTransport::send_run) are sent by one.
    pub metadata: bool,
    /// Who may send to a Unix socket at a path; see [`ListenOptions::unix_mode`]. Default `None`.
    pub unix_mode: Option<u32>,
    /// Limits of the socket.
    pub limits: DatagramLimits,
}

/// A multicast group, heard on one interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Membership {
    /// An IPv4 group, on the interface that has this address; unspecified is the system's choice.
    V4 {
        /// The group, 224.0.0.0/4.
        group: Ipv4Addr,
        /// An address of the interface.
        interface: Ipv4Addr,
    },
    /// An IPv6 group, on the interface with this index; zero is the system's choice.
    V6 {
        /// The group, ff00::/8.
        group: Ipv6Addr,
        /// The index of the interface.
        interface: u32,
    },
}

/// The interface multicasts leave by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MulticastInterface {
    /// The one that has this IPv4 address.
    V4(Ipv4Addr),
    /// The one with this index, for IPv6.
    V6(u32),
}
