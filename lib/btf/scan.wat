;; One pass over the types of a little-endian BTF: where each type starts, and an index of names by their first four bytes,
;; which is what TypeTable.scan and PrefixIndex.build do. Compiled code from the first type on: JavaScript would interpret most of
;; the one pass that a process makes. `npm run wasm` makes scan-module.generated.ts of this file.
(module
  (import "btf" "memory" (memory 1))

  ;; Addresses of: the types and their end; the strings and their number of bytes; by kind, the bytes of a record and those of each of
  ;; its items, 0 for a kind that is not known; the heads of the buckets; what this pass writes, the first word of each type and
  ;; the type before it in its bucket. `shift` leaves of a hash the number of its bucket.
  ;; The number of types, or -1 for what is not BTF: then TypeScript says what is wrong.
  (func (export "scan")
    (param $types i32) (param $end i32) (param $strings i32) (param $stringsLength i32)
    (param $sizes i32) (param $heads i32) (param $shift i32) (param $offsets i32) (param $next i32)
    (result i32)
    (local $at i32) (local $count i32) (local $info i32) (local $size i32) (local $name i32) (local $prefix i32)
    (local $zeros i32) (local $head i32)

    (local.set $at (local.get $types))
    (block $done
      (loop $each
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        ;; A record that ends beyond the types may begin there: even its first words.
        (br_if $done (i32.gt_u (i32.add (local.get $at) (i32.const 12)) (local.get $end)))

        (local.set $info (i32.load offset=4 (local.get $at)))
        ;; sizes[kind], 8 bytes each
        (local.set $size
          (i32.add (local.get $sizes) (i32.and (i32.shr_u (local.get $info) (i32.const 21)) (i32.const 0x3f8))))
        (if (i32.eqz (i32.load (local.get $size))) (then (return (i32.const -1))))
        (i32.store
          (i32.add (local.get $offsets) (i32.shl (local.get $count) (i32.const 2)))
          (i32.shr_u (i32.sub (local.get $at) (local.get $types)) (i32.const 2)))

        ;; A name offset of 0 is no name, and one outside the strings names nothing.
        (local.set $name (i32.load (local.get $at)))
        (if (i32.lt_u (i32.sub (local.get $name) (i32.const 1)) (i32.sub (local.get $stringsLength) (i32.const 1)))
          (then
            (local.set $prefix (i32.load (i32.add (local.get $strings) (local.get $name))))
            ;; The bytes after a NUL are the next name's: see prefixAt.
            (local.set $zeros
              (i32.and
                (i32.and
                  (i32.sub (local.get $prefix) (i32.const 0x01010101))
                  (i32.xor (local.get $prefix) (i32.const -1)))
                (i32.const 0x80808080)))
            (if (local.get $zeros)
              (then
                (local.set $prefix
                  (i32.and
                    (local.get $prefix)
                    (i32.sub
                      (i32.shr_u
                        (i32.and (local.get $zeros) (i32.sub (i32.const 0) (local.get $zeros)))
                        (i32.const 7))
                      (i32.const 1))))))
            (local.set $head
              (i32.add
                (local.get $heads)
                (i32.shl
                  (i32.shr_u (i32.mul (local.get $prefix) (i32.const 0x9e3779b1)) (local.get $shift))
                  (i32.const 2))))
            (i32.store
              (i32.add (local.get $next) (i32.shl (local.get $count) (i32.const 2)))
              (i32.load (local.get $head)))
            (i32.store (local.get $head) (i32.add (local.get $count) (i32.const 1)))))

        (local.set $count (i32.add (local.get $count) (i32.const 1)))
        (local.set $at
          (i32.add
            (i32.add (local.get $at) (i32.load (local.get $size)))
            (i32.mul (i32.load offset=4 (local.get $size)) (i32.and (local.get $info) (i32.const 0xffffff)))))
        (br $each)))
    (if (i32.ne (local.get $at) (local.get $end)) (then (return (i32.const -1))))
    (local.get $count))

  ;; The first type of a bucket, from `link` on (one past its index), that has the name, or one that goes on with `__` after it; 0 when
  ;; there is none. What PrefixIndex does with the rest of a bucket: compiled, since most of it is seen once. The name has `length`
  ;; bytes at `scratch` + 4; the number at `scratch` counts the types that were looked at.
  (func (export "find")
    (param $link i32) (param $length i32) (param $types i32) (param $strings i32) (param $stringsLength i32)
    (param $offsets i32) (param $next i32) (param $scratch i32)
    (result i32)
    (local $name i32) (local $after i32) (local $index i32)

    (block $none
      (loop $each
        (br_if $none (i32.eqz (local.get $link)))
        (i32.store (local.get $scratch) (i32.add (i32.load (local.get $scratch)) (i32.const 1)))
        ;; From here on `link` is the index.
        (local.set $link (i32.sub (local.get $link) (i32.const 1)))
        (local.set $name
          (i32.load
            (i32.add
              (local.get $types)
              (i32.shl
                (i32.load (i32.add (local.get $offsets) (i32.shl (local.get $link) (i32.const 2))))
                (i32.const 2)))))
        (block $other
          (br_if $other
            (i32.ge_u (i32.add (local.get $name) (local.get $length)) (local.get $stringsLength)))
          (local.set $name (i32.add (local.get $strings) (local.get $name)))
          (local.set $after (i32.load16_u (i32.add (local.get $name) (local.get $length))))
          ;; The NUL, or `__`.
          (br_if $other
            (i32.and
              (i32.ne (i32.and (local.get $after) (i32.const 0xff)) (i32.const 0))
              (i32.ne (local.get $after) (i32.const 0x5f5f))))
          (local.set $index (i32.const 0))
          (block $same
            (loop $byte
              (br_if $same (i32.ge_u (local.get $index) (local.get $length)))
              (br_if $other
                (i32.ne
                  (i32.load8_u (i32.add (local.get $name) (local.get $index)))
                  (i32.load8_u offset=4 (i32.add (local.get $scratch) (local.get $index)))))
              (local.set $index (i32.add (local.get $index) (i32.const 1)))
              (br $byte)))
          (return (i32.add (local.get $link) (i32.const 1))))
        (local.set $link (i32.load (i32.add (local.get $next) (i32.shl (local.get $link) (i32.const 2)))))
        (br $each)))
    (i32.const 0)))
