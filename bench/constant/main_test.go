package main

import (
	"bytes"
	"testing"

	"github.com/miekg/dns"
)

func TestAnswerIsTheRecord(t *testing.T) {
	t.Parallel()
	query, err := new(dns.Msg).SetQuestion("www.example.net.", dns.TypeA).Pack()
	if err != nil {
		t.Fatal(err)
	}
	var got dns.Msg
	if err := got.Unpack(appendAnswer(make([]byte, 0, 512), query)); err != nil {
		t.Fatal(err)
	}
	if want := "www.example.net.\t3600\tIN\tA\t192.0.2.1"; !got.Response || len(got.Answer) != 1 || got.Answer[0].String() != want {
		t.Errorf("got\n%v\nwant a reply with %q", &got, want)
	}
}

func TestWhatIsNoQueryIsNotAnswered(t *testing.T) {
	t.Parallel()
	reply := make([]byte, 12)
	reply[2] = 0x80
	for name, packet := range map[string][]byte{"empty": nil, "short": make([]byte, 11), "reply": reply, "no room": make([]byte, 500)} {
		if got := appendAnswer(make([]byte, 0, 512), packet); len(got) != 0 {
			t.Errorf("%s: got %x, want nothing", name, got)
		}
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{nil, 2, "usage: constant ADDRESS:PORT"},
		{[]string{"localhost"}, 1, "not an ip:port"},
	} {
		var stderr bytes.Buffer
		if code := run(t.Context(), tt.args, &stderr); code != tt.code || !bytes.Contains(stderr.Bytes(), []byte(tt.want)) {
			t.Errorf("%q: got %d and %q, want %d and %q", tt.args, code, stderr.String(), tt.code, tt.want)
		}
	}
}
