//! The terminal: keys from it, on a thread of their own, and the screen onto it.

use std::io::{self, Write};
use std::thread;

use crossterm::event::{
    self, DisableBracketedPaste, EnableBracketedPaste, Event, KeyCode, KeyEvent, KeyEventKind,
    KeyModifiers,
};
use crossterm::style::{Attribute, Print, SetAttribute, SetForegroundColor};
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
};
use crossterm::{cursor, execute, queue, terminal};
use reactor::{Handle, Registry};

use super::clock;
use super::command::HELP;
use super::report::{Report, Said, clean};
use super::screen::cells::{Color, Row, Style};
use super::screen::{Frame, Key, Screen, Status};
use super::talk::{Front, Talk};

/// The terminal, and what is on it.
pub(super) struct Terminal {
    pub(super) screen: Screen,
    /// What was drawn last.
    drawn: Frame,
    /// It is drawn at the end of this turn.
    is_due: bool,
    _raw: Raw,
}

/// A terminal in raw mode, which is as it was when this is dropped, panic or not.
struct Raw;

impl Terminal {
    /// Takes the terminal, and starts the thread that waits for keys.
    pub(super) fn start(handle: Handle<Talk>) -> io::Result<Self> {
        let (width, height) = terminal::size()?;
        let raw = Raw::enter()?;
        // Nobody joins it: it waits for a key when the program ends.
        thread::Builder::new().name("keys".to_owned()).spawn(move || read(&handle))?;
        let screen = Screen::new(usize::from(width), usize::from(height));
        Ok(Self { screen, drawn: Frame::default(), is_due: false, _raw: raw })
    }

    pub(super) fn show(&mut self, registry: &mut Registry<Talk>, report: &Report) {
        let mut report = report.clone();
        report.said = report.said.map(clean);
        let time = clock::shown(report.time.as_deref(), registry.wall_clock());
        self.screen.show(&report, &time);
        self.draw_soon(registry);
    }

    /// Draws at the end of this turn, however often it is asked for.
    pub(super) fn draw_soon(&mut self, registry: &mut Registry<Talk>) {
        if !std::mem::replace(&mut self.is_due, true) {
            registry.defer(|registry, talk: &mut Talk| {
                let status = status(talk);
                let Front::Screen(terminal) = &mut talk.front else { return };
                terminal.is_due = false;
                if let Err(error) = terminal.draw(&status) {
                    talk.finish(registry, Err(format!("cannot draw: {error}").into()));
                }
            });
        }
    }

    /// Draws the rows that have changed. It waits for the terminal, as every program that draws does.
    fn draw(&mut self, status: &Status) -> io::Result<()> {
        let frame = self.screen.draw(status);
        let mut out = io::stdout().lock();
        queue!(out, BeginSynchronizedUpdate, cursor::Hide)?;
        for (at, row) in frame.rows.iter().enumerate() {
            if self.drawn.rows.get(at) != Some(row) {
                draw_row(&mut out, u16::try_from(at).unwrap_or(u16::MAX), row)?;
            }
        }
        let (column, row) = frame.cursor;
        let place = |at| u16::try_from(at).unwrap_or(u16::MAX);
        queue!(
            out,
            cursor::MoveTo(place(column), place(row)),
            cursor::Show,
            EndSynchronizedUpdate
        )?;
        out.flush()?;
        self.drawn = frame;
        Ok(())
    }

    /// Draws everything again: the terminal is another now, or something has written over it.
    fn draw_anew(&mut self) {
        self.drawn = Frame::default();
        // If that fails drawing does too, and says so.
        let _ = queue!(io::stdout(), terminal::Clear(terminal::ClearType::All));
    }
}

impl Talk {
    /// Takes what the terminal says.
    fn handle_terminal(&mut self, registry: &mut Registry<Self>, event: Event) {
        let Front::Screen(terminal) = &mut self.front else { return };
        match event {
            Event::Resize(width, height) => {
                terminal.screen.resize(usize::from(width), usize::from(height));
                terminal.draw_anew();
            }
            Event::Paste(text) => self.press(registry, Key::Paste(text)),
            Event::Key(KeyEvent { kind: KeyEventKind::Release, .. }) => return,
            Event::Key(key) => match meaning(key) {
                Some(Pressed::Key(key)) => self.press(registry, key),
                Some(Pressed::Quit) => self.quit(registry, "Goodbye"),
                Some(Pressed::Redraw) => terminal.draw_anew(),
                None => return,
            },
            _ => return,
        }
        if let Front::Screen(terminal) = &mut self.front {
            terminal.draw_soon(registry);
        }
    }

    fn press(&mut self, registry: &mut Registry<Self>, key: Key) {
        let Front::Screen(terminal) = &mut self.front else { return };
        let target = terminal.screen.target().map(str::to_owned);
        let client = &self.client;
        let names = || {
            let here = target.as_deref().and_then(|name| client.room(name));
            let here =
                here.into_iter().flat_map(|room| room.members().map(|it| it.nick().to_owned()));
            let rooms = client.rooms().map(|room| room.name().to_owned());
            let commands = HELP.iter().flat_map(|(words, _)| words.split([' ', ',']));
            let commands = commands.filter(|it| it.starts_with('/')).map(str::to_owned);
            here.filter(|nick| nick != client.nick()).chain(rooms).chain(commands).collect()
        };
        if let Some(line) = terminal.screen.handle_key(key, names) {
            self.run_command(registry, &line);
        }
    }
}

/// What is known of the conversation.
fn status(talk: &Talk) -> Status {
    let client = &talk.client;
    let topic = talk.target().and_then(|name| client.room(&name).map(|it| clean(it.topic())));
    let trouble = if client.is_online() { String::new() } else { "not connected".to_owned() };
    Status { nick: client.nick().to_owned(), trouble, topic: topic.unwrap_or_default() }
}

/// What the thread does. It ends with the terminal, or with the loop.
fn read(handle: &Handle<Talk>) {
    loop {
        let result = event::read();
        let is_over = result.is_err();
        let posted = handle.run(move |registry, talk| match result {
            Ok(event) => talk.handle_terminal(registry, event),
            Err(error) => {
                talk.finish(registry, Err(format!("cannot read the keyboard: {error}").into()));
            }
        });
        if posted.is_err() || is_over {
            return;
        }
    }
}

/// What a key means here.
enum Pressed {
    Key(Key),
    Quit,
    Redraw,
}

fn meaning(key: KeyEvent) -> Option<Pressed> {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let alt = key.modifiers.contains(KeyModifiers::ALT);
    Some(Pressed::Key(match (key.code, control, alt) {
        (KeyCode::Char('c' | 'd'), true, _) => return Some(Pressed::Quit),
        (KeyCode::Char('l'), true, _) => return Some(Pressed::Redraw),
        (KeyCode::Char('a'), true, _) | (KeyCode::Home, ..) => Key::Home,
        (KeyCode::Char('e'), true, _) | (KeyCode::End, ..) => Key::End,
        (KeyCode::Char('k'), true, _) => Key::DeleteToEnd,
        (KeyCode::Char('u'), true, _) => Key::DeleteToStart,
        (KeyCode::Char('w'), true, _) | (KeyCode::Backspace, _, true) => Key::DeleteWord,
        (KeyCode::Char('n'), true, _) | (KeyCode::Right, _, true) => Key::Next,
        (KeyCode::Char('p'), true, _) | (KeyCode::Left, _, true) => Key::Previous,
        (KeyCode::Left, true, _) | (KeyCode::Char('b'), _, true) => Key::WordLeft,
        (KeyCode::Right, true, _) | (KeyCode::Char('f'), _, true) => Key::WordRight,
        (KeyCode::Char(digit @ '1'..='9'), _, true) => Key::Window(usize::from(digit as u8 - b'0')),
        (KeyCode::Char('h'), true, _) | (KeyCode::Backspace, ..) => Key::Backspace,
        (KeyCode::Char(char), false, false) => Key::Char(char),
        (KeyCode::Enter, ..) => Key::Enter,
        (KeyCode::Delete, ..) => Key::Delete,
        (KeyCode::Left, ..) => Key::Left,
        (KeyCode::Right, ..) => Key::Right,
        (KeyCode::Up, ..) => Key::Older,
        (KeyCode::Down, ..) => Key::Newer,
        (KeyCode::Tab, ..) => Key::Tab,
        (KeyCode::PageUp, ..) => Key::PageUp,
        (KeyCode::PageDown, ..) => Key::PageDown,
        _ => return None,
    }))
}

impl Said {
    /// The same, with its texts changed.
    fn map(self, change: impl Fn(&str) -> String) -> Self {
        match self {
            Self::Message { nick, text } => {
                Self::Message { nick: change(&nick), text: change(&text) }
            }
            Self::Action { nick, text } => {
                Self::Action { nick: change(&nick), text: change(&text) }
            }
            Self::Notice { nick, text } => {
                Self::Notice { nick: change(&nick), text: change(&text) }
            }
            Self::News(text) => Self::News(change(&text)),
            Self::Refusal(text) => Self::Refusal(change(&text)),
        }
    }
}

fn draw_row(out: &mut impl Write, at: u16, row: &Row) -> io::Result<()> {
    queue!(out, cursor::MoveTo(0, at))?;
    for (text, style) in &row.0 {
        set_style(out, *style)?;
        queue!(out, Print(text))?;
    }
    queue!(out, SetAttribute(Attribute::Reset))
}

fn set_style(out: &mut impl Write, style: Style) -> io::Result<()> {
    queue!(out, SetAttribute(Attribute::Reset))?;
    for (is_on, attribute) in [
        (style.bold, Attribute::Bold),
        (style.dim, Attribute::Dim),
        (style.reverse, Attribute::Reverse),
    ] {
        if is_on {
            queue!(out, SetAttribute(attribute))?;
        }
    }
    let color = match style.color {
        Color::Default => return Ok(()),
        Color::Red => crossterm::style::Color::DarkRed,
        Color::Green => crossterm::style::Color::DarkGreen,
        Color::Yellow => crossterm::style::Color::DarkYellow,
        Color::Blue => crossterm::style::Color::DarkBlue,
        Color::Magenta => crossterm::style::Color::DarkMagenta,
        Color::Cyan => crossterm::style::Color::DarkCyan,
    };
    queue!(out, SetForegroundColor(color))
}

impl Raw {
    fn enter() -> io::Result<Self> {
        terminal::enable_raw_mode()?;
        let raw = Self;
        execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste)?;
        Ok(raw)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // If the terminal is gone there is nothing to put right.
        let _ = execute!(io::stdout(), DisableBracketedPaste, LeaveAlternateScreen, cursor::Show);
        let _ = terminal::disable_raw_mode();
    }
}
