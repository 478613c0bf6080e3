//! The simplest store that keeps the rules. Property tests and the fuzz targets hold the real one against it; both have the
//! types that it is about.

#![allow(unreachable_pub, reason = "programs that include it have no outside of their own")]

use super::{Kind, Millis, Put, Stamp, Usage};

/// What one process does.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    Put { name: u64, user: u64, stamp: Stamp, len: usize },
    Get { name: u64 },
    Void { name: u64, asked: Millis },
    Touch { name: u64 },
    Format,
}

pub struct Entry {
    pub name: u64,
    pub user: u64,
    pub stamp: Stamp,
    pub payload: Vec<u8>,
    /// The number of the step that put it in.
    pub number: usize,
}

impl Entry {
    fn weight(&self) -> usize {
        self.payload.len().div_ceil(60).max(1)
    }

    fn is_valid(&self) -> bool {
        self.stamp.kind == Kind::Valid
    }
}

/// The least recently used go first.
#[derive(Default)]
pub struct Model {
    pub entries: Vec<Entry>,
    pub evictions: u64,
}

impl Model {
    pub fn get(&mut self, name: u64) -> Option<(Stamp, Vec<u8>)> {
        let place = self.entries.iter().position(|entry| entry.name == name)?;
        let entry = self.entries.remove(place);
        let found = (entry.stamp, entry.payload.clone());
        self.entries.push(entry);
        Some(found)
    }

    pub fn touch(&mut self, name: u64) {
        self.get(name);
    }

    pub fn void(&mut self, name: u64, asked: Millis) {
        let entry = self.entries.iter_mut().find(|entry| entry.name == name && entry.is_valid());
        if let Some(entry) = entry.filter(|entry| entry.stamp.asked <= asked) {
            (entry.stamp.asked, entry.stamp.until) = (asked, asked);
        }
    }

    pub fn put(&mut self, new: Entry) -> Put {
        if let Some(place) = self.entries.iter().position(|entry| entry.name == new.name) {
            if self.entries[place].stamp.asked > new.stamp.asked {
                return Put::Older;
            }
            self.entries.remove(place);
        }
        let (entries, blocks) = if new.is_valid() { (35, 70) } else { (5, 10) };
        if new.weight() > blocks {
            return Put::TooLarge;
        }
        let of_user = |entry: &&Entry| new.is_valid() && entry.is_valid() && entry.user == new.user;
        if self.entries.iter().filter(of_user).count() == 16 {
            let oldest =
                self.entries.iter().filter(of_user).min_by_key(|entry| (entry.stamp.asked, entry.number));
            let oldest = oldest.unwrap().name;
            self.entries.retain(|entry| entry.name != oldest);
        }
        let mut crowded_out = None;
        loop {
            let same = || self.entries.iter().filter(|entry| entry.is_valid() == new.is_valid());
            let weight = same().map(Entry::weight).sum::<usize>();
            if same().count() < entries && weight + new.weight() <= blocks {
                break;
            }
            let place = self.entries.iter().position(|entry| entry.is_valid() == new.is_valid()).unwrap();
            let gone = self.entries.remove(place);
            crowded_out = crowded_out.max(gone.is_valid().then_some(gone.stamp.asked));
            self.evictions += 1;
        }
        self.entries.push(new);
        Put::Stored { crowded_out }
    }

    pub fn usage(&self) -> Usage {
        let valid = self.entries.iter().filter(|entry| entry.is_valid()).count() as u32;
        let negative = self.entries.len() as u32 - valid;
        Usage { valid, negative, evictions: self.evictions }
    }
}
