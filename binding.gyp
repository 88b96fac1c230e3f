{
  # The addon of Linux; elsewhere nothing is built and the package still installs and parses objects.
  "targets": [
    {
      "target_name": "node_ebpf",
      "conditions": [
        ["OS=='linux'", {
          "type": "loadable_module",
          "sources": [
            "native/addon.cc",
            "native/call.cc",
            "native/calls.cc",
            "native/descriptors.cc",
            "native/environment.cc",
            "native/event_source.cc",
            "native/event_thread.cc",
            "native/file.cc",
            "native/limits.cc",
            "native/map_operations.cc",
            "native/mapping.cc",
            "native/namespace.cc",
            "native/network.cc",
            "native/perf_buffer.cc",
            "native/ring.cc",
            "native/runtime.cc",
            "native/share.cc",
            "native/system.cc",
            "native/thread.cc",
            "native/type_index.cc",
            "native/user_ring.cc"
          ],
          "defines": [
            "NAPI_VERSION=8",
            "NODE_API_NO_EXTERNAL_BUFFERS_ALLOWED"
          ],
          "cflags": ["-Wall", "-Wextra", "-Werror", "-Wshadow", "-Wconversion", "-fvisibility=hidden", "-ffunction-sections", "-fdata-sections"],
          "cflags_cc!": ["-std=gnu++17", "-std=gnu++20"],
          "cflags_cc": ["-std=c++17", "-fno-exceptions", "-fno-rtti"],
          # Never unloaded, even when the only Worker that used it ends: a thread may still be in it.
          "ldflags": ["-Wl,--gc-sections", "-Wl,-z,relro,-z,now,-z,nodelete", "-Wl,--version-script=<(module_root_dir)/native/exports.map"]
        }, {
          "type": "none"
        }]
      ]
    }
  ]
}
