//! Depth-first order: reachability, back edges, loops.

use super::{BlockId, Cfg};

/// What a depth-first walk of one subprogram finds.
struct Walk {
    postorder: Vec<BlockId>,
    back_edges: Vec<(BlockId, BlockId)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    New,
    /// On the path from the entry to where the walk is.
    Open,
    Done,
}

impl Cfg {
    fn walk(&self, subprogram: usize) -> Walk {
        let Some(sub) = self.subprograms.get(subprogram) else {
            return Walk { postorder: Vec::new(), back_edges: Vec::new() };
        };
        let base = sub.entry.index();
        let mut marks = vec![Mark::New; sub.blocks().len()];
        let mut walk = Walk { postorder: Vec::new(), back_edges: Vec::new() };
        let mut path = vec![(sub.entry, self.block(sub.entry).successors())];
        marks[0] = Mark::Open;
        while let Some((block, successors)) = path.last_mut() {
            let block = *block;
            match successors.next() {
                Some(to) => match marks[to.index() - base] {
                    Mark::New => {
                        marks[to.index() - base] = Mark::Open;
                        path.push((to, self.block(to).successors()));
                    }
                    Mark::Open => walk.back_edges.push((block, to)),
                    Mark::Done => {}
                },
                None => {
                    marks[block.index() - base] = Mark::Done;
                    walk.postorder.push(block);
                    path.pop();
                }
            }
        }
        walk
    }

    /// The reachable blocks of a subprogram, each after all its predecessors but for back edges.
    pub fn reverse_postorder(&self, subprogram: usize) -> Vec<BlockId> {
        let mut order = self.walk(subprogram).postorder;
        order.reverse();
        order
    }

    /// The edges of a subprogram that close a cycle in a depth-first walk from its entry.
    pub fn back_edges(&self, subprogram: usize) -> Vec<(BlockId, BlockId)> {
        self.walk(subprogram).back_edges
    }

    /// For each subprogram, whether calls and addresses taken lead to it from the main program.
    pub fn reachable_subprograms(&self) -> Vec<bool> {
        let mut reachable = vec![false; self.subprograms.len()];
        let mut waiting = vec![0];
        while let Some(subprogram) = waiting.pop() {
            let Some(seen) = reachable.get_mut(subprogram) else { continue };
            if std::mem::replace(seen, true) {
                continue;
            }
            let sub = &self.subprograms[subprogram];
            waiting.extend(sub.calls.iter().chain(&sub.addresses).map(|(_, callee)| *callee));
        }
        reachable
    }

    /// For each block, whether edges lead to it from the entry of its subprogram.
    pub fn reachable_blocks(&self) -> Vec<bool> {
        let mut reachable = vec![false; self.blocks.len()];
        for block in (0..self.subprograms.len()).flat_map(|subprogram| self.walk(subprogram).postorder) {
            reachable[block.index()] = true;
        }
        reachable
    }

    /// The first slot to which no path leads from the entry of its subprogram.
    pub fn first_unreachable_slot(&self) -> Option<usize> {
        let reachable = self.reachable_blocks();
        self.blocks.iter().zip(reachable).find(|(_, reachable)| !reachable).map(|(block, _)| block.start)
    }

    /// The loops of a subprogram: its maximal sets of reachable blocks each of which leads to every other (one block
    /// alone if it leads to itself). Blocks stand in order; the loops in order of their first blocks.
    pub fn loops(&self, subprogram: usize) -> Vec<Vec<BlockId>> {
        let Some(sub) = self.subprograms.get(subprogram) else { return Vec::new() };
        // Kosaraju: walk the reversed graph, starting at the blocks that a forward walk finished last.
        let order = self.reverse_postorder(subprogram);
        let base = sub.entry.index();
        let mut open = vec![false; sub.blocks().len()];
        for block in &order {
            open[block.index() - base] = true;
        }
        let mut loops = Vec::new();
        for &root in &order {
            let mut members = Vec::new();
            let mut waiting = vec![root];
            while let Some(block) = waiting.pop() {
                if std::mem::replace(&mut open[block.index() - base], false) {
                    members.push(block);
                    waiting.extend(&self.block(block).predecessors);
                }
            }
            members.sort_unstable();
            let alone = members.len() == 1 && !self.block(root).successors().any(|to| to == root);
            if !members.is_empty() && !alone {
                loops.push(members);
            }
        }
        loops.sort_unstable();
        loops
    }
}
