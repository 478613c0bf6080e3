//! HPACK (RFC 7541), as much as a client without compression needs.
//!
//! Requests are literals without Huffman coding, so any bytes can be sent as a name or value. The client announces a
//! dynamic table of size 0, so answers need only the static table and the Huffman code.

use std::io::{self, ErrorKind};

use super::super::message::{Field, Fields};

/// Names of the static table (appendix A), from index 1 on.
const STATIC_NAMES: &str = "\
    :authority :method :method :path :path :scheme :scheme :status :status :status :status :status \
    :status :status accept-charset accept-encoding accept-language accept-ranges accept \
    access-control-allow-origin age allow authorization cache-control content-disposition \
    content-encoding content-language content-length content-location content-range content-type cookie \
    date etag expect expires from host if-match if-modified-since if-none-match if-range \
    if-unmodified-since last-modified link location max-forwards proxy-authenticate proxy-authorization \
    range referer refresh retry-after server set-cookie strict-transport-security transfer-encoding \
    user-agent vary via www-authenticate";

/// Values of the static table that an answer may refer to: those of `:status`, from index 8 on.
const STATIC_STATUS: [&str; 7] = ["200", "204", "206", "304", "400", "404", "500"];

/// Lengths of the Huffman codes of the bytes 0 to 255 (appendix B). The code is canonical, so lengths define it.
const HUFFMAN_LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28,
    28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6,
    6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7,
    8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7,
    15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24,
    23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23,
    23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26,
    26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20,
    21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27,
    27, 27, 26,
];

/// Encodes a field that is never indexed, with its name and value as they are.
pub(crate) fn encode_field(block: &mut Vec<u8>, (name, value): &Field) {
    block.push(0x10);
    for part in [name, value] {
        encode_length(block, part.len());
        block.extend_from_slice(part);
    }
}

/// An integer with a prefix of 7 bits (section 5.1), the Huffman bit unset.
fn encode_length(block: &mut Vec<u8>, length: usize) {
    if length < 127 {
        block.push(length.to_le_bytes()[0]);
        return;
    }
    block.push(127);
    let mut rest = length - 127;
    while rest >= 128 {
        block.push((rest % 128).to_le_bytes()[0] | 0x80);
        rest /= 128;
    }
    block.push(rest.to_le_bytes()[0]);
}

/// The fields of a header block.
pub(crate) fn decode(block: &[u8]) -> io::Result<Fields> {
    let mut reader = Reader { rest: block };
    let mut fields = Vec::new();
    while let Some(first) = reader.rest.first().copied() {
        match first {
            0x80.. => fields.push(static_field(reader.integer(7)?)?),
            0x40..0x80 => fields.push(reader.literal(6)?),
            // A new size of the dynamic table, which is 0 here.
            0x20..0x40 => drop(reader.integer(5)?),
            0..0x20 => fields.push(reader.literal(4)?),
        }
    }
    Ok(fields)
}

fn static_name(index: usize) -> io::Result<String> {
    let name = index.checked_sub(1).and_then(|i| STATIC_NAMES.split(' ').nth(i));
    name.map(str::to_owned).ok_or_else(|| malformed("an index outside the static table"))
}

fn static_field(index: usize) -> io::Result<(String, Vec<u8>)> {
    let status = index.checked_sub(8).and_then(|i| STATIC_STATUS.get(i)).copied();
    Ok((static_name(index)?, status.unwrap_or_default().as_bytes().to_vec()))
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn byte(&mut self) -> io::Result<u8> {
        let (first, rest) = self.rest.split_first().ok_or_else(|| malformed("a block that ends early"))?;
        self.rest = rest;
        Ok(*first)
    }

    fn bytes(&mut self, length: usize) -> io::Result<&'a [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or_else(|| malformed("a short string"))?;
        self.rest = rest;
        Ok(bytes)
    }

    fn integer(&mut self, prefix: u32) -> io::Result<usize> {
        let limit = (1_usize << prefix) - 1;
        let mut value = usize::from(self.byte()?) & limit;
        if value < limit {
            return Ok(value);
        }
        for shift in (0..28).step_by(7) {
            let byte = self.byte()?;
            value += usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(malformed("an endless integer"))
    }

    fn string(&mut self) -> io::Result<Vec<u8>> {
        let is_huffman = self.rest.first().is_some_and(|first| first & 0x80 != 0);
        let length = self.integer(7)?;
        let bytes = self.bytes(length)?;
        if is_huffman { huffman_decode(bytes) } else { Ok(bytes.to_vec()) }
    }

    fn literal(&mut self, prefix: u32) -> io::Result<(String, Vec<u8>)> {
        let index = self.integer(prefix)?;
        let name = match index {
            0 => String::from_utf8_lossy(&self.string()?).into_owned(),
            _ => static_name(index)?,
        };
        Ok((name, self.string()?))
    }
}

/// Decodes bit by bit: slow, but short.
fn huffman_decode(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut by_length: Vec<(u8, u8)> = (0..=255).map(|b: u8| (HUFFMAN_LENGTHS[usize::from(b)], b)).collect();
    by_length.sort_unstable();
    let mut decoded = Vec::new();
    let (mut code, mut length) = (0_u32, 0_u8);
    for bit in bytes.iter().flat_map(|byte| (0..8).rev().map(move |i| byte >> i & 1)) {
        code = code << 1 | u32::from(bit);
        length += 1;
        if let Some(byte) = huffman_byte(&by_length, code, length) {
            decoded.push(byte);
            (code, length) = (0, 0);
        }
        if length > 30 {
            return Err(malformed("a Huffman code that is none"));
        }
    }
    Ok(decoded)
}

/// In a canonical code, the codes of one length follow each other, and start at twice the end of the length before.
fn huffman_byte(by_length: &[(u8, u8)], code: u32, length: u8) -> Option<u8> {
    let (mut first, mut seen) = (0_u32, 0_usize);
    for of in 5..=length {
        let count = by_length[seen..].iter().take_while(|(l, _)| *l == of).count();
        if of == length {
            let offset = usize::try_from(code.checked_sub(first)?).ok()?;
            return (offset < count).then(|| by_length[seen + offset].1);
        }
        first = (first + u32::try_from(count).ok()?) << 1;
        seen += count;
    }
    None
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("malformed answer: {what}"))
}
