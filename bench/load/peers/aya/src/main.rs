// One cold start of Aya: load names <name>... | load <object>. From main to ready, as JSON.
use std::time::Instant;

use aya::{programs::RawTracePoint, Btf, Ebpf};
use aya_obj::btf::BtfKind;

fn main() {
    let start = Instant::now();
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut kept = None;
    match words.first().map(String::as_str) {
        Some("names") => {
            let btf = Btf::from_sys_fs().expect("the kernel's BTF");
            for name in &words[1..] {
                btf.id_by_type_name_kind(name, BtfKind::Struct).expect("a struct of that name");
            }
        }
        Some("load") => {
            let mut ebpf = Ebpf::load_file(&words[1]).expect("the object");
            for (_, program) in ebpf.programs_mut() {
                let program: &mut RawTracePoint = program.try_into().expect("a raw tracepoint");
                program.load().expect("the program");
            }
            kept = Some(ebpf);
        }
        _ => {}
    }
    let milliseconds = start.elapsed().as_secs_f64() * 1e3;
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) };
    println!("{{\"milliseconds\":{milliseconds},\"kilobytes\":{}}}", usage.ru_maxrss);
    drop(kept);
}
