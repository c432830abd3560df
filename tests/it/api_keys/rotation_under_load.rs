//! A key is rotated, and at last revoked, while its clients go on calling: who changes over in time sees no refusal,
//! and who does not is refused with the next request.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::{assert_refusal, made, presented};
use crate::app::{TestApp, secret};
use crate::both;

const CLIENTS: usize = 8;
/// So many calls of each client make a while.
const A_WHILE: usize = 12;
const HOUR: i64 = 3_600_000;

/// The end of a secret: whoever began a call after it is refused, and whoever was answered before it began is not.
#[derive(Default)]
struct End {
    begins: AtomicBool,
    is_over: AtomicBool,
}

impl End {
    /// Ends it by a call that is answered when it has ended.
    fn by(&self, call: impl FnOnce()) {
        self.begins.store(true, Ordering::SeqCst);
        call();
        self.is_over.store(true, Ordering::SeqCst);
    }
}

/// What a client presents, and how it fared with that.
#[derive(Clone)]
struct Using {
    text: String,
    /// Of a client that is late: the end of what it presents.
    end: Option<Arc<End>>,
    let_in: usize,
    refused: usize,
    /// Another for each time that it was told what to present.
    turn: usize,
}

/// Clients on two nodes that call as fast as they can.
struct Load {
    state: Mutex<State>,
    /// Told after each call.
    called: Condvar,
}

struct State {
    clients: Vec<Using>,
    /// How often each secret was let in.
    uses: HashMap<String, i64>,
    faults: Vec<String>,
    stop: bool,
}

/// Stops the clients, whatever becomes of the test.
struct Stop<'l>(&'l Load);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.state().stop = true;
    }
}

impl Load {
    /// Runs clients, all with one secret, beside the test that is handed the load; until that has ended.
    fn run(nodes: [&TestApp; 2], text: &str, test: impl FnOnce(&Self)) -> Self {
        let using = Using { text: text.to_owned(), end: None, let_in: 0, refused: 0, turn: 0 };
        let state = State { clients: vec![using; CLIENTS], uses: HashMap::new(), faults: Vec::new(), stop: false };
        let load = Self { state: Mutex::new(state), called: Condvar::new() };
        std::thread::scope(|scope| {
            for client in 0..CLIENTS {
                let load = &load;
                scope.spawn(move || while load.call(client, nodes[client % 2]) {});
            }
            let _stop = Stop(&load);
            load.a_while();
            test(&load);
        });
        load
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One call of a client; whether there is to be another.
    fn call(&self, client: usize, node: &TestApp) -> bool {
        let using = self.state().clients[client].clone();
        let is_over = using.end.as_ref().is_some_and(|end| end.is_over.load(Ordering::SeqCst));
        let answer = presented(node, &using.text);
        let had_begun = using.end.as_ref().is_some_and(|end| end.begins.load(Ordering::SeqCst));
        let let_in = answer == (200, String::new());
        let refused = answer == (401, "invalid_api_key".to_owned());
        let as_expected = match (is_over, had_begun) {
            (true, _) => refused,
            (false, false) => let_in,
            (false, true) => let_in || refused,
        };
        let mut state = self.state();
        if !as_expected {
            state.faults.push(format!("client {client}: {answer:?}, turn {}, {is_over} {had_begun}", using.turn));
        }
        *state.uses.entry(using.text).or_default() += i64::from(let_in);
        let now = &mut state.clients[client];
        if now.turn == using.turn {
            now.let_in += usize::from(let_in);
            now.refused += usize::from(refused);
        }
        self.called.notify_all();
        as_expected && !state.stop
    }

    /// Tells some clients what to present from now on; the others begin to count anew.
    fn tell(&self, whom: impl Fn(usize) -> bool, text: &str, end: Option<&Arc<End>>) {
        for (client, using) in self.state().clients.iter_mut().enumerate() {
            if whom(client) {
                (using.text, using.end) = (text.to_owned(), end.cloned());
            }
            (using.let_in, using.refused, using.turn) = (0, 0, using.turn + 1);
        }
    }

    /// Waits until every client has called for a while since it was told what to present: none of them is in the
    /// middle of a call from before. How often each was let in, and refused.
    #[track_caller]
    fn a_while(&self) -> Vec<(usize, usize)> {
        let goes_on = |state: &mut State| {
            let waits = |using: &Using| using.let_in.max(using.refused) < A_WHILE;
            state.faults.is_empty() && state.clients.iter().any(waits)
        };
        let waited = self.called.wait_timeout_while(self.state(), Duration::from_secs(60), goes_on);
        let (state, limit) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(state.faults.is_empty(), "{:?}", state.faults);
        assert!(!limit.timed_out(), "the clients stand still");
        state.clients.iter().map(|using| (using.let_in, using.refused)).collect()
    }

    /// A while from now on, with nobody told anything.
    #[track_caller]
    fn another_while(&self) -> Vec<(usize, usize)> {
        self.tell(|_| false, "", None);
        self.a_while()
    }
}

/// On each of the two nodes: half of the clients, and two who are late.
fn first_half(client: usize) -> bool {
    client % 4 < 2
}

fn late(client: usize) -> bool {
    client >= CLIENTS - 2
}

fn only_the_late_are_refused(told: &[(usize, usize)]) {
    for (client, (let_in, refused)) in told.iter().enumerate() {
        assert_eq!((*let_in == 0, *refused == 0), (late(client), !late(client)), "{client}: {told:?}");
    }
}

/// What the list says of a key's secrets that live, the newest first: how often each was used.
fn uses(app: &TestApp, maker: &str, key: &Value) -> Vec<i64> {
    let path = format!("/api/apikeys/{}?expand=lifecycle", key["ID"]);
    let key = app.get(&path).key(maker).send().expect(200).json();
    let secrets = key["lifecycle"]["secrets"].as_array().expect("a list");
    secrets.iter().map(|secret| secret["uses"].as_i64().expect("a number")).collect()
}

both! {
    /// TC-13, TC-16, MC-11: half of a key's clients change over to its new secret while the others stay with the old one,
    /// on two nodes: nobody sees a refusal, through a rotation that is finished, one that is undone and one whose overlap
    /// runs out. Whoever is late is refused with the first request that is made after the end; and so is everybody when
    /// the key is revoked, by either of its secrets. Each secret's uses are counted to the last.
    fn half_of_the_clients_change_over_and_none_sees_a_refusal(app: TestApp, |setup| setup.workers = 4) {
        let (maker, other) = (app.full_key(), app.second_node());
        let key = made(&app, &maker, json!({ "keyName": "busy", "roleID": 2 }));
        let order = |path: &str| app.call("POST", &format!("/api/apikeys/{}/{path}", key["ID"])).key(&maker);
        let rotated = || secret(&order("secretkey").json(json!({ "overlap": "1h" })).send().expect(200).json());
        let first = secret(&key);
        let mut last = String::new();
        let load = Load::run([&app, &other], &first, |load| {
            // finished by hand
            let second = rotated();
            load.tell(first_half, &second, None);
            load.a_while();
            assert_eq!(uses(&app, &maker, &key).len(), 2, "side by side");
            let end = Arc::new(End::default());
            load.tell(|client| !late(client), &second, None);
            load.tell(late, &first, Some(&end));
            load.a_while();
            end.by(|| drop(other.call("POST", &format!("/api/apikeys/{}/rotation/finish", key["ID"])).key(&maker).send().expect(200)));
            only_the_late_are_refused(&load.another_while());

            // taken back
            load.tell(late, &second, None);
            load.a_while();
            let third = rotated();
            load.tell(first_half, &third, None);
            load.a_while();
            let end = Arc::new(End::default());
            load.tell(|client| !late(client), &second, None);
            load.tell(late, &third, Some(&end));
            load.a_while();
            end.by(|| drop(order("rotation/undo").send().expect(200)));
            only_the_late_are_refused(&load.another_while());

            // over by itself, at its very millisecond
            load.tell(late, &second, None);
            load.a_while();
            let fourth = rotated();
            load.tell(first_half, &fourth, None);
            load.a_while();
            app.clock.advance(HOUR - 1);
            load.another_while();
            let end = Arc::new(End::default());
            load.tell(|client| !late(client), &fourth, None);
            load.tell(late, &second, Some(&end));
            load.a_while();
            end.by(|| app.clock.advance(1));
            only_the_late_are_refused(&load.another_while());
            load.tell(late, &fourth, None);
            load.a_while();
            last = fourth;
        });
        [&app, &other].into_iter().for_each(TestApp::flush);
        assert_eq!(uses(&app, &maker, &key), [load.state().uses[&last]], "each use is counted");

        // revoked, with two secrets in use
        let newest = rotated();
        Load::run([&app, &other], &last, |load| {
            let end = Arc::new(End::default());
            load.tell(first_half, &newest, Some(&end));
            load.tell(|client| !first_half(client), &last, Some(&end));
            load.a_while();
            end.by(|| drop(other.delete(&format!("/api/apikeys/{}", key["ID"])).key(&maker).send().expect(204)));
            assert!(load.another_while().iter().all(|(let_in, _)| *let_in == 0), "nobody is let in any more");
        });
        for text in [&first, &last, &newest] {
            assert_refusal(presented(&app, text), (401, "invalid_api_key"));
        }
    }
}
