//! The tables.

use super::{GROUPS, Mean, number, time};
use crate::machine::Machine;
use crate::measure::{Cell, Measured, Results};
use comfy_table::{CellAlignment, ContentArrangement, Table, TableStyle, presets};
use std::fmt::Write as _;

/// For a terminal.
pub fn text(machine: &Machine, results: &Results) -> String {
    render(machine, results, presets::UTF8_FULL_CONDENSED)
}

/// For a document.
pub fn markdown(machine: &Machine, results: &Results) -> String {
    render(machine, results, presets::ASCII_MARKDOWN)
}

fn render(machine: &Machine, results: &Results, style: TableStyle) -> String {
    let mut out = String::new();
    let paragraph = |out: &mut String, text: &str| _ = writeln!(out, "{text}\n");
    _ = writeln!(out, "{}\n", ratios(results, style));
    for note in notes(results) {
        _ = writeln!(out, "* {note}");
    }
    _ = writeln!(out);
    paragraph(
        &mut out,
        "Entering and leaving, which the times above do not contain; here one run after the other as fast as they go:",
    );
    _ = writeln!(out, "{}\n", empty_runs(results, style));
    paragraph(&mut out, "From instructions to a program that can run, without reading the object or creating maps:");
    _ = writeln!(out, "{}\n", loading(results, style));
    let Machine { cpu, cpus, kernel, clang, instruction_set, date } = machine;
    paragraph(
        &mut out,
        &format!(
            "Measured on {date}: {cpus} × {cpu}, {kernel}; programs by {clang}, instruction set {instruction_set}."
        ),
    );
    out
}

fn table(style: TableStyle, header: Vec<String>, rows: Vec<Vec<String>>) -> Table {
    let mut table = Table::new();
    table.load_style(style).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header).add_rows(rows);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// One row per program, one column per engine.
fn ratios(results: &Results, style: TableStyle) -> Table {
    let mut header = vec!["program".to_owned(), "instructions".to_owned(), "native".to_owned()];
    header.extend(results.engines.iter().skip(1).cloned());
    let row = |program: &Measured| {
        let mark = if program.vectorised.is_some() { " ⁽ᵛ⁾" } else { "" };
        let native = program.times(0).map_or_else(String::new, |times| time(times.nanoseconds()));
        let mut row = vec![format!("{}{mark}", program.title), program.instructions.to_string(), native];
        let others = 1..results.engines.len();
        row.extend(others.map(|engine| program.ratio(engine).map_or_else(|| "–".to_owned(), number)));
        row
    };
    let mut rows: Vec<_> = results.programs.iter().map(row).collect();
    for group in GROUPS {
        let mut row = vec![format!("mean: {}", group.title), String::new(), "1".to_owned()];
        row.extend((1..results.engines.len()).map(|engine| mean(group.mean(results, engine))));
        rows.push(row);
    }
    table(style, header, rows)
}

fn mean(mean: Option<Mean>) -> String {
    match mean {
        None => "–".to_owned(),
        Some(Mean { ratio, programs, of }) if programs == of => number(ratio),
        Some(Mean { ratio, programs, of }) => format!("{} ({programs} of {of})", number(ratio)),
    }
}

/// What the marks and gaps mean.
fn notes(results: &Results) -> Vec<String> {
    let mut notes = vec![
        "Times as multiples of native code's: medians of the ratios inside of each round; means are geometric."
            .to_owned(),
    ];
    if results.programs.iter().any(|program| program.vectorised.is_some()) {
        notes.push("⁽ᵛ⁾ The native compiler vectorised it (by its own remarks): not in the means.".to_owned());
    }
    for (engine, name) in results.engines.iter().enumerate() {
        let unclear = |program: &&Measured| program.times(engine).is_some_and(|times| !times.is_clear());
        let titles: Vec<_> = results.programs.iter().filter(unclear).map(|program| program.title).collect();
        if !titles.is_empty() {
            notes.push(format!(
                "{name}, {}: too short beside its empty run, the difference drowns in its spread.",
                titles.join(", ")
            ));
        }
        let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
        for program in &results.programs {
            if let Some(Cell::Missing(reason)) = program.cells.get(engine) {
                match reasons.iter_mut().find(|(known, _)| known == reason) {
                    Some((_, titles)) => titles.push(program.title),
                    None => reasons.push((reason, vec![program.title])),
                }
            }
        }
        notes.extend(reasons.iter().map(|(reason, titles)| format!("{name}, {}: {reason}.", titles.join(", "))));
    }
    notes.extend(results.missing.iter().map(|(name, reason)| format!("{name} was not measured: {reason}.")));
    notes
}

fn empty_runs(results: &Results, style: TableStyle) -> Table {
    let header = ["engine", "empty run"].map(str::to_owned).to_vec();
    let rows = results.engines.iter().zip(&results.empty).map(|(name, times)| {
        vec![name.clone(), times.as_ref().map_or_else(|| "–".to_owned(), |times| time(times.nanoseconds()))]
    });
    table(style, header, rows.collect())
}

/// One row per step, a column per program, and what a thousand instructions of the longest take.
fn loading(results: &Results, style: TableStyle) -> Table {
    let mut programs: Vec<(&str, usize)> = Vec::new();
    let mut steps: Vec<&str> = Vec::new();
    for loading in &results.loading {
        if !programs.contains(&(loading.program, loading.instructions)) {
            programs.push((loading.program, loading.instructions));
        }
        if !steps.contains(&&*loading.what) {
            steps.push(&loading.what);
        }
    }
    let mut header = vec!["step".to_owned()];
    header.extend(programs.iter().map(|(name, instructions)| format!("{name}, {instructions} instructions")));
    header.push("per 1000 instructions of the last".to_owned());
    let row = |step: &&str| {
        let of = |program: &str| results.loading.iter().find(|l| l.what == *step && l.program == program);
        let mut row = vec![(*step).to_owned()];
        let cells = programs.iter().map(|(name, _)| of(name).map_or_else(|| "–".to_owned(), |l| time(l.median())));
        row.extend(cells);
        let last = programs.last().and_then(|(name, _)| of(name));
        row.push(last.map_or_else(|| "–".to_owned(), |l| time(l.median() * 1000.0 / l.instructions as f64)));
        row
    };
    let rows = steps.iter().map(row).collect();
    table(style, header, rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::example;

    #[test]
    fn every_gap_has_its_reason() {
        let machine = Machine {
            cpu: "a CPU".to_owned(),
            cpus: 2,
            kernel: "a kernel".to_owned(),
            clang: "a clang".to_owned(),
            instruction_set: "v4".to_owned(),
            date: "2026-01-02".to_owned(),
        };
        let text = markdown(&machine, &example());
        for expected in [
            "| one ",
            "2.00 (1 of 2)",
            "⁽ᵛ⁾ The native compiler",
            "* other, three: no <maps>.",
            "* absent was not measured: it is not here.",
            "2026-01-02: 2 × a CPU",
        ] {
            assert!(text.contains(expected), "no {expected:?} in\n{text}");
        }
    }
}
