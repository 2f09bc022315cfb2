//! What a server knows of its network.

use std::any::Any;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::rc::Rc;
use std::time::Instant;

use foldhash::fast::FixedState;
use slotmap::SecondaryMap;

use super::settings::{Eras, Room};
use crate::chat::server::effect::{Change, Effect, NickRequest, Outgoing, UserId};
use crate::chat::server::keys::{ChannelKey, UserKey};
use crate::chat::server::line::Line;
use crate::chat::wire::casemap::Nick;
use crate::chat::wire::node::NodeName;
use crate::chat::wire::timestamp::Timestamp;

/// The place of this node among all.
pub(super) const HERE: usize = 0;

/// What a server knows of its network.
pub(in crate::chat::server) struct Nodes {
    /// What the others have not been told yet.
    pub(super) out: Vec<Outgoing>,
    pub(super) requests: Vec<NickRequest>,
    /// Who is told that there is something of that, and whether it was told.
    pub(super) on_news: Option<Rc<dyn Any>>,
    pub(super) is_told: bool,
    pub(super) report: Option<Report>,
    /// All that were ever heard of, this one first: there are few.
    pub(super) nodes: Vec<Node>,
    /// All users that are registered.
    pub(super) people: SecondaryMap<UserKey, Person>,
    /// Each line from elsewhere asks for its speaker, and nobody chooses an id.
    pub(super) ids: HashMap<UserId, UserKey, FixedState>,
    pub(super) rooms: SecondaryMap<ChannelKey, Room>,
    pub(super) eras: Eras,
    /// Channels of which it is to be found out whose settings count.
    pub(super) unsettled: BTreeSet<ChannelKey>,
    /// Users who are not called what they want, since somebody else is.
    pub(super) nameless: BTreeSet<UserKey>,
    /// Users of this node who wait to hear whether they may have a nickname.
    pub(super) claiming: BTreeMap<UserKey, Nick>,
    /// What stands for this node in the names of messages and users.
    pub(super) life: u64,
    /// Lines that are gathered for a batch.
    pub(super) together: Option<Together>,
    /// Nodes that are lost, of whose users some have yet to quit; the next to do so are of the first.
    pub(super) leaving: VecDeque<Leaving>,
    /// How many of those who were told of quits last have yet to read that, and how often they were waited for.
    pub(super) behind: Rc<Cell<usize>>,
    pub(super) waited: u32,
    /// Effects that said nothing here.
    pub(super) skipped: u64,
}

/// Who knows how it stands with the network.
type Report = Box<dyn Fn(Instant) -> String>;

/// A server of the network.
pub(super) struct Node {
    pub(super) name: NodeName,
    pub(super) server: Rc<str>,
    pub(super) about: Rc<str>,
    /// Its users are known.
    pub(super) is_there: bool,
    /// When it had set something last, if it was lost since: it may have forgotten what it has set until then.
    pub(super) lost: Option<Timestamp>,
}

/// A user, as the network knows it.
pub(super) struct Person {
    pub(super) node: usize,
    pub(super) id: UserId,
    /// The nickname its home says it has.
    pub(super) nick: Nick,
    pub(super) since: Timestamp,
    /// The nickname belongs to its account.
    pub(super) owned: bool,
    /// Its node is lost, and this is the reason with which it has yet to quit.
    pub(super) leaving: Option<Rc<str>>,
}

impl Nodes {
    pub(super) fn new(node: NodeName, server: &str, about: &str) -> Self {
        let life = u64::from(crc32fast::hash(node.as_str().as_bytes())) << 32;
        let (server, about) = (server.into(), about.into());
        let here = Node { name: node, server, about, is_there: true, lost: None };
        Self {
            out: Vec::new(),
            requests: Vec::new(),
            report: None,
            on_news: None,
            is_told: false,
            nodes: vec![here],
            people: SecondaryMap::new(),
            ids: HashMap::default(),
            rooms: SecondaryMap::new(),
            eras: Eras::default(),
            unsettled: BTreeSet::new(),
            nameless: BTreeSet::new(),
            claiming: BTreeMap::new(),
            life,
            together: None,
            leaving: VecDeque::new(),
            behind: Rc::default(),
            waited: 0,
            skipped: 0,
        }
    }

    pub(super) fn tell(&mut self, effect: Effect) {
        self.out.push(effect.into());
    }

    /// The place of a node, which gets one when it is heard of first; none for this node itself.
    pub(super) fn place(&mut self, name: &NodeName) -> Option<usize> {
        let known = self.nodes.iter().position(|node| node.name == *name);
        let place = known.unwrap_or_else(|| {
            let (server, about) = (name.as_str().into(), Rc::default());
            let name = name.clone();
            self.nodes.push(Node { name, server, about, is_there: false, lost: None });
            self.nodes.len() - 1
        });
        (place != HERE).then_some(place)
    }

    /// A node is lost.
    pub(super) fn note_lost(&mut self, place: usize) {
        let name = &self.nodes[place].name;
        let open = self.rooms.values().map(|room| &room.settings);
        let all = open.chain(self.eras.iter().map(|(_, _, settings)| settings));
        let theirs = all.flat_map(|settings| settings.0.values()).filter(|it| it.node == *name);
        let last = theirs.map(|change| change.at).max();
        self.nodes[place].lost = last.max(self.nodes[place].lost);
    }

    /// Whether this node is one of those who tell others of a change: since it has made it, or since nobody can be relied on
    /// to do so.
    pub(super) fn is_to_tell(&self, change: &Change) -> bool {
        match self.nodes.iter().position(|node| node.name == change.node) {
            None | Some(HERE) => true,
            Some(place) => {
                let Node { is_there, lost, .. } = self.nodes[place];
                !is_there || lost.is_some_and(|lost| change.at <= lost)
            }
        }
    }

    /// The users of a node.
    pub(super) fn users_of(&self, node: usize) -> Vec<UserKey> {
        let theirs = self.people.iter().filter(|(_, person)| person.node == node);
        theirs.map(|(key, _)| key).collect()
    }
}

/// Lines for those who are here, gathered.
pub(super) struct Together {
    /// The type of the batch, and the two servers it is about.
    pub(super) params: [Rc<str>; 3],
    /// The name of the batch, and who was told that it begins, if anybody was.
    pub(super) begun: Option<(Rc<str>, BTreeSet<UserKey>)>,
    pub(super) lines: Vec<Line>,
    /// Who gets which.
    pub(super) receivers: BTreeMap<UserKey, Vec<usize>>,
    /// Lines to be sent, to each who gets one.
    pub(super) deliveries: usize,
}

/// A node that is lost.
pub(super) struct Leaving {
    /// In which order its users quit; those who have done so meanwhile, or stay, are among them.
    pub(super) users: VecDeque<UserKey>,
    pub(super) together: Together,
}

impl Together {
    pub(super) fn new(params: [Rc<str>; 3]) -> Self {
        let (lines, receivers) = (Vec::new(), BTreeMap::new());
        Self { params, begun: None, lines, receivers, deliveries: 0 }
    }
}
