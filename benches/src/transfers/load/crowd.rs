//! Many clients at one time, in one thread: all log in, then all fetch a file, then all bring one.

use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsFd;

use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::PATIENCE;
use super::control::Control;
use crate::Result;
use crate::transfers::tree::IN;

/// Clients with the same address: fewer than servers allow by default.
const OF_ONE_ADDRESS: usize = 40;
/// What one of them takes or brings before it is another's turn.
const TURN: usize = 256 * 1024;
/// Connections that are looked at at once.
const EVENTS: usize = 64;

/// Clients that are logged in.
pub struct Crowd {
    clients: Vec<Control>,
}

/// A data connection, and how far it has come.
struct Flow {
    stream: TcpStream,
    moved: usize,
}

impl Crowd {
    /// Has so many clients log in, all at the same time.
    pub fn log_in(server: SocketAddr, clients: usize) -> Result<Self> {
        let begin = |number| Control::begin(server, address(number));
        let mut crowd = Self { clients: (0..clients).map(begin).collect::<Result<_>>()? };
        crowd.hear(220)?;
        crowd.ask(|_| "USER anonymous".to_owned(), 331)?;
        crowd.ask(|_| "PASS none".to_owned(), 230)?;
        Ok(crowd)
    }

    /// Has all of them want files as they are.
    pub fn prepare(&mut self) -> Result {
        self.ask(|_| "TYPE I".to_owned(), 200)
    }

    /// Has all of them fetch a file of this length at the same time.
    pub fn fetch(&mut self, name: &str, length: usize) -> Result {
        let mut nowhere = vec![0; TURN];
        let flows = self.open_data()?;
        self.begin_transfers(|_| format!("RETR {name}"))?;
        run(flows, epoll::EventFlags::IN, |flow| {
            match recv(&flow.stream, &mut *nowhere, RecvFlags::TRUNC | RecvFlags::DONTWAIT) {
                Ok((_, 0)) if flow.moved == length => Ok(true),
                Ok((_, 0)) => Err(format!("{} bytes came, of {length}", flow.moved).into()),
                Ok((_, taken)) => {
                    flow.moved += taken;
                    Ok(false)
                }
                Err(Errno::AGAIN) => Ok(false),
                Err(error) => Err(error.into()),
            }
        })?;
        self.hear(226)
    }

    /// Has all of them bring a file with these bytes in it at the same time.
    pub fn bring(&mut self, content: &[u8]) -> Result {
        let flows = self.open_data()?;
        self.begin_transfers(|number| format!("STOR {IN}/{number}"))?;
        run(flows, epoll::EventFlags::OUT, |flow| {
            let rest = content.get(flow.moved..).unwrap_or_default();
            let now = rest.get(..TURN).unwrap_or(rest);
            match send(&flow.stream, now, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(taken) => flow.moved += taken,
                Err(Errno::AGAIN) => {}
                Err(error) => return Err(error.into()),
            }
            let is_over = flow.moved == content.len();
            if is_over {
                flow.stream.shutdown(Shutdown::Write)?;
            }
            Ok(is_over)
        })?;
        self.hear(226)
    }

    fn open_data(&mut self) -> Result<Vec<Flow>> {
        let open = |client: &mut Control| Ok(Flow { stream: client.open_data()?, moved: 0 });
        self.clients.iter_mut().map(open).collect()
    }

    /// Has all of them say something, then hears all the answers.
    fn ask(&mut self, line: impl Fn(usize) -> String, code: u16) -> Result {
        self.say(line)?;
        self.hear(code)
    }

    fn begin_transfers(&mut self, line: impl Fn(usize) -> String) -> Result {
        self.say(line)?;
        self.clients.iter_mut().try_for_each(Control::expect_transfer)
    }

    fn say(&mut self, line: impl Fn(usize) -> String) -> Result {
        let mut numbered = self.clients.iter_mut().enumerate();
        numbered.try_for_each(|(number, client)| client.say(&line(number)))
    }

    fn hear(&mut self, code: u16) -> Result {
        self.clients.iter_mut().try_for_each(|client| client.expect(code).map(drop))
    }
}

/// Moves all flows on, as they can, until each has said that it is over.
fn run(
    mut flows: Vec<Flow>,
    interest: epoll::EventFlags,
    mut go_on: impl FnMut(&mut Flow) -> Result<bool>,
) -> Result {
    let poller = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    for (number, flow) in flows.iter().enumerate() {
        let data = epoll::EventData::new_u64(number as u64);
        epoll::add(&poller, flow.stream.as_fd(), data, interest)?;
    }
    let patience = Timespec { tv_sec: PATIENCE.as_secs() as i64, tv_nsec: 0 };
    let mut events = Vec::with_capacity(EVENTS);
    let mut left = flows.len();
    while left > 0 {
        events.clear();
        epoll::wait(&poller, rustix::buffer::spare_capacity(&mut events), Some(&patience))?;
        if events.is_empty() {
            return Err(format!("{left} transfers stand still").into());
        }
        for event in &events {
            let flow = flows.get_mut(event.data.u64() as usize).ok_or("an event of nobody's")?;
            if go_on(flow)? {
                epoll::delete(&poller, flow.stream.as_fd())?;
                left -= 1;
            }
        }
    }
    Ok(())
}

/// The address of a client: loopback has sixteen million.
fn address(number: usize) -> Ipv4Addr {
    let number = (number / OF_ONE_ADDRESS) as u32 + 2;
    Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 0, 0, 0)) + number)
}
