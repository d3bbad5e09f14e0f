//! Verdicts as lines of comma-separated values.

use super::row::Verdicts;

impl Verdicts {
    pub(super) fn csv(&self) -> String {
        let mut text =
            String::from("object,program,type,verdict,message,instructions,processed,states,stack_bytes,time_us\n");
        for row in &self.0 {
            let words = [&row.object, &row.program, &row.program_type, &row.verdict.to_owned(), &row.message];
            let words: Vec<String> = words.iter().map(|word| csv_field(word)).collect();
            let numbers =
                [row.instructions as u64, row.processed.into(), row.states.into(), row.stack_bytes.into(), row.time_us];
            let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
            text.push_str(&[words, numbers].concat().join(","));
            text.push('\n');
        }
        text
    }
}

/// Quotes a field where RFC 4180 asks for it.
fn csv_field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}
