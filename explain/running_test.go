package explain

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

func TestAdviceForTheRunningNotyetIsItsOwnCommand(t *testing.T) {
	t.Parallel()
	for _, says := range []string{Positive, NXDOMAIN} {
		f := facts(t, func(f *Facts) {
			f.say(says, says)
			f.keeps(NXDOMAIN, 0)
			f.behind(1)
		})
		for _, next := range conclude(f).Next {
			if strings.Contains(next, "unbound-control") || strings.Contains(next, "0s") {
				t.Errorf("%s: got %q, want no word of other resolvers", says, next)
			}
		}
	}
}

// behind is what the running notyet asks, here the same resolver as the inquiry's by another name.
type behind struct{ *inquiryBed }

func (behind) String() string { return "192.0.2.53:53" }

func TestResolversBehindTheRunningNotyetHearOfTheNameWithoutRecursion(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		notyet Notyet
		behind bool
	}{
		{"no watch", Notyet{}, true},
		{"watch", Notyet{Watch: "shipit.dev."}, false},
		{"degraded watch", Notyet{Watch: "shipit.dev.", Degraded: "no server answers"}, true},
		{"watch that asks nobody", Notyet{Watch: "shipit.dev.", Verify: "off"}, true},
	} {
		b := newInquiry(t, "www.shipit.dev.", "www.shipit.dev. 60 A 192.0.2.7")
		b.another = func(text string) (resolver, error) {
			if text != "192.0.2.53:53" {
				return nil, errors.New("unheard of")
			}
			return behind{b}, nil
		}
		test.notyet.Listen, test.notyet.Here = []string{"10.0.0.2:53"}, true
		test.notyet.Upstreams = []string{"10.0.0.2:53", "192.0.2.53:53", "quic://192.0.2.53"}
		b.question.Notyet = func(context.Context) *Notyet { return &test.notyet }
		b.says = func(qname string, qtype uint16, rd, cd bool) *dns.Msg {
			if qname == "www.shipit.dev." {
				return message(t, dns.RcodeNameError, nil, []string{soaWith("1451")})
			}
			return rcode(dns.RcodeSuccess)
		}
		f := b.run(t.Context())
		once := []string{"dev. NS +rd", "shipit.dev. SOA +rd", "www.shipit.dev. A"}
		want := once
		if test.behind {
			want = append(slices.Clone(once), once...)
		}
		slices.Sort(want)
		slices.Sort(b.asked)
		b.wantAsked(want...)
		if v := f.Resolvers; !v[0].Notyet || v[0].Behind || len(v) > 1 != test.behind || test.behind && (!v[1].Behind || v[1].Notyet || v[1].Address != "192.0.2.53:53") {
			t.Errorf("%s: got %+v", test.name, v)
		}
		if blamed := strings.Contains(f.Verdict.Sentence, "but 192.0.2.53 (which the running notyet asks) will keep"); blamed != test.behind {
			t.Errorf("%s: got %q, want those behind the notyet blamed: %v", test.name, f.Verdict.Sentence, test.behind)
		}
		var out strings.Builder
		if err := f.Write(&out, false); err != nil {
			t.Fatal(err)
		}
		const row = "  behind it  192.0.2.53      will keep saying NXDOMAIN for another 24m 11s"
		if strings.Contains(out.String(), row) != test.behind || !strings.Contains(out.String(), "  resolvers  10.0.0.2        will keep") ||
			!strings.Contains(out.String(), "                             is the notyet that is running\n") {
			t.Errorf("%s: got\n%s", test.name, out.String())
		}
	}
}

func TestResolverIsTheRunningNotyetWhereThatListens(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		listen, resolver string
		here, want       bool
	}{
		{"127.0.0.1:1053", "127.0.0.1:1053", true, true},
		{"127.0.0.1:1053", "tcp://127.0.0.1:1053", true, true},
		{"127.0.0.1:1053", "127.0.0.1:53", true, false},
		{"0.0.0.0:53", "127.0.0.1:53", true, true},
		{"0.0.0.0:53", "192.0.2.53:53", true, false},
		{"127.0.0.1:53", "127.0.0.1:53", false, false}, // that is the other machine's
		{"10.0.0.2:53", "10.0.0.2:53", false, true},
		{"127.0.0.1:853", "tls://127.0.0.1:853", true, false},
	} {
		n := &Notyet{Listen: []string{test.listen}, Here: test.here}
		if got := n.is(test.resolver); got != test.want {
			t.Errorf("%s, which listens on %s here %v: got %v, want %v", test.resolver, test.listen, test.here, got, test.want)
		}
	}
	if (*Notyet)(nil).is("127.0.0.1:53") {
		t.Error("got one that does not run")
	}
}

func TestUpstreamsOfNotyetAreAskedAsItSpellsThem(t *testing.T) {
	t.Parallel()
	r := answering(t)
	w := open(t)
	one, err := w.another(r.Addr.String())
	if err != nil {
		t.Fatal(err)
	}
	if m, err := one.Ask(t.Context(), "www.shipit.dev.", dns.TypeA, false); err != nil || len(m.Answer) != 1 {
		t.Errorf("got %v, %v, want an answer", m, err)
	}
	if _, err := w.another("quic://192.0.2.1"); err == nil {
		t.Error("got a resolver of a kind that there is not")
	}
}
