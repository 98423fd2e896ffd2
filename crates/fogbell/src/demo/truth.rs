//! Whether a cause names what was really broken.

use model::Cause;
use shop::Truth;

/// The service must be the broken one; a broken peer must be named; where no single service is
/// broken, the tag must tell.
pub(super) fn names_truth(cause: &Cause, truth: &Truth) -> bool {
    let words =
        [&cause.service, &cause.instance, &cause.operation, &cause.tag_value, &cause.summary];
    let named = |peer: &str| words.iter().any(|text| text.contains(peer));
    let by_tag = |(key, value): &(&str, String)| cause.tag_key == *key && cause.tag_value == *value;
    if truth.service == shop::ANY_SERVICE {
        return truth.tag.as_ref().is_some_and(by_tag);
    }
    let service = truth.is_service(short_name(&cause.service));
    let peer = truth.peer.is_none_or(named);
    service && peer || truth.peer.is_some_and(|peer| cause.service.contains(peer))
}

/// The name alone of `namespace/name@environment`.
fn short_name(service: &str) -> &str {
    let without = service.split('@').next().unwrap_or(service);
    without.rsplit('/').next().unwrap_or(without)
}

#[cfg(test)]
mod tests {
    use shop::Fault;

    use super::*;

    fn cause(service: &str, tag: (&str, &str), summary: &str) -> Cause {
        Cause {
            service: service.to_owned(),
            tag_key: tag.0.to_owned(),
            tag_value: tag.1.to_owned(),
            summary: summary.to_owned(),
            ..Cause::default()
        }
    }

    #[test]
    fn service_peer_and_region_are_told_apart() {
        let region = ("cloud.region", "eu-west-1");
        for (fault, cause, right) in [
            (Fault::BadRollout, cause("shop/payment@demo", ("", ""), ""), true),
            (Fault::BadRollout, cause("shop/checkout@demo", ("", ""), ""), false),
            (Fault::Partner429, cause("shop/payment@demo", ("", ""), ""), false),
            (
                Fault::Partner429,
                cause("shop/payment@demo", ("", ""), "api.acquirer.example answers 429"),
                true,
            ),
            (Fault::RegionLoss, cause("", region, ""), true),
            (Fault::RegionLoss, cause("shop/cart@demo", ("", ""), ""), false),
        ] {
            assert_eq!(names_truth(&cause, &fault.expected()), right, "{fault} {cause:?}");
        }
    }
}
