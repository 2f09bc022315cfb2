//! A screen as somebody sees it.

use super::*;
use crate::connect::report::Said;

fn said(place: &str, nick: &str, text: &str, direct: bool) -> Report {
    let said = Said::Message { nick: nick.into(), text: text.into() };
    Report { direct, ..Report::new(vec![Place::With(place.into())], said) }
}

fn screen() -> Screen {
    let mut screen = Screen::new(40, 6);
    screen.go_to("#tea");
    screen
}

fn status() -> Status {
    Status { nick: "me".into(), topic: "Black or green".into(), ..Status::default() }
}

fn seen(screen: &Screen) -> Vec<String> {
    let frame = screen.draw(&status());
    assert!(frame.rows.iter().all(|row| row.width() == screen.width));
    assert_eq!(frame.rows.len(), screen.height);
    frame.rows.iter().map(|row| row.text().trim_end().to_owned()).collect()
}

/// Presses keys; the lines that were finished.
fn types(screen: &mut Screen, keys: impl IntoIterator<Item = Key>) -> Vec<String> {
    let names = || ["ann", "anton", "bob"].map(str::to_owned).into();
    keys.into_iter().filter_map(|key| screen.handle_key(key, names)).collect()
}

fn text(text: &str) -> impl Iterator<Item = Key> + '_ {
    text.chars().map(Key::Char)
}

#[test]
fn a_screen_has_a_title_a_window_a_bar_and_a_line_to_type() {
    let mut screen = screen();
    screen.show(&said("#TEA", "ann", "hello", false), "12:00");
    types(&mut screen, text("hi"));
    let expected = [
        " #tea: Black or green",
        "",
        "",
        "12:00 <ann> hello",
        " me  1:status [2:#tea]",
        "#tea> hi",
    ];
    assert_eq!(seen(&screen), expected);
    assert_eq!(screen.draw(&status()).cursor, (8, 5));
    assert_eq!(types(&mut screen, [Key::Enter]), ["hi"]);
    assert_eq!(screen.draw(&status()).cursor, (6, 5));
}

#[test]
fn what_is_said_elsewhere_is_counted_until_one_looks() {
    let mut screen = screen();
    for direct in [false, true] {
        screen.show(&said("#lobby", "bob", "hello", direct), "12:00");
    }
    assert_eq!(seen(&screen)[4], " me  1:status [2:#tea] 3:#lobby(2)");
    types(&mut screen, [Key::Next]);
    assert_eq!(screen.target(), Some("#lobby"));
    let rows = seen(&screen);
    assert_eq!(rows[4], " me  1:status 2:#tea [3:#lobby]");
    types(&mut screen, [Key::Window(1)]);
    assert_eq!(screen.target(), None);
    types(&mut screen, [Key::Previous, Key::Window(9)]);
    assert_eq!(screen.target(), Some("#lobby"));
}

#[test]
fn what_one_said_oneself_is_not_unread() {
    let mut screen = screen();
    screen.show(&Report { own: true, ..said("bob", "me", "psst", false) }, "12:00");
    assert_eq!(seen(&screen)[4], " me  1:status [2:#tea] 3:bob");
}

#[test]
fn news_are_not_counted_and_go_where_one_is_if_they_belong_nowhere() {
    let mut screen = screen();
    screen.show(&Report::news(vec![Place::With("#lobby".into())], "bob has joined".into()), "1");
    screen.show(&Report::news(Vec::new(), "a list".into()), "2");
    let rows = seen(&screen);
    assert_eq!(rows[3], "2 -- a list");
    assert!(!rows[4].contains('('), "{rows:?}");
}

#[test]
fn names_are_finished_and_whoever_spoke_last_comes_first() {
    let mut screen = screen();
    screen.show(&said("#tea", "anton", "hello", false), "12:00");
    let done =
        types(&mut screen, text("an").chain([Key::Tab]).chain(text("hi")).chain([Key::Enter]));
    assert_eq!(done, ["anton: hi"]);
    let done = types(&mut screen, text("an").chain([Key::Tab, Key::Tab, Key::Enter]));
    assert_eq!(done, ["ann: "]);
}

#[test]
fn windows_open_close_and_are_renamed() {
    let mut screen = screen();
    screen.show(&said("bob", "bob", "psst", true), "12:00");
    screen.rename("BOB", "rob");
    types(&mut screen, [Key::Next]);
    assert_eq!(screen.target(), Some("rob"));
    screen.close();
    assert_eq!(screen.target(), Some("#tea"));
    screen.close();
    screen.close();
    assert_eq!(screen.target(), None, "the server's window stays");
    for number in 0..WINDOWS * 2 {
        screen.show(&said(&format!("user{number}"), "x", "spam", true), "12:00");
    }
    assert_eq!(screen.windows.len(), WINDOWS);
}

#[test]
fn a_terminal_of_any_size_is_drawn_on() {
    let mut screen = screen();
    for text in ["one", "a longer one with 日本語 in it", ""] {
        screen.show(&said("#tea", "ann", text, false), "12:00");
    }
    types(&mut screen, text("something that is longer than the screen is wide"));
    for (width, height) in [(0, 0), (1, 1), (2, 2), (3, 3), (7, 4), (200, 60)] {
        screen.resize(width, height);
        types(&mut screen, [Key::PageUp, Key::PageDown]);
        let frame = screen.draw(&status());
        assert_eq!(frame.rows.len(), height.min(3.max(height)));
        assert!(frame.rows.iter().all(|row| row.width() <= width), "{width} by {height}");
    }
}
