//! What a storm of sign-ins does to those whose keys are verified: 8 connections ask about a key, alone and while 64
//! others try wrong passwords without a pause, all on the machine of the server. Rounds alternate; only the ratios mean
//! anything. Then how many sign-ins are tried when nothing else is asked, beside what bcrypt alone does.
//!
//! `cargo bench --bench storm` (`-- --seconds 5 --rounds 3 --nice 5`). Needs wrk.

mod support;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use support::keys::QUERY;
use support::{Load, Options, SUMMARY, Server, argument, measured, median, wrk};

const USERS: usize = 8;
const ATTACKERS: usize = 64;
/// As many as find room in the queue, so that no sign-in is turned away.
const PATIENT: usize = 4;
/// The default of `sign_in.bcrypt_cost`.
const COST: u32 = 12;

fn main() {
    let (seconds, rounds) = (argument("--seconds", 5), argument("--rounds", 3));
    let nice = argument("--nice", 5).to_string();
    let options = Options { settings: &[("FIRSTKEY_SIGN_IN_PASSWORD_NICE", &nice)], ..Options::default() };
    let bench =
        Bench { server: Server::start(&options), folder: tempfile::tempdir().expect("a temporary folder"), seconds };
    bench.storm(rounds);
    bench.sign_ins(rounds);
}

struct Bench {
    server: Server,
    folder: tempfile::TempDir,
    seconds: i64,
}

/// What came of the attackers' requests.
#[derive(Debug)]
struct Storm {
    /// Sign-ins that were tried, a second.
    tried: f64,
    /// Those turned away for want of room, a second.
    turned_away: f64,
    /// Half of the answers came sooner, in milliseconds: with room for few, that is the time of a refusal.
    half: f64,
}

impl Bench {
    fn storm(&self, rounds: i64) {
        println!("round  calm/s  storm/s  share   calm p99  storm p99  ratio   503/s  half of them within  tried/s");
        let (mut shares, mut ratios) = (Vec::new(), Vec::new());
        for round in 1..=rounds {
            let calm = self.verify();
            let (storm, attack) = std::thread::scope(|scope| {
                let attack = scope.spawn(|| self.sign_in(ATTACKERS));
                (self.verify(), attack.join().expect("no panic"))
            });
            let (share, ratio) = (storm.rate / calm.rate, storm.slow / calm.slow);
            println!(
                "{round:>5} {:>7.0} {:>8.0}   {share:>4.2} {:>7.2} ms {:>7.2} ms   {ratio:>4.2} {:>7.0} {:>17.1} ms {:>8.1}",
                calm.rate, storm.rate, calm.slow, storm.slow, attack.turned_away, attack.half, attack.tried
            );
            shares.push(share);
            ratios.push(ratio);
        }
        println!("medians: {:.2} of the calm rate, p99 {:.2} times as long", median(shares), median(ratios));
    }

    /// Sign-ins alone, and the crate's comparisons on one thread.
    fn sign_ins(&self, rounds: i64) {
        let hash = bcrypt::hash("correct horse battery staple", COST).expect("a hash");
        let threads = (std::thread::available_parallelism().map_or(1, usize::from) - 1).max(1);
        let (mut served, mut alone) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            served.push(self.sign_in(PATIENT).tried);
            alone.push(compared(&hash, threads, Duration::from_secs(self.seconds.unsigned_abs())));
        }
        let (served, alone) = (median(served), median(alone));
        println!("sign-ins alone: {served:.2} a second, bcrypt alone {alone:.2}: {:.2} of it", served / alone);
    }

    fn verify(&self) -> Load {
        let text = format!("wrk.headers[\"api-secret-key\"] = \"{}\"\n{SUMMARY}", self.server.key.trim());
        let script = self.script("verify", &text);
        let load = wrk(USERS, self.seconds, path(&script), &format!("https://{}{QUERY}", self.server.address));
        assert_eq!((load.refused, load.failed), (0.0, 0.0), "the key is good");
        load
    }

    /// Tries wrong passwords for as many names that nobody has.
    fn sign_in(&self, connections: usize) -> Storm {
        let text = format!(
            "wrk.method = \"POST\"\nwrk.headers[\"Content-Type\"] = \"application/json\"\n\
             local all, at = {{}}, 0\ntried, full, other = 0, 0, 0\n\
             function setup(thread)\n  table.insert(all, thread)\nend\n\
             function request()\n  at = at + 1\n  return wrk.format(nil, nil, nil, \
             string.format('{{\"userName\":\"victim%d\",\"password\":\"wrong\"}}', at % {ATTACKERS}))\nend\n\
             function response(status)\n  if status == 503 then full = full + 1\n  \
             elseif status == 401 then tried = tried + 1\n  else other = other + 1 end\nend\n\
             function done(summary, latency, requests)\n  local t, f, o = 0, 0, 0\n  \
             for _, thread in ipairs(all) do\n    t = t + thread:get(\"tried\")\n    f = f + thread:get(\"full\")\n    \
             o = o + thread:get(\"other\")\n  end\n  \
             io.write(string.format(\"measured %d %d %d %d %d\\n\", summary.duration, t, f, o, latency:percentile(50)))\nend\n"
        );
        let script = self.script("attack", &text);
        let url = format!("https://{}/api/sessions", self.server.address);
        let [micros, tried, turned_away, other, half] = measured(connections, self.seconds, path(&script), &url);
        assert_eq!(other, 0.0, "a storm is answered 503 or 401");
        Storm { tried: tried / micros * 1e6, turned_away: turned_away / micros * 1e6, half: half / 1e3 }
    }

    fn script(&self, name: &str, text: &str) -> PathBuf {
        let file = self.folder.path().join(format!("{name}.lua"));
        std::fs::write(&file, text).expect("written");
        file
    }
}

fn path(file: &Path) -> &str {
    file.to_str().expect("a path")
}

/// Comparisons a second of a password with a hash, on so many threads.
fn compared(hash: &str, threads: usize, long: Duration) -> f64 {
    let began = Instant::now();
    let done: u64 = std::thread::scope(|scope| {
        let compare = || {
            let mut done = 0;
            while began.elapsed() < long {
                assert!(!bcrypt::verify("wrong", hash).expect("a hash"));
                done += 1;
            }
            done
        };
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(compare)).collect();
        all.into_iter().map(|one| one.join().expect("no panic")).sum()
    });
    done as f64 / began.elapsed().as_secs_f64()
}
