// An index of the types of a BTF, made by the thread that has read it.

#pragma once

#include <cstddef>
#include <cstdint>

namespace ebpf {

// Finds in BTF in this machine's byte order where each type starts and which types go by a name. `words` is the index
// that allocateBtf (lib/btf/type-index.ts) made: it says how large records are, and takes the result. Nothing is found,
// and its first word stays 0, in what is no such BTF and where there is no room: TypeScript then does it.
void IndexTypes(const uint8_t* data, size_t size, uint32_t* words, size_t length);

}  // namespace ebpf
