// Aya beside the loops of cases.h. It has no batches: it walks from key to key.
use std::io::BufRead;

use aya::maps::{Array, HashMap, Map, MapData};
use aya::Pod;

const STEP: u32 = 0x9e3779b1;

#[derive(Clone, Copy)]
#[repr(C)]
struct Connection {
    bytes: u64,
    started: u64,
    packets: u32,
    process: u32,
    port: u16,
    flags: u16,
}
unsafe impl Pod for Connection {}

impl Connection {
    fn sum(&self) -> u64 {
        self.bytes + self.started + self.packets as u64 + self.process as u64 + self.port as u64 + self.flags as u64
    }
}

fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn open(id: &str) -> MapData {
    MapData::from_id(id.parse().expect("an id")).expect("the map")
}

fn main() {
    let ids: Vec<String> = std::env::args().skip(1).collect();
    let mut hash: HashMap<MapData, u32, u64> = Map::HashMap(open(&ids[0])).try_into().expect("a hash");
    let small: HashMap<MapData, u32, u64> = Map::HashMap(open(&ids[1])).try_into().expect("a hash");
    let structs: HashMap<MapData, u32, Connection> = Map::HashMap(open(&ids[2])).try_into().expect("a hash");
    let array: Array<MapData, u64> = Map::Array(open(&ids[3])).try_into().expect("an array");
    let mask: u32 = std::env::var("ENTRIES").expect("ENTRIES").parse::<u32>().expect("a number") - 1;
    let mut next_key: u32 = 0;
    let mut sum: u64 = 0;
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line");
        let (name, count) = line.split_once(' ').expect("case and operations");
        let mut count: u64 = count.parse().expect("a number");
        let first = next_key;
        let mut random_key = |mask: u32| {
            next_key = next_key.wrapping_add(STEP);
            next_key & mask
        };
        let start = now();
        match name {
            "lookup" => (0..count).for_each(|_| sum += hash.get(&random_key(mask), 0).expect("a value")),
            "small" => (0..count).for_each(|_| sum += small.get(&random_key(15), 0).expect("a value")),
            "array" => (0..count).for_each(|_| sum += array.get(&random_key(mask), 0).expect("a value")),
            "get" => (0..count).for_each(|_| sum += structs.get(&random_key(mask), 0).expect("a value").sum()),
            "update" => (0..count).for_each(|index| hash.insert(random_key(mask), index, 0).expect("room")),
            "delete" => (0..count).for_each(|_| hash.remove(&random_key(mask)).expect("a key")),
            "iterate" => {
                count = 0;
                for entry in hash.iter() {
                    let (key, value) = entry.expect("an entry");
                    sum += key as u64 + value;
                    count += 1;
                }
            }
            "iterate-structs" => {
                count = 0;
                for entry in structs.iter() {
                    let (key, value) = entry.expect("an entry");
                    sum += key as u64 + value.sum();
                    count += 1;
                }
            }
            _ => count = 0,
        }
        let end = now();
        if name == "delete" {
            let mut key = first;
            for index in 0..count {
                key = key.wrapping_add(STEP);
                hash.insert(key & mask, index, 0).expect("room");
            }
        }
        println!("{} {}", end - start, count);
    }
    if sum == 1 {
        std::process::exit(3);
    }
}
