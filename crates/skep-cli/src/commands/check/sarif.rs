//! Verdicts as SARIF 2.1.0 (OASIS Standard, 27 March 2020), for code hosts and editors: one result per refused program,
//! one rule per reason, the path as a code flow.

use super::explained::{Explained, PathStep, Source};
use super::row::{Row, Verdicts};
use super::snippet::expression;
use serde_json::{Value, json};
use skep_verifier::Reason;

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
/// Where a program could not be checked at all.
const ENVIRONMENT: &str = "not-checked";

impl Verdicts {
    pub(super) fn sarif(&self) -> Value {
        let results: Vec<Value> = self.0.iter().filter(|row| row.verdict != "accept").map(result).collect();
        json!({
            "$schema": SCHEMA,
            "version": "2.1.0",
            "runs": [{
                "tool": { "driver": {
                    "name": "skep",
                    "version": env!("CARGO_PKG_VERSION"),
                    "semanticVersion": env!("CARGO_PKG_VERSION"),
                    "rules": rules(),
                } },
                "columnKind": "utf16CodeUnits",
                "results": results,
            }],
        })
    }
}

fn rules() -> Vec<Value> {
    let mut rules: Vec<Value> = Reason::ALL.iter().map(|reason| rule(*reason)).collect();
    rules.push(json!({
        "id": ENVIRONMENT,
        "name": "not-checked",
        "shortDescription": { "text": "something outside of the program is missing" },
        "defaultConfiguration": { "level": "warning" },
    }));
    rules
}

fn rule(reason: Reason) -> Value {
    let info = reason.info();
    let mut rule = json!({
        "id": info.id,
        "name": info.id,
        "shortDescription": { "text": info.title },
        "defaultConfiguration": { "level": "error" },
    });
    if !info.needed.is_empty() {
        rule["fullDescription"] = json!({ "text": format!("Needed: {}.", info.needed) });
    }
    if !info.advice.is_empty() {
        rule["help"] = json!({ "text": info.advice });
    }
    rule
}

fn result(row: &Row) -> Value {
    let is_environment = row.verdict == "env";
    let reason = row.reason.unwrap_or_default();
    let index = if is_environment { Some(Reason::ALL.len()) } else { Reason::ALL.iter().position(|r| *r == reason) };
    let mut result = json!({
        "ruleId": if is_environment { ENVIRONMENT } else { reason.info().id },
        "ruleIndex": index,
        "level": if is_environment { "warning" } else { "error" },
        "message": { "text": message(row) },
        "locations": [location(row.source.as_ref(), row)],
        "partialFingerprints": { "program/v1": format!("{}:{}:{}", row.object, row.program, reason.info().id) },
        "properties": { "program": row.program, "programType": row.program_type, "instruction": row.instruction },
    });
    if let Some(explained) = row.explanation.as_ref().filter(|explained| !explained.path.is_empty()) {
        result["codeFlows"] = json!([code_flow(explained, row)]);
    }
    result
}

/// The message, what was needed, what was known and what to do, in sentences.
fn message(row: &Row) -> String {
    let mut text = format!("{}: {}.", row.program, row.message);
    if let Some(explained) = &row.explanation {
        if !explained.needed.is_empty() {
            text.push_str(&format!(" Needed: {}.", explained.needed));
        }
        for known in &explained.known {
            text.push_str(&format!(" Known: {} is {}.", known.name(), known.what));
        }
        if !explained.advice.is_empty() {
            text.push_str(&format!(" What to do: {}.", explained.advice));
        }
    }
    text
}

fn location(place: Option<&Source>, row: &Row) -> Value {
    let logical = json!([{ "name": row.program, "kind": "function" }]);
    match place {
        Some(place) => json!({ "physicalLocation": physical(place), "logicalLocations": logical }),
        None => json!({
            "physicalLocation": { "artifactLocation": { "uri": uri(&row.object) } },
            "logicalLocations": logical,
        }),
    }
}

fn physical(place: &Source) -> Value {
    let mut region = json!({ "startLine": place.line.max(1) });
    if !place.text.is_empty() {
        let marked = expression(&place.text, place.column);
        let column = |at: usize| place.text[..at].encode_utf16().count() + 1;
        region["startColumn"] = json!(column(marked.start));
        region["endColumn"] = json!(column(marked.end).max(column(marked.start) + 1));
        region["snippet"] = json!({ "text": place.text });
    }
    json!({ "artifactLocation": { "uri": uri(&place.file) }, "region": region })
}

/// A path as a URI reference (RFC 3986): absolute paths as `file://`, others relative.
fn uri(path: &str) -> String {
    let mut uri = String::from(if path.starts_with('/') { "file://" } else { "" });
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => uri.push(char::from(byte)),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

fn code_flow(explained: &Explained, row: &Row) -> Value {
    let steps: Vec<Value> = explained.path.iter().zip(1..).map(|(step, order)| thread_step(step, order, row)).collect();
    json!({ "threadFlows": [{ "locations": steps }] })
}

fn thread_step(step: &PathStep, order: u32, row: &Row) -> Value {
    let mut location = location(step.source.as_ref(), row);
    location["message"] = json!({ "text": step.meaning() });
    let importance = if step.kind == "refused" { "essential" } else { "important" };
    json!({ "executionOrder": order, "importance": importance, "kinds": [kind(step.kind)], "location": location })
}

/// SARIF's word for a step (section 3.38.8).
fn kind(kind: &str) -> &'static str {
    match kind {
        "taken" | "not-taken" => "branch",
        "acquired" => "acquire",
        "call" => "call",
        "refused" => "danger",
        _ => "value",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_uris() {
        assert_eq!(uri("/a b/c.bpf.c"), "file:///a%20b/c.bpf.c");
        assert_eq!(uri("src/xdp.c"), "src/xdp.c");
    }
}
