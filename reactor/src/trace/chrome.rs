//! A trace in the format of Chrome's tracing, which Perfetto opens.
//!
//! A host is a process there, a slot a thread: what the loop itself does stands in row 0, and what
//! happens to the connections that have lived in a slot in the row above it. Turns and callbacks are
//! slices, everything else is an instant.
//!
//! ```text
//!   server   loop     ▕ turn                                                     ▏
//!            slot 3      ╷event ╷read ▕ on_data     ▏╷wrote
//! ```

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::io::{self, BufWriter, Write};

use super::record::host_name;
use super::{Record, Subject, Trace, What};

/// How far a record is from the one before it, at least, where time stands still while a loop works:
/// so the order shows, and a turn has a length.
const VIRTUAL_STEP: u64 = 1_000;
/// As much as the format can tell apart.
const STEP: u64 = 1;

impl Trace {
    /// Writes the trace in the format of Chrome's tracing, which <https://ui.perfetto.dev> opens.
    ///
    /// There every host is a process, with a row for its loop and one for each slot. In a simulation
    /// a turn takes no time; to be seen it is drawn as if each record took a microsecond.
    ///
    /// ```
    /// # use reactor::Reactor;
    /// # let path = std::env::temp_dir().join(format!("reactor-trace-{}.json", std::process::id()));
    /// let mut reactor = Reactor::<()>::new()?;
    /// reactor.trace(10_000);
    /// // ... some turns later:
    /// reactor.take_trace().write_chrome(std::fs::File::create(&path)?)?;
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// What `out` says; it need not be buffered.
    pub fn write_chrome(&self, out: impl Write) -> io::Result<()> {
        let step = if self.is_virtual() { VIRTUAL_STEP } else { STEP };
        let out = BufWriter::new(out);
        let rows = BTreeMap::new();
        let mut chart = Chart { out, hosts: self.hosts(), step, rows, is_empty: true };
        chart.begin()?;
        self.iter().try_for_each(|record| chart.draw(record))?;
        chart.end()
    }
}

/// What has been written so far.
struct Chart<'a, W: Write> {
    out: BufWriter<W>,
    hosts: &'a [String],
    step: u64,
    rows: BTreeMap<u16, Rows>,
    is_empty: bool,
}

/// One host's rows.
#[derive(Default)]
struct Rows {
    /// When the next record can be drawn, so that none stands before the one it followed.
    next: u64,
    /// How many slices are open in each row.
    open: BTreeMap<usize, usize>,
}

/// Where and when a record is drawn.
struct Place {
    host: u16,
    row: usize,
    at: u64,
}

impl<W: Write> Chart<'_, W> {
    fn begin(&mut self) -> io::Result<()> {
        self.out.write_all(b"{\"displayTimeUnit\":\"ns\",\"traceEvents\":[")?;
        (0..).zip(self.hosts).try_for_each(|(host, name)| self.name_host(host, name))
    }

    fn end(&mut self) -> io::Result<()> {
        self.out.write_all(b"\n]}\n")?;
        self.out.flush()
    }

    fn draw(&mut self, record: &Record) -> io::Result<()> {
        let place = self.place(record)?;
        match record.what() {
            What::TurnBegan { .. } | What::Called(_) => self.begin_slice(&place, record),
            What::TurnEnded { .. } | What::Returned(_) => self.end_slice(&place),
            What::Panicked(_) => {
                self.draw_instant(&place, record)?;
                self.end_slice(&place)
            }
            _ => self.draw_instant(&place, record),
        }
    }

    /// Finds a record's row, which gets its name with its first record, and its time.
    fn place(&mut self, record: &Record) -> io::Result<Place> {
        let host = record.host();
        let row = record.subject().and_then(Subject::slot).map_or(0, |slot| slot + 1);
        let step = self.step;
        let rows = self.rows.entry(host).or_default();
        let at = record.nanos().max(rows.next);
        rows.next = at + step;
        if let Entry::Vacant(first) = rows.open.entry(row) {
            first.insert(0);
            self.name_row(host, row)?;
        }
        Ok(Place { host, row, at })
    }

    // ── what is drawn ───────────────────────────────────────────────────────────────────────

    fn begin_slice(&mut self, place: &Place, record: &Record) -> io::Result<()> {
        *self.open(place) += 1;
        let about = About { record, hosts: self.hosts };
        self.write(format_args!("\"ph\":\"B\",{place},{about}"))
    }

    /// Ends the latest slice of a row, if its beginning is still in the trace.
    fn end_slice(&mut self, place: &Place) -> io::Result<()> {
        let open = self.open(place);
        if *open == 0 {
            return Ok(());
        }
        *open -= 1;
        self.write(format_args!("\"ph\":\"E\",{place}"))
    }

    fn draw_instant(&mut self, place: &Place, record: &Record) -> io::Result<()> {
        let about = About { record, hosts: self.hosts };
        self.write(format_args!("\"ph\":\"i\",\"s\":\"t\",{place},{about}"))
    }

    fn open(&mut self, place: &Place) -> &mut usize {
        self.rows.entry(place.host).or_default().open.entry(place.row).or_default()
    }

    // ── what they are called ────────────────────────────────────────────────────────────────

    fn name_host(&mut self, host: u16, name: &str) -> io::Result<()> {
        let (pid, name) = (pid(host), Text(name));
        self.write(format_args!(
            "\"ph\":\"M\",\"pid\":{pid},\"name\":\"process_name\",\"args\":{{\"name\":{name}}}"
        ))
    }

    fn name_row(&mut self, host: u16, row: usize) -> io::Result<()> {
        let name = row.checked_sub(1).map_or("loop".to_owned(), |slot| format!("slot {slot}"));
        let (pid, tid, name) = (pid(host), tid(row), Text(&name));
        let row_of = format!("\"ph\":\"M\",\"pid\":{pid},\"tid\":{tid}");
        self.write(format_args!("{row_of},\"name\":\"thread_name\",\"args\":{{\"name\":{name}}}"))?;
        self.write(format_args!(
            "{row_of},\"name\":\"thread_sort_index\",\"args\":{{\"sort_index\":{row}}}"
        ))
    }

    /// Writes an object of the list.
    fn write(&mut self, fields: fmt::Arguments<'_>) -> io::Result<()> {
        let comma = if std::mem::take(&mut self.is_empty) { "" } else { "," };
        write!(self.out, "{comma}\n{{{fields}}}")
    }
}

/// A host's number as a process. None is 0, which Perfetto takes for an idle processor.
fn pid(host: u16) -> u32 {
    u32::from(host) + 1
}

/// A row's number as a thread, for the same reason.
fn tid(row: usize) -> usize {
    row + 1
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (pid, tid, at) = (pid(self.host), tid(self.row), self.at);
        // The format counts in microseconds, with as many decimals as one likes.
        let (micros, nanos) = (at / 1_000, at % 1_000);
        write!(f, "\"pid\":{pid},\"tid\":{tid},\"ts\":{micros}.{nanos:03}")
    }
}

/// A record's name, and what is shown of it when it is clicked at.
struct About<'a> {
    record: &'a Record,
    hosts: &'a [String],
}

impl fmt::Display for About<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = self.record.what();
        let (name, words) = (what.name(), what.to_string());
        write!(f, "\"name\":{},\"args\":{{\"what\":{}", Text(name), Text(&words))?;
        if let Some(subject) = self.record.subject() {
            write!(f, ",\"who\":{}", Text(&subject.to_string()))?;
        }
        if let What::Network { to, .. } = what {
            write!(f, ",\"to\":{}", Text(&host_name(self.hosts, to)))?;
        }
        if let Some(bytes) = what.bytes() {
            write!(f, ",\"bytes\":{bytes}")?;
        }
        f.write_str("}")
    }
}

/// A string as JSON has it (RFC 8259, section 7).
struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        self.0.chars().try_for_each(|char| match char {
            '"' => f.write_str("\\\""),
            '\\' => f.write_str("\\\\"),
            '\0'..='\x1f' => write!(f, "\\u{:04x}", u32::from(char)),
            _ => write!(f, "{char}"),
        })?;
        f.write_str("\"")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::trace::{Callback, Ring};

    fn trace_of(whats: &[What]) -> Trace {
        let mut ring = Ring::new(100);
        let at = Duration::from_millis(3);
        whats.iter().for_each(|what| ring.push(Record::new(at, 0, None, *what)));
        Trace::of_network(ring, vec!["ser\"ver\n".to_owned(), "client".to_owned()])
    }

    /// The lines of the file, of which each holds one event. That they are JSON is seen to in
    /// `tests/turns/trace.rs`.
    fn lines(trace: &Trace) -> Vec<String> {
        let mut json = Vec::new();
        trace.write_chrome(&mut json).expect("memory takes everything");
        String::from_utf8(json).expect("it is text").lines().map(str::to_owned).collect()
    }

    /// The slices and instants, without the names of hosts and rows.
    fn events(whats: &[What]) -> Vec<String> {
        let lines = lines(&trace_of(whats)).into_iter();
        lines.filter(|line| line.contains("\"ts\"")).collect()
    }

    #[test]
    fn names_may_contain_what_json_would_read_otherwise() {
        assert_eq!(
            lines(&trace_of(&[]))[1],
            r#"{"ph":"M","pid":1,"name":"process_name","args":{"name":"ser\"ver\u000a"}},"#
        );
    }

    #[test]
    fn what_happens_at_one_virtual_time_is_drawn_one_after_the_other() {
        let task = Callback::Task;
        assert_eq!(
            events(&[What::Called(task), What::Woken, What::Returned(task)]),
            [
                r#"{"ph":"B","pid":1,"tid":1,"ts":3000.000,"name":"task","args":{"what":"task begins"}},"#,
                r#"{"ph":"i","s":"t","pid":1,"tid":1,"ts":3001.000,"name":"woken","args":{"what":"woken"}},"#,
                r#"{"ph":"E","pid":1,"tid":1,"ts":3002.000}"#,
            ]
        );
    }

    #[test]
    fn a_slice_whose_beginning_was_dropped_is_not_ended() {
        let events = events(&[What::Returned(Callback::Data), What::Woken]);
        assert_eq!(events.len(), 1);
        assert!(events[0].contains("woken"));
    }

    #[test]
    fn a_panic_shows_and_ends_its_callback() {
        let task = Callback::Task;
        let events = events(&[What::Called(task), What::Panicked(task)]);
        assert!(events[1].contains(r#""what":"task panics""#));
        assert!(events[2].contains(r#""ph":"E""#));
    }

    #[test]
    fn a_packet_tells_where_it_goes() {
        let events = events(&[What::Network { what: "lost", to: 1, bytes: 64 }]);
        assert!(events[0].ends_with(r#"{"what":"lost: 64 bytes","to":"client","bytes":64}}"#));
    }
}
