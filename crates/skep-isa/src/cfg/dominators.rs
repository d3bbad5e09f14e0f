//! Dominators, by the algorithm of Lengauer and Tarjan (1979) with path compression.

use super::{BlockId, Cfg};

/// The dominator tree of one subprogram: a block dominates another if every path from the entry to the other leads
/// through it.
#[derive(Clone, Debug)]
pub struct Dominators {
    base: usize,
    /// By block: number in the tree's preorder and the last number below it; `None` where unreachable.
    spans: Vec<Option<(u32, u32)>>,
    parents: Vec<Option<BlockId>>,
}

impl Dominators {
    fn local(&self, block: BlockId) -> Option<usize> {
        block.index().checked_sub(self.base).filter(|local| *local < self.parents.len())
    }

    /// The closest other block that dominates this one; `None` for the entry and for unreachable blocks.
    pub fn immediate(&self, block: BlockId) -> Option<BlockId> {
        self.parents[self.local(block)?]
    }

    /// Whether `a` dominates `b`. Every reachable block dominates itself; unreachable blocks take no part.
    pub fn dominates(&self, a: BlockId, b: BlockId) -> bool {
        let span = |block| self.spans[self.local(block)?];
        match (span(a), span(b)) {
            (Some((first, last)), Some((other, _))) => (first..=last).contains(&other),
            _ => false,
        }
    }
}

impl Cfg {
    /// The dominator tree of a subprogram.
    ///
    /// # Panics
    /// If there is no such subprogram.
    pub fn dominators(&self, subprogram: usize) -> Dominators {
        let sub = &self.subprograms[subprogram];
        let base = sub.entry.index();
        let mut forest = Forest::walk(self, sub.entry, sub.blocks().len());
        let parents = forest.immediate_dominators(self, base);
        let spans = spans(&parents, &forest.preorder, base);
        Dominators { base, spans, parents }
    }
}

/// The state of the algorithm. Blocks go by their numbers in depth-first preorder.
struct Forest {
    /// Block by preorder number.
    preorder: Vec<BlockId>,
    /// Preorder number by block, counted from the entry.
    numbers: Vec<Option<usize>>,
    /// Parent in the depth-first tree.
    tree_parent: Vec<usize>,
    /// Parent in the forest of linked vertices; compressed.
    ancestor: Vec<Option<usize>>,
    /// The vertex of least semidominator on the compressed path.
    label: Vec<usize>,
    semi: Vec<usize>,
}

impl Forest {
    fn walk(cfg: &Cfg, entry: BlockId, len: usize) -> Forest {
        let mut forest = Forest {
            preorder: Vec::new(),
            numbers: vec![None; len],
            tree_parent: Vec::new(),
            ancestor: Vec::new(),
            label: Vec::new(),
            semi: Vec::new(),
        };
        let mut waiting = vec![(entry, 0)];
        while let Some((block, parent)) = waiting.pop() {
            let number = forest.preorder.len();
            let seen = &mut forest.numbers[block.index() - entry.index()];
            if seen.is_some() {
                continue;
            }
            *seen = Some(number);
            forest.preorder.push(block);
            forest.tree_parent.push(parent);
            waiting.extend(cfg.block(block).successors().rev().map(|to| (to, number)));
        }
        forest.ancestor = vec![None; forest.preorder.len()];
        forest.label = (0..forest.preorder.len()).collect();
        forest.semi = forest.label.clone();
        forest
    }

    /// The vertex of least semidominator on the forest path to `v`, its root left out.
    fn eval(&mut self, v: usize) -> usize {
        let mut path = Vec::new();
        let mut at = v;
        while let Some(up) = self.ancestor[at] {
            path.push(at);
            at = up;
        }
        let root = at;
        // The vertex below the root keeps its label; those below take the least on the way down.
        let mut above: Option<usize> = None;
        while let Some(vertex) = path.pop() {
            if let Some(above) = above {
                if self.semi[self.label[above]] < self.semi[self.label[vertex]] {
                    self.label[vertex] = self.label[above];
                }
                self.ancestor[vertex] = Some(root);
            }
            above = Some(vertex);
        }
        self.label[v]
    }

    /// By block counted from the entry.
    fn immediate_dominators(&mut self, cfg: &Cfg, base: usize) -> Vec<Option<BlockId>> {
        let count = self.preorder.len();
        let mut dominator = vec![0; count];
        let mut bucket: Vec<Vec<usize>> = vec![Vec::new(); count];
        for w in (1..count).rev() {
            for block in &cfg.block(self.preorder[w]).predecessors {
                let Some(v) = self.numbers[block.index() - base] else { continue };
                let u = self.eval(v);
                self.semi[w] = self.semi[w].min(self.semi[u]);
            }
            bucket[self.semi[w]].push(w);
            let parent = self.tree_parent[w];
            self.ancestor[w] = Some(parent);
            for v in std::mem::take(&mut bucket[parent]) {
                let u = self.eval(v);
                dominator[v] = if self.semi[u] < self.semi[v] { u } else { parent };
            }
        }
        let mut parents = vec![None; self.numbers.len()];
        for w in 1..count {
            if dominator[w] != self.semi[w] {
                dominator[w] = dominator[dominator[w]];
            }
            parents[self.preorder[w].index() - base] = Some(self.preorder[dominator[w]]);
        }
        parents
    }
}

/// Numbers the dominator tree in preorder: the blocks that a block dominates have consecutive numbers.
fn spans(parents: &[Option<BlockId>], preorder: &[BlockId], base: usize) -> Vec<Option<(u32, u32)>> {
    let mut sizes = vec![0u32; parents.len()];
    // Dominators come before what they dominate in the depth-first preorder.
    for block in preorder.iter().rev() {
        let local = block.index() - base;
        sizes[local] += 1;
        if let Some(parent) = parents[local] {
            sizes[parent.index() - base] += sizes[local];
        }
    }
    let mut spans = vec![None; parents.len()];
    let mut free = vec![0u32; parents.len()];
    for block in preorder {
        let local = block.index() - base;
        let first = match parents[local] {
            Some(parent) => {
                let next = &mut free[parent.index() - base];
                let first = *next;
                *next += sizes[local];
                first
            }
            None => 0,
        };
        spans[local] = Some((first, first + sizes[local] - 1));
        free[local] = first + 1;
    }
    spans
}
