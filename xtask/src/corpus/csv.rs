//! Tables as comma-separated values (RFC 4180), by column name.

use std::collections::HashMap;

/// A row: cell by column name.
pub(crate) type Row = HashMap<String, String>;

/// Splits a text into rows by the names in its first line. Rows that are too short lack their last columns.
pub(crate) fn read(text: &str) -> Vec<Row> {
    let mut records = records(text).into_iter();
    let Some(names) = records.next() else { return Vec::new() };
    records.map(|cells| names.iter().cloned().zip(cells).collect()).collect()
}

fn records(text: &str) -> Vec<Vec<String>> {
    let mut records = Vec::new();
    let (mut record, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(std::mem::take(&mut cell)),
            '\r' if !quoted => {}
            '\n' if !quoted => {
                record.push(std::mem::take(&mut cell));
                records.push(std::mem::take(&mut record));
            }
            other => cell.push(other),
        }
    }
    if !cell.is_empty() || !record.is_empty() {
        record.push(cell);
        records.push(record);
    }
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_commas_and_line_ends_inside_of_cells() {
        let rows = read("a,b\r\n1,\"x, \"\"y\"\"\nz\"\n2,\n");
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0]["b"], "x, \"y\"\nz");
        assert_eq!((rows[1]["a"].as_str(), rows[1]["b"].as_str()), ("2", ""));
    }

    #[test]
    fn the_last_line_needs_no_end() {
        assert_eq!(read("a\n1").len(), 1);
        assert!(read("").is_empty());
    }
}
