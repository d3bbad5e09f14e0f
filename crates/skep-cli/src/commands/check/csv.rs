//! Lines of comma-separated values.

use super::row::Verdicts;

impl Verdicts {
    pub(super) fn csv(&self) -> String {
        let mut text =
            String::from("object,program,type,verdict,message,instructions,processed,states,stack_bytes,time_us\n");
        for row in &self.0 {
            let numbers =
                [row.instructions as u64, row.processed.into(), row.states.into(), row.stack_bytes.into(), row.time_us];
            let numbers = numbers.map(|number| number.to_string());
            let words = [&row.object, &row.program, &row.program_type, row.verdict, &row.message];
            let cells: Vec<&str> = words.into_iter().chain(numbers.iter().map(String::as_str)).collect();
            text.push_str(&csv_line(&cells));
        }
        text
    }
}

/// One line.
pub(super) fn csv_line(cells: &[&str]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| csv_field(cell)).collect();
    cells.join(",") + "\n"
}

/// Quotes a field where RFC 4180 asks for it.
fn csv_field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}
