//! Every chat server is one, as far as it is measured; ngircd only where it is installed.

use benches::Result;
use benches::channel::Channel;
use benches::chats::Chat;

#[test]
fn every_user_on_a_channel_hears_every_line() -> Result {
    for chat in Chat::all() {
        let running = match chat.start() {
            Ok(running) => running,
            Err(error) if *chat == Chat::Ngircd => {
                eprintln!("skipped: {error}");
                continue;
            }
            Err(error) => return Err(error),
        };
        let complain = |error| format!("{chat}: {error}");
        let mut channel = Channel::gather(running.server.address(), 20).map_err(complain)?;
        channel.publish(100).map_err(complain)?;
        running.server.stop()?;
    }
    Ok(())
}
