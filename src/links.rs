//! Records in shared memory that refer to each other by index.
//!
//! Another process may read what this one had half written when it died. So every index is checked, every walk is bounded,
//! and contents that are impossible in sound memory are reported as [`Damaged`].

pub mod chain;
pub mod free;
pub mod queue;

/// The null link. Any other link is the index of a record plus one.
pub const NIL: u32 = 0;

/// The memory has impossible contents, which must be discarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged;

/// The index of the record that a link refers to.
///
/// # Errors
/// [`Damaged`] for [`NIL`].
pub fn index(link: u32) -> Result<usize, Damaged> {
    (link as usize).checked_sub(1).ok_or(Damaged)
}

/// The record that a link refers to.
///
/// # Errors
/// [`Damaged`] if there is no such record.
pub fn at<T>(records: &[T], link: u32) -> Result<&T, Damaged> {
    records.get(index(link)?).ok_or(Damaged)
}

/// Like [`at`], but mutable.
///
/// # Errors
/// [`Damaged`] if there is no such record.
pub fn at_mut<T>(records: &mut [T], link: u32) -> Result<&mut T, Damaged> {
    records.get_mut(index(link)?).ok_or(Damaged)
}

/// The bucket, out of `count`, for a key whose bytes are uniformly distributed, like those of a hash.
#[must_use]
pub fn bucket(key: &[u8; 32], count: usize) -> usize {
    let [a, b, c, d, e, f, g, h, ..] = *key;
    spread(u64::from_le_bytes([a, b, c, d, e, f, g, h]), count)
}

/// Maps a uniformly distributed hash to a number below `count`, without a division.
#[must_use]
pub fn spread(hash: u64, count: usize) -> usize {
    ((u128::from(hash) * count as u128) >> 64) as usize
}
