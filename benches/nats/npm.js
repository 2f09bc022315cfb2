// The client of npm (`npm install nats`).
const { connect } = require('nats');

const [what, count, url] = [process.argv[2], Number(process.argv[3]), process.argv[4]];

function report(began) {
    const { user, system } = process.cpuUsage(began);
    const rate = count / (user + system);
    console.log(`npm nats ${what}: ${rate.toFixed(1)} million messages a second of processor time`);
}

(async () => {
    const client = await connect({ servers: url });
    if (what === 'pub') {
        const payload = new Uint8Array(64).fill(120);
        const began = process.cpuUsage();
        for (let at = 0; at < count; at++) {
            client.publish('bench.a', payload);
            if (at % 10_000 === 0) await client.flush();
        }
        await client.flush();
        report(began);
    } else {
        const subscription = client.subscribe('bench.a');
        await client.flush();
        console.error('ready');
        let [heard, began] = [0, null];
        for await (const message of subscription) {
            began ??= process.cpuUsage();
            if (message.data.length !== 64) throw new Error('it is not ours');
            if (++heard === count) break;
        }
        report(began);
    }
    await client.close();
})();
