// A guest for the chat server, on the JavaScript library `irc-framework`.
//
// Told on standard input what to do (join, say, nick, leave, connect, quit), it tells on standard output what
// it sees, a line each.

const IRC = require('irc-framework');
const readline = require('readline');

const [host, port] = [process.argv[2], Number(process.argv[3])];
const see = (...words) => console.log(words.join(' '));

function connect(nick) {
    const client = new IRC.Client();
    client.on('registered', (event) => see('welcome', event.nick));
    client.on('userlist', (event) => event.users.forEach((user) => see('member', user.nick)));
    client.on('message', (event) => see('message', event.nick, event.message));
    client.on('nick', (event) => see('nick', event.nick, event.new_nick));
    client.on('topic', (event) => see('topic', event.topic));
    client.on('kick', (event) => see('kick', event.kicked, event.message));
    client.connect({ host, port, nick, auto_reconnect: false });
    return client;
}

let client = connect('guest');

readline.createInterface({ input: process.stdin }).on('line', (line) => {
    const [verb, ...rest] = line.split(' ');
    switch (verb) {
        case 'join':
            client.join(rest[0]);
            break;
        case 'say':
            client.say(rest[0], rest.slice(1).join(' '));
            break;
        case 'nick':
            client.changeNick(rest[0]);
            break;
        case 'leave':
            client.quit('back in a moment');
            break;
        case 'connect':
            client = connect(rest[0]);
            break;
        case 'quit':
            client.on('socket close', () => process.exit(0));
            client.quit('so long');
            break;
    }
});
