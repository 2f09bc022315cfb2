//! A head's fields, and the lists in them.

use std::str;

/// The fields of a head, in their order.
#[derive(Clone, Debug, Default)]
pub struct Fields<'a>(Vec<(&'a str, &'a [u8])>);

impl<'a> FromIterator<(&'a str, &'a [u8])> for Fields<'a> {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a [u8])>>(fields: I) -> Self {
        Self(fields.into_iter().collect())
    }
}

impl<'a> Fields<'a> {
    /// The values of a field, whatever the case of its name. Those that are no text are passed over.
    pub fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'a str> + 's {
        let named = self.0.iter().filter(move |(it, _)| it.eq_ignore_ascii_case(name));
        named.filter_map(|(_, value)| str::from_utf8(value).ok()).map(str::trim)
    }

    /// The value of a field that may be there once. What is no text is not there either, and told apart
    /// nowhere: neither is what was asked for.
    #[must_use]
    pub fn only(&self, name: &str) -> Option<&'a str> {
        let mut values = self.all(name);
        let value = values.next()?;
        values.next().is_none().then_some(value)
    }

    /// Whether there is such a field.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(it, _)| it.eq_ignore_ascii_case(name))
    }

    /// The members of a list, which may be in several fields (RFC 9110, 5.6.1).
    pub(super) fn list<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'a str> + 's {
        let members = self.all(name).flat_map(|value| split(value, ','));
        members.map(str::trim).filter(|member| !member.is_empty())
    }

    /// Whether a list has such a member, whatever its case.
    pub(super) fn lists(&self, name: &str, member: &str) -> bool {
        self.list(name).any(|it| it.eq_ignore_ascii_case(member))
    }
}

/// Cuts at a sign, unless it is in a quoted string (RFC 9110, 5.6.4).
pub(super) fn split(value: &str, sign: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    value.split(move |it| {
        match it {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        it == sign && !quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_in_several_fields_and_a_comma_may_be_quoted() {
        let fields: Fields<'_> =
            [("X", &b"a, \"b,\\\",c\""[..]), ("x", b", d ,"), ("Y", b"e")].into_iter().collect();
        assert_eq!(fields.list("x").collect::<Vec<_>>(), ["a", "\"b,\\\",c\"", "d"]);
        assert!(fields.lists("X", "D") && !fields.lists("x", "e"));
        assert_eq!((fields.only("x"), fields.only("y")), (None, Some("e")));
    }
}
