//! A name server: what it says of every name is up to the test.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_resolver::proto::op::{Message, MessageType, Query, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, SOA};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

use super::runtime;

/// How long clients may remember a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// TTL 0.
    None,
    /// TTL 3600, that there is no such name included.
    Hour,
}

/// What is said of a name.
#[derive(Debug, Clone)]
pub enum Reply {
    /// NOERROR with those of the family that is asked for, or with none.
    Addresses(Vec<IpAddr>),
    /// NXDOMAIN.
    NoSuchName,
    /// SERVFAIL.
    Failure,
    /// REFUSED.
    Refused,
    /// Not a word.
    Silence,
    /// Bytes that are no message.
    Garbage,
    /// The addresses of IPv4 for who asks for those, and silence for who asks for IPv6.
    SilentOnIpv6(Vec<IpAddr>),
    /// Addresses, that much later.
    Late(Duration, Vec<IpAddr>),
}

struct Zone {
    said: Mutex<(Reply, Memory)>,
    queries: AtomicU64,
}

/// A running name server. It stops when this is dropped.
pub struct NameServer {
    address: Ipv4Addr,
    zone: Arc<Zone>,
    serving: JoinHandle<()>,
}

impl NameServer {
    /// On port 53, the only one that `resolv.conf` knows, of an address of the loopback interface's that nobody else has.
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

    fn on(address: Ipv4Addr, socket: std::net::UdpSocket, reply: Reply) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let socket = Arc::new(UdpSocket::from_std(socket)?);
        let zone = Arc::new(Zone { said: Mutex::new((reply, Memory::None)), queries: AtomicU64::default() });
        let serving = runtime().spawn(serve(socket, Arc::clone(&zone)));
        Ok(Self { address, zone, serving })
    }

    /// The lines of a `resolv.conf` that lead here.
    pub fn resolv_conf(&self) -> String {
        format!("nameserver {}\n", self.address)
    }

    /// From now on; to be forgotten at once.
    pub fn say(&self, reply: Reply) {
        self.say_for(reply, Memory::None);
    }

    pub fn say_for(&self, reply: Reply, memory: Memory) {
        *self.zone.said.lock().unwrap() = (reply, memory);
    }

    pub fn queries(&self) -> u64 {
        self.zone.queries.load(Ordering::SeqCst)
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(socket: Arc<UdpSocket>, zone: Arc<Zone>) {
    let mut buffer = [0; 4096];
    loop {
        let Ok((length, client)) = socket.recv_from(&mut buffer).await else { continue };
        let Ok(question) = Message::from_vec(&buffer[..length]) else { continue };
        zone.queries.fetch_add(1, Ordering::SeqCst);
        let (reply, memory) = zone.said.lock().unwrap().clone();
        tokio::spawn(answer(Arc::clone(&socket), client, question, reply, memory));
    }
}

async fn answer(socket: Arc<UdpSocket>, client: SocketAddr, question: Message, reply: Reply, memory: Memory) {
    let Some(query) = question.queries.first().cloned() else { return };
    let is_ipv6 = query.query_type() == RecordType::AAAA;
    let (code, addresses) = match reply {
        Reply::Silence => return,
        Reply::SilentOnIpv6(_) if is_ipv6 => return,
        Reply::Garbage => {
            let _ = socket.send_to(b"garbage", client).await;
            return;
        }
        Reply::Late(time, addresses) => {
            tokio::time::sleep(time).await;
            (ResponseCode::NoError, addresses)
        }
        Reply::Addresses(addresses) | Reply::SilentOnIpv6(addresses) => (ResponseCode::NoError, addresses),
        Reply::NoSuchName => (ResponseCode::NXDomain, Vec::new()),
        Reply::Failure => (ResponseCode::ServFail, Vec::new()),
        Reply::Refused => (ResponseCode::Refused, Vec::new()),
    };
    let message = message(&question, &query, code, &addresses, memory);
    let _ = socket.send_to(&message.to_vec().expect("a message"), client).await;
}

fn message(
    question: &Message,
    query: &Query,
    code: ResponseCode,
    addresses: &[IpAddr],
    memory: Memory,
) -> Message {
    let ttl = if memory == Memory::None { 0 } else { 3600 };
    let mut message = Message::response(question.metadata.id, question.metadata.op_code);
    message.metadata.message_type = MessageType::Response;
    message.metadata.response_code = code;
    message.metadata.recursion_available = true;
    message.add_query(query.clone());
    for address in addresses {
        let data = match (address, query.query_type()) {
            (IpAddr::V4(address), RecordType::A) => RData::A(A(*address)),
            (IpAddr::V6(address), RecordType::AAAA) => RData::AAAA(AAAA(*address)),
            _ => continue,
        };
        message.add_answer(Record::from_rdata(query.name().clone(), ttl, data));
    }
    if message.answers.is_empty() {
        // For how long it may be remembered that there is nothing (RFC 2308).
        let soa = SOA::new(Name::root(), Name::root(), 1, 3600, 600, 86_400, ttl);
        message.add_authority(Record::from_rdata(Name::root(), ttl, RData::SOA(soa)));
    }
    message
}
