//! Where a site passes no request headers, the variables serve.

use super::super::harness::for_each_wire;
use super::super::stage::{by, identity, user_id};
use super::{Kind, forged};

#[test]
fn without_request_headers_the_variables_carry_the_identity() {
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Grpc) {
        println!("{kind:?}");
        let stage = kind.stage();
        let module = kind.module();
        let set = if kind.is_cgi() { format!("{module}_param") } else { format!("{module}_set_header") };
        let lines = format!(
            "{module}_pass_request_headers off; {set} REMOTE_USER $authgear_user_id;
             {set} REMOTE_ROLES $authgear_user_roles; {set} BY_HEADER $http_x_authgear_user_id;"
        );
        let nginx = kind.builder(&stage, &lines).start();
        for_each_wire(|wire| {
            for (user, roles) in [("alice", "admin,editor"), ("norole", "")] {
                let seen = stage.ask(&nginx, wire, by(user, forged("/")));
                assert_eq!(identity(&seen), []);
                assert_eq!(seen.text("REMOTE_USER"), Some(user_id(user).as_str()));
                assert_eq!(seen.text("BY_HEADER"), Some(user_id(user).as_str()));
                assert_eq!(seen.text("REMOTE_ROLES").unwrap_or_default(), roles);
            }
            for request in [forged("/"), by("alice", forged("/open/"))] {
                let seen = stage.ask(&nginx, wire, request);
                assert_eq!(seen.text("REMOTE_USER").unwrap_or_default(), "");
                assert_eq!(seen.text("BY_HEADER").unwrap_or_default(), "");
            }
        });
        nginx.finish();
    }
}
