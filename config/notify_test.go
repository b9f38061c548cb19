package config

import (
	"strings"
	"testing"

	"github.com/miekg/dns"
)

func TestSecretIsKeptInOneSpelling(t *testing.T) {
	t.Parallel()
	for _, in := range []string{"c2VjcmV0cw==", "c2Vj\ncmV0cw==\n", "c2VjcmV0cx=="} { // the last has bits past its end
		if got, err := parseSecret(in); err != nil || got != "c2VjcmV0cw==" {
			t.Errorf("parseSecret(%q) = %q, %v, want c2VjcmV0cw==", in, got, err)
		}
	}
}

func TestSecretRemedies(t *testing.T) {
	t.Parallel()
	const base64 = "write the secret in base64, as keymgr -t and tsig-keygen print it"
	for _, tt := range []struct{ in, want string }{
		{"", base64},
		{"\n", base64},
		{"c2VjcmV0cw", base64},
		{"c2Vj cmV0", base64},
		{"not base64!", base64},
		{"(not shown)", "write the secret: check does not show it"},
	} {
		if _, err := parseSecret(tt.in); err == nil || err.Error() != tt.want {
			t.Errorf("parseSecret(%q): got %v, want %s", tt.in, err, tt.want)
		}
	}
}

func TestFaultShowsNoSecret(t *testing.T) {
	t.Parallel()
	for _, keys := range []string{
		"[{name: k, secret: 'S3CRET'}]",
		"[{name: k, secret: 'S3CRET', secret: 'S3CRET'}]",
		"[{name: k, secret: !!binary S3CRET==}]",
		"[{name: k, secret: [S3CRET]}]",
		"[{name: k, secrets: S3CRET}]",
		"[hmac-sha256:k:S3CRET]",
		"hmac-sha256:k:S3CRET",
	} {
		_, err := Parse([]byte("notify: {allow: [loopback], keys: " + keys + "}"))
		if err == nil || strings.Contains(err.Error(), "S3CRET") || !strings.Contains(err.Error(), "notify.keys") {
			t.Errorf("keys: %s: got %v, want a fault without the secret", keys, err)
		}
	}
}

func TestAlgorithmsAreThoseOfTSIG(t *testing.T) {
	t.Parallel()
	for _, name := range []string{dns.HmacSHA1, dns.HmacSHA224, dns.HmacSHA256, dns.HmacSHA384, dns.HmacSHA512} {
		word := strings.TrimSuffix(name, ".")
		if got, err := parseAlgorithm(word); err != nil || got != word {
			t.Errorf("parseAlgorithm(%q) = %q, %v", word, got, err)
		}
	}
	for _, word := range []string{"", "sha256", "HMAC-SHA256", "hmac-sha256.", "hmac-md5", "hmac-md5.sig-alg.reg.int"} {
		if _, err := parseAlgorithm(word); err == nil || !strings.Contains(err.Error(), "or hmac-sha512") {
			t.Errorf("parseAlgorithm(%q): got %v, want the words that are taken", word, err)
		}
	}
}

func TestKeyNames(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"k": "k.", "Notify.Example.com.": "notify.example.com.", "key_1": "key_1."} {
		if got, err := parseKeyName(in); err != nil || got != want {
			t.Errorf("parseKeyName(%q) = %q, %v, want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"", "."} {
		if _, err := parseKeyName(in); err == nil || !strings.Contains(err.Error(), "such as notify.example.com") {
			t.Errorf("parseKeyName(%q): got %v", in, err)
		}
	}
}
