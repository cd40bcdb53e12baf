//! A DNS server that answers what it is told to.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::SRV;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

/// A running server; dropping it ends it.
pub(crate) struct Dns {
    pub(crate) address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    _server: JoinSet<()>,
}

#[derive(Default)]
struct Shared {
    records: HashMap<(Name, RecordType), (u32, Vec<RData>)>,
    /// Answers SERVFAIL to everything.
    broken: bool,
    /// Answers SERVFAIL to questions of that type.
    broken_type: Option<RecordType>,
    queries: HashMap<Name, usize>,
}

fn name(text: &str) -> Name {
    let mut name = Name::from_utf8(text).unwrap();
    name.set_fqdn(true);
    name
}

impl Dns {
    pub(crate) async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let shared = Arc::<Mutex<Shared>>::default();
        let mut server = JoinSet::new();
        server.spawn(serve(socket, shared.clone()));
        Self { address, shared, _server: server }
    }

    /// `host` has these addresses, for `ttl` seconds.
    pub(crate) fn addresses(&self, host: &str, ttl: u32, addresses: &[IpAddr]) {
        let mut shared = self.shared.lock().unwrap();
        let of = |four: bool| -> Vec<RData> {
            let fits = addresses.iter().filter(|ip| ip.is_ipv4() == four);
            fits.map(|ip| RData::from(*ip)).collect()
        };
        shared.records.insert((name(host), RecordType::A), (ttl, of(true)));
        shared.records.insert((name(host), RecordType::AAAA), (ttl, of(false)));
    }

    /// `service` has these targets, for `ttl` seconds.
    pub(crate) fn service(&self, service: &str, ttl: u32, targets: &[(&str, u16)]) {
        let target = |(host, port): &(&str, u16)| RData::SRV(SRV::new(0, 1, *port, name(host)));
        let targets = targets.iter().map(target).collect();
        let key = (name(service), RecordType::SRV);
        self.shared.lock().unwrap().records.insert(key, (ttl, targets));
    }

    pub(crate) fn break_down(&self, broken: bool) {
        self.shared.lock().unwrap().broken = broken;
    }

    pub(crate) fn break_type(&self, broken: Option<RecordType>) {
        self.shared.lock().unwrap().broken_type = broken;
    }

    /// How often `host` was asked for.
    pub(crate) fn queries(&self, host: &str) -> usize {
        self.shared.lock().unwrap().queries.get(&name(host)).copied().unwrap_or_default()
    }
}

async fn serve(socket: UdpSocket, shared: Arc<Mutex<Shared>>) {
    let mut buffer = vec![0; 4096];
    loop {
        let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
        let Ok(query) = Message::from_vec(&buffer[..length]) else { continue };
        let response = shared.lock().unwrap().answer(query);
        socket.send_to(&response.to_vec().unwrap(), from).await.unwrap();
    }
}

impl Shared {
    fn answer(&mut self, query: Message) -> Message {
        let asked = query.queries[0].clone();
        *self.queries.entry(asked.name().clone()).or_default() += 1;
        let mut response = Message::response(query.metadata.id, query.metadata.op_code);
        response.metadata.recursion_available = true;
        response.queries = query.queries.clone();
        if self.broken || self.broken_type == Some(asked.query_type()) {
            response.metadata.response_code = ResponseCode::ServFail;
            return response;
        }
        match self.records.get(&(asked.name().clone(), asked.query_type())) {
            None => response.metadata.response_code = ResponseCode::NXDomain,
            Some((ttl, records)) => {
                let record =
                    |data: &RData| Record::from_rdata(asked.name().clone(), *ttl, data.clone());
                response.answers = records.iter().map(record).collect();
            }
        }
        response
    }
}
