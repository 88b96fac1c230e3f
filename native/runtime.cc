// What the addon uses of C++'s run-time library, so that it needs none: published binaries depend on the C library
// alone, and load in processes with any libstdc++ or libc++ (Node, Electron, Bun) and in images that have neither. The
// linker keeps these functions inside the addon (exports.map). What is used beyond them is an undefined symbol, which
// test/package finds.

#include <cstdlib>
#include <new>

namespace {

void* Allocate(size_t size) { return malloc(size == 0 ? 1 : size); }

}  // namespace

const std::nothrow_t std::nothrow{};

// Without exceptions there is no other way to say that there is no memory.
void* operator new(size_t size) {
  void* memory = Allocate(size);
  if (memory == nullptr) abort();
  return memory;
}

void* operator new(size_t size, const std::nothrow_t& /*tag*/) noexcept { return Allocate(size); }

void operator delete(void* memory) noexcept { free(memory); }

void operator delete(void* memory, size_t /*size*/) noexcept { free(memory); }

extern "C" void __cxa_pure_virtual() { abort(); }
