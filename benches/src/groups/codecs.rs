//! Codecs: what it costs to find the messages in a stream of bytes.

use crate::codecs::{self, Codec, Decoding};
use crate::work::{Case, Clock, Contender, Group};

/// The group.
pub fn group() -> Group {
    Group {
        name: "codecs",
        about: "What it costs to find a message in bytes that are there already, of each protocol's wire \
                format, beside what others use for it. The ruler is the shortest way in the standard \
                library.",
        shown: "",
        cases: codecs::all().into_iter().map(case).collect(),
    }
}

fn case(codec: Codec) -> Case {
    let contender = |(name, decode): &(&'static str, codecs::Decode)| {
        let (text, messages, decode) = (codec.text.clone(), codec.messages, *decode);
        Contender::new(name, move || Ok(Decoding { text: text.clone(), messages, decode }))
    };
    Case {
        name: codec.name.to_owned(),
        grows_to: None,
        unit: "message",
        clock: Clock::Wall,
        contenders: codec.decoders.iter().map(contender).collect(),
    }
}
