// Calls in another network namespace.

#pragma once

namespace ebpf {

// Runs `run` on a thread of its own that has entered the network namespace of `descriptor`, and waits for it: the
// threads of Node stay where they are. 0, or -errno when there was no thread or no entering; then `run` was not called.
int InNetworkNamespace(int descriptor, void (*run)(void*), void* data);

}  // namespace ebpf
