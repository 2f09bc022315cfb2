//! Users that have left (RFC 1459, 4.5.3), the latest first.

use std::collections::VecDeque;
use std::rc::Rc;

use super::users::User;
use crate::chat::wire::casemap::Folded;
use crate::chat::wire::mask;
use crate::chat::wire::timestamp::Timestamp;

#[derive(Clone, Debug)]
pub(super) struct Gone {
    folded: Folded,
    pub(super) nick: String,
    pub(super) name: Rc<str>,
    pub(super) host: Rc<str>,
    pub(super) real_name: Rc<str>,
    pub(super) account: Option<Rc<str>>,
    /// The server it was on.
    pub(super) server: Rc<str>,
    pub(super) at: Timestamp,
}

#[derive(Debug, Default)]
pub(super) struct Whowas(VecDeque<Gone>);

impl Whowas {
    /// Remembers a user under the nickname it leaves.
    pub(super) fn push(
        &mut self,
        user: &User,
        nick: &str,
        server: Rc<str>,
        at: Timestamp,
        most: usize,
    ) {
        self.0.push_front(Gone {
            folded: Folded::of(nick),
            nick: nick.to_owned(),
            name: Rc::clone(&user.name),
            host: Rc::clone(&user.host),
            real_name: Rc::clone(&user.real_name),
            account: user.account.clone(),
            server,
            at,
        });
        self.0.truncate(most);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Who has had a nickname, or one that fits a mask; at most so many.
    pub(super) fn find(&self, wanted: &[&str], most: usize) -> Vec<Gone> {
        let folded: Vec<_> = wanted.iter().map(|nick| Folded::of(nick)).collect();
        let fits = |gone: &&Gone| {
            folded.contains(&gone.folded)
                || wanted.iter().any(|it| mask::is_mask(it) && mask::matches(it, &gone.nick))
        };
        self.0.iter().filter(fits).take(most).cloned().collect()
    }
}
