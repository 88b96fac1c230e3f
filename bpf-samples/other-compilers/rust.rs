// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
// What rustc makes of a program in the manner of Aya: a map in section `maps`, a global variable, a function that is called.
// A test run counts itself and returns the count and twice its argument. Without `core`, which has to be built for BPF.
#![feature(no_core, lang_items, intrinsics, rustc_attrs)]
#![no_core]
#![crate_type = "lib"]
#![allow(internal_features, dead_code, unconditional_recursion)]

#[lang = "pointee_sized"]
trait PointeeSized {}
#[lang = "meta_sized"]
trait MetaSized: PointeeSized {}
#[lang = "sized"]
trait Sized: MetaSized {}
#[lang = "copy"]
trait Copy {}
#[lang = "sync"]
trait Sync {}
#[lang = "freeze"]
trait Freeze {}
#[lang = "add"]
trait Add<R = Self> {
    type Output;
    fn add(self, other: R) -> Self::Output;
}
#[lang = "drop_in_place"]
unsafe fn drop_in_place<T: PointeeSized>(to_drop: *mut T) {
    drop_in_place(to_drop)
}

impl Copy for u8 {}
impl Copy for u64 {}
impl Copy for *const u64 {}
impl Sync for [u8; 13] {}
impl Sync for Map {}
impl Add for u64 {
    type Output = u64;
    #[inline(always)]
    fn add(self, other: u64) -> u64 {
        self + other
    }
}

#[repr(C)]
struct Map {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    map_flags: u32,
    id: u32,
    pinning: u32,
}

#[no_mangle]
#[link_section = "maps"]
static COUNTS: Map =
    Map { map_type: 1, key_size: 8, value_size: 8, max_entries: 16, map_flags: 0, id: 0, pinning: 0 };

#[no_mangle]
static mut RUNS: u64 = 0;

#[no_mangle]
#[inline(never)]
fn twice(value: u64) -> u64 {
    value + value
}

#[no_mangle]
#[link_section = "raw_tp/sys_enter"]
pub unsafe extern "C" fn count(arguments: *const u64) -> u64 {
    RUNS = RUNS + 1;
    twice(*arguments) + RUNS
}

#[no_mangle]
#[link_section = "license"]
static LICENSE: [u8; 13] =
    [b'D', b'u', b'a', b'l', b' ', b'M', b'I', b'T', b'/', b'G', b'P', b'L', 0];
