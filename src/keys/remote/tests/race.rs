//! The race by itself, on paused time: addresses go in, connections come out.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn families_take_turns() {
    let six = ["[::1]:1", "[::2]:1", "[::3]:1"];
    let four = ["127.0.0.1:1", "127.0.0.2:1"];
    assert_eq!(
        alternate(addresses(&[six[0], six[1], six[2], four[0], four[1]])),
        addresses(&[six[0], four[0], six[1], four[1], six[2]])
    );
    assert_eq!(alternate(addresses(&[four[0], six[0], six[1]])), addresses(&[four[0], six[0], six[1]]));
    assert_eq!(alternate(addresses(&four)), addresses(&four));
    assert_eq!(alternate(Vec::new()), []);
    let many: Vec<SocketAddr> = (1..=1000).map(|port| SocketAddr::from(([127, 0, 0, 1], port))).collect();
    assert_eq!(alternate(many.clone()), many[..MAX_ADDRESSES]);
}

/// What an address does with a connection.
#[derive(Clone, Copy)]
enum Path {
    /// It is up after so many milliseconds, and the response comes so many later.
    Up(u64, u64),
    /// It fails after so many milliseconds.
    Fails(u64),
    /// It is up after so many milliseconds, and then fails.
    Breaks(u64),
    /// It never comes to an end.
    Silent,
}

struct Fixed(Vec<SocketAddr>, Arc<AtomicUsize>);

impl Resolve for Fixed {
    fn resolve(&self, _: Name) -> Resolving {
        self.1.fetch_add(1, Ordering::Relaxed);
        let addresses: Addrs = Box::new(self.0.clone().into_iter());
        Box::pin(std::future::ready(Ok(addresses)))
    }
}

/// Each port is the place of its path.
struct Net {
    paths: Vec<Path>,
    resolver: OneAddress,
    look_ups: Arc<AtomicUsize>,
    /// The ports that were tried, and when, in milliseconds.
    tried: Mutex<Vec<(u16, u64)>>,
    start: Instant,
}

impl Net {
    fn new(paths: &[Path]) -> Arc<Self> {
        let addresses = (0..).zip(paths).map(|(port, _)| SocketAddr::from(([127, 0, 0, 1], port))).collect();
        Self::at(addresses, paths)
    }

    fn at(addresses: Vec<SocketAddr>, paths: &[Path]) -> Arc<Self> {
        let look_ups = Arc::<AtomicUsize>::default();
        let resolver = OneAddress(Arc::new(Fixed(addresses, Arc::clone(&look_ups))));
        let start = Instant::now();
        Arc::new(Self { paths: paths.to_vec(), resolver, look_ups, tried: Mutex::default(), start })
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap()
    }

    async fn connect(self: Arc<Self>) -> Result<u16, ConnectError> {
        let address = self.resolver.resolve("login.example".parse().unwrap()).await?.next().ok_or("no address")?;
        self.tried.lock().unwrap().push((address.port(), self.millis()));
        match self.paths[usize::from(address.port())] {
            Path::Up(wait, _) | Path::Breaks(wait) => sleep_until(Instant::now() + Duration::from_millis(wait)).await,
            Path::Fails(wait) => {
                sleep_until(Instant::now() + Duration::from_millis(wait)).await;
                return Err(format!("{} fails", address.port()).into());
            }
            Path::Silent => std::future::pending().await,
        }
        Ok(address.port())
    }

    /// A request, as the client sends it: through the layer.
    async fn request(self: Arc<Self>) -> Result<u16, String> {
        let net = Arc::clone(&self);
        let mut connector = FirstConnection.layer(tower::service_fn(move |()| Arc::clone(&net).connect()));
        let port = connector.call(()).await.map_err(|error| error.to_string())?;
        match self.paths[usize::from(port)] {
            Path::Up(_, response) => sleep_until(Instant::now() + Duration::from_millis(response)).await,
            _ => return Err(format!("{port} breaks")),
        }
        Ok(port)
    }

    async fn send(self: &Arc<Self>) -> Result<u16, String> {
        self.send_by(&Arc::default()).await
    }

    async fn send_by(self: &Arc<Self>, paths: &Arc<Paths>) -> Result<u16, String> {
        send(paths, || Arc::clone(self).request()).await
    }

    fn tried(&self) -> Vec<(u16, u64)> {
        self.tried.lock().unwrap().clone()
    }
}

#[tokio::test(start_paused = true)]
async fn addresses_begin_250_ms_apart_and_the_first_that_is_up_wins() {
    let net = Net::new(&[Path::Silent, Path::Up(600, 0), Path::Up(100, 0), Path::Up(0, 0)]);
    assert_eq!(net.send().await, Ok(2));
    assert_eq!(net.tried(), [(0, 0), (1, 250), (2, 500)]);
    assert_eq!((net.millis(), net.look_ups.load(Ordering::Relaxed)), (600, 1));
}

#[tokio::test(start_paused = true)]
async fn next_address_begins_as_soon_as_one_fails() {
    let net = Net::new(&[Path::Fails(10), Path::Fails(0), Path::Up(5, 0)]);
    assert_eq!(net.send().await, Ok(2));
    assert_eq!(net.tried(), [(0, 0), (1, 10), (2, 10)]);
}

#[tokio::test(start_paused = true)]
async fn slow_response_on_a_connection_that_is_up_causes_no_other() {
    let net = Net::new(&[Path::Up(240, 60_000), Path::Up(0, 0)]);
    assert_eq!(net.send().await, Ok(0));
    assert_eq!(net.tried(), [(0, 0)]);
}

#[tokio::test(start_paused = true)]
async fn address_that_is_up_late_sends_nothing() {
    // The first is up while the second waits for its response.
    let net = Net::new(&[Path::Up(400, 0), Path::Up(50, 1_000)]);
    assert_eq!(net.send().await, Ok(1));
    assert_eq!(net.millis(), 1_300);
}

#[tokio::test(start_paused = true)]
async fn error_is_that_of_the_first_address_unless_one_was_up() {
    let net = Net::new(&[Path::Fails(300), Path::Fails(0), Path::Fails(500)]);
    assert_eq!(net.send().await, Err("1 fails".to_owned()), "the first to fail");
    let net = Net::new(&[Path::Fails(0), Path::Breaks(0), Path::Up(0, 0)]);
    assert_eq!(net.send().await, Err("1 breaks".to_owned()));
    let net = Net::new(&[]);
    assert_eq!(net.send().await, Err("no address".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn each_failed_fetch_begins_one_address_further() {
    let paths = Arc::<Paths>::default();
    for expected in [0, 1, 2, 0, 1] {
        let net = Net::new(&[Path::Up(0, 0), Path::Up(0, 0), Path::Up(0, 0)]);
        paths.begin();
        assert_eq!(net.send_by(&paths).await, Ok(expected));
    }
    paths.succeed();
    for _ in 0..2 {
        let net = Net::new(&[Path::Up(0, 0), Path::Up(0, 0), Path::Up(0, 0)]);
        paths.begin();
        assert_eq!(net.send_by(&paths).await, Ok(1), "a success stays where it was");
        paths.succeed();
    }
}

#[test]
fn family_that_was_up_and_failed_comes_last_and_late() {
    let paths = Paths::default();
    let both = addresses(&["[::1]:1", "[::2]:1", "127.0.0.1:1"]);
    let order = |paths: &Paths| {
        let order = paths.order(both.clone());
        (order.addresses.iter().map(SocketAddr::is_ipv6).collect::<Vec<_>>(), order.late)
    };
    let fail_with = |up: Option<&str>| {
        paths.begin();
        lock(&paths.0).up = up.map(|up| up.parse().unwrap());
        paths.begin();
    };
    assert_eq!(order(&paths), (vec![true, false, true], 3));
    fail_with(Some("[::1]:1"));
    assert_eq!(order(&paths), (vec![false, true, true], 1));
    fail_with(Some("127.0.0.1:1"));
    assert_eq!(order(&paths), (vec![true, true, false], 2));
    // When nothing was up, every address is as good as another.
    fail_with(None);
    assert_eq!(order(&paths).1, 3);
    // One family alone is not made to wait.
    fail_with(Some("127.0.0.1:1"));
    assert_eq!(paths.order(addresses(&["127.0.0.1:1", "127.0.0.2:1"])).late, 2);
}

#[tokio::test(start_paused = true)]
async fn avoided_family_waits_for_two_seconds_unless_the_other_fails() {
    for (path, begun) in [(Path::Silent, 2_000), (Path::Fails(10), 10)] {
        let paths = Arc::<Paths>::default();
        lock(&paths.0).is_ipv6_avoided = Some(true);
        let net = Net::at(addresses(&["127.0.0.1:0", "[::1]:1"]), &[path, Path::Up(0, 0)]);
        assert_eq!(net.send_by(&paths).await, Ok(1));
        assert_eq!(net.tried(), [(0, 0), (1, begun)]);
    }
}

#[tokio::test(start_paused = true)]
async fn resolver_outside_of_a_race_answers_every_address() {
    let resolver = OneAddress(Arc::new(Fixed(addresses(&["127.0.0.1:1", "[::1]:1"]), Arc::default())));
    assert_eq!(resolver.resolve("a.example".parse().unwrap()).await.unwrap().count(), 2);
}

#[tokio::test]
async fn resolver_of_the_system_knows_localhost() {
    let addresses = System.resolve("localhost".parse().unwrap()).await.unwrap();
    assert!(addresses.into_iter().all(|address| address.ip().is_loopback() && address.port() == 0));
}
