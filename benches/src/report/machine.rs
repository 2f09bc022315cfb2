//! The machine of a measurement, in general terms.

use std::fs;
use std::thread;

use rustix::system::uname;

/// One sentence: the processor, how many of its cores may be used, and the kernel.
pub fn describe() -> String {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let kernel = uname().release().to_string_lossy().into_owned();
    // The rest of a release tells who built it.
    let version = kernel.split(['-', '+']).next().unwrap_or_default();
    format!("{}, {cores} cores, Linux {version}", processor())
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    model(&text).unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

/// The value of the first line `model name : …`.
fn model(text: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::model;

    #[test]
    fn the_model_is_what_the_first_processor_says() {
        let text = "processor\t: 0\nmodel name\t: A Processor 3000\n";
        assert_eq!(model(text).as_deref(), Some("A Processor 3000"));
    }
}
