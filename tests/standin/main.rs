//! The stand-in servers as a program, for the demo and for trying things by hand.

#![allow(unreachable_pub, reason = "modules that several programs share say what they offer them")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that meets the unexpected fails"
)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;

#[path = "mod.rs"]
mod standin;

use standin::echo::{Echo, FastCgi, Grpc, Http, Scgi, Uwsgi};
use standin::{Accounts, Kind, Resolver};
use tokio::signal::unix::{SignalKind, signal};

const HELP: &str = "\
A stand-in for Authgear's session resolver, and a backend that answers with the request it was sent.

usage: standin resolver --listen ADDR [--cookie-prefix PREFIX]
       standin echo --listen ADDR [--protocol http|fastcgi|uwsgi|scgi|grpc]
       standin demo --resolver ADDR --echo ADDR [--cookie-prefix PREFIX]
       standin --print-credentials

ADDR is an address and a port, such as 127.0.0.1:3001; port 0 takes a free one.
Prints a line that begins with 'listening' for each server when all are ready, and ends on SIGTERM, SIGINT or
when its standard input is closed (--ignore-stdin: not then). --print-credentials prints who can log in with
what; together with a command it does so after the servers are ready.
";

/// For a server that runs for days: enough to inspect, too few to use much memory.
const KEEP_CALLS: usize = 1000;

#[derive(Default)]
struct Arguments {
    command: Option<String>,
    listen: Option<SocketAddr>,
    resolver: Option<SocketAddr>,
    echo: Option<SocketAddr>,
    cookie_prefix: String,
    protocol: Option<String>,
    print_credentials: bool,
    ignore_stdin: bool,
    help: bool,
}

impl Arguments {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut arguments = Self::default();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("\"{word}\" needs a value"));
            let addr =
                |text: String| text.parse().map_err(|_| format!("\"{text}\" is no address with a port"));
            match word.as_str() {
                "--listen" => arguments.listen = Some(addr(value()?)?),
                "--resolver" => arguments.resolver = Some(addr(value()?)?),
                "--echo" => arguments.echo = Some(addr(value()?)?),
                "--cookie-prefix" => arguments.cookie_prefix = value()?,
                "--protocol" => arguments.protocol = Some(value()?),
                "--print-credentials" => arguments.print_credentials = true,
                "--ignore-stdin" => arguments.ignore_stdin = true,
                "--help" | "-h" => arguments.help = true,
                "resolver" | "echo" | "demo" if arguments.command.is_none() => arguments.command = Some(word),
                _ => return Err(format!("unknown argument \"{word}\"")),
            }
        }
        Ok(arguments)
    }

    /// Where the two servers listen, according to the command line.
    fn servers(&self) -> Result<(Option<SocketAddr>, Option<SocketAddr>), String> {
        let needed = |addr: Option<SocketAddr>, name: &str| addr.ok_or_else(|| format!("{name} is missing"));
        Ok(match self.command.as_deref() {
            Some("resolver") => (Some(needed(self.listen, "--listen")?), None),
            Some("echo") => (None, Some(needed(self.listen, "--listen")?)),
            Some("demo") => (Some(needed(self.resolver, "--resolver")?), Some(needed(self.echo, "--echo")?)),
            _ if self.print_credentials => (None, None),
            _ => return Err("a command is missing".to_owned()),
        })
    }
}

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) if arguments.help => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Ok(arguments) => arguments,
        Err(message) => return usage_error(&message),
    };
    let (resolver, echo) = match arguments.servers() {
        Ok(servers) => servers,
        Err(message) => return usage_error(&message),
    };
    let prefix = &arguments.cookie_prefix;
    let resolver: Option<Resolver> = resolver
        .map(|addr| Resolver::builder().listen(addr).cookie_prefix(prefix).keep_calls(KEEP_CALLS).start());
    let protocol = arguments.protocol.as_deref().unwrap_or("http");
    let echo = match echo.map(|addr| start_echo(protocol, addr)).transpose() {
        Ok(echo) => echo,
        Err(message) => return usage_error(&message),
    };
    if let Some(resolver) = &resolver {
        println!("listening resolver {}", resolver.url());
    }
    if let Some(echo) = &echo {
        println!("listening echo {protocol}://{}", echo.addr());
    }
    if arguments.print_credentials {
        print_credentials(prefix);
    }
    let _ = std::io::stdout().flush();
    if resolver.is_some() || echo.is_some() {
        wait_for_end(arguments.ignore_stdin);
    }
    ExitCode::SUCCESS
}

fn start_echo(protocol: &str, addr: SocketAddr) -> Result<Echo, String> {
    Ok(match protocol {
        "http" => Http::listen_keeping(addr, KEEP_CALLS),
        "fastcgi" => FastCgi::listen(addr),
        "uwsgi" => Uwsgi::listen(addr),
        "scgi" => Scgi::listen(addr),
        "grpc" => Grpc::listen(addr),
        _ => return Err(format!("unknown protocol \"{protocol}\"")),
    })
}

fn usage_error(message: &str) -> ExitCode {
    eprintln!("standin: {message}\n\n{HELP}");
    ExitCode::from(2)
}

/// Credentials are the same in every run, so this doesn't need a resolver.
fn print_credentials(prefix: &str) {
    let accounts = Accounts::default();
    println!("{:<11} {:<37} {:<13} {:<17} CREDENTIAL", "USER", "ID", "ROLES", "PRESENTED AS");
    for name in accounts.names() {
        let (user, credentials) = (accounts.user(&name), accounts.login(&name));
        for kind in Kind::ALL {
            let (_, value) = credentials.header(kind, prefix);
            let header = if kind == Kind::Bearer { "Authorization" } else { "Cookie" };
            println!("{name:<11} {:<37} {:<13} {header:<17} {value}", user.id, user.roles.join(","));
        }
    }
    println!(
        "\nAlso good: Authorization 'Bearer user:NAME:ANYTHING', Cookie '{prefix}session=ID.<32 alphanumerics>'"
    );
}

fn wait_for_end(ignore_stdin: bool) {
    standin::runtime().block_on(async {
        let mut terminate = signal(SignalKind::terminate()).expect("a handler for SIGTERM");
        let mut interrupt = signal(SignalKind::interrupt()).expect("a handler for SIGINT");
        let closed = async {
            if ignore_stdin {
                return std::future::pending().await;
            }
            // On a separate thread: otherwise the runtime would wait for the read when it shuts down.
            let (sender, receiver) = tokio::sync::oneshot::channel();
            std::thread::spawn(move || {
                let mut sink = [0; 1024];
                while matches!(std::io::stdin().read(&mut sink), Ok(1..)) {}
                let _ = sender.send(());
            });
            let _ = receiver.await;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = closed => {}
        }
    });
}
