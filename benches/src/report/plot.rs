//! A bar plot of the ratios, as SVG.
//!
//! The axis is logarithmic: twice as slow is as far as twice as fast. Colours of text and lines follow the reader's theme.

use super::{GROUPS, Group, number};
use crate::measure::Results;
use std::fmt::Write as _;

const WIDTH: f64 = 900.0;
/// Where the bars' field begins and ends.
const FIELD: (f64, f64) = (250.0, 860.0);
const TOP: f64 = 64.0;
const BAR: f64 = 9.0;
const GAP: f64 = 8.0;

/// What is legible on white and on black.
const COLOURS: &[&str] = &["#2f81f7", "#57ab5a", "#8b949e", "#d29922", "#a371f7", "#e5534b"];

/// Engines far from native code would hide the differences between the others: beyond this mean they are in the table only.
const WORST_MEAN: f64 = 15.0;

const STYLE: &str = "\
text{font:12px system-ui,sans-serif;fill:#24292f}.small{font-size:10px}.strong{font-weight:600}\
line{stroke:#24292f;stroke-opacity:.2}.one{stroke-opacity:.7}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}line{stroke:#e6edf3}}";

/// A row of the plot: a title and a ratio per engine.
struct Bars {
    title: String,
    strong: bool,
    ratios: Vec<Option<f64>>,
}

/// The plot; nothing but a title where no engine is close enough to native code.
pub fn svg(results: &Results) -> String {
    let engines: Vec<usize> = (1..results.engines.len()).filter(|engine| is_shown(results, *engine)).collect();
    let rows = rows(results, &engines);
    let row_height = BAR * engines.len() as f64 + GAP;
    let bottom = TOP + row_height * rows.len() as f64;
    let scale = Scale::of(rows.iter().flat_map(|row| row.ratios.iter().flatten().copied()));
    let mut out = String::new();
    let height = bottom + 30.0;
    _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         role=\"img\">\n<title>Run time as a multiple of native code's</title>\n<style>{STYLE}</style>\n\
         <text class=\"strong\" x=\"10\" y=\"20\">Run time as a multiple of native code's (shorter is faster)</text>\n"
    );
    for (place, engine) in engines.iter().enumerate() {
        let x = 10.0 + 170.0 * place as f64;
        let colour = colour(place);
        let name = escaped(&results.engines[*engine]);
        _ = writeln!(
            out,
            "<rect x=\"{x}\" y=\"34\" width=\"11\" height=\"11\" fill=\"{colour}\"/><text x=\"{}\" y=\"44\">{name}</text>",
            x + 16.0
        );
    }
    for tick in scale.ticks() {
        let x = scale.place(tick);
        let class = if tick == 1.0 { " class=\"one\"" } else { "" };
        _ = writeln!(
            out,
            "<line{class} x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom}\"/>\
             <text class=\"small\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{tick}</text>",
            bottom + 16.0
        );
    }
    for (place, row) in rows.iter().enumerate() {
        row.draw(&mut out, TOP + row_height * place as f64, &scale);
    }
    out.push_str("</svg>\n");
    out
}

fn is_shown(results: &Results, engine: usize) -> bool {
    GROUPS[0].mean(results, engine).is_some_and(|mean| mean.ratio <= WORST_MEAN)
}

fn rows(results: &Results, engines: &[usize]) -> Vec<Bars> {
    let group = |group: &Group| Bars {
        title: format!("mean: {}", group.title),
        strong: true,
        ratios: engines.iter().map(|engine| group.mean(results, *engine).map(|mean| mean.ratio)).collect(),
    };
    let programs = results.programs.iter().map(|program| Bars {
        title: format!("{}{}", program.title, if program.vectorised.is_some() { " (vectorised)" } else { "" }),
        strong: false,
        ratios: engines.iter().map(|engine| program.ratio(*engine)).collect(),
    });
    GROUPS.iter().map(group).chain(programs).collect()
}

impl Bars {
    fn draw(&self, out: &mut String, top: f64, scale: &Scale) {
        let height = BAR * self.ratios.len() as f64;
        let class = if self.strong { " class=\"strong\"" } else { "" };
        let (x, y, title) = (FIELD.0 - 8.0, top + height / 2.0 + 4.0, escaped(&self.title));
        _ = writeln!(out, "<text{class} x=\"{x}\" y=\"{y:.1}\" text-anchor=\"end\">{title}</text>");
        for (place, ratio) in self.ratios.iter().enumerate() {
            let y = top + BAR * place as f64;
            let Some(ratio) = ratio else { continue };
            let (end, colour, label) = (scale.place(*ratio), colour(place), number(*ratio));
            _ = writeln!(
                out,
                "<rect x=\"{}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{}\" fill=\"{colour}\"/>\
                 <text class=\"small\" x=\"{:.1}\" y=\"{:.1}\">{label}</text>",
                FIELD.0,
                (end - FIELD.0).max(1.0),
                BAR - 1.0,
                end + 3.0,
                y + BAR - 1.0,
            );
        }
    }
}

fn colour(place: usize) -> &'static str {
    COLOURS[place % COLOURS.len()]
}

/// A logarithmic axis between two ticks.
struct Scale {
    least: f64,
    most: f64,
}

const TICKS: &[f64] = &[0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

impl Scale {
    fn of(ratios: impl Iterator<Item = f64> + Clone) -> Scale {
        let smallest = ratios.clone().fold(0.9, f64::min);
        let largest = ratios.fold(1.1, f64::max);
        let least = TICKS.iter().rev().find(|tick| **tick <= smallest).unwrap_or(&TICKS[0]);
        let most = TICKS.iter().find(|tick| **tick >= largest).unwrap_or(&TICKS[TICKS.len() - 1]);
        Scale { least: *least, most: *most }
    }

    fn ticks(&self) -> impl Iterator<Item = f64> {
        TICKS.iter().copied().filter(|tick| (self.least..=self.most).contains(tick))
    }

    fn place(&self, ratio: f64) -> f64 {
        let part = (ratio.clamp(self.least, self.most) / self.least).ln() / (self.most / self.least).ln();
        FIELD.0 + part * (FIELD.1 - FIELD.0)
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::example;

    #[test]
    fn an_axis_is_logarithmic_and_holds_all() {
        let scale = Scale::of([0.6, 7.0].into_iter());
        assert_eq!((scale.least, scale.most), (0.5, 8.0));
        let middle = (FIELD.0 + FIELD.1) / 2.0;
        assert!((scale.place(2.0) - middle).abs() < 1e-9);
        assert!((scale.place(1000.0) - FIELD.1).abs() < 1e-9);
    }

    #[test]
    fn bars_are_there_for_what_was_measured() {
        let text = svg(&example());
        assert!(text.contains(">2.00</text>"), "{text}");
        assert!(text.contains("two (vectorised)"), "{text}");
        // Its legend; the mean and two programs have bars.
        assert_eq!(text.matches("<rect").count(), 4, "{text}");
    }
}
