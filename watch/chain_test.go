package watch

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/authority"
	"notyet/wire"
)

func TestChainOfAWatchedNameIsFollowedByItsOwnServers(t *testing.T) {
	t.Parallel()
	const (
		alias  = "alias.shipit.dev. A"
		target = "target.shipit.dev. A"
	)
	for _, tt := range []struct {
		name    string
		records map[string]string
		want    string
		own     string
	}{
		{
			name:    "to a name that exists",
			records: map[string]string{"alias.shipit.dev. CNAME": "target.shipit.dev.", target: "60 A 192.0.2.7"},
			want:    "NOERROR CNAME target.shipit.dev. A 192.0.2.7",
			own:     "0s alias.shipit.dev. A, 0s target.shipit.dev. A",
		},
		{
			name:    "to a name that does not exist",
			records: map[string]string{"alias.shipit.dev. CNAME": "target.shipit.dev."},
			want:    "NXDOMAIN CNAME target.shipit.dev.",
			own:     "0s alias.shipit.dev. A, 0s target.shipit.dev. A",
		},
		{
			name:    "to a name of another type",
			records: map[string]string{"alias.shipit.dev. CNAME": "target.shipit.dev.", "target.shipit.dev. TXT": "60 TXT x"},
			want:    "NOERROR CNAME target.shipit.dev.",
			own:     "0s alias.shipit.dev. A, 0s target.shipit.dev. A",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				b := newBed(t, defaults)
				for q, records := range tt.records {
					b.publish(q, records)
				}
				b.want(alias, tt.want)
				b.wantAsked(tt.own, "")
			})
		})
	}
}

func TestTargetThatIsPublishedLaterThanTheCNAMEIsVisible(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		b.publish("alias.shipit.dev. CNAME", "target.elsewhere.net.")
		const alias = "alias.shipit.dev. A"
		for range 5 {
			b.want(alias, "NXDOMAIN CNAME target.elsewhere.net.")
			time.Sleep(250 * time.Millisecond)
		}
		b.publish("target.elsewhere.net. A", "60 A 192.0.2.7")
		time.Sleep(1250 * time.Millisecond)
		b.want(alias, "NOERROR CNAME target.elsewhere.net. A 192.0.2.7")
		b.mu.Lock()
		defer b.mu.Unlock()
		if len(b.forward) != 0 {
			t.Errorf("the upstream was asked %q, want nothing", b.forward)
		}
	})
}

func TestTargetThatIsKnownGoesToTheUpstream(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		b.publish("target.shipit.dev. A", "1 A 192.0.2.7")
		b.want("target.shipit.dev. A", yes)
		time.Sleep(2 * time.Second)
		b.publish("alias.shipit.dev. CNAME", "target.shipit.dev.")
		b.upstream(constant("60 A 192.0.2.8"))
		b.forget()
		b.want("alias.shipit.dev. A", "NOERROR CNAME target.shipit.dev. A 192.0.2.8")
		b.wantAsked("2s alias.shipit.dev. A", "2s target.shipit.dev. A")
	})
}

func TestUpstreamsDenialOfAChainsEndIsOverruledThere(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		options := defaults
		options.Verify = After
		b := newBed(t, options)
		b.publish("target.shipit.dev. A", "60 A 192.0.2.7")
		b.upstream(constant("CHAIN"))
		b.want("alias.shipit.dev. A", "NOERROR CNAME target.shipit.dev. A 192.0.2.7")
		b.wantAsked("0s target.shipit.dev. A", "0s alias.shipit.dev. A")
	})
}

func TestChainIsFollowedForEightLinks(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		b.publish("alias.shipit.dev. CNAME", "alias.shipit.dev.")
		b.want("alias.shipit.dev. A", "SERVFAIL")
		if got := len(b.asked); got != maxChain {
			t.Errorf("asked %d times, want %d", got, maxChain)
		}
	})
}

func TestUpstreamsDenialOfAKnownTargetIsOverruledAndTheChainIsThereOnce(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		b.publish("target.shipit.dev. A", "1 A 192.0.2.7")
		b.want("target.shipit.dev. A", yes)
		time.Sleep(2 * time.Second)
		b.publish("alias.shipit.dev. CNAME", "target.shipit.dev.")
		b.want("alias.shipit.dev. A", "NOERROR CNAME target.shipit.dev. A 192.0.2.7")
	})
}

func TestChainIntoAnotherWatchIsAskedAtTheAuthoritiesOfThat(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		primary := netip.MustParseAddrPort("192.0.2.53:53")
		given := defaults
		given.Authorities = []netip.AddrPort{primary}
		if err := b.Replace([]Zone{{Name: "shipit.dev", Options: defaults}, {Name: "db.shipit.dev", Options: given}}); err != nil {
			t.Fatal(err)
		}
		b.publish("www.shipit.dev. CNAME", "x.db.shipit.dev.")
		ask := b.Set.config.Ask
		b.Set.config.Ask = func(ctx context.Context, r authority.Request) (*authority.Answer, error) {
			if r.Watch == "db.shipit.dev." && slices.Equal(r.Servers, given.Authorities) {
				m := new(dns.Msg).SetQuestion(r.Name, r.Type)
				m.Answer = []dns.RR{mustRR(r.Name + " 60 A 192.0.2.7")}
				return &authority.Answer{Kind: wire.Positive, Msg: m, Zone: r.Watch, Have: []string{primary.String()}}, nil
			}
			return ask(ctx, r)
		}
		b.want("www.shipit.dev. A", "NOERROR CNAME x.db.shipit.dev. A 192.0.2.7")
	})
}
