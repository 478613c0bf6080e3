//! The bytes of an outcome, between workers. Input: any bytes.

use http::HeaderValue;
use nginx_authgear::resolver::relay;
use nginx_authgear::session::Resolution;
use nginx_authgear::session::answer::{Answer, Finding};

use super::codec;

pub fn run(bytes: &[u8]) {
    let Some((outcome, stamp)) = relay::decode(bytes) else { return };
    assert_eq!(relay::encode(&outcome, stamp.as_ref()), bytes, "{outcome:?} {stamp:?}");
    match outcome {
        Ok(Answer { finding: Finding::Resolved(resolution), set_cookies, .. }) => {
            assert!(set_cookies.is_empty(), "a cookie is for one client");
            assert!(stamp.is_none_or(|stamp| stamp.until >= stamp.asked));
            assert!(!matches!(resolution, Resolution::Valid(ref session) if session.headers().is_empty()));
            codec::check(&resolution);
        }
        Ok(Answer { finding: Finding::Refused(refusal), set_cookies, max_age }) => {
            assert!(matches!(refusal.status, 401 | 403));
            assert!(refusal.challenges.iter().all(|line| HeaderValue::from_bytes(line).is_ok()));
            assert_eq!((set_cookies.len(), max_age, stamp), (0, None, None));
        }
        Err(error) => {
            assert_eq!(stamp, None);
            assert!(!error.reason().is_empty());
        }
    }
}
