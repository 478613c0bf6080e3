//! A name server whose replies the test defines. Messages are those of RFC 1035, encoded by hand.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinHandle;

use super::runtime;

/// The reply for a name.
#[derive(Debug, Clone)]
pub enum Reply {
    /// NOERROR with the addresses of the requested family, if any.
    Addresses(Vec<IpAddr>),
    /// The same behind this many CNAME records in a row.
    Aliases(usize, Vec<IpAddr>),
    /// By UDP only a truncated reply; by TCP these addresses.
    ByTcp(Vec<IpAddr>),
    /// NXDOMAIN.
    NoSuchName,
    /// SERVFAIL.
    Failure,
    /// REFUSED.
    Refused,
    /// NOTIMP.
    NotImplemented,
    /// No reply.
    Silence,
    /// Bytes that aren't a message.
    Garbage,
    /// The IPv4 addresses; no reply to queries for IPv6.
    SilentOnIpv6(Vec<IpAddr>),
    /// The IPv4 addresses; SERVFAIL for queries for IPv6.
    FailsOnIpv6(Vec<IpAddr>),
    /// Addresses, where those of one family arrive this much later than those of the other.
    LateOnIpv4(Duration, Vec<IpAddr>),
    LateOnIpv6(Duration, Vec<IpAddr>),
    /// Another reply, this much later.
    Late(Duration, Box<Reply>),
}

impl Reply {
    pub fn late(time: Duration, addresses: Vec<IpAddr>) -> Self {
        Self::Late(time, Box::new(Self::Addresses(addresses)))
    }
}

struct Zone {
    /// Replies for single names, and for all subdomains of a name that begins with `*.`; the first match counts.
    names: Vec<(String, Reply)>,
    others: Reply,
}

struct Shared {
    zone: Mutex<Zone>,
    queries: AtomicU64,
}

/// A running name server. It stops when this is dropped.
pub struct NameServer {
    address: Ipv4Addr,
    shared: Arc<Shared>,
    serving: [JoinHandle<()>; 2],
}

impl NameServer {
    /// Listens on port 53, the only one that `resolv.conf` supports, of an unused address of the loopback interface.
    ///
    /// # Errors
    /// If this process may not listen there.
    pub fn start(reply: Reply) -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let _context = runtime().enter();
        for _ in 0..50 {
            let seed = u64::from(std::process::id()) * 61 + NEXT.fetch_add(1, Ordering::Relaxed);
            let [.., high, low] = seed.to_be_bytes();
            let address = Ipv4Addr::new(127, 53, high, low);
            match std::net::UdpSocket::bind((address, 53)) {
                Ok(socket) => return Self::on(address, socket, reply),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AddrInUse.into())
    }

    fn on(address: Ipv4Addr, udp: std::net::UdpSocket, others: Reply) -> io::Result<Self> {
        udp.set_nonblocking(true)?;
        let udp = Arc::new(UdpSocket::from_std(udp)?);
        let tcp = std::net::TcpListener::bind((address, 53))?;
        tcp.set_nonblocking(true)?;
        let tcp = TcpListener::from_std(tcp)?;
        let shared = Arc::new(Shared {
            zone: Mutex::new(Zone { names: Vec::new(), others }),
            queries: AtomicU64::default(),
        });
        let serving = [
            runtime().spawn(serve_udp(udp, Arc::clone(&shared))),
            runtime().spawn(serve_tcp(tcp, Arc::clone(&shared))),
        ];
        Ok(Self { address, shared, serving })
    }

    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// The contents of a `resolv.conf` for this server.
    pub fn resolv_conf(&self) -> String {
        format!("nameserver {}\n", self.address)
    }

    /// Sets the reply for every name, from now on.
    pub fn say(&self, reply: Reply) {
        self.say_of(Vec::new(), reply);
    }

    /// Sets the replies for these names, and for all others.
    pub fn say_of(&self, names: Vec<(String, Reply)>, others: Reply) {
        *self.shared.zone.lock().unwrap() = Zone { names, others };
    }

    pub fn queries(&self) -> u64 {
        self.shared.queries.load(Ordering::SeqCst)
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.serving.iter().for_each(JoinHandle::abort);
    }
}

impl Zone {
    fn reply(&self, name: &str) -> Reply {
        let is_it = |of: &str| match of.strip_prefix('*') {
            Some(end) => name.ends_with(end),
            None => name == of,
        };
        self.names.iter().find(|(of, _)| is_it(of)).map_or(&self.others, |(_, reply)| reply).clone()
    }
}

async fn serve_udp(socket: Arc<UdpSocket>, shared: Arc<Shared>) {
    let mut buffer = [0; 4096];
    loop {
        let Ok((length, client)) = socket.recv_from(&mut buffer).await else { continue };
        let Some(query) = Query::read(&buffer[..length]) else { continue };
        let reply = shared.reply(&query);
        tokio::spawn(answer_udp(Arc::clone(&socket), client, query, reply));
    }
}

async fn answer_udp(socket: Arc<UdpSocket>, client: SocketAddr, query: Query, reply: Reply) {
    if let Some(message) = message(&query, reply, false).await {
        let _ = socket.send_to(&message, client).await;
    }
}

async fn serve_tcp(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        tokio::spawn(answer_tcp(stream, Arc::clone(&shared)));
    }
}

async fn answer_tcp(mut stream: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    loop {
        let mut bytes = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut bytes).await?;
        let Some(query) = Query::read(&bytes) else { return Ok(()) };
        let Some(message) = message(&query, shared.reply(&query), true).await else { return Ok(()) };
        stream.write_u16(u16::try_from(message.len()).expect("it is short")).await?;
        stream.write_all(&message).await?;
    }
}

impl Shared {
    fn reply(&self, query: &Query) -> Reply {
        self.queries.fetch_add(1, Ordering::SeqCst);
        self.zone.lock().unwrap().reply(&query.name)
    }
}

const HEAD: usize = 12;
const A: u16 = 1;
const CNAME: u16 = 5;
const AAAA: u16 = 28;

struct Query {
    id: [u8; 2],
    /// In lower case, without a trailing dot.
    name: String,
    kind: u16,
    /// Name, type and class, as received.
    question: Vec<u8>,
}

impl Query {
    fn read(message: &[u8]) -> Option<Self> {
        let (mut labels, mut at) = (Vec::new(), HEAD);
        loop {
            let length = usize::from(*message.get(at)?);
            at += 1;
            if length == 0 {
                break;
            }
            labels.push(String::from_utf8_lossy(message.get(at..at + length)?).to_lowercase());
            at += length;
        }
        let kind = u16::from_be_bytes([*message.get(at)?, *message.get(at + 1)?]);
        let question = message.get(HEAD..at + 4)?.to_vec();
        Some(Self { id: [message[0], message[1]], name: labels.join("."), kind, question })
    }
}

/// Returns `None` to send nothing.
async fn message(query: &Query, mut reply: Reply, by_tcp: bool) -> Option<Vec<u8>> {
    while let Reply::Late(time, then) = reply {
        tokio::time::sleep(time).await;
        reply = *then;
    }
    let is_ipv6 = query.kind == AAAA;
    match reply {
        Reply::LateOnIpv4(time, _) if !is_ipv6 => tokio::time::sleep(time).await,
        Reply::LateOnIpv6(time, _) if is_ipv6 => tokio::time::sleep(time).await,
        _ => {}
    }
    let (code, aliases, addresses) = match reply {
        Reply::SilentOnIpv6(_) if is_ipv6 => return None,
        Reply::Silence | Reply::Late(..) => return None,
        Reply::Garbage => return Some(b"garbage".to_vec()),
        Reply::ByTcp(_) if !by_tcp => return Some(head(query, 0x8380, 0)),
        Reply::FailsOnIpv6(_) if is_ipv6 => (2, 0, Vec::new()),
        Reply::Addresses(addresses)
        | Reply::SilentOnIpv6(addresses)
        | Reply::FailsOnIpv6(addresses)
        | Reply::LateOnIpv4(_, addresses)
        | Reply::LateOnIpv6(_, addresses)
        | Reply::ByTcp(addresses) => (0, 0, addresses),
        Reply::Aliases(count, addresses) => (0, count, addresses),
        Reply::Failure => (2, 0, Vec::new()),
        Reply::NoSuchName => (3, 0, Vec::new()),
        Reply::NotImplemented => (4, 0, Vec::new()),
        Reply::Refused => (5, 0, Vec::new()),
    };
    let mut records = Vec::new();
    // A pointer to the name in the question (RFC 1035 §4.1.4).
    let mut owner = vec![0xc0, 12];
    for number in 0..aliases {
        let alias =
            [b"\x06alias".as_slice(), &[b'0' + u8::try_from(number).expect("few")], b"\x04test\x00"].concat();
        records.push(record(&owner, CNAME, &alias));
        owner = alias;
    }
    for address in addresses {
        match address {
            IpAddr::V4(address) if query.kind == A => records.push(record(&owner, A, &address.octets())),
            IpAddr::V6(address) if is_ipv6 => records.push(record(&owner, AAAA, &address.octets())),
            _ => {}
        }
    }
    let mut message = head(query, 0x8180 | code, records.len());
    message.extend(records.concat());
    Some(message)
}

fn head(query: &Query, flags: u16, answers: usize) -> Vec<u8> {
    let count = u16::try_from(answers).expect("few").to_be_bytes();
    let parts = [&query.id[..], &flags.to_be_bytes(), &[0, 1], &count, &[0, 0, 0, 0], &query.question];
    parts.concat()
}

/// Class IN, with a TTL of an hour.
fn record(owner: &[u8], kind: u16, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).expect("short").to_be_bytes();
    [owner, &kind.to_be_bytes(), &[0, 1], &3600_u32.to_be_bytes(), &length, data].concat()
}
