//! The playground, as a person meets it.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

use crate::browser::Browser;
use crate::outside;
use crate::support::{self, PLAYGROUND, Program, TRANSFER, echo, listener};

/// The addresses it prints, in order: TCP, UDP, Unix.
fn open(playground: &Program) -> [String; 3] {
    while !playground.line().is_empty() {}
    let lines = [(); 3].map(|()| playground.line());
    for (line, kind) in lines.iter().zip(["tcp", "udp", "unix"]) {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[..2], ["echo", kind]);
        assert!(words.len() > 4, "there is something to type: {line}");
    }
    lines.map(|line| line.split_whitespace().nth(2).expect("an address").to_owned())
}

/// What to type to talk on its chat server, which it prints next.
fn chat(playground: &Program) -> String {
    let line = playground.line();
    let rest =
        line.trim_start().strip_prefix("chat   tcp   ").and_then(|rest| rest.split_once(' '));
    rest.unwrap_or_else(|| panic!("{line}")).1.trim().to_owned()
}

#[test]
fn everything_answers_and_ctrl_c_tells_what_happened() {
    let free = ["--tcp", "127.0.0.1:0", "--udp", "127.0.0.1:0", "--chat", "127.0.0.1:0"];
    let playground = Program::start(PLAYGROUND, &free);
    let [tcp, udp, unix] = open(&playground);
    for address in [tcp, format!("udp:{udp}"), format!("unix:{unix}")] {
        let ended = echo(&["send", &address, "hello"], b"");
        assert_eq!((ended.code, ended.text().as_str()), (Some(0), "hello"), "{ended:?}");
    }
    // As it is printed: the program beside it, which nobody has to wait for.
    let command = chat(&playground);
    assert!(command.contains("/chat connect ") && !command.contains("cargo"), "{command}");
    let talk =
        support::run("sh", &["-c", &command.replace("NAME", "ann")], b"hello\n").with_code(0);
    let lobby = "-- the topic of #lobby is: Everybody in the playground comes by here";
    assert!(talk.text().contains(lobby) && talk.text().contains("#lobby <ann> hello"), "{talk:?}");
    let report = playground.stop();
    for part in [
        "shut down in 0.",
        "echoed 12 bytes of 2 connections",
        "chat: 0 users (1 at most)",
        "3 accepted",
        "ended: peer closed 2",
    ] {
        assert!(report.contains(part), "{part} is missing:\n{report}");
    }
    assert!(!std::fs::exists(&unix).expect("it can be asked"), "the socket file is left");
}

/// `transfer` can be told to fetch what the playground serves.
#[test]
fn files_are_there_to_be_fetched() {
    let any = "127.0.0.1:0";
    let playground = Program::start(
        PLAYGROUND,
        &["--tcp", any, "--udp", any, "--ftp", any, "--tftp", any, "--seed", any],
    );
    open(&playground);
    let lines = std::iter::from_fn(|| Some(playground.line()).filter(|line| !line.is_empty()));
    let lines: Vec<String> = lines.collect();
    let place = tempfile::tempdir().expect("a directory");
    let target = place.path().join("file");
    for (name, path, length) in [("ftp", "numbers/zeros", 10_000_000), ("tftp", "README", 50)] {
        let line = lines.iter().find(|line| line.trim_start().starts_with(&format!("{name} ")));
        let address = line.and_then(|line| line.split_whitespace().nth(2)).expect("an address");
        let url = format!("{name}://{address}/{path}");
        let ended = support::run(
            TRANSFER,
            &["get", &url, "--no-hash", "-o", target.to_str().expect("it is text")],
            b"",
        );
        assert_eq!(ended.code, Some(0), "{url}: {ended:?}");
        assert_eq!(std::fs::metadata(&target).expect("it is there").len(), length);
    }
    // As it is printed, with the program beside it.
    let line = lines.iter().find(|line| line.trim_start().starts_with("seed "));
    let words: Vec<&str> = line.expect("a line").split_whitespace().skip(3).collect();
    let command = words.join(" ").replace("DIR", place.path().to_str().expect("it is text"));
    let ended = support::run("sh", &["-c", &command], b"");
    assert_eq!(ended.code, Some(0), "{command}: {ended:?}");
    let zeros = std::fs::metadata(place.path().join("files/numbers/zeros")).expect("it is there");
    assert_eq!(zeros.len(), 10_000_000);
    let report = playground.stop();
    assert!(report.contains("seed: 100"), "{report}");
    assert!(report.contains("1 downloads"), "{report}");
    assert!(report.contains("tftp: sent 1 files"), "{report}");
}

/// Calls are made as it says: by what it prints.
#[test]
fn what_it_offers_can_be_called_and_described_as_it_says() {
    let any = "127.0.0.1:0";
    let playground =
        Program::start(PLAYGROUND, &["--tcp", any, "--udp", any, "--calls", any, "--web", any]);
    open(&playground);
    let lines = std::iter::from_fn(|| Some(playground.line()).filter(|line| !line.is_empty()));
    let lines: Vec<String> = lines.collect();
    let typed = |kind: &str| {
        let line =
            lines.iter().find(|line| line.trim_start().starts_with(&format!("calls  {kind} ")));
        let command: Vec<&str> = line.expect("it is printed").split_whitespace().skip(3).collect();
        let ended = support::run("sh", &["-c", &command.join(" ")], b"").with_code(0);
        ended.text()
    };
    assert_eq!(typed("tcp"), "3");
    let page = typed("http");
    for method in ["chat.say(", "files.read(", "statistics()", "snapshot()"] {
        assert!(page.contains(&format!("\n{method}")), "{page}");
    }
    let report = playground.stop();
    assert!(report.contains("calls: 2, 0 with an error"), "{report}");
}

#[test]
fn a_default_port_that_is_taken_is_replaced() {
    // Whether this succeeds or somebody else has it already: it is taken.
    let _taken = TcpListener::bind("127.0.0.1:7007");
    let playground = Program::start(PLAYGROUND, &["--udp", "127.0.0.1:0"]);
    assert_eq!(playground.line(), "127.0.0.1:7007 is taken, so this is another port:");
    let [tcp, ..] = open(&playground);
    drop(support::connect(&tcp));
    playground.stop();
}

#[test]
fn a_port_that_was_asked_for_is_not_replaced() {
    let (_taken, address) = listener();
    let ended = support::run(PLAYGROUND, &["--tcp", &address], b"").with_code(1);
    let expected = format!("playground: address already in use: {address}; try another port");
    assert!(ended.errors.starts_with(&expected), "{}", ended.errors);
}

/// A playground with a page at `web`; where that is, and where its chat is.
fn with_page(web: &str) -> (Program, String, String) {
    let any = "127.0.0.1:0";
    let places = ["--tcp", "--udp", "--chat", "--ftp", "--tftp"].map(|option| [option, any]);
    let playground = Program::start(PLAYGROUND, &[places.as_flattened(), &["--web", web]].concat());
    open(&playground);
    let lines = std::iter::from_fn(|| Some(playground.line()).filter(|line| !line.is_empty()));
    let lines: Vec<String> = lines.collect();
    let [web, chat] = ["web ", "chat "].map(|name| {
        let line = lines.iter().find(|line| line.trim_start().starts_with(name));
        line.and_then(|line| line.split_whitespace().nth(2)).expect("an address").to_owned()
    });
    (playground, web, chat)
}

/// Two pages and a client of IRC talk, a file is opened, and what was cut comes back.
#[test]
fn the_page_talks_shows_files_and_comes_back() {
    let Some(chromium) = outside::program("chromium") else { return };
    let (playground, web, chat) = with_page("127.0.0.1:0");
    let mut browser = Browser::start(chromium);
    let url = format!("http://{web}/");
    let (ann, bob) = (browser.open(&url, 390), browser.open(&url, 1280));
    let is_in = "document.getElementById('status').dataset.is === 'on'";
    for (page, name) in [(&ann, "ann"), (&bob, "bob")] {
        browser.until(page, is_in);
        // On a page that has just been opened the keyboard is where one writes.
        browser.look(page, "document.getElementById('text').focus()");
        browser.type_line(page, &format!("/nick {name}"));
        browser.until(page, &format!("document.getElementById('me').textContent === '{name}'"));
    }
    let mut irc = BufReader::new(support::connect(&chat));
    irc.get_mut().write_all(b"NICK eve\r\nUSER eve 0 * :eve\r\nJOIN #lobby\r\n").expect("sent");
    hear(&mut irc, " 366 eve #lobby ");

    browser.type_line(&ann, "from a telephone: gr\u{fc}\u{df}e <b>&amp;");
    hear(
        &mut irc,
        ":ann!~web@127.0.0.1 PRIVMSG #lobby :from a telephone: gr\u{fc}\u{df}e <b>&amp;",
    );
    irc.get_mut().write_all(b"PRIVMSG #lobby :from a terminal\r\n").expect("sent");
    for said in ["ann  from a telephone: gr\u{fc}\u{df}e <b>&amp;", "eve  from a terminal"] {
        let shown = format!("document.getElementById('log').textContent.includes('{said}')");
        browser.until(&ann, &shown);
        browser.until(&bob, &shown);
    }
    // Nothing is wider than a telephone.
    let fits = "document.documentElement.scrollWidth <= innerWidth";
    browser.until(&ann, fits);

    // A directory, and a file in it, by what a person clicks on.
    let link = |name: &str| {
        format!(
            "[...document.querySelectorAll('#files a')].find(it => it.textContent === '{name}')"
        )
    };
    browser.until(&bob, &format!("!!{}", link("numbers/")));
    browser.look(&bob, &format!("{}.click()", link("numbers/")));
    browser.until(&bob, &format!("!!{}", link("primes")));
    let fetched = format!(
        "fetch({}.href).then(it => it.text()).then(it => it.startsWith('2\\n3\\n5\\n7\\n'))",
        link("primes")
    );
    browser.until(&bob, &fetched);
    // Each part of the page has a tag, by which a reload finds out that nothing is new.
    for part in ["", "page.css", "page.js", "files/"] {
        let again = format!(
            "fetch('/{part}').then(it => fetch('/{part}', {{cache: 'no-store', \
             headers: {{'If-None-Match': it.headers.get('ETag')}}}})).then(it => it.status)"
        );
        assert_eq!(browser.look(&bob, &again), 304, "/{part}");
    }
    assert!(browser.complaints.is_empty(), "{:?}", browser.complaints);

    // The server goes, and is there again. It would wait for who does not hang up.
    drop(irc);
    playground.stop();
    for page in [&ann, &bob] {
        browser.until(page, &format!("!({is_in})"));
    }
    browser.type_line(&ann, "still here");
    let (playground, ..) = with_page(&web);
    for page in [&ann, &bob] {
        browser.until(page, is_in);
    }
    // What could not be said has not been lost.
    browser.type_line(&ann, "");
    browser.until(&bob, "document.getElementById('log').textContent.includes('ann  still here')");
    drop(browser);
    playground.stop();
}

/// Reads lines until one has this in it.
fn hear(irc: &mut impl BufRead, part: &str) {
    let mut heard = String::new();
    while !heard.lines().next_back().is_some_and(|line| line.contains(part)) {
        let read = irc.read_line(&mut heard);
        assert!(read.as_ref().is_ok_and(|read| *read > 0), "{read:?} without {part}: {heard}");
    }
}
