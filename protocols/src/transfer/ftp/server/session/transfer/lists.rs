//! Lists: LIST, NLST and MLSD.

use super::{About, Conversation, Flow, Making, Opened, Subject, Text};
use crate::transfer::ftp::server::glob;
use crate::transfer::ftp::server::listing::{Show, Style, show};
use crate::transfer::store::{Kind, Store, StoreError, VirtualPath};

impl Conversation<'_> {
    /// LIST, NLST.
    pub(in crate::transfer::ftp::server::session) fn list(
        &mut self,
        path: Option<&[u8]>,
        style: Style,
    ) {
        let asked = path.unwrap_or(b".").to_vec();
        self.list_as(path, About::List, move |store, path, most| {
            list_whatever(store, path, &asked, style, most)
        });
    }

    /// MLSD: of a directory, and of nothing else (RFC 3659, 7.2.1).
    pub(in crate::transfer::ftp::server::session) fn list_facts(&mut self, path: Option<&[u8]>) {
        let style = Style::Facts(self.session.facts, self.session.permissions());
        self.list_as(path, About::Directory, move |store, path, most| {
            match store.list(path, most) {
                Ok(listing) => Ok(Text::List(Show::new(listing, style))),
                // Something on the way to it is none: then it is not there.
                Err(StoreError::NotADirectory) if store.entry(path).is_err() => {
                    Err(StoreError::NotFound)
                }
                Err(error) => Err(error),
            }
        });
    }

    fn list_as(
        &mut self,
        path: Option<&[u8]>,
        about: About,
        open: impl FnOnce(&Store, &VirtualPath, usize) -> Result<Text, StoreError> + Send + 'static,
    ) {
        let Some((path, ..)) = self.prepare(path.unwrap_or(b"."), about, |may| may.read) else {
            return;
        };
        let (wanted, most) = (path.clone(), self.server().limits().entries);
        let subject = Subject { direction: None, path, ascii: true, total: None };
        self.with_store(
            move |store| {
                let text = open(store, &wanted, most)?;
                let told = b"Opening data connection for a list.".to_vec();
                Ok(Opened { flow: Flow::Text(Making::Resting(text)), total: None, text: told })
            },
            move |it, opened| it.begin(subject, opened, about),
        );
    }
}

/// A directory, a file, or everything that a pattern stands for. What is not in the directory that was
/// asked for is named as it was asked for, so that a client can use the name as it is.
fn list_whatever(
    store: &Store,
    path: &VirtualPath,
    asked: &[u8],
    style: Style,
    most: usize,
) -> Result<Text, StoreError> {
    match (store.entry(path), path.name()) {
        (Ok(entry), _) if entry.kind == Kind::Directory => {
            Ok(Text::List(Show::new(store.list(path, most)?, style)))
        }
        (Ok(_), _) => {
            let mut line = Vec::new();
            show(style, asked, &store.find(path)?, &mut line);
            Ok(Text::Lines(line))
        }
        (Err(StoreError::NotFound), Some(pattern)) if glob::is_pattern(pattern) => {
            let mut listing = store.list(&path.parent(), most)?;
            listing.retain(|name| glob::matches(pattern, name));
            if listing.is_empty() {
                return Err(StoreError::NotFound);
            }
            let end = asked.iter().rposition(|&byte| byte == b'/').map_or(0, |at| at + 1);
            let prefix = asked.get(..end).unwrap_or_default().to_vec();
            Ok(Text::List(Show::new(listing, style).with_prefix(prefix)))
        }
        (Err(error), _) => Err(error),
    }
}
