package upstream

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// TLS says how an upstream is asked over TLS, and whose certificate is good.
type TLS struct {
	// Name is what the certificate has to be for, a DNS name; empty: the IP address of the upstream.
	Name string
	// Path is that of DNS over HTTPS (RFC 8484), with the query if there is one; empty: DNS over TLS (RFC 7858).
	Path string
	// Roots are who a certificate may come from; nil: those of the system.
	Roots *x509.CertPool
	// Pins are the SHA-256 digests of SubjectPublicKeyInfos of which one has to be in the chain (RFC 7858, section 4.2), from
	// the certificate to the root; empty: any key will do.
	Pins [][sha256.Size]byte
	// Lookup finds the addresses of Name and for how long they are good. It is needed when the upstream has no address.
	Lookup func(ctx context.Context, name string) (addrs []netip.Addr, ttl time.Duration, err error)
}

// maxSessions is how many sessions are kept for resumption; an upstream has one name, and needs one.
const maxSessions = 4

// config is for connections to a server that may have the address.
func (t *TLS) config(addr netip.Addr) *tls.Config {
	c := &tls.Config{
		ServerName:         t.Name,
		RootCAs:            t.Roots,
		MinVersion:         tls.VersionTLS12, // RFC 9325, section 3.1.1
		NextProtos:         []string{"dot"},
		ClientSessionCache: tls.NewLRUClientSessionCache(maxSessions),
		VerifyConnection:   t.verify, // also of a session that is resumed
	}
	if t.Name == "" {
		c.ServerName = addr.WithZone("").String()
	}
	if t.Path != "" {
		c.NextProtos = []string{"h2", "http/1.1"}
	}
	return c
}

// verify wants one of the pins in a chain that has been verified.
func (t *TLS) verify(state tls.ConnectionState) error {
	if len(t.Pins) == 0 {
		return nil
	}
	for _, chain := range state.VerifiedChains {
		for _, cert := range chain {
			if slices.Contains(t.Pins, sha256.Sum256(cert.RawSubjectPublicKeyInfo)) {
				return nil
			}
		}
	}
	own := sha256.Sum256(state.PeerCertificates[0].RawSubjectPublicKeyInfo)
	return certificateError("no certificate of its chain has a key of tls_pins: find out why it has " +
		base64.StdEncoding.EncodeToString(own[:]) + " before you write that there")
}

// certificateError says what is wrong with a server's certificate, and what to do.
type certificateError string

func (e certificateError) Error() string { return string(e) }

// handshake makes conn one over TLS, or closes it.
func (u *Upstream) handshake(ctx context.Context, conn net.Conn) (*tls.Conn, error) {
	secured := tls.Client(conn, u.secrets)
	err := explain(secured.HandshakeContext(ctx), u.secrets.ServerName)
	u.tell(err)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return secured, nil
}

// tell logs that a certificate is not good, once, and that it is good again.
func (u *Upstream) tell(err error) {
	var bad certificateError
	if err != nil && !errors.As(err, &bad) {
		return // it says nothing of the certificate
	}
	old := u.distrust.Swap(&bad)
	switch {
	case u.config.Log == nil, old == nil && bad == "", old != nil && *old == bad:
	case bad == "":
		u.config.Log.Info("upstream's certificate is good again", "upstream", u.name)
	default:
		u.config.Log.Error("upstream's certificate is not good", "upstream", u.name, "err", bad)
	}
}

// explain says what is wrong with a handshake, in words that name the remedy.
func explain(err error, name string) error {
	var (
		other     x509.HostnameError
		invalid   x509.CertificateInvalidError
		unknown   x509.UnknownAuthorityError
		plaintext tls.RecordHeaderError
		op        *net.OpError
	)
	switch {
	case errors.As(err, &other):
		return certificateError(fmt.Sprintf("its certificate is for %s, not for %s: write the right name or address", subjects(other.Certificate), name))
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return certificateError(validity(invalid.Cert, time.Now()))
	case errors.As(err, &invalid):
		return certificateError("its certificate is not good: " + invalid.Error())
	case errors.As(err, &unknown):
		return certificateError("its certificate comes from an authority that is not trusted here: write the file with that one's certificate into tls_ca")
	case errors.As(err, &plaintext):
		return errors.New("it does not speak TLS: write the right port, or tcp://")
	case errors.As(err, &op) && op.Op == "remote error":
		return fmt.Errorf("refuses the connection: %w", op.Err)
	}
	return err
}

// validity says how a certificate is out of its time.
func validity(cert *x509.Certificate, now time.Time) string {
	if now.Before(cert.NotBefore) {
		return "its certificate is not valid before " + cert.NotBefore.UTC().Format(time.RFC3339) + ": set this machine's clock"
	}
	return "its certificate expired at " + cert.NotAfter.UTC().Format(time.RFC3339) + ": its operator has to renew it, unless this machine's clock is wrong"
}

// subjects names what a certificate is for, a few of it.
func subjects(cert *x509.Certificate) string {
	const most = 3
	names := slices.Clone(cert.DNSNames)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	switch {
	case len(names) == 0:
		return "nobody"
	case len(names) > most:
		names = append(names[:most], "others")
	}
	return strings.Join(names, ", ")
}
