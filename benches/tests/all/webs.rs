//! Every web server answers what it is asked: one that did not would be measured wrong.

use benches::Result;
use benches::askers::Askers;
use benches::webs::Web;
use clap::ValueEnum;

#[test]
fn every_web_server_answers_each_question_and_many_at_once() -> Result {
    for web in Web::value_variants() {
        let running = match web.start() {
            Ok(running) => running,
            Err(error) if error.to_string().contains("not installed") => {
                eprintln!("LEFT OUT: {web}: {error}");
                continue;
            }
            Err(error) => return Err(error),
        };
        let asking = web.asking(3, 16);
        let mut askers = Askers::connect(running.server.address(), asking)?;
        askers.ask(4 * asking.round()).map_err(|error| format!("{web}: {error}"))?;
    }
    Ok(())
}
