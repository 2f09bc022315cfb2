//! A service's description of itself: a document of OpenRPC 1.3 (spec.open-rpc.org), with JSON Schema of
//! every parameter and result.

use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// The schema of a type.
pub(super) type Describe = fn(&mut SchemaGenerator) -> Schema;

/// One method.
pub(super) struct Described<'a> {
    pub(super) name: &'a str,
    pub(super) about: &'a str,
    pub(super) params: Describe,
    pub(super) result: Describe,
}

/// Describes everything that can be called.
pub(super) fn describe<'a>(
    title: &str,
    version: &str,
    methods: impl Iterator<Item = Described<'a>>,
) -> Value {
    let settings = SchemaSettings::draft07().with(|settings| {
        settings.inline_subschemas = true;
        // Where a type that contains itself is kept.
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = SchemaGenerator::new(settings);
    let described: Vec<Value> =
        methods.map(|method| describe_method(&method, &mut generator)).collect();
    json!({
        "openrpc": "1.3.2",
        "info": { "title": title, "version": version },
        "methods": described,
        "components": { "schemas": generator.take_definitions(true) },
    })
}

fn describe_method(method: &Described<'_>, generator: &mut SchemaGenerator) -> Value {
    let params = (method.params)(generator);
    let result = (method.result)(generator);
    let (structure, params) = describe_params(&params);
    json!({
        "name": method.name,
        "summary": method.about,
        "paramStructure": structure,
        "params": params,
        "result": { "name": "result", "schema": result },
    })
}

/// How they can be given, and each of them.
fn describe_params(schema: &Schema) -> (&'static str, Vec<Value>) {
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        return ("either", by_name(schema, properties));
    }
    let tuple = schema.get("items").and_then(Value::as_array);
    match (tuple, schema.get("type").and_then(Value::as_str)) {
        (Some(items), _) => ("by-position", items.iter().enumerate().map(at_place).collect()),
        // OpenRPC has no word for "as many as there are".
        (None, Some("array")) => {
            ("by-position", vec![json!({ "name": "…", "required": false, "schema": schema })])
        }
        _ => ("either", Vec::new()),
    }
}

fn by_name(schema: &Schema, properties: &Map<String, Value>) -> Vec<Value> {
    let required = schema.get("required").and_then(Value::as_array);
    let is_required =
        |name: &str| required.is_some_and(|names| names.iter().any(|it| it.as_str() == Some(name)));
    let one = |(name, schema): (&String, &Value)| json!({ "name": name, "required": is_required(name), "schema": schema });
    properties.iter().map(one).collect()
}

fn at_place((place, schema): (usize, &Value)) -> Value {
    json!({ "name": format!("{}", place + 1), "required": true, "schema": schema })
}
