//! The coarsest partition in which equivalent elements refer to equivalent elements (Hopcroft's algorithm for the
//! minimization of automata: every element is a state, every numbered reference a transition).
//!
//! Takes O(m log n) for m references, whatever the input.

/// Elements grouped into classes.
pub(super) struct Partition {
    /// All elements, those of a class side by side.
    elements: Vec<u32>,
    /// Where each element stands in `elements`.
    place: Vec<u32>,
    /// Class of each element.
    class: Vec<u32>,
    /// Start and end in `elements` of each class.
    bounds: Vec<(u32, u32)>,
    /// How many elements at the start of each class are marked.
    marked: Vec<u32>,
}

/// References to each element: where from, and as which part.
pub(super) struct Incoming {
    starts: Vec<u32>,
    edges: Vec<(u32, u32)>,
}

impl Incoming {
    /// From all references: source, part, target.
    pub(super) fn new(count: usize, references: &[(u32, u32, u32)]) -> Self {
        let mut starts = vec![0u32; count + 1];
        for (_, _, target) in references {
            starts[*target as usize + 1] += 1;
        }
        for index in 0..count {
            starts[index + 1] += starts[index];
        }
        let mut next = starts.clone();
        let mut edges = vec![(0, 0); references.len()];
        for (source, part, target) in references {
            let slot = &mut next[*target as usize];
            edges[*slot as usize] = (*part, *source);
            *slot += 1;
        }
        Incoming { starts, edges }
    }

    fn of(&self, element: u32) -> &[(u32, u32)] {
        &self.edges[self.starts[element as usize] as usize..self.starts[element as usize + 1] as usize]
    }
}

impl Partition {
    /// Starts from given classes, numbered from 0 without gaps.
    pub(super) fn new(class: Vec<u32>) -> Self {
        let classes = class.iter().max().map_or(0, |m| *m as usize + 1);
        let mut sizes = vec![0u32; classes];
        class.iter().for_each(|c| sizes[*c as usize] += 1);
        let mut bounds = Vec::with_capacity(classes);
        let mut start = 0;
        for size in sizes {
            bounds.push((start, start + size));
            start += size;
        }
        let mut next: Vec<u32> = bounds.iter().map(|b| b.0).collect();
        let (mut elements, mut place) = (vec![0; class.len()], vec![0; class.len()]);
        for (element, class) in class.iter().enumerate() {
            let slot = &mut next[*class as usize];
            place[element] = *slot;
            elements[*slot as usize] = element as u32;
            *slot += 1;
        }
        Partition { elements, place, class, marked: vec![0; classes], bounds }
    }

    /// Splits classes until equivalent elements refer to equivalent elements.
    pub(super) fn refine(&mut self, incoming: &Incoming) {
        let mut waiting: Vec<u32> = (0..self.bounds.len() as u32).collect();
        let mut edges = Vec::new();
        while let Some(splitter) = waiting.pop() {
            let (start, end) = self.bounds[splitter as usize];
            edges.clear();
            for element in &self.elements[start as usize..end as usize] {
                edges.extend_from_slice(incoming.of(*element));
            }
            edges.sort_unstable();
            for part in edges.chunk_by(|a, b| a.0 == b.0) {
                self.split(part, &mut waiting);
            }
        }
    }

    /// Parts the sources of some references from the rest of their classes.
    fn split(&mut self, sources: &[(u32, u32)], waiting: &mut Vec<u32>) {
        let mut touched = Vec::new();
        for (_, element) in sources {
            let class = self.class[*element as usize];
            if self.marked[class as usize] == 0 {
                touched.push(class);
            }
            self.mark(*element, class);
        }
        for class in touched {
            let marked = std::mem::take(&mut self.marked[class as usize]);
            let (start, end) = self.bounds[class as usize];
            if marked == end - start {
                continue;
            }
            // The smaller half becomes a new class; if the old one waits still, both halves do now, and if not,
            // the smaller is enough.
            let middle = start + marked;
            let (new, old) = if middle - start <= end - middle {
                ((start, middle), (middle, end))
            } else {
                ((middle, end), (start, middle))
            };
            let number = self.bounds.len() as u32;
            self.bounds[class as usize] = old;
            self.bounds.push(new);
            self.marked.push(0);
            for element in &self.elements[new.0 as usize..new.1 as usize] {
                self.class[*element as usize] = number;
            }
            waiting.push(number);
        }
    }

    /// Moves an element to the marked ones at the start of its class, unless it is there.
    fn mark(&mut self, element: u32, class: u32) {
        let border = self.bounds[class as usize].0 + self.marked[class as usize];
        let place = self.place[element as usize];
        if place < border {
            return;
        }
        let other = self.elements[border as usize];
        self.elements.swap(place as usize, border as usize);
        self.place[element as usize] = border;
        self.place[other as usize] = place;
        self.marked[class as usize] += 1;
    }

    /// The class of each element.
    pub(super) fn classes(&self) -> &[u32] {
        &self.class
    }
}
