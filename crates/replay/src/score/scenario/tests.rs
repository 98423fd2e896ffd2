use super::*;

fn entity(id: &str, kind: &str, is_cause: bool) -> Entity {
    let name = id.rsplit_once('-').map_or(id, |(name, _)| name).to_owned();
    Entity { id: id.to_owned(), kind: kind.to_owned(), name, namespace: String::new(), is_cause }
}

fn alert(entity: &str, alertname: &str) -> ScenarioAlert {
    let (entity, alertname) = (entity.to_owned(), alertname.to_owned());
    ScenarioAlert { entity, alertname, description: String::new() }
}

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect()
}

/// A flag breaks cart; web fails with it, and mail no longer hears of orders.
fn shop() -> Scenario {
    Scenario {
        name: "shop".to_owned(),
        entities: vec![
            entity("flags-config", "ConfigMap", true),
            entity("cart-pod", "Pod", false),
            entity("cart-service", "Service", false),
            entity("web-service", "Service", false),
            entity("mail-service", "Service", false),
        ],
        alerts: vec![
            alert("mail-service", "NoRequestsReceived"),
            alert("web-service", "HighErrorRate"),
            alert("cart-service", "HighErrorRate"),
        ],
        propagations: pairs(&[
            ("flags-config", "cart-pod"),
            ("cart-pod", "cart-service"),
            ("cart-service", "web-service"),
            ("web-service", "mail-service"),
        ]),
        aliases: vec![vec!["cart-pod".to_owned(), "cart-service".to_owned()]],
    }
}

#[test]
fn alerts_come_as_trouble_spreads_and_the_nearest_of_them_is_right_too() {
    let shop = shop();
    let order: Vec<&str> = shop.in_order().iter().map(|alert| alert.entity.as_str()).collect();
    assert_eq!(order, ["cart-service", "web-service", "mail-service"]);
    let right: Vec<String> = shop.right_causes().into_iter().collect();
    assert_eq!(right, ["cart", "flags"]);
}

#[test]
fn who_starves_is_called_and_who_fails_calls() {
    assert_eq!(graph(&[shop()]), pairs(&[("web", "cart"), ("web", "mail")]));
}

#[test]
fn triples_share_no_alerting_entity() {
    let of = |name: &str| Scenario {
        name: name.to_owned(),
        entities: vec![entity(name, "Service", true)],
        alerts: vec![alert(name, "HighErrorRate")],
        ..Scenario::default()
    };
    let scenarios = [of("a-1"), of("b-1"), of("a-2"), of("c-1")];
    assert_eq!(triples(&scenarios, 10, 1), [[0, 1, 3], [1, 2, 3]]);
}
