//! `nats` of npm, as its documentation has it, on Node.

use std::fs;

use tempfile::TempDir;

use super::{HEARD, PUBLISH, PUBLISHED, SIZE};
use crate::Result;
use crate::program::{Program, node_library};

/// The file of its program, and Node.
pub(super) fn prepare() -> Result<(TempDir, Program)> {
    let (node, library) = node_library("nats")?;
    let directory = TempDir::new()?;
    let file = directory.path().join("client.js");
    fs::write(&file, format!("const library = '{}';\n{}", library.display(), text()))?;
    Ok((directory, node.with(file.display())))
}

fn text() -> String {
    format!(
        "\
const {{ connect, StringCodec }} = require(library);
const text = StringCodec();

async function hear(client, subscription) {{
    let heard = 0;
    for await (const message of subscription) {{
        if (message.reply) {{
            message.respond(text.encode(String(heard)));
            heard = 0;
        }} else {{
            if (message.data.length !== {SIZE}) throw new Error('it is another message');
            heard++;
        }}
    }}
}}

async function publish(client, subscription) {{
    const payload = new Uint8Array({SIZE}).fill(120);
    for await (const message of subscription) {{
        const count = Number(text.decode(message.data));
        for (let at = 0; at < count; at++) {{
            client.publish('{PUBLISHED}', payload);
            if (at % 10_000 === 9_999) await client.flush();
        }}
        await client.flush();
        message.respond(text.encode(String(count)));
    }}
}}

(async () => {{
    const address = process.argv[2];
    const client = await connect({{ servers: `nats://${{address}}` }});
    hear(client, client.subscribe('{HEARD}'));
    publish(client, client.subscribe('{PUBLISH}'));
    await client.flush();
    console.log(`listening on ${{address}}`);
}})();
"
    )
}
