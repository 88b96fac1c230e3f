// cilium/ebpf as a consumer: the lines of harness.h, and `decode N` as `drain N` with all fields decoded.
package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/perf"
	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"
)

const perfBytes = 1024 * 4096
const mostLatencies = 100000

type event struct {
	Number uint64
	Ts     uint64
	Bytes  uint64
	Pid    uint32
	Value  uint32
	Comm   [32]byte
}

// Reads the next record, or fails with os.ErrDeadlineExceeded.
type source interface {
	next() ([]byte, error)
	deadline(time.Time)
	close()
}

type ringSource struct {
	reader *ringbuf.Reader
	record ringbuf.Record
}

func (s *ringSource) next() ([]byte, error) {
	err := s.reader.ReadInto(&s.record)
	return s.record.RawSample, err
}
func (s *ringSource) deadline(at time.Time) { s.reader.SetDeadline(at) }
func (s *ringSource) close()                { s.reader.Close() }

type perfSource struct {
	reader *perf.Reader
	record perf.Record
}

func (s *perfSource) next() ([]byte, error) {
	err := s.reader.ReadInto(&s.record)
	return s.record.RawSample, err
}
func (s *perfSource) deadline(at time.Time) { s.reader.SetDeadline(at) }
func (s *perfSource) close()                { s.reader.Close() }

var received, sum uint64

func require(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func open(kind string, maps map[string]*ebpf.Map) source {
	if kind == "ring" {
		reader, err := ringbuf.NewReader(maps["ring"])
		require(err)
		return &ringSource{reader: reader}
	}
	reader, err := perf.NewReader(maps["perf"], perfBytes)
	require(err)
	return &perfSource{reader: reader}
}

func usage() (int64, int64) {
	var time unix.Timespec
	require(unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &time))
	var usage syscall.Rusage
	require(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Nano(), usage.Nvcsw
}

func drain(s source, count uint64, decoded bool) {
	var decodedEvent event
	for received < count {
		record, err := s.next()
		require(err)
		received++
		if decoded {
			_, err := binary.Decode(record, binary.NativeEndian, &decodedEvent)
			require(err)
			sum += uint64(decodedEvent.Value)
		} else {
			sum += uint64(binary.NativeEndian.Uint32(record[28:]))
		}
	}
}

func stream(s source, milliseconds int, how string, timed bool) []int64 {
	var latencies []int64
	end := time.Now().Add(time.Duration(milliseconds) * time.Millisecond)
	for time.Now().Before(end) {
		if how == "poll" {
			// Takes what is there, then sleeps: a deadline in the past does not wait.
			time.Sleep(time.Millisecond)
			s.deadline(time.Unix(1, 0))
		} else {
			s.deadline(end)
		}
		for {
			record, err := s.next()
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			require(err)
			if timed && len(latencies) < mostLatencies {
				var now unix.Timespec
				require(unix.ClockGettime(unix.CLOCK_MONOTONIC, &now))
				latencies = append(latencies, now.Nano()-int64(binary.NativeEndian.Uint64(record[8:])))
			}
			received++
			sum += uint64(binary.NativeEndian.Uint32(record[28:]))
			if how == "poll" && received%1024 == 0 && !time.Now().Before(end) {
				break
			}
		}
	}
	return latencies
}

func main() {
	maps := map[string]*ebpf.Map{}
	for index, kind := range []string{"ring", "perf"} {
		id, err := strconv.ParseUint(os.Args[index+1], 10, 32)
		require(err)
		maps[kind], err = ebpf.NewMapFromID(ebpf.MapID(id))
		require(err)
	}
	var s source
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		received, sum = 0, 0
		number := 0
		if len(words) > 1 {
			number, _ = strconv.Atoi(words[1])
		}
		cpu, switches := usage()
		switch words[0] {
		case "open":
			s = open(words[1], maps)
			fmt.Println("ready")
		case "drain", "decode":
			drain(s, uint64(number), words[0] == "decode")
			after, _ := usage()
			fmt.Println(after-cpu, received, sum)
		case "stream", "timed":
			latencies := stream(s, number, words[2], words[0] == "timed")
			after, switched := usage()
			var median, slowest int64
			if len(latencies) > 0 {
				slices.Sort(latencies)
				median, slowest = latencies[len(latencies)/2], latencies[len(latencies)*99/100]
			}
			fmt.Println(after-cpu, received, switched-switches, median, slowest)
		default:
			s.close()
			fmt.Println("closed")
		}
	}
}
