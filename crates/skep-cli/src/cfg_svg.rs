//! A control-flow graph as a picture.

use layout::backends::svg::SVGWriter;
use layout::core::base::Orientation;
use layout::core::geometry::{Point, get_size_for_str};
use layout::core::style::{LineStyleKind, StyleAttr};
use layout::std_shapes::shapes::{Arrow, Element, LineEndKind, ShapeKind};
use layout::topo::layout::VisualGraph;
use skep_isa::Insn;
use skep_isa::cfg::{BlockId, Cfg};
use std::collections::HashMap;

/// Draws the blocks of a program, top to bottom; dashed edges fall through.
pub(crate) fn render(cfg: &Cfg, comment: &dyn Fn(usize, &Insn) -> Option<String>) -> String {
    let mut graph = VisualGraph::new(Orientation::TopToBottom);
    let ids: Vec<BlockId> = (0..cfg.blocks().len()).filter_map(|n| u32::try_from(n).ok()).map(BlockId).collect();
    let handles: HashMap<BlockId, _> = ids
        .iter()
        .map(|id| {
            let text = block_text(cfg, *id, comment);
            let (columns, rows) = (text.lines().map(str::len).max().unwrap_or(1), text.lines().count().max(1));
            let size = get_size_for_str(&text, FONT_SIZE);
            // The estimate is for short words; code wants room for its longest line.
            let size = Point::new(size.x.max(columns as f64 * 8.0) + 20.0, size.y.max(rows as f64 * 16.0) + 20.0);
            let shape = ShapeKind::new_box(&text);
            (*id, graph.add_node(Element::create(shape, StyleAttr::simple(), Orientation::TopToBottom, size)))
        })
        .collect();
    for id in &ids {
        let block = cfg.block(*id);
        let edges = [(block.next, LineStyleKind::Dashed), (block.jump, LineStyleKind::Normal)];
        for (to, line) in edges.into_iter().filter_map(|(to, line)| Some((to?, line))) {
            let style = StyleAttr::simple();
            let arrow = Arrow::new(LineEndKind::None, LineEndKind::Arrow, line, "", &style, &None, &None);
            graph.add_edge(arrow, handles[id], handles[&to]);
        }
    }
    let mut writer = SVGWriter::new();
    graph.do_it(false, false, false, &mut writer);
    writer.finalize()
}

const FONT_SIZE: usize = 14;

fn block_text(cfg: &Cfg, block: BlockId, comment: &dyn Fn(usize, &Insn) -> Option<String>) -> String {
    let line = |(slot, insn): (usize, &Insn)| match comment(slot, insn) {
        Some(comment) => format!("{slot}: {insn} ; {comment}"),
        None => format!("{slot}: {insn}"),
    };
    cfg.block_insns(block).map(line).collect::<Vec<_>>().join("\n")
}
