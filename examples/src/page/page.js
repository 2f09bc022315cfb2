// The lobby in a browser: IRC over WebSocket (text.ircv3.net), a line a message.
'use strict';

const CHANNEL = '#lobby';
// What is kept of what was said: enough to scroll back an evening.
const MOST_LINES = 1000;
// Waits between two tries: from a second to half a minute, and never the same for everybody.
const FIRST_WAIT = 1000;
const LONGEST_WAIT = 30000;
// Bytes of text in one line: the rest of 512 is for who says it, and where.
const LONGEST_TEXT = 380;

const at = id => document.getElementById(id);
const [log, form, input] = [at('log'), at('say'), at('text')];
// A browser may have been told to keep nothing.
const memory = {
  get: key => { try { return localStorage.getItem(key); } catch { return null; } },
  set: (key, value) => { try { localStorage.setItem(key, value); } catch { /* for this time only */ } },
};

let nick = memory.get('nick') || 'guest' + Math.floor(1000 + Math.random() * 9000);
let socket = null;
let wait = FIRST_WAIT;
let timer = null;
let isIn = false;
let lastSaid = '';
const people = new Set();
const seen = new Set();

// ── the connection: Connecting ──▶ in ──▶ lost, a wait ──▶ Connecting ──────────────────────────

function connect() {
  clearTimeout(timer);
  status('Connecting …');
  const url = new URL('irc', location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  const mine = socket = new WebSocket(url, ['text.ircv3.net']);
  mine.onopen = () => {
    send('CAP REQ :server-time message-tags echo-message batch draft/chathistory');
    send('NICK ' + nick);
    send('USER web 0 * :A browser');
    send('CAP END');
  };
  mine.onmessage = event => { if (mine === socket) handle(parse(event.data)); };
  mine.onclose = () => { if (mine === socket) lost(); };
}

function lost() {
  if (isIn) note('The connection is lost.');
  isIn = false;
  people.clear();
  showPeople();
  const pause = wait * (0.75 + Math.random() / 2);
  wait = Math.min(wait * 2, LONGEST_WAIT);
  status('Not connected; again in ' + Math.ceil(pause / 1000) + ' s');
  timer = setTimeout(connect, pause);
}

function send(line) {
  if (socket.readyState === WebSocket.OPEN) socket.send(line);
}

// There is a network again, or somebody looks again: no need to wait.
function hurry() {
  if (!socket || socket.readyState === WebSocket.CLOSED) connect();
}
addEventListener('online', hurry);
document.addEventListener('visibilitychange', () => { if (!document.hidden) hurry(); });

// ── lines ───────────────────────────────────────────────────────────────────────────────────────

const ESCAPES = { ':': ';', s: ' ', '\\': '\\', r: '\r', n: '\n' };

function parse(line) {
  const message = { tags: {}, from: '', command: '', params: [] };
  let rest = line;
  const word = () => {
    const [first] = rest.split(' ', 1);
    rest = rest.slice(first.length).trimStart();
    return first;
  };
  if (rest.startsWith('@')) {
    for (const tag of word().slice(1).split(';')) {
      const [key, ...value] = tag.split('=');
      message.tags[key] = value.join('=').replace(/\\(.?)/g, (_, c) => ESCAPES[c] ?? c);
    }
  }
  if (rest.startsWith(':')) message.from = word().slice(1).split('!')[0];
  message.command = word().toUpperCase();
  while (rest) {
    if (rest.startsWith(':')) { message.params.push(rest.slice(1)); break; }
    message.params.push(word());
  }
  return message;
}

const handlers = {
  PING: m => send('PONG :' + (m.params[0] ?? '')),
  '001': m => {
    rename(m.params[0]);
    send('JOIN ' + CHANNEL);
  },
  // The name is not free, or none.
  '432': () => retry('guest' + Math.floor(1000 + Math.random() * 9000)),
  '433': m => retry(m.params[1].slice(0, 24) + Math.floor(Math.random() * 1000)),
  '332': m => { at('topic').textContent = at('topic').title = m.params[2]; },
  TOPIC: m => { at('topic').textContent = at('topic').title = m.params[1]; },
  '353': m => {
    for (const name of m.params[3].trim().split(' ')) people.add(name.replace(/^[~&@%+]+/, ''));
  },
  '366': () => {
    isIn = true;
    wait = FIRST_WAIT;
    status('Connected', 'on');
    showPeople();
    send('CHATHISTORY LATEST ' + CHANNEL + ' * 100');
  },
  JOIN: m => {
    if (m.from === nick || m.tags.batch) return;
    people.add(m.from);
    changed(m, 'came in');
  },
  PART: m => leave(m, m.from),
  QUIT: m => leave(m, m.from),
  KICK: m => (m.params[1] === nick ? send('JOIN ' + CHANNEL) : leave(m, m.params[1])),
  NICK: m => {
    if (m.tags.batch) return;
    if (people.delete(m.from)) people.add(m.params[0]);
    if (m.from === nick) rename(m.params[0]);
    changed(m, 'is now ' + m.params[0]);
  },
  PRIVMSG: m => { if (m.params[0] === CHANNEL) said(m); },
  NOTICE: m => { if (m.params[0] === CHANNEL) said(m); },
  ERROR: m => note(m.params[0]),
  FAIL: m => note(m.params[m.params.length - 1]),
  '404': m => note(m.params[2]),
};

function handle(message) {
  handlers[message.command]?.(message);
}

function retry(name) {
  if (isIn) return note('That name is not free.');
  nick = name;
  send('NICK ' + nick);
}

function rename(name) {
  nick = name;
  at('me').textContent = name;
  memory.set('nick', name);
}

function leave(m, name) {
  if (!m.tags.batch && people.delete(name)) changed(m, 'left', name);
}

function changed(m, what, name = m.from) {
  showPeople();
  show('note', m.tags.time, name, ' ' + what);
}

// What was said while nobody listened comes again with the history; what was seen is not shown twice.
function said(m) {
  const id = m.tags.msgid;
  if (id && seen.has(id)) return;
  if (id) seen.add(id);
  const text = m.params[1].replace(/[\x02\x03\x0f\x11\x16\x1d-\x1f]\d{0,2}/g, '');
  const action = /^\x01ACTION (.*?)\x01?$/.exec(text);
  const line = action
    ? show('action', m.tags.time, m.from, ' ' + action[1])
    : show('', m.tags.time, m.from, '  ' + text);
  if (m.from !== nick && text.toLowerCase().includes(nick.toLowerCase())) line.classList.add('to-me');
}

// ── what is shown ───────────────────────────────────────────────────────────────────────────────

function element(name, text, attributes = {}) {
  const made = Object.assign(document.createElement(name), attributes);
  made.append(text);
  return made;
}

function show(kind, time, who, text) {
  const when = time ? new Date(time) : new Date();
  const line = element('div', '', { className: 'line ' + kind });
  const clock = when.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
  line.append(element('time', clock, { dateTime: when.toISOString(), title: when.toLocaleString() }));
  const words = element('span', '');
  if (who) {
    const name = element('b', who);
    name.style.setProperty('--hue', hue(who));
    words.append(name);
  }
  words.append(text);
  line.append(words);
  line.dataset.at = +when;
  insert(line);
  return line;
}

// By time: the history may come behind what is said now. Whoever reads at the end stays there.
function insert(line) {
  const wasAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  let before = log.lastElementChild;
  while (before && +before.dataset.at > +line.dataset.at) before = before.previousElementSibling;
  if (before) before.after(line); else log.prepend(line);
  while (log.childElementCount > MOST_LINES) log.firstElementChild.remove();
  if (wasAtEnd) log.scrollTo({ top: log.scrollHeight, behavior: 'instant' });
}

function note(text) { show('note', null, '', text); }

function hue(name) {
  let sum = 0;
  for (const letter of name) sum = (sum * 31 + letter.codePointAt(0)) % 360;
  return sum;
}

function status(text, is = 'off') {
  at('status').textContent = text;
  at('status').dataset.is = is;
}

function showPeople() {
  const names = [...people].sort((one, other) => one.localeCompare(other));
  at('count').textContent = names.length || '';
  at('people').replaceChildren(...names.map(name => {
    const entry = element('li', '');
    entry.append(element('span', name === nick ? name + ' (you)' : name));
    return entry;
  }));
}

// ── what is said ────────────────────────────────────────────────────────────────────────────────

// Pieces of a text that fit into a line each, cut between two characters.
function pieces(text) {
  const all = [];
  let piece = '', bytes = 0;
  for (const letter of text) {
    const more = new TextEncoder().encode(letter).length;
    if (bytes + more > LONGEST_TEXT) { all.push(piece); piece = ''; bytes = 0; }
    piece += letter;
    bytes += more;
  }
  return piece ? [...all, piece] : all;
}

form.addEventListener('submit', event => {
  event.preventDefault();
  const text = input.value.replace(/[\r\n\0]+/g, ' ').trim();
  const [, command, rest = ''] = /^\/(\w+)\s*(.*)$/.exec(text) ?? [];
  if (!text) return;
  if (!isIn) return status('Not connected yet; what you wrote stays');
  if (command === 'nick') send('NICK ' + rest.split(' ')[0]);
  else if (command === 'me') send(`PRIVMSG ${CHANNEL} :\x01ACTION ${pieces(rest)[0] ?? ''}\x01`);
  else if (command) return note('There are /nick NAME and /me DOES.');
  else pieces(text).forEach(piece => send(`PRIVMSG ${CHANNEL} :${piece}`));
  lastSaid = text;
  input.value = '';
});

input.addEventListener('keydown', event => {
  if (event.key === 'ArrowUp' && !input.value) { input.value = lastSaid; event.preventDefault(); }
});

// ── files: the same pages as without a script, looked at from here ───────────────────────────────

const root = new URL(document.body.dataset.files, location.href);

async function showFiles(url) {
  try {
    const answer = await fetch(url);
    if (!answer.ok) throw new Error(answer.statusText);
    // Its own style is inline, which is not wanted here.
    const text = (await answer.text()).replace(/<style>[^]*?<\/style>/, '');
    const page = new DOMParser().parseFromString(text, 'text/html');
    const entries = [...page.querySelectorAll('tbody tr')].map(row => fileEntry(url, row));
    at('files').replaceChildren(...entries.filter(Boolean));
    at('trail').textContent = decodeURI(url.pathname.slice(root.pathname.length - 1));
  } catch (error) {
    at('trail').textContent = 'The files cannot be listed: ' + error.message;
  }
}

function fileEntry(base, row) {
  const link = row.querySelector('a');
  const url = new URL(link.getAttribute('href'), base);
  if (!url.href.startsWith(root.href)) return null;
  const isDirectory = url.pathname.endsWith('/');
  const entry = element('li', '');
  const shown = element('a', link.textContent, { href: url.href });
  if (isDirectory) {
    shown.addEventListener('click', event => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      showFiles(url).then(() => at('files').querySelector('a')?.focus());
    });
  } else {
    shown.target = '_blank';
    shown.rel = 'noopener';
  }
  entry.append(shown, element('small', row.querySelector('.n')?.textContent ?? ''));
  return entry;
}

// On a telephone the talk comes first.
if (matchMedia('(max-width: 50rem)').matches) {
  at('people-box').open = at('files-box').open = false;
}
at('me').textContent = nick;
showFiles(root);
connect();
