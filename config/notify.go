package config

import (
	"encoding/base64"
	"errors"
)

// Notify says whose NOTIFY is heeded (RFC 1996).
type Notify struct {
	Allow []Clients // sources; none: nobody's
	Keys  []Key     // one of them has to have signed it; none: it may be unsigned
}

// Key is a TSIG key (RFC 8945).
type Key struct {
	Name      string // lower case, ends in a dot
	Algorithm string // as hmac-sha256, without a final dot
	Secret    string // in base64, never empty
}

const defaultAlgorithm = "hmac-sha256"

// notShown stands for a secret where people look.
const notShown = "(not shown)"

func parseKeyName(s string) (string, error) {
	if s == "" || s == "." {
		return "", errors.New("write the name that the key has at its other end, such as notify.example.com")
	}
	return parseZone(s)
}

func parseAlgorithm(s string) (string, error) {
	return oneOf("hmac-sha1", "hmac-sha224", defaultAlgorithm, "hmac-sha384", "hmac-sha512")(s)
}

// parseSecret returns base64 in its one canonical spelling.
func parseSecret(s string) (string, error) {
	if s == notShown {
		return "", errors.New("write the secret: check does not show it")
	}
	secret, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(secret) == 0 {
		return "", errors.New("write the secret in base64, as keymgr -t and tsig-keygen print it")
	}
	return base64.StdEncoding.EncodeToString(secret), nil
}
