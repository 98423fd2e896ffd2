//! The walk against prost.

use fuzz::generate::Random;
use fuzz::hostile;
use fuzz::protobuf::{SIGNALS, compare, request, wrapped};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn visits_what_prost_decodes(seed: u64) {
        for signal in SIGNALS {
            prop_assert!(compare(signal, &request(signal, &mut Random::new(seed))));
        }
    }

    #[test]
    fn visits_what_prost_decodes_in_every_other_encoding(seed: u64) {
        let mut random = Random::new(seed ^ 1);
        for signal in SIGNALS {
            let bytes = hostile::request(&mut random, signal, &request(signal, &mut Random::new(seed)));
            prop_assert!(compare(signal, &bytes), "the rewriting must stay valid");
        }
    }

    #[test]
    fn agrees_with_prost_after_a_flipped_byte(seed: u64) {
        let mut random = Random::new(seed ^ 2);
        for signal in SIGNALS {
            let mut bytes = request(signal, &mut Random::new(seed));
            for _ in 0..20 {
                if bytes.is_empty() {
                    break;
                }
                let at = random.below(bytes.len());
                let old = std::mem::replace(&mut bytes[at], random.draw() as u8);
                compare(signal, &bytes);
                bytes[at] = old;
            }
        }
    }

    #[test]
    fn reads_arbitrary_bytes_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for signal in SIGNALS {
            compare(signal, &bytes);
        }
    }

    #[test]
    fn reads_arbitrary_items_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        // A well-formed envelope around garbage.
        for signal in SIGNALS {
            compare(signal, &wrapped(&bytes));
        }
    }
}

#[test]
fn survives_being_cut_at_every_byte() {
    for signal in SIGNALS {
        let mut cuts = 0;
        for seed in 0..6 {
            let mut random = Random::new(seed);
            let plain = request(signal, &mut Random::new(seed));
            let rewritten = hostile::request(&mut random, signal, &plain);
            for bytes in [plain, rewritten] {
                for len in 0..bytes.len().min(2000) {
                    compare(signal, &bytes[..len]);
                    cuts += 1;
                }
            }
        }
        assert!(cuts > 1000, "the seeds must give requests of some size, not {cuts}");
    }
}
