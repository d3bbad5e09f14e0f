//! A control-flow graph as a picture: the blocks in program order below each other, jumps beside them.
//!
//! Forward jumps run down on the right, backward jumps (loops) up on the left, each in a lane that no other jump of the
//! same stretch uses; dashed lines fall through. So nothing overlaps, however large the program.

use skep_isa::Insn;
use skep_isa::cfg::{Block, BlockId, Cfg};
use std::fmt::Write as _;

/// All lengths are in SVG's pixels.
const FONT: f64 = 12.0;
/// Of one character: monospace fonts are at most this wide.
const CHARACTER: f64 = FONT * 0.625;
const LINE: f64 = 16.0;
const PADDING: f64 = 6.0;
/// Between two blocks.
const GAP: f64 = 18.0;
/// Above the first block of a subprogram, for its name.
const TITLE: f64 = 30.0;
const LANE: f64 = 10.0;
const MARGIN: f64 = 20.0;

/// What the picture says about the program.
pub(crate) struct Labels<'a> {
    /// Names of subprograms by number.
    pub(crate) names: &'a dyn Fn(usize) -> Option<String>,
    /// What an instruction refers to.
    pub(crate) comments: &'a dyn Fn(usize, &Insn) -> Option<String>,
}

/// Draws the blocks of a program.
pub(crate) fn render(cfg: &Cfg, labels: &Labels<'_>) -> String {
    let mut boxes = Vec::with_capacity(cfg.blocks().len());
    let mut y = MARGIN;
    for (index, block) in cfg.blocks().iter().enumerate() {
        let title = first_of_subprogram(cfg, index).then(|| title(block, labels));
        y += if title.is_some() { TITLE } else { 0.0 };
        let lines = lines(cfg, index, labels);
        let height = lines.len() as f64 * LINE + 2.0 * PADDING;
        boxes.push(BlockBox { title, lines, top: y, height, falls: block.next.is_some() });
        y += height + GAP;
    }
    let columns = boxes.iter().flat_map(|b| &b.lines).map(|line| line.chars().count()).max().unwrap_or(0);
    let jumps = jumps(cfg);
    let lanes = |backward: bool| jumps.iter().filter(|j| j.is_backward() == backward).map(|j| j.lane + 1).max();
    let left = MARGIN + lanes(true).unwrap_or(0) as f64 * LANE + LANE;
    let width = columns as f64 * CHARACTER + 2.0 * PADDING;
    let picture = Picture { left, right: left + width, boxes };
    let total = picture.right + lanes(false).unwrap_or(0) as f64 * LANE + LANE + MARGIN;
    picture.write(total, y, &jumps)
}

fn first_of_subprogram(cfg: &Cfg, index: usize) -> bool {
    let subprogram = |index: usize| cfg.blocks().get(index).map(|block| block.subprogram);
    index == 0 || subprogram(index) != subprogram(index - 1)
}

fn title(block: &Block, labels: &Labels<'_>) -> String {
    (labels.names)(block.subprogram).unwrap_or_else(|| format!("subprogram {}", block.subprogram))
}

/// The text of a block, one line per instruction.
fn lines(cfg: &Cfg, index: usize, labels: &Labels<'_>) -> Vec<String> {
    let Ok(number) = u32::try_from(index) else { return Vec::new() };
    let line = |(slot, insn): (usize, &Insn)| {
        let target = || cfg.jump_target(slot).map(|target| format!("to {target}"));
        match (labels.comments)(slot, insn).or_else(target) {
            Some(comment) => format!("{slot:>4}: {insn}  ; {comment}"),
            None => format!("{slot:>4}: {insn}"),
        }
    };
    cfg.block_insns(BlockId(number)).map(line).collect()
}

/// A jump between blocks, by their numbers.
struct Jump {
    from: usize,
    to: usize,
    /// How far from the blocks it runs; 0 is next to them.
    lane: usize,
}

impl Jump {
    fn is_backward(&self) -> bool {
        self.to <= self.from
    }

    fn span(&self) -> (usize, usize) {
        (self.from.min(self.to), self.from.max(self.to))
    }
}

/// All jumps, with lanes: the shorter a jump, the closer it runs.
fn jumps(cfg: &Cfg) -> Vec<Jump> {
    let jump = |(from, block): (usize, &Block)| Some(Jump { from, to: block.jump?.index(), lane: 0 });
    let mut jumps: Vec<Jump> = cfg.blocks().iter().enumerate().filter_map(jump).collect();
    jumps.sort_by_key(|jump| jump.span().1 - jump.span().0);
    // The stretches taken in each lane, left and right.
    let mut taken: [Vec<Vec<(usize, usize)>>; 2] = [Vec::new(), Vec::new()];
    for jump in &mut jumps {
        let side = &mut taken[usize::from(jump.is_backward())];
        let (from, to) = jump.span();
        let free = |lane: &Vec<(usize, usize)>| lane.iter().all(|(start, end)| to < *start || *end < from);
        jump.lane = side.iter().position(free).unwrap_or(side.len());
        if jump.lane == side.len() {
            side.push(Vec::new());
        }
        side[jump.lane].push((from, to));
    }
    jumps
}

struct BlockBox {
    title: Option<String>,
    lines: Vec<String>,
    top: f64,
    height: f64,
    /// Its last instruction goes on into the next block.
    falls: bool,
}

impl BlockBox {
    fn bottom(&self) -> f64 {
        self.top + self.height
    }
}

struct Picture {
    left: f64,
    right: f64,
    boxes: Vec<BlockBox>,
}

impl Picture {
    fn write(&self, width: f64, height: f64, jumps: &[Jump]) -> String {
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
             viewBox=\"0 0 {width:.0} {height:.0}\">\n{STYLE}"
        );
        self.boxes.iter().for_each(|block| self.block(&mut svg, block));
        for (above, below) in self.boxes.iter().zip(self.boxes.iter().skip(1)).filter(|(above, _)| above.falls) {
            self.fall(&mut svg, above, below);
        }
        jumps.iter().for_each(|jump| self.jump(&mut svg, jump));
        svg.push_str("</svg>\n");
        svg
    }

    fn block(&self, svg: &mut String, block: &BlockBox) {
        let (left, width) = (self.left, self.right - self.left);
        let BlockBox { top, height, .. } = block;
        if let Some(title) = &block.title {
            _ = writeln!(svg, "<text class=\"title\" x=\"{left:.1}\" y=\"{:.1}\">{}</text>", top - 8.0, escaped(title));
        }
        _ = writeln!(
            svg,
            "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"3\"/>"
        );
        for (index, line) in block.lines.iter().enumerate() {
            let baseline = top + PADDING + index as f64 * LINE + FONT;
            let x = left + PADDING;
            _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{baseline:.1}\">{}</text>", escaped(line));
        }
    }

    /// From a block into the next.
    fn fall(&self, svg: &mut String, above: &BlockBox, below: &BlockBox) {
        let x = self.left + 24.0;
        let (from, to) = (above.bottom(), below.top);
        _ = writeln!(svg, "<path class=\"fall\" d=\"M{x:.1} {from:.1}V{to:.1}\"/>");
    }

    fn jump(&self, svg: &mut String, jump: &Jump) {
        let (Some(from), Some(to)) = (self.boxes.get(jump.from), self.boxes.get(jump.to)) else { return };
        // A little apart, where a block of one line is both left and reached.
        let (start, end) = (from.bottom() - PADDING - LINE / 2.0 + 3.0, to.top + PADDING + LINE / 2.0 - 3.0);
        let away = (jump.lane + 1) as f64 * LANE;
        let (class, edge, lane) = match jump.is_backward() {
            true => ("back", self.left, self.left - away),
            false => ("jump", self.right, self.right + away),
        };
        _ = writeln!(svg, "<path class=\"{class}\" d=\"M{edge:.1} {start:.1}H{lane:.1}V{end:.1}H{edge:.1}\"/>");
    }
}

const STYLE: &str = r##"<defs>
<marker id="a" markerWidth="8" markerHeight="6" refX="7" refY="3" orient="auto"><path d="M0 0L8 3L0 6z" fill="#555"/></marker>
<style>
text { font: 12px monospace; white-space: pre; fill: #111 }
.title { font-weight: bold; font-size: 14px }
rect { fill: #f7f7f4; stroke: #999 }
path { fill: none; stroke: #2b6cb0; stroke-width: 1.2 }
path.jump, path.back, path.fall { marker-end: url(#a) }
path.back { stroke: #c05621 }
path.fall { stroke: #555; stroke-dasharray: 4 3 }
marker path { fill: #555; stroke: none }
</style>
</defs>
<rect width="100%" height="100%" style="fill: #fff; stroke: none"/>
"##;

/// Text that XML takes: leading blanks kept, control characters made visible.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            ' ' => out.push('\u{a0}'),
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use skep_isa::text::assemble;

    fn graph(text: &str) -> Cfg {
        Cfg::build(&assemble(text).expect("it assembles")).expect("it has a graph")
    }

    #[test]
    fn jumps_over_the_same_stretch_run_in_lanes_of_their_own() {
        let text = "r0 = 0\nif r1 == 0 goto end\nif r1 == 1 goto end\nif r1 == 2 goto end\nr0 = 1\nend:\nexit";
        let mut lanes: Vec<usize> = jumps(&graph(text)).iter().map(|jump| jump.lane).collect();
        lanes.sort_unstable();
        assert_eq!(lanes, [0, 1, 2]);
    }

    #[test]
    fn a_loop_runs_back_on_the_left() {
        let cfg = graph("r0 = 5\nagain:\nr0 += -1\nif r0 != 0 goto again\nexit");
        let all = jumps(&cfg);
        assert!(all.iter().all(Jump::is_backward) && all.len() == 1);
        let none = Labels { names: &|_| Some("<main>".to_owned()), comments: &|_, _| None };
        let svg = render(&cfg, &none);
        assert_eq!(svg.matches("class=\"back\"").count(), 1);
        assert_eq!(svg.matches("class=\"fall\"").count(), 2, "{svg}");
        assert!(svg.contains("&lt;main&gt;"));
    }
}
