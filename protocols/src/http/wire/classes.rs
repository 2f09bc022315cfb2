//! What bytes are, by a table: how far those of one kind go.

/// Those of a token (RFC 9110, 5.6.2): the name of a method, or of a field.
pub(super) const TOKEN: u8 = 1;
/// Those of a host's name (RFC 3986, 3.2.2), and those that are not ASCII.
pub(super) const HOST: u8 = 2;
/// Those of a path: visible ASCII, without what ends it.
pub(super) const PATH: u8 = 4;
/// Those of a query: visible ASCII, but for what begins a fragment.
pub(super) const QUERY: u8 = 8;
/// Those of a decimal number.
pub(super) const DIGIT: u8 = 16;

/// Whether a byte is one of the class.
#[inline]
pub(super) fn is<const CLASS: u8>(byte: u8) -> bool {
    CLASSES[usize::from(byte)] & CLASS != 0
}

/// Whether it is a token, which is not empty.
pub(in crate::http) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && behind::<TOKEN>(bytes).is_empty()
}

/// What stands behind the bytes of the class. Eight are looked at in a row, without asking whether there are so many.
#[inline]
pub(super) fn behind<const CLASS: u8>(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes;
    while let Some((eight, others)) = rest.split_first_chunk::<8>() {
        if let Some(at) = eight.iter().position(|byte| !is::<CLASS>(*byte)) {
            return &rest[at..];
        }
        rest = others;
    }
    let last = rest.iter().position(|byte| !is::<CLASS>(*byte));
    last.and_then(|at| rest.get(at..)).unwrap_or_default()
}

const CLASSES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let one = byte as u8;
        if one.is_ascii_alphanumeric() || contains(b"!#$%&'*+-.^_`|~", one) {
            table[byte] |= TOKEN;
        }
        if one.is_ascii_alphanumeric() || contains(b"-._~!$&'()*+;=%", one) || !one.is_ascii() {
            table[byte] |= HOST;
        }
        if one.is_ascii_graphic() && one != b'#' {
            table[byte] |= if one == b'?' { QUERY } else { PATH | QUERY };
        }
        if one.is_ascii_digit() {
            table[byte] |= DIGIT;
        }
        byte += 1;
    }
    table
};

const fn contains(bytes: &[u8], one: u8) -> bool {
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == one {
            return true;
        }
        at += 1;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_stops_where_it_should() {
        for (byte, at) in (0..=u8::MAX).flat_map(|byte| (0..20).map(move |at| (byte, at))) {
            let mut bytes = [b'a'; 20];
            bytes[at] = byte;
            let rest = |goes_on: bool| if goes_on { &[][..] } else { &bytes[at..] };
            let visible = byte.is_ascii_graphic() && byte != b'#';
            assert_eq!(behind::<PATH>(&bytes), rest(visible && byte != b'?'), "{byte} at {at}");
            assert_eq!(behind::<QUERY>(&bytes), rest(visible), "{byte} at {at}");
            assert_eq!(behind::<TOKEN>(&bytes), rest(is::<TOKEN>(byte)), "{byte} at {at}");
            assert_eq!(behind::<HOST>(&bytes), rest(is::<HOST>(byte)), "{byte} at {at}");
        }
    }
}
