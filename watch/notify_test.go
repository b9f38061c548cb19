package watch

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

var (
	primary  = netip.MustParseAddr("192.0.2.53")
	stranger = netip.MustParseAddr("198.51.100.1")
	testKey  = Key{Name: "notify.shipit.dev.", Algorithm: "hmac-sha256", Secret: "c2VjcmV0IG9mIHRoZSB0ZXN0"}
)

// notifyPacket is a NOTIFY for a zone, signed when there is a key.
func notifyPacket(t testing.TB, zone string, key *Key) []byte {
	t.Helper()
	m := new(dns.Msg).SetNotify(zone)
	if key == nil {
		b, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	m.SetTsig(key.Name, key.Algorithm+".", tsigFudge, time.Now().Unix())
	b, _, err := dns.TsigGenerate(m, key.Secret, "", false)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// notified is the rcode of the reply, with "signed" behind it if it is.
func (b *bed) notified(packet []byte, from netip.Addr) string {
	b.t.Helper()
	reply := b.Notified(packet, from)
	m := new(dns.Msg)
	if err := m.Unpack(reply); err != nil {
		b.t.Fatalf("reply %x: %v", reply, err)
	}
	if !m.Response || m.Opcode != dns.OpcodeNotify {
		b.t.Errorf("got %v, want a response to NOTIFY", m)
	}
	s := dns.RcodeToString[m.Rcode]
	if m.IsTsig() != nil {
		s += " signed"
	}
	return s
}

// notifying is a bed whose primary may notify, with one of the keys if there are any.
func notifying(t *testing.T, options Options, keys ...Key) *bed {
	b := newBed(t, options)
	b.notify.init(Notify{Allow: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, Keys: keys})
	return b
}

func TestNotifyMakesAPendingNameVisible(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		options := defaults
		options.Poll = 0
		b := notifying(t, options)
		b.want(web, noIP)
		time.Sleep(500 * time.Millisecond)
		if got := b.notified(notifyPacket(t, "shipit.dev.", nil), primary); got != "NOERROR" {
			t.Errorf("got %s, want NOERROR", got)
		}
		time.Sleep(600 * time.Millisecond)
		b.publish(web, "60 A 192.0.2.7") // the secondaries were slower
		time.Sleep(500 * time.Millisecond)
		b.forget()
		b.want(web, yes)
		b.wantAsked("", "")
		if got := counted(t, b.Set, "notyet_watch_rescues_total", "how=notify"); got != 1 {
			t.Errorf("got %v rescues by NOTIFY, want 1", got)
		}
	})
}

func TestPendingNamesAreAskedForSixTimesAfterANotify(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		options := defaults
		options.Poll = 0
		b := notifying(t, options)
		b.want(web, noIP)
		b.forget()
		time.Sleep(10 * time.Second)
		b.notified(notifyPacket(t, "shipit.dev.", nil), primary)
		time.Sleep(20 * time.Second)
		if got, want := b.times(), "10s 10.25s 10.5s 11s 12s 14s"; got != want {
			t.Errorf("asked at %s, want %s", got, want)
		}
	})
}

func TestThousandNotifiesASecondCostOneBurst(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		options := defaults
		options.Poll = 0
		b := notifying(t, options)
		b.want(web, noIP)
		b.forget()
		packet := notifyPacket(t, "shipit.dev.", nil)
		for range 999 {
			b.notified(packet, primary)
			time.Sleep(time.Millisecond)
		}
		if got, want := b.times(), "0s 250ms 500ms"; got != want {
			t.Errorf("asked at %s, want %s", got, want)
		}
	})
}

func TestDenialsOfAZoneGoAtItsNotify(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := notifying(t, defaults)
		b.publish("web.shipit.dev. A", "60 A 192.0.2.7")
		const six = "web.shipit.dev. AAAA"
		b.want("web.shipit.dev. A", yes)
		b.want(six, "NOERROR") // not pending: it would live for long
		b.forget()
		b.notified(notifyPacket(t, "shipit.dev.", nil), primary)
		synctest.Wait()
		b.want(six, "NOERROR")
		b.wantAsked("0s "+six, "")
	})
}

func TestNotifyIsHeededFromWhomItMayCome(t *testing.T) {
	t.Parallel()
	wrong := testKey
	wrong.Secret = "d3Jvbmc="
	other := testKey
	other.Name = "other.shipit.dev."
	for _, tt := range []struct {
		name string
		zone string // shipit.dev. when empty
		keys []Key
		key  *Key
		from netip.Addr
		want string
	}{
		{name: "allowed", from: primary, want: "NOERROR"},
		{name: "stranger", from: stranger, want: "REFUSED"},
		{name: "stranger with the key", keys: []Key{testKey}, key: &testKey, from: stranger, want: "REFUSED signed"},
		{name: "key", keys: []Key{testKey}, key: &testKey, from: primary, want: "NOERROR signed"},
		{name: "no key", keys: []Key{testKey}, from: primary, want: "NOTAUTH"},
		{name: "wrong secret", keys: []Key{testKey}, key: &wrong, from: primary, want: "NOTAUTH"},
		{name: "unknown key", keys: []Key{testKey}, key: &other, from: primary, want: "NOTAUTH"},
		{name: "zone below the watch", zone: "sub.shipit.dev.", from: primary, want: "NOERROR"},
		{name: "zone above the watch", zone: "dev.", from: primary, want: "NOERROR"},
		{name: "another zone", zone: "elsewhere.net.", from: primary, want: "NOTAUTH"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				b := notifying(t, defaults, tt.keys...)
				zone := tt.zone
				if zone == "" {
					zone = "shipit.dev."
				}
				if got := b.notified(notifyPacket(t, zone, tt.key), tt.from); got != tt.want {
					t.Errorf("got %s, want %s", got, tt.want)
				}
			})
		})
	}
}

func TestBrokenNotifyIsAFormatError(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := notifying(t, defaults)
		packet := notifyPacket(t, "shipit.dev.", nil)
		if got := b.notified(packet[:len(packet)-1], primary); got != "FORMERR" {
			t.Errorf("got %s, want FORMERR", got)
		}
		if got := b.Notified(packet[:11], primary); got != nil {
			t.Errorf("got %x to half a header, want nothing", got)
		}
		m := new(dns.Msg).SetNotify("shipit.dev.")
		m.Question[0].Qtype = dns.TypeA
		other, _ := m.Pack()
		if got := b.notified(other, primary); !strings.HasPrefix(got, "NOTIMP") {
			t.Errorf("got %s to a NOTIFY of type A, want NOTIMP", got)
		}
	})
}
