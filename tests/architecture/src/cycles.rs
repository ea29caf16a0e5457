//! Cycles of imports.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::imports::Import;

/// Which files each file imports.
type Neighbours<'a> = BTreeMap<&'a Path, BTreeSet<&'a Path>>;

/// The groups of files that import each other, however far around.
#[must_use]
pub fn cycles(imports: &[Import]) -> Vec<Vec<PathBuf>> {
    let mut neighbours = Neighbours::new();
    for Import { from, to, .. } in imports {
        neighbours.entry(from).or_default().insert(to);
    }
    let reach: Neighbours<'_> = neighbours
        .keys()
        .map(|file| (*file, reachable(&neighbours, file)))
        .collect();
    let reaches = |from: &Path, to: &Path| reach.get(from).is_some_and(|all| all.contains(to));
    let mut groups: Vec<Vec<PathBuf>> = Vec::new();
    for file in reach.keys().filter(|file| reaches(file, file)) {
        let group = groups
            .iter_mut()
            .find(|group| reaches(file, &group[0]) && reaches(&group[0], file));
        match group {
            Some(group) => group.push(file.to_path_buf()),
            None => groups.push(vec![file.to_path_buf()]),
        }
    }
    groups
}

fn reachable<'a>(neighbours: &Neighbours<'a>, start: &'a Path) -> BTreeSet<&'a Path> {
    let mut found = BTreeSet::new();
    let mut left = vec![start];
    while let Some(file) = left.pop() {
        for next in neighbours.get(file).into_iter().flatten() {
            if found.insert(*next) {
                left.push(next);
            }
        }
    }
    found
}
