//! Reads certificates from PEM files, under each label that OpenSSL supports.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The labels. Under the second one, OpenSSL appends its own trust settings to the certificate.
const LABELS: [&[u8]; 3] = [b"CERTIFICATE", TRUSTED, b"X509 CERTIFICATE"];
const TRUSTED: &[u8] = b"TRUSTED CERTIFICATE";

pub(super) struct Block {
    pub(super) der: Vec<u8>,
    pub(super) has_settings: bool,
}

/// The certificates in a file, in order. A damaged one is an `Err` that says what is wrong with it. Text between blocks
/// and blocks of other kinds are skipped.
pub(super) fn certificates(text: &[u8]) -> Vec<Result<Block, &'static str>> {
    let mut found = Vec::new();
    let mut open: Option<(&[u8], Vec<u8>)> = None;
    for line in without_mark(text).split(|byte| matches!(byte, b'\n' | b'\r')) {
        // Like OpenSSL, strip trailing blanks and control characters, including the DOS end-of-file mark.
        let end = line.iter().rposition(|byte| *byte > b' ').map_or(0, |last| last + 1);
        let line = line.get(..end).unwrap_or_default();
        if let Some(label) = label(line, b"-----BEGIN ") {
            if open.replace((label, Vec::new())).is_some_and(|(label, _)| LABELS.contains(&label)) {
                found.push(Err(CUT_OFF));
            }
        } else if let Some(ended) = label(line, b"-----END ") {
            let Some((label, text)) = open.take_if(|(label, _)| *label == ended) else { continue };
            if LABELS.contains(&label) {
                let der = STANDARD.decode(text).map_err(|_| "it is not base64");
                found.push(der.map(|der| Block { der, has_settings: label == TRUSTED }));
            }
        } else if let Some((_, text)) = &mut open {
            text.extend(line.iter().filter(|byte| !byte.is_ascii_whitespace()));
        }
    }
    if open.is_some_and(|(label, _)| LABELS.contains(&label)) {
        found.push(Err(CUT_OFF));
    }
    found
}

const CUT_OFF: &str = "its END line is missing";

fn label<'a>(line: &'a [u8], begin: &[u8]) -> Option<&'a [u8]> {
    line.strip_prefix(begin)?.strip_suffix(b"-----")
}

/// Strips the byte order mark that editors on Windows may add.
pub(super) fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)
}

/// Whether the file contains an encrypted private key, in the PKCS #8 or the traditional form.
pub(super) fn has_encrypted_key(text: &[u8]) -> bool {
    [&b"BEGIN ENCRYPTED PRIVATE KEY-----"[..], b"Proc-Type: 4,ENCRYPTED"]
        .iter()
        .any(|mark| memchr::memmem::find(text, mark).is_some())
}
