//! Texts that are longer than a line.

/// Cuts a text into pieces for a line each: at the ends of its own lines, and where a piece would be
/// longer than `longest` bytes, between two words, or two characters if need be. Empty lines are left
/// out, since nobody can say nothing.
pub(super) fn pieces(text: &str, longest: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    for mut line in text.lines() {
        while line.len() > longest {
            let (piece, rest) = cut(line, longest);
            pieces.push(piece);
            line = rest;
        }
        if !line.is_empty() {
            pieces.push(line);
        }
    }
    pieces
}

/// The first piece of a line that is too long, and the rest.
fn cut(line: &str, longest: usize) -> (&str, &str) {
    let one = line.chars().next().map_or(0, char::len_utf8);
    let mut end = longest.max(one);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    match line[..end].rfind(' ') {
        // A word that is longer than half a line is cut itself: it is no word.
        Some(space) if space > end / 2 => (&line[..space], &line[space + 1..]),
        _ => line.split_at(end),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_is_cut_between_words() {
        assert_eq!(pieces("one two three", 8), ["one two", "three"]);
        assert_eq!(pieces("one\r\n\ntwo\n", 8), ["one", "two"]);
        assert_eq!(pieces("aaaaaaaaaa b", 4), ["aaaa", "aaaa", "aa b"]);
        assert_eq!(pieces("üüü", 3), ["ü", "ü", "ü"]);
        assert_eq!(pieces("ü", 1), ["ü"], "a character is never cut");
        assert_eq!(pieces("", 8), [""; 0]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_but_spaces_and_no_piece_is_too_long(text in "[a-zü ]{0,60}", longest in 2_usize..20) {
            let pieces = pieces(&text, longest);
            prop_assert!(pieces.iter().all(|piece| piece.len() <= longest && !piece.is_empty()));
            let letters = |text: &str| text.replace(' ', "");
            prop_assert_eq!(letters(&pieces.concat()), letters(&text));
        }
    }
}
