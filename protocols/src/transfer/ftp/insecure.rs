//! In the place of `secure`, without the feature `tls`: there is none.

use reactor::Transport;

use super::Settings;

pub(super) type Token = [u8; 16];

#[derive(Clone, Debug)]
pub(super) enum DataTls {}

pub(super) fn is_offered(_: &Settings) -> bool {
    false
}

pub(super) fn is_required(_: &Settings) -> bool {
    false
}

pub(super) fn begin<App>(_: &mut Transport<'_, App>, _: &Settings, _: &Token) -> bool {
    false
}

impl DataTls {
    pub(super) fn new(_: &Settings, _: &Token) -> Option<Self> {
        None
    }

    pub(super) fn begin<App>(&self, _: &mut Transport<'_, App>) -> bool {
        match *self {}
    }

    pub(super) fn accepts<App>(&self, _: &Transport<'_, App>) -> bool {
        match *self {}
    }
}
