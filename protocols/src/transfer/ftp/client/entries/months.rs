//! Months by their names.

/// Which month this is the name of, or the beginning of one.
pub(super) fn named(word: &[u8]) -> Option<u64> {
    // Where it is not UTF-8 it is Latin-1 most of the time.
    let name = match std::str::from_utf8(word) {
        Ok(name) => name.to_lowercase(),
        Err(_) => word.iter().map(|&byte| char::from(byte)).collect::<String>().to_lowercase(),
    };
    if name.chars().count() > LONGEST {
        return None;
    }
    let stem = |(stem, _): &&(&str, u64)| name.starts_with(stem);
    MONTHS.iter().find(stem).map(|&(_, month)| month)
}

/// The beginnings of the names of months, in the languages that are common on servers; longer ones first
/// where one is the beginning of another.
#[rustfmt::skip]
const MONTHS: &[(&str, u64)] = &[
    ("jan", 1), ("jän", 1), ("ene", 1), ("gen", 1), ("янв", 1), ("sty", 1), ("led", 1), ("tammi", 1),
    ("oca", 1), ("ian", 1), ("січ", 1), ("ιαν", 1), ("јан", 1), ("urt", 1),
    ("feb", 2), ("fév", 2), ("fev", 2), ("фев", 2), ("lut", 2), ("úno", 2), ("helmi", 2), ("şub", 2),
    ("лют", 2), ("φεβ", 2), ("феб", 2), ("ots", 2),
    ("marras", 11), ("mar", 3), ("mär", 3), ("már", 3), ("mrz", 3), ("mrt", 3), ("maa", 3), ("мар", 3),
    ("bře", 3), ("бер", 3), ("μαρ", 3), ("μάρ", 3),
    ("apr", 4), ("ápr", 4), ("avr", 4), ("abr", 4), ("апр", 4), ("kwi", 4), ("dub", 4), ("huhti", 4),
    ("nis", 4), ("кві", 4), ("απρ", 4), ("api", 4),
    ("may", 5), ("mai", 5), ("maí", 5), ("maj", 5), ("máj", 5), ("mag", 5), ("mei", 5), ("май", 5),
    ("мая", 5), ("kvě", 5), ("touko", 5), ("тра", 5), ("μαι", 5), ("μάι", 5), ("мај", 5),
    ("jun", 6), ("jún", 6), ("juin", 6), ("giu", 6), ("июн", 6), ("cze", 6), ("čen", 6), ("kes", 6),
    ("haz", 6), ("чер", 6), ("ιουν", 6), ("јун", 6), ("eka", 6),
    ("jul", 7), ("júl", 7), ("jui", 7), ("lug", 7), ("июл", 7), ("lip", 7), ("čec", 7), ("hein", 7),
    ("tem", 7), ("ιουλ", 7), ("јул", 7), ("uzt", 7),
    ("aug", 8), ("avg", 8), ("aoû", 8), ("aou", 8), ("ago", 8), ("авг", 8), ("sie", 8), ("srp", 8),
    ("elo", 8), ("ağu", 8), ("сер", 8), ("αυγ", 8), ("αύγ", 8), ("abu", 8),
    ("sep", 9), ("set", 9), ("szept", 9), ("сен", 9), ("wrz", 9), ("zář", 9), ("syys", 9), ("eyl", 9),
    ("вер", 9), ("σεπ", 9), ("сеп", 9), ("ira", 9),
    ("oct", 10), ("okt", 10), ("ott", 10), ("out", 10), ("окт", 10), ("paź", 10), ("paz", 10),
    ("říj", 10), ("loka", 10), ("eki", 10), ("жов", 10), ("οκτ", 10), ("urr", 10),
    ("nov", 11), ("ноя", 11), ("lis", 11), ("kas", 11), ("лис", 11), ("νοε", 11), ("нов", 11), ("aza", 11),
    ("dec", 12), ("déc", 12), ("dez", 12), ("dic", 12), ("des", 12), ("дек", 12), ("gru", 12),
    ("pro", 12), ("joulu", 12), ("ara", 12), ("гру", 12), ("δεκ", 12), ("дец", 12), ("abe", 12),
];

/// Letters of the longest name of a month that is the short form of one (`marras`).
const LONGEST: usize = 6;
