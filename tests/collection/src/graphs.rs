//! Graphs: paths, trees, orders, components.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, VecDeque};

use serde::{Deserialize, Serialize};
use wasp_core::virtine;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    pub from: usize,
    pub to: usize,
    pub cost: u32,
}

fn adjacency(n: usize, edges: &[Edge]) -> Vec<Vec<(usize, u32)>> {
    let mut list = vec![Vec::new(); n];
    for edge in edges {
        list[edge.from].push((edge.to, edge.cost));
    }
    list
}

#[virtine]
pub fn dijkstra(n: usize, edges: Vec<Edge>, source: usize) -> Vec<Option<u32>> {
    let graph = adjacency(n, &edges);
    let mut distance: Vec<Option<u32>> = vec![None; n];
    let mut queue = BinaryHeap::from([Reverse((0, source))]);
    while let Some(Reverse((cost, node))) = queue.pop() {
        if distance[node].is_some_and(|known| known <= cost) {
            continue;
        }
        distance[node] = Some(cost);
        for &(next, step) in &graph[node] {
            queue.push(Reverse((cost + step, next)));
        }
    }
    distance
}

#[virtine]
pub fn bellman_ford(
    n: usize,
    edges: &[(usize, usize, i64)],
    source: usize,
) -> Result<Vec<i64>, String> {
    let mut distance = vec![i64::MAX; n];
    distance[source] = 0;
    for round in 0..n {
        let mut changed = false;
        for &(from, to, weight) in edges {
            if distance[from] == i64::MAX {
                continue;
            }
            let candidate = distance[from] + weight;
            if candidate < distance[to] {
                if round == n - 1 {
                    return Err(format!("negative cycle through {to}"));
                }
                distance[to] = candidate;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    Ok(distance)
}

#[virtine]
pub fn floyd_warshall(mut d: Vec<Vec<Option<u32>>>) -> Vec<Vec<Option<u32>>> {
    let n = d.len();
    for k in 0..n {
        for i in 0..n {
            for j in 0..n {
                if let (Some(a), Some(b)) = (d[i][k], d[k][j]) {
                    let through = a + b;
                    d[i][j] = Some(d[i][j].map_or(through, |direct| direct.min(through)));
                }
            }
        }
    }
    d
}

#[virtine]
pub fn bfs_levels(edges: HashMap<u32, Vec<u32>>, start: u32) -> BTreeMap<u32, usize> {
    let mut levels = BTreeMap::new();
    let mut queue = VecDeque::new();
    queue.push_back((start, 0));
    while let Some((node, level)) = queue.pop_front() {
        if levels.contains_key(&node) {
            continue;
        }
        levels.insert(node, level);
        if let Some(neighbours) = edges.get(&node) {
            queue.extend(neighbours.iter().map(|&next| (next, level + 1)));
        }
    }
    levels
}

#[virtine]
pub fn depth_first_order(graph: Vec<Vec<usize>>) -> Vec<usize> {
    fn visit(node: usize, graph: &[Vec<usize>], seen: &mut HashSet<usize>, out: &mut Vec<usize>) {
        if !seen.insert(node) {
            return;
        }
        out.push(node);
        for &next in &graph[node] {
            visit(next, graph, seen, out);
        }
    }
    let mut seen = HashSet::new();
    let mut out = Vec::new();
    (0..graph.len()).for_each(|node| visit(node, &graph, &mut seen, &mut out));
    out
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub enum Order {
    Sorted(Vec<String>),
    Cyclic { left: usize },
}

#[virtine]
pub fn topological_order(dependencies: Vec<(String, String)>) -> Order {
    let mut incoming: BTreeMap<&str, usize> = BTreeMap::new();
    let mut outgoing: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (before, after) in &dependencies {
        *incoming.entry(after).or_default() += 1;
        incoming.entry(before).or_insert(0);
        outgoing.entry(before).or_default().push(after);
    }
    let mut ready: BTreeSet<&str> = incoming
        .iter()
        .filter(|(_, count)| **count == 0)
        .map(|(&name, _)| name)
        .collect();
    let mut sorted = Vec::new();
    while let Some(name) = ready.pop_first() {
        sorted.push(name.to_string());
        for after in outgoing.get(name).into_iter().flatten() {
            let count = incoming.get_mut(after).expect("all are counted");
            *count -= 1;
            if *count == 0 {
                ready.insert(after);
            }
        }
    }
    match incoming.len() - sorted.len() {
        0 => Order::Sorted(sorted),
        left => Order::Cyclic { left },
    }
}

struct DisjointSets {
    parent: Vec<usize>,
    size: Vec<usize>,
}

impl DisjointSets {
    fn new(n: usize) -> Self {
        DisjointSets {
            parent: (0..n).collect(),
            size: vec![1; n],
        }
    }

    fn find(&mut self, x: usize) -> usize {
        if self.parent[x] != x {
            self.parent[x] = self.find(self.parent[x]);
        }
        self.parent[x]
    }

    fn union(&mut self, a: usize, b: usize) -> bool {
        let (mut a, mut b) = (self.find(a), self.find(b));
        if a == b {
            return false;
        }
        if self.size[a] < self.size[b] {
            std::mem::swap(&mut a, &mut b);
        }
        self.parent[b] = a;
        self.size[a] += self.size[b];
        true
    }
}

#[virtine]
pub fn kruskal(n: usize, mut edges: Vec<Edge>) -> Option<u64> {
    edges.sort_by_key(|edge| edge.cost);
    let mut sets = DisjointSets::new(n);
    let mut used = 0;
    let mut total = 0u64;
    for Edge { from, to, cost } in edges {
        if sets.union(from, to) {
            used += 1;
            total += u64::from(cost);
        }
    }
    (used + 1 == n).then_some(total)
}

#[virtine]
pub fn components(n: usize, edges: &[(usize, usize)]) -> usize {
    let mut sets = DisjointSets::new(n);
    let mut count = n;
    for &(a, b) in edges {
        if sets.union(a, b) {
            count -= 1;
        }
    }
    count
}

#[virtine]
pub fn is_bipartite(graph: &[Vec<usize>]) -> bool {
    let mut colour = vec![None; graph.len()];
    for start in 0..graph.len() {
        if colour[start].is_some() {
            continue;
        }
        colour[start] = Some(false);
        let mut stack = vec![start];
        while let Some(node) = stack.pop() {
            for &next in &graph[node] {
                match colour[next] {
                    None => {
                        colour[next] = colour[node].map(|c: bool| !c);
                        stack.push(next);
                    }
                    same if same == colour[node] => return false,
                    _ => {}
                }
            }
        }
    }
    true
}

#[virtine]
pub fn shortest_path_in_maze(maze: Vec<String>) -> Option<usize> {
    let grid: Vec<Vec<char>> = maze.iter().map(|row| row.chars().collect()).collect();
    let find = |wanted| {
        grid.iter()
            .enumerate()
            .find_map(|(y, row)| row.iter().position(|&c| c == wanted).map(|x| (x, y)))
    };
    let (start, end) = (find('S')?, find('E')?);
    let mut seen = HashSet::from([start]);
    let mut queue = VecDeque::from([(start, 0)]);
    while let Some(((x, y), steps)) = queue.pop_front() {
        if (x, y) == end {
            return Some(steps);
        }
        for (dx, dy) in [(0i32, 1i32), (1, 0), (0, -1), (-1, 0)] {
            let (nx, ny) = (x as i32 + dx, y as i32 + dy);
            let open = ny >= 0
                && nx >= 0
                && grid
                    .get(ny as usize)
                    .and_then(|row| row.get(nx as usize))
                    .is_some_and(|&c| c != '#');
            if open && seen.insert((nx as usize, ny as usize)) {
                queue.push_back(((nx as usize, ny as usize), steps + 1));
            }
        }
    }
    None
}

#[virtine]
pub fn strongly_connected(graph: Vec<Vec<usize>>) -> Vec<Vec<usize>> {
    struct Tarjan<'g> {
        graph: &'g [Vec<usize>],
        index: Vec<Option<usize>>,
        low: Vec<usize>,
        on_stack: Vec<bool>,
        stack: Vec<usize>,
        next: usize,
        found: Vec<Vec<usize>>,
    }
    impl Tarjan<'_> {
        fn visit(&mut self, v: usize) {
            self.index[v] = Some(self.next);
            self.low[v] = self.next;
            self.next += 1;
            self.stack.push(v);
            self.on_stack[v] = true;
            for &w in &self.graph[v].clone() {
                match self.index[w] {
                    None => {
                        self.visit(w);
                        self.low[v] = self.low[v].min(self.low[w]);
                    }
                    Some(i) if self.on_stack[w] => self.low[v] = self.low[v].min(i),
                    Some(_) => (),
                }
            }
            if Some(self.low[v]) == self.index[v] {
                let mut component = vec![];
                while let Some(w) = self.stack.pop() {
                    self.on_stack[w] = false;
                    component.push(w);
                    if w == v {
                        break;
                    }
                }
                component.sort();
                self.found.push(component);
            }
        }
    }
    let n = graph.len();
    let mut tarjan = Tarjan {
        graph: &graph,
        index: vec![None; n],
        low: vec![0; n],
        on_stack: vec![false; n],
        stack: vec![],
        next: 0,
        found: vec![],
    };
    for v in 0..n {
        if tarjan.index[v].is_none() {
            tarjan.visit(v);
        }
    }
    tarjan.found.sort();
    tarjan.found
}
