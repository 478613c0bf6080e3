//! Records in shared memory that name each other by index.
//!
//! Another process may read what this one had half written when it died. So every index is checked, every walk is bounded, and
//! contents that sound memory can't have are [`Damaged`].

pub mod chain;
pub mod free;
pub mod queue;

/// The link that leads nowhere. A link is one more than the index of the record that it names.
pub const NIL: u32 = 0;

/// The memory has contents that it can't have: they are to be thrown away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged;

/// The index of the record that a link names.
///
/// # Errors
/// [`Damaged`] for [`NIL`].
pub fn index(link: u32) -> Result<usize, Damaged> {
    (link as usize).checked_sub(1).ok_or(Damaged)
}

/// The record that a link names.
///
/// # Errors
/// [`Damaged`] where there is none.
pub fn at<T>(records: &[T], link: u32) -> Result<&T, Damaged> {
    records.get(index(link)?).ok_or(Damaged)
}

/// The same, to be changed.
///
/// # Errors
/// [`Damaged`] where there is none.
pub fn at_mut<T>(records: &mut [T], link: u32) -> Result<&mut T, Damaged> {
    records.get_mut(index(link)?).ok_or(Damaged)
}

/// The bucket, one of `count`, of a key whose bytes are as evenly distributed as those of a hash.
#[must_use]
pub fn bucket(key: &[u8; 32], count: usize) -> usize {
    let [a, b, c, d, e, f, g, h, ..] = *key;
    spread(u64::from_le_bytes([a, b, c, d, e, f, g, h]), count)
}

/// Maps an evenly distributed hash to a number below `count`, without a division.
#[must_use]
pub fn spread(hash: u64, count: usize) -> usize {
    ((u128::from(hash) * count as u128) >> 64) as usize
}
