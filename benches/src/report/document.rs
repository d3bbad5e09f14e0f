//! A part of a document that is written anew.

/// Puts `text` between two marks of that name in a Markdown document, in the place of what was there.
///
/// # Errors
/// The document has no such marks, in words.
pub fn write_into(document: &str, name: &str, text: &str) -> Result<String, String> {
    let (begin, end) = (format!("<!-- {name}: begin -->"), format!("<!-- {name}: end -->"));
    let missing = || format!("the document has no lines {begin} and {end}");
    let start = document.find(&begin).ok_or_else(missing)? + begin.len();
    let length = document[start..].find(&end).ok_or_else(missing)?;
    Ok(format!("{}\n\n{}\n\n{}", &document[..start], text.trim(), &document[start + length..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_around_the_marks_stays() {
        let document = "a\n<!-- x: begin -->\nold\n<!-- x: end -->\nb\n";
        let new = "a\n<!-- x: begin -->\n\nnew\n\n<!-- x: end -->\nb\n";
        assert_eq!(write_into(document, "x", "new\n").as_deref(), Ok(new));
        assert_eq!(write_into(new, "x", "new").as_deref(), Ok(new));
        assert!(write_into(document, "y", "new").is_err());
        assert!(write_into("<!-- x: end --><!-- x: begin -->", "x", "new").is_err());
    }
}
