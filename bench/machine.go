//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// placement says which CPUs are used for what.
type placement struct {
	server     string // the program that is measured
	load       string // dnsperf, the prober and the authority
	twoServers string // the program when it may use two
	shared     bool   // one of those two is the load's
}

// place takes the first two CPUs that we may use, and a third one for the program's second if there is one.
func place() (placement, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return placement{}, fmt.Errorf("sched_getaffinity: %w", err)
	}
	var cpus []string
	const most = 1024 // what a CPUSet holds
	for cpu := range most {
		if set.IsSet(cpu) {
			cpus = append(cpus, strconv.Itoa(cpu))
		}
	}
	return placeOn(cpus)
}

func placeOn(cpus []string) (placement, error) {
	if len(cpus) < 2 {
		return placement{}, errors.New("needs two CPUs: one for the program that is measured, one for the load")
	}
	p := placement{server: cpus[0], load: cpus[1], twoServers: cpus[0] + "," + cpus[1], shared: true}
	if len(cpus) > 2 {
		p.twoServers, p.shared = cpus[0]+","+cpus[2], false
	}
	return p, nil
}

// freeAddr returns an address on 127.0.0.1, the only loopback address that BIND finds, where nothing listens.
func freeAddr() (netip.AddrPort, error) {
	for range 100 {
		// Random, so that two runs at the same time do not choose the same one; below the ports that clients get.
		const lowest, many = 10_000, 20_000
		addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(lowest+rand.N(many)))
		if isFree(addr) {
			return addr, nil
		}
	}
	return netip.AddrPort{}, errors.New("no free port on 127.0.0.1: all that were tried are taken")
}

// isFree reports whether addr can be bound for UDP and for TCP.
func isFree(addr netip.AddrPort) bool {
	udp, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(addr))
	if err != nil {
		return false
	}
	defer udp.Close()
	tcp, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(addr))
	if err != nil {
		return false
	}
	return tcp.Close() == nil
}

// machine names the hardware and the system the figures are from.
func machine() string {
	cpu := "unknown CPU"
	info, _ := os.ReadFile("/proc/cpuinfo") // unreadable: unknown
	if model := regexp.MustCompile(`(?m)^model name\s*: (.*)$`).FindSubmatch(info); model != nil {
		cpu = string(model[1])
	}
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return fmt.Sprintf("%s (%d CPUs), Linux %s, %s", cpu, runtime.NumCPU(), strings.TrimSpace(string(release)), runtime.Version())
}

// versions names the programs that notyet is compared with.
func versions(ctx context.Context, peers []peer) string {
	number := regexp.MustCompile(`\d+\.\d+(\.\d+)*`)
	var all []string
	for _, p := range peers {
		if p.version == "" {
			continue
		}
		path, err := lookPath(p.binary)
		if err != nil {
			continue
		}
		out, _ := exec.CommandContext(ctx, path, p.version).CombinedOutput() // some end with 1 although they print it
		all = append(all, p.name+" "+number.FindString(string(out)))
	}
	return strings.Join(all, ", ")
}
