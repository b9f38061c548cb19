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
	"strings"

	"golang.org/x/sys/unix"
)

// twoCPUs returns the first two CPUs that we may use: one for the program that is measured,
// one for the load.
func twoCPUs() (server, load int, err error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return 0, 0, fmt.Errorf("sched_getaffinity: %w", err)
	}
	var cpus []int
	const most = 1024 // what a CPUSet holds
	for cpu := range most {
		if len(cpus) < 2 && set.IsSet(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	if len(cpus) < 2 {
		return 0, 0, errors.New("needs two CPUs: one for the program that is measured, one for the load")
	}
	return cpus[0], cpus[1], nil
}

// freeAddr returns an address of its own on loopback where nothing listens on the port.
func freeAddr() (netip.AddrPort, error) {
	const port = 5300
	for range 100 {
		// Random, so that two runs at the same time do not choose the same one.
		ip := netip.AddrFrom4([4]byte{127, byte(1 + rand.N(254)), byte(rand.N(256)), byte(1 + rand.N(254))})
		if addr := netip.AddrPortFrom(ip, port); isFree(addr) {
			return addr, nil
		}
	}
	return netip.AddrPort{}, fmt.Errorf("no free address on loopback: port %d is taken on all that were tried", port)
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
