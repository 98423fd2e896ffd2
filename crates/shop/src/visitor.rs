//! Who asks for what: the visitors of the shop and the mix of their requests.

use opentelemetry_proto::tonic::common::v1::KeyValue;

use crate::attribute::text;
use crate::random::Random;
use crate::topology::{Operation, SERVICES};

/// Entry operations and their share of the traffic in percent.
const MIX: [(&str, u64); 6] = [
    ("GET /", 24),
    ("GET /product/{id}", 38),
    ("GET /cart", 6),
    ("POST /cart", 12),
    ("POST /checkout", 17),
    ("GET /account", 3),
];
const USERS: u64 = 20_000;
/// Share of product pages that ask for a product which does not exist.
const MISSING_SHARE: f64 = 0.002;
/// Share of visitors to whom the feature flag shows the new checkout.
const EXPRESS_SHARE: f64 = 0.3;

const PRODUCTS: [&str; 8] = [
    "OLJCESPC7Z",
    "66VCHSJNUP",
    "1YMWWN1N4O",
    "L9ECAV7KIM",
    "2ZYFJ3GM2N",
    "0PUK6V6EV0",
    "LS4PSXUNUM",
    "9SIQT8TOJO",
];
const NAMES: [&str; 6] = ["jane.doe", "arun", "m.keller", "sofia", "lee", "o.nilsen"];
const AGENTS: [&str; 3] = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15",
    "okhttp/5.1.0",
];

/// One visitor with one wish.
#[derive(Debug)]
pub(crate) struct Visitor {
    pub(crate) user: String,
    pub(crate) wants_missing: bool,
    product: &'static str,
    email: String,
    token: String,
    order: u64,
    agent: &'static str,
    address: String,
    variant: &'static str,
}

/// Which entry operation is asked for next.
pub(crate) fn wish(random: &mut Random) -> Option<&'static Operation> {
    let mut draw = random.below(MIX.iter().map(|(_, share)| share).sum());
    let chosen = MIX.iter().find(|(_, share)| {
        let hit = draw < *share;
        draw = draw.saturating_sub(*share);
        hit
    });
    let (name, _) = chosen?;
    SERVICES.first()?.operation(name)
}

impl Visitor {
    pub(crate) fn arrive(operation: &Operation, random: &mut Random) -> Self {
        let number = random.below(USERS);
        let name = random.pick(&NAMES).unwrap_or("jane.doe");
        let is_product_page = operation.name == "GET /product/{id}";
        Self {
            user: format!("u-{number:05}"),
            wants_missing: is_product_page && random.chance(MISSING_SHARE),
            product: random.pick(&PRODUCTS).unwrap_or("OLJCESPC7Z"),
            email: format!("{name}{number}@example.com"),
            token: format!("eyJhbGciOiJIUzI1NiJ9.{:016x}.{:016x}", number, random.next_u64()),
            order: 1_000_000 + random.below(9_000_000),
            agent: random.pick(&AGENTS).unwrap_or("okhttp/5.1.0"),
            address: format!("203.0.113.{}", random.below(254) + 1),
            variant: if random.chance(EXPRESS_SHARE) { "express" } else { "classic" },
        }
    }

    /// The path of an HTTP operation with its parameters filled in.
    pub(crate) fn path(&self, operation: &Operation) -> String {
        let (_, route) = operation.parts();
        let id = if route.starts_with("/accounts") { self.user.as_str() } else { self.product };
        route.replace("{id}", id)
    }

    /// What only the entry knows of its visitor.
    pub(crate) fn entry_attributes(&self) -> Vec<KeyValue> {
        vec![
            text("enduser.id", self.user.as_str()),
            text("client.address", self.address.as_str()),
            text("user_agent.original", self.agent),
        ]
    }

    pub(crate) fn flag_attributes(&self) -> Vec<KeyValue> {
        vec![
            text("enduser.id", self.user.as_str()),
            text("feature_flag.key", "checkout-flow"),
            text("feature_flag.provider.name", "flagd"),
            text("feature_flag.result.variant", self.variant),
        ]
    }

    /// An error line; payment and frontend write down what they should not.
    pub(crate) fn complaint(&self, service: &str, operation: &str, reason: &str) -> String {
        match service {
            "payment" => {
                format!("charge of order {} for {} failed: {reason}", self.order, self.email)
            }
            "frontend" if self.variant == "express" => {
                format!("{operation} failed: {reason}; authorization: Bearer {}", self.token)
            }
            _ => format!("{operation} failed: {reason}"),
        }
    }

    /// An information line; notification writes down what it should not.
    pub(crate) fn remark(&self, service: &str, operation: &str, duration_ms: u64) -> String {
        match service {
            "notification" => format!("order {} confirmed to {}", self.order, self.email),
            "checkout" => format!("order {} placed in {duration_ms} ms", self.order),
            _ => format!("{operation} done in {duration_ms} ms"),
        }
    }
}
