//! Parses the `exp` claim of a JWT. Other claims are skipped without storing them, since the sender controls how many there
//! are.
//!
//! Names are compared as bytes, and skipped values only need the structure of JSON: claims that the resolver accepts must not
//! be rejected here. Errors are never reported, so the visitors' `expecting` methods write nothing.

use std::fmt;

use serde_core::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// If a claim occurs more than once, the last one applies.
#[derive(Default)]
pub(super) struct Claims {
    /// In Unix seconds, rounded down. `None` if it is missing or not a number that can be a time.
    pub(super) exp: Option<u64>,
}

impl<'de> Deserialize<'de> for Claims {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ClaimsVisitor)
    }
}

struct ClaimsVisitor;

impl<'de> Visitor<'de> for ClaimsVisitor {
    type Value = Claims;

    fn expecting(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Claims, A::Error> {
        let mut claims = Claims::default();
        while let Some(Name { is_exp }) = map.next_key()? {
            if is_exp {
                Seconds(claims.exp) = map.next_value()?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(claims)
    }
}

/// The name of a claim.
struct Name {
    is_exp: bool,
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(NameVisitor)
    }
}

struct NameVisitor;

impl Visitor<'_> for NameVisitor {
    type Value = Name;

    fn expecting(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }

    fn visit_bytes<E: Error>(self, name: &[u8]) -> Result<Name, E> {
        Ok(Name { is_exp: name == b"exp" })
    }
}

/// The value of an `exp` claim.
struct Seconds(Option<u64>);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecondsVisitor)
    }
}

struct SecondsVisitor;

impl<'de> Visitor<'de> for SecondsVisitor {
    type Value = Seconds;

    fn expecting(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }

    fn visit_u64<E: Error>(self, seconds: u64) -> Result<Seconds, E> {
        Ok(Seconds(Some(seconds)))
    }

    fn visit_f64<E: Error>(self, seconds: f64) -> Result<Seconds, E> {
        // A float beyond the range of u64 saturates, which means that the token never expires.
        Ok(Seconds((seconds >= 0.0).then_some(seconds as u64)))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Seconds, E> {
        Ok(Seconds(None))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Seconds, E> {
        Ok(Seconds(None))
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Seconds, E> {
        Ok(Seconds(None))
    }

    fn visit_unit<E: Error>(self) -> Result<Seconds, E> {
        Ok(Seconds(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Seconds, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Seconds(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Seconds, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Seconds(None))
    }
}
