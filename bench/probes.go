package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// probeTimeout is after how long an answer to the prober is lost. It stands for the latency then.
const probeTimeout = time.Second

// probes is what the prober found.
type probes struct {
	Sent     int
	Answered int
	Wrong    int // answers to something else than what was asked, or with another rcode
	P50      time.Duration
	P99      time.Duration
	P999     time.Duration
}

// probing is the state of a prober: which of its queries wait for an answer, and how long the others took.
type probing struct {
	queries [][]byte // in wire format, asked in turn and over and over
	rcode   int      // that the answers should have

	probes
	waiting   [1 << 16]sent // by id
	latencies []time.Duration
}

// sent is a query that waits for its answer.
type sent struct {
	query []byte // nil: none does
	at    time.Time
}

// next is the next query, ready to be sent, which counts from now on.
func (p *probing) next(now time.Time) []byte {
	id := uint16(p.Sent)
	query := p.queries[p.Sent%len(p.queries)]
	binary.BigEndian.PutUint16(query, id)
	p.waiting[id] = sent{query, now}
	p.Sent++
	return query
}

// answer takes a packet that arrived at a moment.
func (p *probing) answer(packet []byte, at time.Time) {
	const header = 12
	if len(packet) < header {
		p.Wrong++
		return
	}
	id := binary.BigEndian.Uint16(packet)
	asked := p.waiting[id]
	if asked.query == nil || at.Sub(asked.at) > probeTimeout {
		return // too late
	}
	p.waiting[id] = sent{}
	p.Answered++
	p.latencies = append(p.latencies, at.Sub(asked.at))
	question := asked.query[header:]
	response, rcode := packet[2]&0x80 != 0, int(packet[3]&0x0f)
	if !response || rcode != p.rcode || len(packet) < len(asked.query) || string(packet[header:len(asked.query)]) != string(question) {
		p.Wrong++
	}
}

// result counts what has not been answered as having taken the whole timeout.
func (p *probing) result() probes {
	all := slices.Clone(p.latencies)
	for range p.Sent - p.Answered {
		all = append(all, probeTimeout)
	}
	slices.Sort(all)
	r := p.probes
	r.P50, r.P99, r.P999 = percentile(all, 0.5), percentile(all, 0.99), percentile(all, 0.999)
	return r
}

// readQueries makes packets of lines "QNAME A".
func readQueries(r io.Reader) ([][]byte, error) {
	var queries [][]byte
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		qname, _, _ := strings.Cut(lines.Text(), " ")
		query, err := new(dns.Msg).SetQuestion(qname, dns.TypeA).Pack()
		if err != nil {
			return nil, err
		}
		queries = append(queries, query)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(queries) == 0 {
		return nil, errors.New("there are no questions")
	}
	return queries, nil
}
