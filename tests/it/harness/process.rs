//! The nginx program and its processes, as seen by the kernel.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use rustix::process::{Signal, kill_process};

pub(crate) type Pid = i32;

/// `nginx`, as changed or wrapped by the environment, without arguments.
pub(crate) fn nginx_command() -> Command {
    nginx_under(&runner())
}

/// The same, under this command (none if it has no words).
pub(crate) fn nginx_under(runner: &[String]) -> Command {
    let nginx = env::var_os("AUTHGEAR_NGINX").map_or_else(stock_nginx, PathBuf::from);
    let Some((program, arguments)) = runner.split_first() else {
        return Command::new(nginx);
    };
    let mut command = Command::new(program);
    command.args(arguments).arg(nginx);
    command
}

/// The words of `AUTHGEAR_NGINX_RUNNER`.
pub(crate) fn runner() -> Vec<String> {
    let words = env::var("AUTHGEAR_NGINX_RUNNER").unwrap_or_default();
    words.split_whitespace().map(str::to_owned).collect()
}

/// A command that replaces files, only for the program that it runs; none if there are no files.
pub(crate) fn mounting(files: &[(PathBuf, String)]) -> Vec<String> {
    const SCRIPT: &str =
        r#"while [ "$1" != -- ]; do mount --bind "$1" "$2" || exit; shift 2; done; shift; exec "$@""#;
    if files.is_empty() {
        return Vec::new();
    }
    let mut words: Vec<String> = ["unshare", "--mount", "sh", "-c", SCRIPT, "sh"].map(str::to_owned).into();
    for (file, place) in files {
        words.extend([file.display().to_string(), place.clone()]);
    }
    words.push("--".to_owned());
    words
}

/// Whether this process may do that: it requires root, and a container that allows it.
pub(crate) fn may_mount() -> bool {
    let harmless = [(PathBuf::from("/dev/null"), "/dev/null".to_owned())];
    let words = mounting(&harmless);
    Command::new(&words[0]).args(&words[1..]).arg("true").output().is_ok_and(|output| output.status.success())
}

/// A normal user's `PATH` often lacks the folders of system programs.
fn stock_nginx() -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/local/sbin", "/usr/sbin"].map(PathBuf::from);
    let found =
        env::split_paths(&path).chain(system).map(|folder| folder.join("nginx")).find(|f| f.is_file());
    found.expect("nginx is not on PATH; install it, or set AUTHGEAR_NGINX")
}

/// (1, 22, 1): the version of the nginx that the tests run.
pub(crate) fn nginx_version() -> (u32, u32, u32) {
    static VERSION: OnceLock<(u32, u32, u32)> = OnceLock::new();
    *VERSION.get_or_init(|| {
        let output = nginx_command().arg("-v").output().expect("nginx can be run");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        parse_version(&text).unwrap_or_else(|| panic!("no version in {text:?}"))
    })
}

/// Whether the nginx that the tests run was configured with this.
pub(crate) fn nginx_has(argument: &str) -> bool {
    let output = nginx_command().arg("-V").output().expect("nginx can be run");
    String::from_utf8_lossy(&output.stderr).split_whitespace().any(|word| word == argument)
}

fn parse_version(text: &str) -> Option<(u32, u32, u32)> {
    let (_, after) = text.split_once("nginx version: ")?;
    let (_, version) = after.split_once('/')?;
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().ok());
    Some((numbers.next()??, numbers.next()??, numbers.next()??))
}

/// Sends a signal. The caller must check whether the process still exists.
pub(crate) fn signal(pid: Pid, signal: Signal) {
    let pid = rustix::process::Pid::from_raw(pid).expect("a process id is not 0");
    let _ = kill_process(pid, signal);
}

/// Whether it is still running. A zombie isn't: in a container there may be no process that reaps it.
pub(crate) fn is_running(pid: Pid) -> bool {
    matches!(stat(pid), Some((state, _)) if !matches!(state, 'Z' | 'X'))
}

/// Whether the signal STOP has taken effect, which happens some time after it was sent.
pub(crate) fn is_stopped(pid: Pid) -> bool {
    matches!(stat(pid), Some(('T', _)))
}

/// Whether its main thread is idle, as it is in a worker that has processed everything.
pub(crate) fn is_asleep(pid: Pid) -> bool {
    matches!(stat(pid), Some(('S', _)))
}

/// Whether this process is running and a child of that one. Checked before every signal, since process ids are reused.
pub(crate) fn is_child(pid: Pid, parent: Pid) -> bool {
    matches!(stat(pid), Some((state, of)) if of == parent && !matches!(state, 'Z' | 'X'))
}

/// Whether it is running with a file of this folder open, as all processes of an instance are, even orphaned ones.
pub(crate) fn belongs_to(pid: Pid, folder: &Path) -> bool {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let has_file = files.filter_map(|fd| fs::read_link(fd.path()).ok()).any(|file| file.starts_with(folder));
    has_file && is_running(pid)
}

/// The state letter and the parent.
fn stat(pid: Pid) -> Option<(char, Pid)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it is in parentheses, and may contain spaces and parentheses.
    let (_, after) = stat.rsplit_once(')')?;
    let mut fields = after.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

/// The CPU time used by all its threads.
pub(crate) fn cpu_time(pid: Pid) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let (_, after) = stat.rsplit_once(')').expect("a name");
    // utime and stime: fields 14 and 15, of which the name is the second.
    let ticks: u32 =
        after.split_whitespace().skip(11).take(2).map(|n| n.parse::<u32>().expect("ticks")).sum();
    Duration::from_millis(10) * ticks
}

/// Resident memory in bytes; 0 if it has ended.
pub(crate) fn rss(pid: Pid) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

/// How many threads it has; 0 if it has ended.
pub(crate) fn threads(pid: Pid) -> usize {
    fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count)
}

/// How many descriptors it holds; 0 if it has ended.
pub(crate) fn open_fds(pid: Pid) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// The process id in a pid file, once it is written.
pub(crate) fn read_pid_file(path: &Path) -> Option<Pid> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}
