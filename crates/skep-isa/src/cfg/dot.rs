//! The graph in the notation of graphviz.

use super::{BlockId, Cfg};
use crate::insn::Insn;
use std::fmt::{self, Write};

/// Prints a graph for graphviz: a cluster for each subprogram, a box for each block, dashed edges for falling through,
/// dotted ones for calls.
pub struct Dot<'a> {
    cfg: &'a Cfg,
    name: &'a dyn Fn(usize) -> Option<String>,
    comment: &'a dyn Fn(usize, &Insn) -> Option<String>,
}

impl fmt::Debug for Dot<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dot").field("blocks", &self.cfg.blocks.len()).finish_non_exhaustive()
    }
}

impl<'a> Dot<'a> {
    pub(super) fn new(cfg: &'a Cfg) -> Dot<'a> {
        Dot { cfg, name: &|_| None, comment: &|_, _| None }
    }

    /// With names for subprograms, by number.
    pub fn names(self, name: &'a dyn Fn(usize) -> Option<String>) -> Self {
        Dot { name, ..self }
    }

    /// With a comment beside each instruction for which there is one, by slot.
    pub fn comments(self, comment: &'a dyn Fn(usize, &Insn) -> Option<String>) -> Self {
        Dot { comment, ..self }
    }

    fn block(&self, f: &mut fmt::Formatter<'_>, block: BlockId) -> fmt::Result {
        write!(f, "    b{} [label=\"", block.0)?;
        for (slot, insn) in self.cfg.block_insns(block) {
            write!(Escape(f), "{slot}: {insn}")?;
            if let Some(comment) = (self.comment)(slot, insn) {
                write!(Escape(f), "  ; {comment}")?;
            }
            f.write_str("\\l")?;
        }
        f.write_str("\"];\n")
    }

    fn edges(&self, f: &mut fmt::Formatter<'_>, from: BlockId) -> fmt::Result {
        let block = self.cfg.block(from);
        if let Some(to) = block.next {
            writeln!(f, "    b{} -> b{} [style=dashed];", from.0, to.0)?;
        }
        if let Some(to) = block.jump {
            writeln!(f, "    b{} -> b{};", from.0, to.0)?;
        }
        Ok(())
    }
}

impl fmt::Display for Dot<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("digraph program {\n  node [shape=box, fontname=monospace];\n")?;
        for (i, sub) in self.cfg.subprograms.iter().enumerate() {
            writeln!(f, "  subgraph cluster_{i} {{")?;
            f.write_str("    label=\"")?;
            match (self.name)(i) {
                Some(name) => write!(Escape(f), "{name}")?,
                None if i == 0 => f.write_str("main")?,
                None => write!(f, "sub_{}", sub.start)?,
            }
            f.write_str("\";\n")?;
            sub.blocks().try_for_each(|block| self.block(f, block))?;
            sub.blocks().try_for_each(|block| self.edges(f, block))?;
            f.write_str("  }\n")?;
        }
        for sub in &self.cfg.subprograms {
            for (slot, callee) in sub.calls.iter().chain(&sub.addresses) {
                let from = self.cfg.block_at[*slot].0;
                let to = self.cfg.subprograms[*callee].entry.0;
                writeln!(f, "  b{from} -> b{to} [style=dotted, constraint=false];")?;
            }
        }
        f.write_str("}\n")
    }
}

/// Writes text into a quoted string: no quote or backslash ends it, no line break breaks it.
struct Escape<'f, 'a>(&'f mut fmt::Formatter<'a>);

impl Write for Escape<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|c| match c {
            '"' | '\\' => write!(self.0, "\\{c}"),
            '\n' => self.0.write_str("\\l"),
            _ => self.0.write_char(c),
        })
    }
}
