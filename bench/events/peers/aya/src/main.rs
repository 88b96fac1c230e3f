// Aya as a consumer of the ring: the lines of harness.h.
use std::io::{BufRead, Write};
use std::os::fd::AsRawFd;

use aya::maps::{Map, MapData, RingBuf};

const MOST_LATENCIES: usize = 100_000;

fn clock(id: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    unsafe { libc::clock_gettime(id, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn switches() -> i64 {
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) };
    usage.ru_nvcsw
}

#[derive(Default)]
struct Counts {
    received: u64,
    sum: u64,
    timed: bool,
    latencies: Vec<u64>,
}

fn consume(ring: &mut RingBuf<MapData>, counts: &mut Counts) {
    while let Some(record) = ring.next() {
        if counts.timed && counts.latencies.len() < MOST_LATENCIES {
            let written = u64::from_ne_bytes(record[8..16].try_into().expect("eight bytes"));
            counts.latencies.push(clock(libc::CLOCK_MONOTONIC) - written);
        }
        counts.received += 1;
        counts.sum += u32::from_ne_bytes(record[28..32].try_into().expect("four bytes")) as u64;
    }
}

fn stream(ring: &mut RingBuf<MapData>, milliseconds: u64, how: &str, timed: bool) {
    let mut counts = Counts { timed, ..Default::default() };
    let end = clock(libc::CLOCK_MONOTONIC) + milliseconds * 1_000_000;
    let cpu = clock(libc::CLOCK_PROCESS_CPUTIME_ID);
    let before = switches();
    while clock(libc::CLOCK_MONOTONIC) < end {
        if how == "poll" {
            std::thread::sleep(std::time::Duration::from_millis(1));
        } else {
            let mut wanted = libc::pollfd { fd: ring.as_raw_fd(), events: libc::POLLIN, revents: 0 };
            unsafe { libc::poll(&mut wanted, 1, 20) };
        }
        consume(ring, &mut counts);
    }
    let cpu = clock(libc::CLOCK_PROCESS_CPUTIME_ID) - cpu;
    counts.latencies.sort();
    let at = |part: usize| counts.latencies.get(counts.latencies.len() * part / 100).copied().unwrap_or(0);
    println!("{cpu} {} {} {} {}", counts.received, switches() - before, at(50), at(99));
}

fn main() {
    let id: u32 = std::env::args().nth(1).and_then(|word| word.parse().ok()).expect("an id");
    let mut ring = None;
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line");
        let words: Vec<&str> = line.split(' ').collect();
        let number: u64 = words.get(1).and_then(|word| word.parse().ok()).unwrap_or(0);
        match words[0] {
            "open" => {
                // Once: it begins at the start of the ring each time.
                ring.get_or_insert_with(|| {
                    let data = MapData::from_id(id).expect("the map");
                    RingBuf::try_from(Map::RingBuf(data)).expect("a ring")
                });
                println!("ready");
            }
            "drain" => {
                let mut counts = Counts::default();
                let cpu = clock(libc::CLOCK_PROCESS_CPUTIME_ID);
                while counts.received < number {
                    consume(ring.as_mut().expect("open"), &mut counts);
                }
                println!("{} {} {}", clock(libc::CLOCK_PROCESS_CPUTIME_ID) - cpu, counts.received, counts.sum);
            }
            "stream" | "timed" => stream(ring.as_mut().expect("open"), number, words[2], words[0] == "timed"),
            _ => println!("closed"),
        }
        std::io::stdout().flush().expect("standard output");
    }
}
