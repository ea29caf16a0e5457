//! Which rooms a crate has, and which may import which.

use std::path::Path;

use crate::imports::Import;

/// A crate's rooms, lowest first: a room imports only rooms that come before it.
///
/// A room is a folder, or a file at the top. Files that no room has belong to the crate's root, which imports all and
/// which nothing imports.
#[derive(Clone, Copy, Debug)]
pub struct Rooms(pub &'static [&'static str]);

impl Rooms {
    /// Imports that go up.
    #[must_use]
    pub fn upward<'a>(&self, imports: &'a [Import]) -> Vec<&'a Import> {
        let goes_up = |import: &&Import| self.level(&import.to) > self.level(&import.from);
        imports.iter().filter(goes_up).collect()
    }

    /// How high the room of this file is.
    fn level(&self, file: &Path) -> usize {
        let file = file.with_extension("");
        let is_inside = |room: &str| file.starts_with(room);
        let longest = |&(_, room): &(usize, &&str)| room.len();
        let rooms = self
            .0
            .iter()
            .enumerate()
            .filter(|(_, room)| is_inside(room));
        rooms
            .max_by_key(longest)
            .map_or(self.0.len(), |(level, _)| level)
    }
}
