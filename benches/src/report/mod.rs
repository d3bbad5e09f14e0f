//! Results for people and programs: tables, a plot, JSON.

mod document;
mod plot;
mod table;

pub use document::write_into;
pub use plot::svg;
pub use table::{markdown, text};

use crate::machine::Machine;
use crate::measure::{Measured, Results};
use crate::statistics::geometric_mean;
use serde::Serialize;

/// What is written as JSON.
#[derive(Serialize)]
pub struct Report<'a> {
    /// Where.
    pub machine: &'a Machine,
    /// What.
    pub results: &'a Results,
}

impl Report<'_> {
    /// As JSON.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("numbers and strings: no map with odd keys")
    }
}

/// Programs over which a mean is taken.
struct Group {
    title: &'static str,
    has: fn(&Measured) -> bool,
}

/// Vectorised code is another algorithm than the source's: such programs are in no mean.
const GROUPS: &[Group] = &[
    Group { title: "all that are not vectorised", has: |_| true },
    Group { title: "packet programs", has: |program| program.packet },
    Group { title: "map programs", has: |program| program.maps },
];

/// A geometric mean of ratios to native code.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Mean {
    ratio: f64,
    /// Over so many programs.
    programs: usize,
    /// Of so many in the group.
    of: usize,
}

impl Group {
    /// The group's mean on an engine; `None` if it runs none of them.
    fn mean(&self, results: &Results, engine: usize) -> Option<Mean> {
        let members: Vec<_> = results.programs.iter().filter(|p| (self.has)(p) && p.vectorised.is_none()).collect();
        let ratios: Vec<f64> = members.iter().filter_map(|program| program.ratio(engine)).collect();
        let (programs, of) = (ratios.len(), members.len());
        Some(Mean { ratio: geometric_mean(ratios)?, programs, of })
    }
}

/// Three digits that matter.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Nanoseconds in the unit that suits them.
fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        n if n < 1e3 => format!("{} ns", number(n)),
        n if n < 1e6 => format!("{} µs", number(n / 1e3)),
        n => format!("{} ms", number(n / 1e6)),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::measure::{Cell, Times};

    fn times(nanoseconds: f64) -> Times {
        Times { whole: vec![nanoseconds + 1.0], net: vec![nanoseconds] }
    }

    fn program(name: &'static str, vectorised: Option<&str>, maps: bool, other: Option<f64>) -> Measured {
        let cell = other.map_or_else(|| Cell::Missing("no <maps>".to_owned()), |n| Cell::Times(times(n)));
        let cells = vec![Cell::Times(times(10.0)), cell];
        let vectorised = vectorised.map(str::to_owned);
        Measured { name, title: name, packet: false, maps, instructions: 7, vectorised, cells }
    }

    /// Two engines, three programs: one of them vectorised, one not on the second engine.
    pub(crate) fn example() -> Results {
        Results {
            engines: vec!["native".to_owned(), "other".to_owned()],
            missing: vec![("absent".to_owned(), "it is not here".to_owned())],
            empty: vec![Some(times(1.0)), Some(times(2.0))],
            programs: vec![
                program("one", None, false, Some(20.0)),
                program("two", Some("vectorized loop"), false, Some(900.0)),
                program("three", None, true, None),
            ],
            loading: Vec::new(),
        }
    }

    #[test]
    fn means_leave_out_what_is_vectorised_and_say_what_is_missing() {
        let results = example();
        assert_eq!(GROUPS[0].mean(&results, 1), Some(Mean { ratio: 2.0, programs: 1, of: 2 }));
        assert_eq!(GROUPS[0].mean(&results, 0), Some(Mean { ratio: 1.0, programs: 2, of: 2 }));
        assert_eq!(GROUPS[2].mean(&results, 1), None);
    }

    #[test]
    fn numbers_have_three_digits() {
        assert_eq!([0.123, 1.239, 12.39, 123.9].map(number), ["0.12", "1.24", "12.4", "124"]);
        assert_eq!([1.5, 1500.0, 2.5e6].map(time), ["1.50 ns", "1.50 µs", "2.50 ms"]);
    }
}
