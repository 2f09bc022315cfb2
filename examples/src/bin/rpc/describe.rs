//! `rpc describe`: what a server can be asked.

use std::error::Error;
use std::fmt::Write as _;

use clap::Args;
use examples::output;
use protocols::rpc::CallError;
use serde_json::Value;
use serde_json::value::to_raw_value;

use crate::call::nobody;
use crate::place::Place;
use crate::print;
use crate::talk::{self, How, Talk};

/// Print the methods of a server, as its rpc.discover describes them
#[derive(Args)]
pub(crate) struct Options {
    /// The server
    #[arg(value_name = "ADDR")]
    place: Place,

    /// Print the document itself (OpenRPC)
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    how: How,
}

pub(crate) fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    talk::run(&options.place, &options.how, nobody(), None, |registry, client| {
        let (timeout, json) = (options.how.timeout, options.json);
        let remote = client.remote();
        remote.call(
            registry,
            "rpc.discover",
            &(),
            timeout,
            move |registry, talk: &mut Talk, result| {
                let result: Result<Value, CallError> = result;
                let printed = match result {
                    Ok(document) if json => print(&document),
                    Ok(document) => output::say(page(&document).trim_end()).map_err(Into::into),
                    Err(error) => Err(error.into()),
                };
                talk.end(registry, printed);
            },
        )?;
        Ok(())
    })
}

/// The document itself.
fn print(document: &Value) -> Result<(), Box<dyn Error>> {
    Ok(print::value(&to_raw_value(document)?)?)
}

/// A document as a person reads it.
fn page(document: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let info = &document["info"];
    let mut page = format!("{} {}\n", text(&info["title"]), text(&info["version"]));
    for method in document["methods"].as_array().into_iter().flatten() {
        let params: Vec<String> =
            method["params"].as_array().into_iter().flatten().map(param).collect();
        let (name, result) = (text(&method["name"]), kind(&method["result"]["schema"]));
        let _ = write!(page, "\n{name}({}) -> {result}\n", params.join(", "));
        let about = text(&method["summary"]);
        if !about.is_empty() {
            let _ = writeln!(page, "    {about}");
        }
    }
    page
}

/// `name: string`, or `[name: string]` if it may be left out.
fn param(param: &Value) -> String {
    let name = param["name"].as_str().unwrap_or("?");
    // As many as there are.
    if let ("…", Value::Object(_)) = (name, &param["schema"]["items"]) {
        return format!("{}…", kind(&param["schema"]["items"]));
    }
    let text = format!("{name}: {}", kind(&param["schema"]));
    if param["required"].as_bool() == Some(true) { text } else { format!("[{text}]") }
}

/// A type in a word, or as few as there can be.
fn kind(schema: &Value) -> String {
    match &schema["type"] {
        Value::String(name) if name == "array" => match &schema["items"] {
            Value::Object(_) => format!("[{}…]", kind(&schema["items"])),
            Value::Array(items) => {
                format!("[{}]", items.iter().map(kind).collect::<Vec<_>>().join(", "))
            }
            _ => "array".to_owned(),
        },
        Value::String(name) if name == "object" => match schema["properties"].as_object() {
            Some(properties) => {
                let members: Vec<String> =
                    properties.iter().map(|(name, it)| format!("{name}: {}", kind(it))).collect();
                format!("{{{}}}", members.join(", "))
            }
            None => "object".to_owned(),
        },
        Value::String(name) => name.clone(),
        Value::Array(names) => {
            names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or ")
        }
        _ => "any".to_owned(),
    }
}
