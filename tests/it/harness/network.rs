//! A private network for a test: a loopback interface with the addresses that the test needs.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::panic::resume_unwind;
use std::process::{Child, Command, Stdio};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Each word is an address with the length of its network prefix; `-6` disables IPv6.
const SET_UP: &str = r#"
ip link set lo up || exit
for word in "$@"; do
    if [ "$word" = -6 ]; then
        echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6 || exit
    else
        ip address add "$word" dev lo || exit
    fi
done
echo ready
read -r _"#;

/// As on a usual machine: non-loopback addresses of both families, so that both are used.
pub(crate) const BOTH_FAMILIES: &[&str] = &["192.0.2.1/32", "2001:db8::1/128"];

/// Runs a test in a private network, which no other process can reach. Sockets that the test's thread creates and processes
/// that it starts belong to that network. If this machine doesn't allow it, prints that and skips the test.
pub(crate) fn in_own_network(set_up: &[&str], test: impl FnOnce() + Send) {
    let Some(network) = Network::new(set_up) else {
        let _ = io::stderr().write_all(b"skipped: no network of its own without root and namespaces\n");
        return;
    };
    // On a separate thread: the test program's thread may go on to run other tests.
    let ended = std::thread::scope(|scope| {
        scope
            .spawn(|| {
                network.enter();
                test();
            })
            .join()
    });
    if let Err(panic) = ended {
        resume_unwind(panic);
    }
}

/// The process that keeps the network alive.
struct Network(Child);

impl Network {
    fn new(set_up: &[&str]) -> Option<Self> {
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", SET_UP, "sh"]).args(set_up);
        let holder =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
        let mut network = Self(holder);
        let mut line = String::new();
        BufReader::new(network.0.stdout.take()?).read_line(&mut line).ok()?;
        (line == "ready\n").then_some(network)
    }

    fn enter(&self) {
        let network = File::open(format!("/proc/{}/ns/net", self.0.id())).expect("it has one");
        move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))
            .expect("it may be entered");
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // Its last command reads its standard input until then.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
