//! Reads the parts of a DER-encoded certificate that the TLS library doesn't expose.

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
/// The context-specific tags `[0]` and `[3]`, constructed.
const CONTEXT_0: u8 = 0xa0;
const CONTEXT_3: u8 = 0xa3;

const BASIC_CONSTRAINTS: &[u8] = b"\x55\x1d\x13";
const KEY_USAGE: &[u8] = b"\x55\x1d\x0f";
const SERVER_AUTH: &[u8] = b"\x2b\x06\x01\x05\x05\x07\x03\x01";
const ANY_USAGE: &[u8] = b"\x55\x1d\x25\x00";
/// The `keyCertSign` bit in the first byte of a key usage.
const KEY_CERT_SIGN: u8 = 0x04;

/// Reads consecutive elements.
#[derive(Clone, Copy)]
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Returns the next element: its tag, its contents, and its complete encoding.
    fn next(&mut self) -> Option<(u8, &'a [u8], &'a [u8])> {
        let [tag, first, ..] = *self.0 else { return None };
        let (header, length) = match first {
            0..=0x7f => (2, usize::from(first)),
            0x81..=0x83 => {
                let digits = self.0.get(2..2 + usize::from(first & 0x7f))?;
                let length = digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit));
                (2 + digits.len(), length)
            }
            _ => return None,
        };
        let (whole, rest) = self.0.split_at_checked(header + length)?;
        self.0 = rest;
        Some((tag, whole.get(header..)?, whole))
    }

    /// Returns the contents of the next element if it has this tag. Otherwise the element is not consumed.
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let mut ahead = *self;
        let (found, contents, _) = ahead.next()?;
        (found == tag).then(|| {
            *self = ahead;
            contents
        })
    }
}

/// Parts of a certificate of any version.
pub(super) struct Parts<'a> {
    /// The certificate's encoding, without any trailing data.
    pub(super) whole: &'a [u8],
    /// The trailing data; a `TRUSTED CERTIFICATE` has its trust settings there.
    pub(super) rest: &'a [u8],
    /// The `SubjectPublicKeyInfo`, including its header.
    pub(super) key: &'a [u8],
    /// Whether it may sign other certificates, by OpenSSL's rules.
    pub(super) is_ca: bool,
}

impl<'a> Parts<'a> {
    pub(super) fn read(der: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(der);
        let (tag, contents, whole) = reader.next()?;
        let mut fields = Reader((tag == SEQUENCE).then(|| Reader(contents).take(SEQUENCE))??);
        let is_v1 = fields.take(CONTEXT_0).is_none();
        fields.take(INTEGER)?;
        // Signature algorithm, issuer, validity, subject.
        for _ in 0..4 {
            fields.take(SEQUENCE)?;
        }
        let (SEQUENCE, _, key) = fields.next()? else { return None };
        let is_ca = is_v1 || signs_others(fields)?;
        Some(Self { whole, rest: reader.0, key, is_ca })
    }
}

/// Parses the fields that follow the key.
fn signs_others(mut fields: Reader<'_>) -> Option<bool> {
    let (mut constraints, mut usage) = (None, None);
    while let Some((tag, contents, _)) = fields.next() {
        if tag != CONTEXT_3 {
            continue;
        }
        let mut extensions = Reader(Reader(contents).take(SEQUENCE)?);
        while let Some(extension) = extensions.take(SEQUENCE) {
            let mut extension = Reader(extension);
            let name = extension.take(OID)?;
            let value = loop {
                // A boolean may precede the value: whether the extension is critical.
                let (tag, contents, _) = extension.next()?;
                if tag == OCTET_STRING {
                    break contents;
                }
            };
            if name == BASIC_CONSTRAINTS {
                // A boolean that is only encoded if true.
                constraints = Some(Reader(value).take(SEQUENCE)?.starts_with(b"\x01\x01\xff"));
            } else if name == KEY_USAGE {
                let bits = Reader(value).take(BIT_STRING)?;
                usage = Some(bits.get(1).is_some_and(|first| first & KEY_CERT_SIGN != 0));
            }
        }
    }
    Some(constraints.unwrap_or(usage.is_some()) && usage.unwrap_or(true))
}

/// The algorithm of a key (a `SubjectPublicKeyInfo`) with its parameters: the contents of the `AlgorithmIdentifier`, in
/// the form that the TLS library compares.
pub(super) fn algorithm(key: &[u8]) -> Option<&[u8]> {
    Reader(Reader(key).take(SEQUENCE)?).take(SEQUENCE)
}

/// The size of the modulus in bits, for RSA keys.
pub(super) fn rsa_bits(key: &[u8]) -> Option<usize> {
    let mut key = Reader(Reader(key).take(SEQUENCE)?);
    key.take(SEQUENCE)?;
    let numbers = key.take(BIT_STRING)?.strip_prefix(b"\0")?;
    let modulus = Reader(Reader(numbers).take(SEQUENCE)?).take(INTEGER)?;
    let modulus = modulus.strip_prefix(b"\0").unwrap_or(modulus);
    Some(modulus.len() * 8 - modulus.first()?.leading_zeros() as usize)
}

/// Whether the settings of a `TRUSTED CERTIFICATE` (OpenSSL's `X509_AUX`) trust it for TLS servers. Settings that can't
/// be parsed don't.
pub(super) fn vouches_for_servers(settings: &[u8]) -> bool {
    if settings.is_empty() {
        return true;
    }
    let Some(settings) = Reader(settings).take(SEQUENCE) else { return false };
    let mut settings = Reader(settings);
    let names = |list: Option<&[u8]>| {
        let mut list = Reader(list?);
        let mut found = false;
        while let Some(name) = list.take(OID) {
            found |= name == SERVER_AUTH || name == ANY_USAGE;
        }
        Some(found)
    };
    let trusted = names(settings.take(SEQUENCE));
    let rejected = names(settings.take(CONTEXT_0));
    trusted != Some(false) && rejected != Some(true)
}
