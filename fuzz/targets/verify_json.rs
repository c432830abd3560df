//! A service's questions about keys, one and many: nothing stumbles, a list has its bound, and what is demanded is what the
//! text says.
#![no_main]

use firstkey::body;
use firstkey::rights::Rights;
use firstkey::verify::calls::{address, demands};
use firstkey::wire::{ExplanationWish, VerificationWish, VerificationWishes};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(one) = body::parse_incoming::<VerificationWish>(bytes) {
        asked(one);
    }
    if let Ok(many) = body::parse_incoming::<VerificationWishes>(bytes) {
        let items = many.items.map(|items| items.0).unwrap_or_default();
        assert!(items.len() <= 1_000);
        items.into_iter().for_each(asked);
    }
    if let Ok(wish) = body::parse_incoming::<ExplanationWish>(bytes) {
        let _ = (demands(wish.demands, ""), address(wish.address, ""));
    }
});

fn asked(wish: VerificationWish) {
    let named = wish.demands.as_ref().map_or(0, |wish| wish.rights.as_ref().map_or(0, |rights| rights.0.len()));
    if let Ok(demands) = demands(wish.demands, "items[0].") {
        assert_eq!(named == 0, demands.rights == Rights::NONE, "no demand becomes none");
        assert!(demands.api_types.len() <= 200 && demands.api_types.iter().all(|name| !name.is_empty()));
    }
    if let Ok(Some(address)) = address(wish.address, "") {
        assert_eq!(address.to_string().parse(), Ok(address));
    }
}
