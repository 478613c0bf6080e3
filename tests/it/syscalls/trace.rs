//! strace, and reading what it wrote.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{PATIENCE, poll};

/// strace that is attached to processes, and to whatever they start.
#[derive(Debug)]
pub(super) struct Strace {
    child: Child,
    folder: PathBuf,
}

/// What one thread called, in its order.
#[derive(Debug)]
pub(super) struct Thread {
    pub(super) id: i32,
    pub(super) calls: Vec<Call>,
}

#[derive(Debug)]
pub(super) struct Call {
    pub(super) name: String,
    /// The whole line.
    pub(super) text: String,
    pub(super) took: Duration,
}

impl Strace {
    #[track_caller]
    pub(super) fn attach(folder: &Path, processes: &[i32]) -> Self {
        let mut command = Command::new("strace");
        // A file for each thread; the time of each call; what descriptors are of, sockets with their addresses.
        command.args(["-f", "-ff", "-T", "-yy", "-s", "32", "-o"]).arg(folder.join("trace"));
        for process in processes {
            command.args(["-p", &process.to_string()]);
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let strace = Self { child: child.expect("strace starts"), folder: folder.to_owned() };
        let tracer = format!("TracerPid:\t{}\n", strace.child.id());
        let is_traced = |pid: &i32| {
            fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|status| status.contains(&tracer))
        };
        assert!(
            poll(PATIENCE, || processes.iter().all(is_traced).then_some(())).is_some(),
            "strace can't attach"
        );
        strace
    }

    /// Of all threads, once the processes have ended.
    #[track_caller]
    pub(super) fn threads(mut self) -> Vec<Thread> {
        let ended = poll(PATIENCE, || self.child.try_wait().expect("it is our child"));
        assert!(ended.is_some(), "strace still traces something");
        let files =
            fs::read_dir(&self.folder).expect("the folder is there").flatten().map(|entry| entry.path());
        files.filter_map(|file| Thread::read(&file)).collect()
    }
}

impl Drop for Strace {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Thread {
    fn read(file: &Path) -> Option<Self> {
        let id = file.file_name()?.to_str()?.strip_prefix("trace.")?.parse().ok()?;
        let text = String::from_utf8_lossy(&fs::read(file).expect("strace's file")).into_owned();
        Some(Self { id, calls: text.lines().filter_map(Call::parse).collect() })
    }

    /// From its first wait for events to its last one.
    pub(super) fn event_loop(&self) -> &[Call] {
        let is_wait = |call: &Call| call.name == "epoll_wait";
        match (self.calls.iter().position(is_wait), self.calls.iter().rposition(is_wait)) {
            (Some(first), Some(last)) => &self.calls[first..=last],
            _ => &[],
        }
    }
}

impl Call {
    /// `read(5<anon_inode:[eventfd]>, "\1\0\0\0\0\0\0\0", 8) = 8 <0.000012>`. Signals and the end of a thread are no calls.
    fn parse(line: &str) -> Option<Self> {
        let (name, _) = line.split_once('(')?;
        let name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_').then(|| name.to_owned())?;
        let time = line.strip_suffix('>').and_then(|line| line.rsplit_once('<')?.1.parse().ok());
        Some(Self { name, text: line.to_owned(), took: Duration::from_secs_f64(time.unwrap_or(0.0)) })
    }

    /// Whether it is about a connection to or from one of these ports.
    pub(super) fn is_about_port(&self, ports: [u16; 2]) -> bool {
        ports.iter().any(|port| {
            let forms = [format!(":{port}]>"), format!(":{port}->"), format!("htons({port})")];
            forms.iter().any(|form| self.text.contains(form))
        })
    }

    /// Whether its descriptor is a file's.
    pub(super) fn is_about_file(&self) -> bool {
        self.text.split_once('<').is_some_and(|(_, of)| of.starts_with('/'))
    }
}

#[test]
fn a_call_is_read_with_its_descriptor_and_its_time() {
    let call = |line: &str| Call::parse(line).expect("a call");
    let read = call("read(3</etc/hosts>, \"127\", 4096) = 3 <0.002500>");
    assert_eq!((&*read.name, read.took), ("read", Duration::from_micros(2500)));
    assert!(read.is_about_file() && !read.is_about_port([80, 4096]));
    let write = call("write(9<TCP:[127.0.0.1:5000->127.0.0.1:3001]>, \"x\", 1) = 1 <0.000010>");
    assert!(write.is_about_port([1, 3001]) && write.is_about_port([5000, 1]) && !write.is_about_file());
    let connect = call("connect(9<TCP:[1]>, {sa_family=AF_INET, sin_port=htons(3001)}, 16) = -1 E (x) <0.1>");
    assert!(connect.is_about_port([3001, 3001]));
    assert!(Call::parse("+++ exited with 0 +++").is_none());
    assert!(Call::parse("--- SIGIO {si_signo=SIGIO} ---").is_none());
}
