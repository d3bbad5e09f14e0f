//! The known differences between our verdicts and Linux's, with their reasons: `tests/deviations.toml`.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use super::selftests::Key;
use crate::process::{Error, root};

/// Programs that one reason explains.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Deviation {
    /// Why the verdicts differ.
    reason: String,
    /// What Skep answers: `accept`, `reject` or `env`.
    verdict: String,
    /// `object program` each.
    programs: Vec<String>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    verifier: Vec<Deviation>,
}

/// The verdict and the reason by object and program.
pub(crate) struct Deviations {
    by_program: BTreeMap<Key, (String, String)>,
}

fn path() -> PathBuf {
    root().join("tests/deviations.toml")
}

impl Deviations {
    /// Reads the file.
    ///
    /// # Errors
    /// It is missing, or it is not what it must be.
    pub(crate) fn read() -> Result<Deviations, Error> {
        let path = path();
        let text = fs::read_to_string(&path).map_err(Error::file(&path))?;
        Deviations::parse(&text).map_err(|problem| Error::other(format!("{}: {problem}", path.display())))
    }

    fn parse(text: &str) -> Result<Deviations, String> {
        let file: File = toml::from_str(text).map_err(|e| e.to_string())?;
        let mut by_program = BTreeMap::new();
        for deviation in file.verifier {
            for program in deviation.programs {
                let (object, name) = program.split_once(' ').ok_or_else(|| format!("'{program}': no program"))?;
                let answer = (deviation.verdict.clone(), deviation.reason.clone());
                if by_program.insert((object.to_owned(), name.to_owned()), answer).is_some() {
                    return Err(format!("'{program}' stands there twice"));
                }
            }
        }
        Ok(Deviations { by_program })
    }

    /// Why our verdict on this program may be that one.
    pub(crate) fn reason(&self, program: &Key, verdict: &str) -> Option<&str> {
        let (expected, reason) = self.by_program.get(program)?;
        (expected == verdict).then_some(reason.as_str())
    }

    /// Programs that stand in the file.
    pub(crate) fn programs(&self) -> impl Iterator<Item = &Key> {
        self.by_program.keys()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_can_be_read() {
        Deviations::read().unwrap();
    }

    #[test]
    fn a_program_has_one_reason_for_one_verdict() {
        let one = "[[verifier]]\nreason = \"r\"\nverdict = \"reject\"\nprograms = [\"a.o p\"]\n";
        let key = ("a.o".to_owned(), "p".to_owned());
        let read = Deviations::parse(one).unwrap();
        assert_eq!((read.reason(&key, "reject"), read.reason(&key, "accept")), (Some("r"), None));
        assert!(Deviations::parse(&one.repeat(2)).is_err());
        assert!(Deviations::parse("[[verifier]]\nreason = \"r\"\n").is_err());
    }
}
