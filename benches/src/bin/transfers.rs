//! `cargo run --release -p benches --bin transfers [-- GROUP…] [--quick]`: servers of files, measured.
//!
//! Without a group it measures all of them, which takes about two minutes.

use std::process::ExitCode;

use benches::transfers::groups::Group;
use benches::transfers::{Scale, network};
use benches::{Result, program};
use clap::{Parser, ValueEnum};

/// How to read what it prints.
const HOW_TO_READ: &str = "\
Files over loopback: the server on one processor, its clients on another. In each round everybody has a turn; figures
are medians over the rounds, and × is the median of the ratios within a round to the first one of the table, the ruler
(time and processor time: less is better). \"server's\" is the processor time of all processes of the server, user space
and kernel. Memory is the most it ever was. What was promised stands below, with the least and the most of all rounds.";

/// Servers of files, beside the least that one could do.
#[derive(Parser)]
struct Options {
    /// What to measure; everything by default.
    group: Vec<Group>,
    /// Little of everything, for trying it.
    #[arg(long)]
    quick: bool,
    /// The congestion control on both ends. BBR paces, and hides the difference.
    #[arg(long, value_name = "ALGORITHM", default_value = "cubic")]
    congestion: String,
}

fn main() -> ExitCode {
    benches::exit("transfers", run())
}

fn run() -> Result {
    let options = Options::parse();
    program::build()?;
    network::enter(&options.congestion)?;
    let scale = if options.quick { Scale::QUICK } else { Scale::FULL };
    let groups = match &*options.group {
        [] => Group::value_variants(),
        some => some,
    };
    println!("{HOW_TO_READ}\nCongestion control: {}.\n", network::congestion()?);
    let mut failed = false;
    for group in groups {
        // One that cannot be measured does not take the others with it.
        match group.measure(scale) {
            Ok(report) => {
                println!("{report}");
                failed |= report.failed;
            }
            Err(error) => {
                println!("not measured: {error}\n");
                failed = true;
            }
        }
    }
    if failed { Err("somebody has failed: see above".into()) } else { Ok(()) }
}
