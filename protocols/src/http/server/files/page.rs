//! A directory as a page: for people on telephones and on screens, by day and by night, without a script.

use std::cmp::Ordering;
use std::fmt::Write;
use std::time::UNIX_EPOCH;

use crate::http::wire::{encode_path, format_date};
use crate::store::{Entry, Kind};

/// What is shown of one entry.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: Vec<u8>,
    pub(super) entry: Entry,
}

/// How the rows are sorted: directories always come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Order {
    by: By,
    is_reversed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Name,
    Size,
    Date,
}

impl Order {
    /// Of a query such as `sort=size&order=desc`.
    pub(super) fn parse(query: &str) -> Self {
        let mut order = Self { by: By::Name, is_reversed: false };
        for pair in query.split('&') {
            match pair {
                "sort=name" => order.by = By::Name,
                "sort=size" => order.by = By::Size,
                "sort=date" => order.by = By::Date,
                "order=desc" => order.is_reversed = true,
                _ => {}
            }
        }
        order
    }

    fn compare(self, one: &Row, other: &Row) -> Ordering {
        let is_file = |row: &Row| row.entry.kind != Kind::Directory;
        let names = || one.name.to_ascii_lowercase().cmp(&other.name.to_ascii_lowercase());
        let ordering = match self.by {
            By::Name => names(),
            By::Size => one.entry.size.cmp(&other.entry.size).then_with(names),
            By::Date => one.entry.modified.cmp(&other.entry.modified).then_with(names),
        };
        let ordering = if self.is_reversed { ordering.reverse() } else { ordering };
        is_file(one).cmp(&is_file(other)).then(ordering)
    }

    /// The heading of a column: a link that sorts by it, or the other way round if that is how it is.
    fn heading(self, by: By, title: &str, class: &str) -> String {
        let name = match by {
            By::Name => "name",
            By::Size => "size",
            By::Date => "date",
        };
        let (sorted, mark) = match (self.by == by, self.is_reversed) {
            (true, false) => (" aria-sort=\"ascending\"", " \u{2191}"),
            (true, true) => (" aria-sort=\"descending\"", " \u{2193}"),
            (false, _) => ("", ""),
        };
        let order = if self.by == by && !self.is_reversed { "&amp;order=desc" } else { "" };
        format!(
            "<th scope=\"col\" class=\"{class}\"{sorted}><a href=\"?sort={name}{order}\">{title}{mark}</a></th>"
        )
    }
}

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#59636e;--line:#d9dee3;--paper:#fff;--hover:#f3f6f9;--link:#0b57d0}\
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ec;--soft:#9aa4ae;--line:#30363d;--paper:#15191e;--hover:#1f252c;--link:#8ab4f8}}\
*{box-sizing:border-box}\
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}\
main{max-width:60rem;margin:0 auto;padding:1.5rem 1rem 3rem}\
h1{font-size:1.25rem;font-weight:600;overflow-wrap:anywhere;margin:0 0 1rem}\
h1 span{color:var(--soft);font-weight:400}\
a{color:var(--link);text-decoration:none}a:hover{text-decoration:underline}\
a:focus-visible{outline:2px solid var(--link);outline-offset:2px;border-radius:3px}\
table{width:100%;border-collapse:collapse}\
th{font-size:.85rem;font-weight:500;text-align:left;white-space:nowrap}th a{color:var(--soft)}\
th,td{padding:.5rem .6rem;border-bottom:1px solid var(--line)}\
tbody tr:hover{background:var(--hover)}\
td:first-child{overflow-wrap:anywhere}td a{display:block}\
.n{text-align:right}td.n,td.d{color:var(--soft);white-space:nowrap;font-variant-numeric:tabular-nums}\
p{color:var(--soft);font-size:.85rem}\
@media(max-width:34rem){.d{display:none}th,td{padding:.65rem .3rem}}";

/// What the page may do: be styled by [`STYLE`], which it names by its SHA-256. No script runs, even if one got
/// in by a name.
pub(super) const POLICY: &str = "default-src 'none'; \
    style-src 'sha256-BigvfgALg999GC/VanJidKjOeUUSIwnQ9dyk8XEysRE='; img-src data:; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// The page of a directory.
pub(super) fn page(path: &str, mut rows: Vec<Row>, order: Order) -> String {
    rows.sort_by(|one, other| order.compare(one, other));
    let mut page = String::with_capacity(2_048 + rows.len() * 200);
    page.push_str("<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n");
    page.push_str(
        "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>",
    );
    escape(&mut page, path);
    let _ = write!(
        page,
        "</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>{STYLE}</style>\n<main>\n<h1>"
    );
    write_trail(&mut page, path);
    page.push_str("</h1>\n<table>\n<thead><tr>");
    page.push_str(&order.heading(By::Name, "Name", ""));
    page.push_str(&order.heading(By::Size, "Size", "n"));
    page.push_str(&order.heading(By::Date, "Changed", "d"));
    page.push_str("</tr></thead>\n<tbody>\n");
    if !path.trim_matches('/').is_empty() {
        page.push_str(
            "<tr><td><a href=\"../\">..</a></td><td class=\"n\"></td><td class=\"d\"></td></tr>\n",
        );
    }
    for row in &rows {
        write_row(&mut page, row);
    }
    page.push_str("</tbody>\n</table>\n<p>");
    page.push_str(&summary(&rows));
    page.push_str("</p>\n</main>\n</html>\n");
    page
}

/// The way to here, each step a link.
fn write_trail(page: &mut String, path: &str) {
    let names: Vec<_> = path.split('/').filter(|name| !name.is_empty()).collect();
    let _ = write!(page, "<a href=\"{}\">/</a>", up(names.len()));
    for (at, name) in names.iter().enumerate() {
        if at > 0 {
            page.push_str("<span>/</span>");
        }
        if at + 1 == names.len() {
            escape(page, name);
        } else {
            let _ = write!(page, "<a href=\"{}\">", up(names.len() - at - 1));
            escape(page, name);
            page.push_str("</a>");
        }
    }
}

fn up(levels: usize) -> String {
    if levels == 0 { "./".to_owned() } else { "../".repeat(levels) }
}

fn write_row(page: &mut String, row: &Row) {
    let slash = if row.entry.kind == Kind::Directory { "/" } else { "" };
    // A name with a colon in it would be taken for a scheme.
    let _ = write!(page, "<tr><td><a href=\"./{}{slash}\">", encode_path(&row.name));
    escape(page, &String::from_utf8_lossy(&row.name));
    let _ = write!(page, "{slash}</a></td><td class=\"n\">");
    if row.entry.kind == Kind::File {
        page.push_str(&size(row.entry.size));
    }
    page.push_str("</td><td class=\"d\">");
    if let Some(modified) = row.entry.modified.filter(|time| *time >= UNIX_EPOCH) {
        page.push_str(&date(&format_date(modified)));
    }
    page.push_str("</td></tr>\n");
}

fn summary(rows: &[Row]) -> String {
    let is_directory = |row: &&Row| row.entry.kind == Kind::Directory;
    let directories = rows.iter().filter(is_directory).count();
    let bytes = rows.iter().map(|row| row.entry.size).fold(0, u64::saturating_add);
    let plural = |count: usize, one: &str, many: &str| {
        format!("{count} {}", if count == 1 { one } else { many })
    };
    format!(
        "{}, {}, {}",
        plural(directories, "directory", "directories"),
        plural(rows.len() - directories, "file", "files"),
        size(bytes)
    )
}

/// A size as people read it.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // The exponent, and the value in tenths.
    let exponent = (63 - bytes.leading_zeros()) / 10;
    let tenths = (u128::from(bytes) * 10) >> (exponent * 10);
    let unit = UNITS.get(exponent as usize - 1).unwrap_or(&"EiB");
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

/// `2026-11-28 12:30` of `Sat, 28 Nov 2026 12:30:00 GMT`.
fn date(http: &str) -> String {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let words: Vec<_> = http.split(' ').collect();
    match words[..] {
        [_, day, month, year, time, _] => {
            let month = MONTHS.find(month).unwrap_or_default() / 3 + 1;
            format!("{year}-{month:02}-{day} {}", time.get(..5).unwrap_or(time))
        }
        _ => http.to_owned(),
    }
}

/// Text, in a page or in an attribute of it.
fn escape(page: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => page.push_str("&amp;"),
            '<' => page.push_str("&lt;"),
            '>' => page.push_str("&gt;"),
            '"' => page.push_str("&quot;"),
            '\'' => page.push_str("&#39;"),
            other => page.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use base64::prelude::{BASE64_STANDARD, Engine};
    use sha2::{Digest, Sha256};

    use super::*;

    fn row(name: &str, kind: Kind, size: u64, second: u64) -> Row {
        let modified = Some(UNIX_EPOCH + Duration::from_secs(second));
        let entry =
            Entry { kind, size, modified, mode: 0o644, links: 1, id: (0, 0), changed: None };
        Row { name: name.as_bytes().to_vec(), entry }
    }

    fn names(query: &str) -> Vec<String> {
        let mut rows = vec![
            row("b", Kind::File, 1, 3),
            row("A", Kind::File, 3, 2),
            row("c", Kind::File, 2, 1),
            row("d", Kind::Directory, 0, 9),
        ];
        let order = Order::parse(query);
        rows.sort_by(|one, other| order.compare(one, other));
        rows.into_iter().map(|row| String::from_utf8_lossy(&row.name).into_owned()).collect()
    }

    #[test]
    fn directories_come_first_and_the_rest_as_asked() {
        assert_eq!(names(""), ["d", "A", "b", "c"]);
        assert_eq!(names("sort=name&order=desc"), ["d", "c", "b", "A"]);
        assert_eq!(names("sort=size"), ["d", "b", "c", "A"]);
        assert_eq!(names("sort=date&order=desc"), ["d", "b", "A", "c"]);
    }

    #[test]
    fn a_name_stays_a_name() {
        let rows = vec![row("<script>\"x\":&", Kind::File, 1_536, 1_795_869_000)];
        let page = page("/a<b>/", rows, Order::parse(""));
        assert!(page.contains("&lt;script&gt;&quot;x&quot;:&amp;</a>"), "{page}");
        assert!(page.contains("href=\"./%3Cscript%3E%22x%22%3A%26\""), "{page}");
        assert!(page.contains("<title>/a&lt;b&gt;/</title>"), "{page}");
        assert!(page.contains("1.5 KiB") && page.contains("2026-11-28 12:30"), "{page}");
        assert!(!page.contains("<script"), "{page}");
    }

    #[test]
    fn files_of_any_time_and_size_are_shown() {
        let row = |name, second| row(name, Kind::File, u64::MAX, second);
        let rows = vec![row("later", 253_402_300_800), row("much later", 1 << 43)];
        let page = page("/", rows, Order::parse(""));
        assert_eq!(page.matches("9999-12-31 23:59").count(), 2, "{page}");
        assert!(page.contains("2 files, 15.9 EiB"), "{page}");
    }

    #[test]
    fn the_policy_names_the_style() {
        let hash = BASE64_STANDARD.encode(Sha256::digest(STYLE));
        assert!(POLICY.contains(&format!("style-src 'sha256-{hash}';")), "{hash}");
        assert!(!page("/", Vec::new(), Order::parse("")).contains("style="));
    }

    #[test]
    fn sizes_are_short() {
        let all = [0, 1_023, 1_024, 1_048_575, 1_048_576, u64::MAX].map(size);
        assert_eq!(all, ["0 B", "1023 B", "1.0 KiB", "1023.9 KiB", "1.0 MiB", "15.9 EiB"]);
    }
}
