//! Which content codings a client takes (RFC 9110, 12.5.3).

use super::Fields;

/// A content coding in which a file may lie beside itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// RFC 7932, `.br`.
    Brotli,
    /// RFC 8878, `.zst`.
    Zstd,
    /// RFC 1952, `.gz`.
    Gzip,
}

impl Coding {
    /// All of them, the smallest results first.
    pub const ALL: [Self; 3] = [Self::Brotli, Self::Zstd, Self::Gzip];

    /// As fields have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }

    /// What a name ends with that has it.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Brotli => ".br",
            Self::Zstd => ".zst",
            Self::Gzip => ".gz",
        }
    }
}

/// Whether a client takes a coding. One that says nothing of codings would take any, and most of those that
/// say nothing take none: they are given the file as it is.
#[must_use]
pub fn accepts(fields: Fields<'_>, coding: Coding) -> bool {
    let mut any = false;
    for member in fields.list("accept-encoding") {
        let mut parts = member.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
        let name = parts.next().unwrap_or_default();
        let taken = parts.all(|parameter| !is_zero(parameter));
        if name.eq_ignore_ascii_case(coding.name().as_bytes()) {
            return taken;
        }
        if name == b"*" {
            any = taken;
        }
    }
    any
}

/// `q=0`, `q=0.0`.
fn is_zero(parameter: &[u8]) -> bool {
    match parameter {
        [b'q' | b'Q', b'=', value @ ..] => {
            value.starts_with(b"0") && value.iter().all(|byte| matches!(byte, b'0' | b'.'))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Field;
    use super::*;

    #[test]
    fn a_coding_is_taken_unless_it_weighs_nothing() {
        let takes = |value: &'static str, coding| {
            let all = [Field::new("Accept-Encoding", value.as_bytes())];
            accepts(Fields::new(&all), coding)
        };
        assert!(takes("gzip, br", Coding::Gzip));
        assert!(takes("deflate, GZIP;q=0.5", Coding::Gzip));
        assert!(takes("*", Coding::Zstd));
        assert!(!takes("gzip;q=0, *", Coding::Gzip));
        assert!(!takes("gzip; q=0.000", Coding::Gzip));
        assert!(!takes("*;q=0", Coding::Brotli));
        assert!(!takes("", Coding::Brotli));
        assert!(!accepts(Fields::new(&[]), Coding::Gzip));
    }
}
