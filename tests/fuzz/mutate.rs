//! Makes new inputs from old ones, without knowing what they are: the least that a fuzzer does. The same seed makes the same.

use std::fs;
use std::path::Path;

/// Bytes at which parsers decide.
const INTERESTING: &[u8] = b"\0\t\n\r \"$%&,-./0:;=@A\\_a~\x7f\x80\xff";

/// Longer inputs than this are left to libFuzzer.
const MAX_LEN: usize = 24 * 1024;

pub struct Mutator {
    state: u64,
    words: Vec<Vec<u8>>,
}

impl Mutator {
    /// `words` are put in, now and then.
    pub fn new(seed: u64, words: Vec<Vec<u8>>) -> Self {
        Self { state: seed, words }
    }

    /// SplitMix64.
    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `count`, 0 where there is none.
    pub fn below(&mut self, count: usize) -> usize {
        usize::try_from(self.next() % (count.max(1) as u64)).unwrap()
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len()))
    }

    /// An input made from one of these, or from two.
    pub fn input(&mut self, from: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = self.pick(from).cloned().unwrap_or_default();
        for _ in 0..=self.below(6) {
            self.change(&mut bytes, from);
        }
        bytes.truncate(MAX_LEN);
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>, from: &[Vec<u8>]) {
        let (at, to) = self.range(bytes.len());
        match self.below(9) {
            0 => self.overwrite(bytes, at),
            1 => bytes.insert(at, self.byte()),
            2 => drop(bytes.drain(at..to)),
            3 => {
                let again = bytes[at..to].repeat(1 + self.below(3));
                bytes.splice(at..at, again);
            }
            4 => {
                let piece = bytes[at..to].to_vec();
                let place = self.below(bytes.len() + 1);
                bytes.splice(place..place, piece);
            }
            5 | 6 => {
                let word = self.word();
                // In the place of something, or before it.
                let end = if self.below(2) == 0 { to } else { at };
                bytes.splice(at..end, word);
            }
            7 => {
                let other = self.pick(from).cloned().unwrap_or_default();
                let (start, end) = self.range(other.len());
                bytes.splice(at..to, other[start..end].iter().copied());
            }
            _ => {
                let count = 1 << self.below(13);
                let byte = self.byte();
                bytes.splice(at..at, vec![byte; count]);
            }
        }
    }

    fn overwrite(&mut self, bytes: &mut [u8], at: usize) {
        let (byte, bit) = (self.byte(), 1 << self.below(8));
        let flip = self.below(2) == 0;
        if let Some(old) = bytes.get_mut(at) {
            *old = if flip { *old ^ bit } else { byte };
        }
    }

    fn byte(&mut self) -> u8 {
        let any = self.next().to_le_bytes()[0];
        if self.below(2) == 0 { any } else { self.pick(INTERESTING).copied().unwrap_or(any) }
    }

    fn word(&mut self) -> Vec<u8> {
        let place = self.below(self.words.len());
        self.words.get(place).cloned().unwrap_or_else(|| vec![self.byte()])
    }

    /// A part of something that is so long: mostly a short one.
    fn range(&mut self, len: usize) -> (usize, usize) {
        let at = self.below(len + 1);
        let most = if self.below(4) == 0 { len } else { 16 };
        (at, (at + self.below(most)).min(len))
    }
}

/// The words of a dictionary as libFuzzer has it: `"word"` or `name="word"` on a line, with `\\`, `\"` and `\xNN`.
pub fn dictionary(path: &Path) -> Vec<Vec<u8>> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let words = text.lines().filter(|line| !line.starts_with('#'));
    words.filter_map(|line| Some(unescape(line.split_once('"')?.1.strip_suffix('"')?))).collect()
}

fn unescape(word: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = word.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.strip_prefix(b"x").and_then(|hex| std::str::from_utf8(hex.get(..2)?).ok());
        match (first, hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()), after.first()) {
            (b'\\', Some(byte), _) => (bytes.push(byte), rest = &after[3..]).1,
            (b'\\', None, Some(escaped)) => (bytes.push(*escaped), rest = &after[1..]).1,
            _ => (bytes.push(*first), rest = after).1,
        }
    }
    bytes
}

/// The files of a corpus, in the order of their names.
pub fn corpus(folder: &Path) -> Vec<Vec<u8>> {
    let mut files: Vec<_> =
        fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}
