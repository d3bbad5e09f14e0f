//! What can be read off a line of C without parsing it.

/// The variable a line assigns to: `count` in `__u64 *count = lookup(&map);`.
pub fn assigned(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let operator = (1..bytes.len()).find(|at| {
        let before = bytes[at - 1];
        bytes[*at] == b'=' && bytes.get(at + 1) != Some(&b'=') && !b"=!<>+-*/%&|^".contains(&before)
    })?;
    let left = text[..operator].trim_end();
    // An assignment inside of a condition or call is no declaration of what the line is about.
    if left.contains("for ") || left.contains("for(") {
        return None;
    }
    let start =
        left.rfind(|c: char| !is_word(c)).map_or(0, |at| at + left[at..].chars().next().map_or(1, char::len_utf8));
    let name = &left[start..];
    let is_field = left[..start].ends_with('.') || left[..start].ends_with("->");
    (!is_field && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')).then_some(name)
}

/// Whether a line contains that word.
pub fn mentions(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back().is_some_and(is_word);
        let after = text[at + word.len()..].chars().next().is_some_and(is_word);
        !before && !after
    })
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments() {
        assert_eq!(assigned("\t__u64 *count = bpf_map_lookup_elem(&counts, &key);"), Some("count"));
        assert_eq!(assigned("index = skb->len;"), Some("index"));
        assert_eq!(assigned("if (a == b)"), None);
        assert_eq!(assigned("event->pid = pid;"), None);
        assert_eq!(assigned("x += 3;"), None);
        assert_eq!(assigned("for (int i = 0; i < n; i++)"), None);
        assert_eq!(assigned("="), None);
        assert_eq!(assigned("é = 1"), None);
    }

    #[test]
    fn words() {
        assert!(mentions("*count += 1;", "count"));
        assert!(!mentions("counter += 1;", "count"));
    }
}
