//! The shop's call graph as data. Times are medians of a busy but healthy day.

use super::{Database, Operation, Partner, ServiceSpec, Statement, Step, Transport};

const CATALOG_DB: Database = Database {
    address: "catalog-db.shop.svc",
    port: 5432,
    system: "postgresql",
    namespace: "catalog",
};
const INVENTORY_DB: Database = Database {
    address: "inventory-db.shop.svc",
    port: 5432,
    system: "postgresql",
    namespace: "inventory",
};
const ACCOUNT_DB: Database = Database {
    address: "account-db.shop.svc",
    port: 5432,
    system: "postgresql",
    namespace: "account",
};
const CART_REDIS: Database =
    Database { address: "cart-redis.shop.svc", port: 6379, system: "redis", namespace: "0" };

const fn sql(
    database: &'static Database,
    operation: &'static str,
    collection: &'static str,
    summary: &'static str,
    text: &'static str,
    median_ms: f64,
) -> Statement {
    Statement { database, operation, collection: Some(collection), summary, text, median_ms }
}

const fn redis(command: &'static str, text: &'static str) -> Statement {
    Statement {
        database: &CART_REDIS,
        operation: command,
        collection: None,
        summary: command,
        text,
        median_ms: 0.8,
    }
}

static LIST_PRODUCTS: Statement = sql(
    &CATALOG_DB,
    "SELECT",
    "products",
    "SELECT products",
    "SELECT id, title, price FROM products WHERE category = $1 LIMIT 24",
    6.0,
);
static GET_PRODUCT: Statement = sql(
    &CATALOG_DB,
    "SELECT",
    "products",
    "SELECT products",
    "SELECT * FROM products WHERE id = $1",
    2.5,
);
static GET_PRICE: Statement = sql(
    &CATALOG_DB,
    "SELECT",
    "prices",
    "SELECT prices",
    "SELECT amount, currency FROM prices WHERE product_id = $1",
    1.8,
);
static GET_STOCK: Statement = sql(
    &INVENTORY_DB,
    "SELECT",
    "stock_levels",
    "SELECT stock_levels",
    "SELECT on_hand, reserved FROM stock_levels WHERE product_id = $1",
    2.2,
);
static RESERVE_STOCK: Statement = sql(
    &INVENTORY_DB,
    "UPDATE",
    "stock_levels",
    "UPDATE stock_levels",
    "UPDATE stock_levels SET reserved = reserved + $2 WHERE product_id = $1",
    4.5,
);
static GET_WAREHOUSE: Statement = sql(
    &INVENTORY_DB,
    "SELECT",
    "warehouses",
    "SELECT warehouses",
    "SELECT id, zone FROM warehouses WHERE region = $1",
    1.5,
);
static GET_ACCOUNT: Statement = sql(
    &ACCOUNT_DB,
    "SELECT",
    "accounts",
    "SELECT accounts",
    "SELECT * FROM accounts WHERE id = $1",
    2.0,
);
static READ_CART: Statement = redis("HGETALL", "HGETALL cart:?");
static WRITE_CART: Statement = redis("HSET", "HSET cart:? ? ?");
static DROP_CART: Statement = redis("DEL", "DEL cart:?");

static ACQUIRER: Partner =
    Partner { address: "api.acquirer.example", path: "/v2/charges", median_ms: 85.0 };
static MAILER: Partner =
    Partner { address: "api.mailer.example", path: "/v1/messages", median_ms: 45.0 };

const GET_CART: Step = Step::call("cart", "shop.CartService/GetCart");
const CONVERT: Step = Step::call("currency", "shop.CurrencyService/Convert");
const RECOMMEND: Step =
    Step::call("recommendation", "shop.RecommendationService/ListRecommendations")
        .together()
        .or_without();
const ADS: Step = Step::call("ad", "shop.AdService/GetAds").together().or_without();
const PRODUCT: Step = Step::call("catalog", "GET /products/{id}").twice();

const fn http(name: &'static str, own_ms: f64, steps: &'static [Step]) -> Operation {
    Operation { name, transport: Transport::Http, own_ms, steps }
}

const fn grpc(name: &'static str, own_ms: f64, steps: &'static [Step]) -> Operation {
    Operation { name, transport: Transport::Grpc, own_ms, steps }
}

static FRONTEND: &[Operation] = &[
    http("GET /", 7.0, HOME_STEPS),
    http("GET /product/{id}", 6.0, PRODUCT_STEPS),
    http("GET /cart", 4.0, &[GET_CART, RECOMMEND, CONVERT]),
    http("POST /cart", 4.0, ADD_STEPS),
    http("POST /checkout", 6.0, &[Step::call("checkout", "shop.CheckoutService/PlaceOrder")]),
    http("GET /account", 5.0, &[Step::call("account", "GET /accounts/{id}").twice()]),
];
const HOME_STEPS: &[Step] = &[
    Step::call("catalog", "GET /products").twice(),
    RECOMMEND,
    ADS,
    GET_CART.together().or_without(),
    CONVERT,
];
const PRODUCT_STEPS: &[Step] = &[
    PRODUCT,
    Step::call("inventory", "shop.InventoryService/GetAvailability").or_without(),
    RECOMMEND,
    ADS,
    CONVERT,
];
const ADD_STEPS: &[Step] = &[PRODUCT, Step::call("cart", "shop.CartService/AddItem"), RECOMMEND];

static CHECKOUT: &[Operation] = &[grpc("shop.CheckoutService/PlaceOrder", 5.0, ORDER_STEPS)];
const ORDER_STEPS: &[Step] = &[
    GET_CART,
    PRODUCT,
    CONVERT.together(),
    Step::call("shipping", "POST /quote").together(),
    Step::call("inventory", "shop.InventoryService/Reserve"),
    Step::call("payment", "shop.PaymentService/Charge"),
    Step::call("shipping", "POST /shipments"),
    Step::call("cart", "shop.CartService/EmptyCart").or_without(),
    Step::publish("orders"),
];

static CART: &[Operation] = &[
    grpc("shop.CartService/GetCart", 1.2, &[Step::database(&READ_CART)]),
    grpc("shop.CartService/AddItem", 1.5, &[Step::database(&WRITE_CART)]),
    grpc("shop.CartService/EmptyCart", 1.0, &[Step::database(&DROP_CART)]),
];

static CATALOG: &[Operation] = &[
    http("GET /products", 3.0, &[Step::database(&LIST_PRODUCTS)]),
    http(
        "GET /products/{id}",
        2.0,
        &[Step::database(&GET_PRODUCT), Step::database(&GET_PRICE).together()],
    ),
];

static PAYMENT: &[Operation] =
    &[grpc("shop.PaymentService/Charge", 4.0, &[Step::partner(&ACQUIRER)])];

static SHIPPING: &[Operation] = &[http("POST /quote", 5.0, &[]), http("POST /shipments", 8.0, &[])];

static CURRENCY: &[Operation] = &[grpc("shop.CurrencyService/Convert", 0.9, &[])];

static RECOMMENDATION: &[Operation] = &[grpc(
    "shop.RecommendationService/ListRecommendations",
    9.0,
    &[Step::call("catalog", "GET /products").or_without()],
)];

static INVENTORY: &[Operation] = &[
    grpc("shop.InventoryService/GetAvailability", 1.8, &[Step::database(&GET_STOCK)]),
    grpc(
        "shop.InventoryService/Reserve",
        3.0,
        &[Step::database(&GET_WAREHOUSE), Step::database(&RESERVE_STOCK)],
    ),
];

static NOTIFICATION: &[Operation] = &[Operation {
    name: "orders",
    transport: Transport::Consumer,
    own_ms: 3.0,
    steps: &[Step::call("account", "GET /accounts/{id}").twice(), Step::partner(&MAILER)],
}];

static AD: &[Operation] = &[grpc("shop.AdService/GetAds", 4.0, &[])];

static ACCOUNT: &[Operation] = &[http("GET /accounts/{id}", 2.5, &[Step::database(&GET_ACCOUNT)])];

const fn service(
    name: &'static str,
    version: &'static str,
    language: &'static str,
    pods: usize,
    port: u16,
    operations: &'static [Operation],
) -> ServiceSpec {
    ServiceSpec { name, version, language, pods, port, operations }
}

/// Every service, the entry first.
pub static SERVICES: &[ServiceSpec] = &[
    service("frontend", "1.18.3", "nodejs", 4, 8080, FRONTEND),
    service("checkout", "3.2.0", "go", 4, 5050, CHECKOUT),
    service("cart", "1.9.1", "dotnet", 3, 7070, CART),
    service("catalog", "5.0.2", "go", 4, 3550, CATALOG),
    service("payment", "2.3.1", "nodejs", 4, 50051, PAYMENT),
    service("shipping", "1.4.0", "rust", 2, 50050, SHIPPING),
    service("currency", "0.9.7", "cpp", 2, 7001, CURRENCY),
    service("recommendation", "2.1.4", "python", 2, 9001, RECOMMENDATION),
    service("inventory", "4.7.0", "java", 3, 6060, INVENTORY),
    service("notification", "1.1.0", "java", 2, 8081, NOTIFICATION),
    service("ad", "1.0.5", "java", 2, 9555, AD),
    service("account", "2.0.0", "ruby", 2, 8082, ACCOUNT),
];
