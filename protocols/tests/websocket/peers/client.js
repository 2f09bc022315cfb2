// A client by the package `ws`: node client.js URL. It prints what was agreed on, and ends with 0 if everything
// came back.
const assert = require('assert');
const WebSocket = require('ws');

const messages = ['grüß dich', Buffer.from([0, 255]), '', 'a message '.repeat(30000), Buffer.alloc(300000)];
const options = { perMessageDeflate: { threshold: 0 } };
const socket = new WebSocket(process.argv[2], ['chat'], options);
let at = 0;
let extensions;
const send = () => (at < messages.length ? socket.send(messages[at]) : socket.ping('there?'));

socket.on('upgrade', (response) => { extensions = response.headers['sec-websocket-extensions']; });
socket.on('open', send);
socket.on('message', (data, isBinary) => {
  const expected = messages[at];
  assert.strictEqual(isBinary, typeof expected !== 'string');
  assert(data.equals(Buffer.from(expected)));
  at += 1;
  send();
});
socket.on('pong', (data) => {
  assert.strictEqual(data.toString(), 'there?');
  console.log(socket.protocol, extensions);
  socket.close(4001, 'done');
});
socket.on('close', (code, reason) => {
  assert.strictEqual(code, 4001);
  assert.strictEqual(at, messages.length);
});
