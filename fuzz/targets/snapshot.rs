//! What an edge takes for a snapshot: of bytes that nobody signed nothing, and of those that somebody did only what can be
//! verified from, whatever stands in the lines.
#![no_main]

use std::sync::LazyLock;

use firstkey::id::ApiKeyID;
use firstkey::snapshot::read::{Refused, Snapshot};
use firstkey::snapshot::seal::{Seal, SigningKey};

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::from_seed(&[7; 32]).expect("a key"));

/// So that what is tried gets beyond the first line.
const HEAD: &str = "{\"snapshot\":{\"version\":1,\"made\":1,\"notAfter\":2,\"state\":\"\",\"tenant\":{\"id\":0,\
    \"guid\":\"0f8fad5b-d9cb-469f-a165-70867728950e\",\"name\":\"\",\"active\":true},\"publicKey\":\"\"}}\n";

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    assert!(matches!(Snapshot::read(bytes, &KEY.public()), Err(Refused::NotSigned)));
    for head in ["", HEAD] {
        let mut body = [head.as_bytes(), bytes].concat();
        if !body.ends_with(b"\n") {
            body.push(b'\n');
        }
        let mut seal = Seal::default();
        seal.pass(&body);
        body.extend(seal.last_line(&KEY).into_bytes());
        let Ok(snapshot) = Snapshot::read(&body, &KEY.public()) else { continue };
        let (keys, revoked) = snapshot.count();
        assert!(keys + revoked <= bytes.len());
        let _ = snapshot.find(ApiKeyID::new(1));
    }
});
