// SPDX-License-Identifier: MIT

//! rslock as a peer of the bench; README.md says what is spoken. Usage: rust PACKAGE HOST PORT

use rslock::LockManager;
use std::io::BufRead;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const TTL: Duration = Duration::from_secs(30);

fn now() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()
}

async fn pairs(manager: &LockManager, name: &str, count: usize) -> String {
    let mut samples = Vec::with_capacity(count);
    for _ in 0..count {
        let before = now();
        let lock = manager.acquire_no_guard(name, TTL).await.unwrap();
        manager.unlock(&lock).await;
        samples.push(now() - before);
    }
    let seconds = samples.iter().sum::<u128>() as f64 / 1e9;
    samples.sort();
    let p50 = samples[count / 2] as f64 / 1e3;
    format!("{{\"pairs\": {count}, \"seconds\": {seconds}, \"p50_us\": {p50}}}")
}

async fn holds(manager: &LockManager, name: &str, milliseconds: usize) -> String {
    let mut taken = Vec::new();
    let begin = now();
    let end = begin + milliseconds as u128 * 1_000_000;
    while now() < end {
        let lock = manager.acquire_no_guard(name, TTL).await.unwrap();
        let acquired = now();
        taken.push(format!("[{acquired}, {}]", now()));
        manager.unlock(&lock).await;
    }
    format!("{{\"begin\": {begin}, \"end\": {end}, \"holds\": [{}]}}", taken.join(", "))
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let manager = LockManager::new(vec![format!("redis://{}:{}", arguments[2], arguments[3])]);
    println!("ready");
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let words: Vec<&str> = line.split(' ').collect();
        let amount = words[2].parse().unwrap();
        println!("{}", match words[0] {
            "pair" => pairs(&manager, words[1], amount).await,
            _ => holds(&manager, words[1], amount).await,
        });
    }
}
