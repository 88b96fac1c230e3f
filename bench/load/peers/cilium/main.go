// One cold start of cilium/ebpf: cilium names <name>... | load <object>. From main to ready, as JSON.
package main

import (
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

func main() {
	start := time.Now()
	if len(os.Args) > 2 {
		if err := work(os.Args[1], os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	milliseconds := float64(time.Since(start).Nanoseconds()) / 1e6
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		os.Exit(1)
	}
	fmt.Printf("{\"milliseconds\":%f,\"kilobytes\":%d}\n", milliseconds, usage.Maxrss)
}

func work(what string, words []string) error {
	if what == "names" {
		spec, err := btf.LoadKernelSpec()
		if err != nil {
			return err
		}
		for _, name := range words {
			if _, err := spec.AnyTypesByName(name); err != nil {
				return err
			}
		}
		return nil
	}
	spec, err := ebpf.LoadCollectionSpec(words[0])
	if err != nil {
		return err
	}
	_, err = ebpf.NewCollection(spec)
	return err
}
