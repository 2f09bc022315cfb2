//! Names that are begun, and finished with Tab.

/// Goes through what a word could become, one Tab at a time.
#[derive(Debug, Default)]
pub(super) struct Completion(Option<Cycle>);

#[derive(Debug)]
struct Cycle {
    /// Where the word begins.
    start: usize,
    candidates: Vec<String>,
    next: usize,
    /// What the line was made to be, and where the cursor: if it is another by now, one has typed on.
    line: (String, usize),
}

impl Completion {
    /// What the word before the cursor becomes: where it begins, and what to put there. `names` are
    /// those there are, the likeliest first.
    pub(super) fn next(
        &mut self,
        text: &str,
        cursor: usize,
        names: impl FnOnce() -> Vec<String>,
    ) -> Option<(usize, String)> {
        let is_same = |cycle: &Cycle| cycle.line.0 == text && cycle.line.1 == cursor;
        if !self.0.as_ref().is_some_and(is_same) {
            self.0 = begin(text, cursor, names());
        }
        let cycle = self.0.as_mut()?;
        let candidate = cycle.candidates.get(cycle.next)?.clone();
        cycle.next = (cycle.next + 1) % cycle.candidates.len();
        let end = cycle.start + candidate.len();
        let line = format!("{}{candidate}{}", &text[..cycle.start], &text[cursor..]);
        cycle.line = (line, end);
        Some((cycle.start, candidate))
    }
}

fn begin(text: &str, cursor: usize, names: Vec<String>) -> Option<Cycle> {
    let before = &text[..cursor];
    let start = before.rfind(' ').map_or(0, |space| space + 1);
    let begun = before[start..].to_lowercase();
    // Whoever is spoken to at the beginning of a line is spoken to.
    let behind = |name: &str| match name.chars().next() {
        _ if start > 0 => " ",
        Some('#' | '&' | '/') => " ",
        _ => ": ",
    };
    let candidates: Vec<_> = names
        .into_iter()
        .filter(|name| !begun.is_empty() && name.to_lowercase().starts_with(&begun))
        .map(|name| format!("{name}{}", behind(&name)))
        .collect();
    (!candidates.is_empty()).then(|| Cycle { start, candidates, next: 0, line: Default::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<String> {
        ["bob", "Ann", "annie", "#tea", "/join", "日本"].map(str::to_owned).into()
    }

    /// What a line becomes with a Tab at its end.
    fn tab(completion: &mut Completion, line: &str) -> String {
        match completion.next(line, line.len(), names) {
            Some((start, text)) => format!("{}{text}", &line[..start]),
            None => line.to_owned(),
        }
    }

    #[test]
    fn a_name_is_finished_and_the_next_tab_takes_the_next() {
        let mut completion = Completion::default();
        let first = tab(&mut completion, "an");
        let second = tab(&mut completion, &first);
        let third = tab(&mut completion, &second);
        assert_eq!(
            (first.as_str(), second.as_str(), third.as_str()),
            ("Ann: ", "annie: ", "Ann: ")
        );
        assert_eq!(tab(&mut completion, "hello B"), "hello bob ");
        assert_eq!(tab(&mut completion, "/j"), "/join ");
        assert_eq!(tab(&mut completion, "/join #t"), "/join #tea ");
        assert_eq!(tab(&mut completion, "日"), "日本: ");
    }

    #[test]
    fn what_is_like_no_name_stays() {
        let mut completion = Completion::default();
        for line in ["", "x", "ann ", "hello "] {
            assert_eq!(tab(&mut completion, line), line);
        }
    }
}
