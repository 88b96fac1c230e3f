// cilium/ebpf beside the loops of cases.h.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"

	"github.com/cilium/ebpf"
)

const step = 0x9e3779b1
const batchSize = 4096

type connection struct {
	Bytes   uint64
	Started uint64
	Packets uint32
	Process uint32
	Port    uint16
	Flags   uint16
	_       [4]byte
}

var mask, nextKey uint32
var sum uint64

func require(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func now() int64 {
	var usage syscall.Rusage
	require(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return usage.Utime.Nano() + usage.Stime.Nano()
}

func randomKey(mask uint32) uint32 {
	nextKey += step
	return nextKey & mask
}

func lookups(m *ebpf.Map, mask uint32, count int) {
	var key uint32
	var value uint64
	for index := 0; index < count; index++ {
		key = randomKey(mask)
		require(m.Lookup(&key, &value))
		sum += value
	}
}

func gets(m *ebpf.Map, count int) {
	var key uint32
	var value connection
	for index := 0; index < count; index++ {
		key = randomKey(mask)
		require(m.Lookup(&key, &value))
		sum += value.Bytes + value.Started + uint64(value.Packets) + uint64(value.Process) + uint64(value.Port) + uint64(value.Flags)
	}
}

func updates(m *ebpf.Map, count int) {
	var key uint32
	var value uint64
	for index := 0; index < count; index++ {
		key, value = randomKey(mask), uint64(index)
		require(m.Update(&key, &value, ebpf.UpdateAny))
	}
}

func deletions(m *ebpf.Map, count int) {
	var key uint32
	for index := 0; index < count; index++ {
		key = randomKey(mask)
		require(m.Delete(&key))
	}
}

func iterate[Value any](m *ebpf.Map, add func(Value) uint64) int {
	var cursor ebpf.MapBatchCursor
	keys, values := make([]uint32, batchSize), make([]Value, batchSize)
	total := 0
	for {
		count, err := m.BatchLookup(&cursor, keys, values, nil)
		for index := 0; index < count; index++ {
			sum += uint64(keys[index]) + add(values[index])
		}
		total += count
		if errors.Is(err, ebpf.ErrKeyNotExist) {
			return total
		}
		require(err)
	}
}

func main() {
	var maps []*ebpf.Map
	for _, word := range os.Args[1:] {
		id, err := strconv.Atoi(word)
		require(err)
		m, err := ebpf.NewMapFromID(ebpf.MapID(id))
		require(err)
		maps = append(maps, m)
	}
	hash, small, structs, array := maps[0], maps[1], maps[2], maps[3]
	mask = hash.MaxEntries() - 1
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		var name string
		var count int
		_, err := fmt.Sscan(input.Text(), &name, &count)
		require(err)
		first, start := nextKey, now()
		switch name {
		case "lookup":
			lookups(hash, mask, count)
		case "small":
			lookups(small, 15, count)
		case "array":
			lookups(array, mask, count)
		case "get":
			gets(structs, count)
		case "update":
			updates(hash, count)
		case "delete":
			deletions(hash, count)
		case "iterate":
			count = iterate(hash, func(value uint64) uint64 { return value })
		case "iterate-structs":
			count = iterate(structs, func(value connection) uint64 {
				return value.Bytes + value.Started + uint64(value.Packets) + uint64(value.Process) + uint64(value.Port) + uint64(value.Flags)
			})
		default:
			count = 0
		}
		end := now()
		if name == "delete" {
			nextKey = first
			updates(hash, count)
		}
		fmt.Println(end-start, count)
	}
	if sum == 1 {
		os.Exit(3)
	}
}
