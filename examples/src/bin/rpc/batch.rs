//! `rpc batch`: many calls in one text.

use std::cell::RefCell;
use std::error::Error;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use clap::Args;
use examples::output::NoAnswer;
use protocols::rpc::{self, Batch, CallError};
use reactor::Registry;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::call::nobody;
use crate::place::Place;
use crate::print;
use crate::talk::{self, How, Talk};

/// Send the calls of a file as one batch, and print the answers in their order
///
/// The file has an array of objects, or one on each line: {"method": …, "params": …, "id": …}. One without an
/// id is sent as a notification, and not answered.
#[derive(Args)]
pub(crate) struct Options {
    /// The server
    #[arg(value_name = "ADDR")]
    place: Place,

    /// The calls; - is standard input
    file: PathBuf,

    #[command(flatten)]
    how: How,
}

#[derive(Debug, Deserialize)]
struct Entry {
    method: String,
    #[serde(default)]
    params: Option<Box<RawValue>>,
    /// `null` is an id, and answered.
    #[serde(default, deserialize_with = "present")]
    id: Option<Box<RawValue>>,
}

/// What is printed of one call.
#[derive(Clone, Serialize)]
struct Answer {
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<rpc::Error>,
    id: Box<RawValue>,
}

fn present<'de, D: Deserializer<'de>>(id: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::deserialize(id).map(Some)
}

/// The answers, in the order of the calls; `None` has not come yet.
type Answers = Rc<RefCell<Vec<Option<Answer>>>>;

pub(crate) fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let entries = entries(&read(&options.file)?)?;
    if entries.is_empty() {
        return Err("there are no calls in it".into());
    }
    let how = &options.how;
    talk::run(&options.place, how, nobody(), None, |registry, client| {
        let answers: Answers = Rc::default();
        let mut batch = client.remote().batch();
        for entry in entries {
            add(&mut batch, entry, &answers, how)?;
        }
        batch.send(registry)?;
        if answers.borrow().is_empty() {
            // Notifications alone are not answered.
            return talk::end_when_sent(registry, client.remote().clone(), how.timeout);
        }
        Ok(())
    })
}

fn add(
    batch: &mut Batch<Talk>,
    entry: Entry,
    answers: &Answers,
    how: &How,
) -> Result<(), Box<dyn Error>> {
    let Some(id) = entry.id else {
        batch.notify(&entry.method, &entry.params)?;
        return Ok(());
    };
    let place = answers.borrow().len();
    answers.borrow_mut().push(None);
    let answers = Rc::clone(answers);
    batch.call(
        &entry.method,
        &entry.params,
        how.timeout,
        move |registry, talk: &mut Talk, result| match answer(id, result) {
            Ok(answer) => {
                if let Some(slot) = answers.borrow_mut().get_mut(place) {
                    *slot = Some(answer);
                }
                finish(&answers, registry, talk);
            }
            Err(error) => talk.end(registry, Err(error.into())),
        },
    )?;
    Ok(())
}

/// What is printed of one answer; an error of the server is one too.
fn answer(
    id: Box<RawValue>,
    result: Result<Box<RawValue>, CallError>,
) -> Result<Answer, CallError> {
    match result {
        Ok(result) => Ok(Answer { result: Some(result), error: None, id }),
        Err(CallError::Refused(error)) => Ok(Answer { result: None, error: Some(error), id }),
        Err(error) => Err(error),
    }
}

/// Prints the answers, if they are all there.
fn finish(answers: &Answers, registry: &mut Registry<Talk>, talk: &mut Talk) {
    let Some(all) = answers.borrow().iter().cloned().collect::<Option<Vec<Answer>>>() else {
        return;
    };
    let refused = all.iter().filter(|answer| answer.error.is_some()).count();
    let printed = to_raw_value(&all).map_err(Into::into).and_then(|all| print::value(&all));
    let result = match printed {
        Err(error) => Err(error.into()),
        Ok(()) if refused > 0 => {
            let why = format!("answers that are errors: {refused}");
            Err(NoAnswer(why).into())
        }
        Ok(()) => Ok(()),
    };
    talk.end(registry, result);
}

fn read(path: &Path) -> Result<String, Box<dyn Error>> {
    if path == Path::new("-") {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text)?;
        return Ok(text);
    }
    fs::read_to_string(path)
        .map_err(|error| format!("cannot read {}: {error}", path.display()).into())
}

fn entries(text: &str) -> Result<Vec<Entry>, Box<dyn Error>> {
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(text).map_err(|error| format!("no batch: {error}").into());
    }
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let entry = |(number, line): (usize, &str)| {
        serde_json::from_str(line)
            .map_err(|error| format!("line {} is no call: {error}", number + 1).into())
    };
    lines.map(entry).collect()
}
