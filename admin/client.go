package admin

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Limits of the client.
const (
	dialTimeout = 3 * time.Second
	callTimeout = 10 * time.Second // from the dial to the last byte
	maxAnswer   = 16 << 20         // bytes of a body; 1,000 watches take less than one MiB
)

// ErrNoServer is part of the error when nobody listens at the address.
var ErrNoServer = errors.New("no notyet runs there")

// Client asks a running notyet. It is safe for concurrent use and keeps nothing open between calls, each of which
// takes 10 s at most. What the server refuses is a *Problem.
type Client struct {
	address string
	token   string
	http    http.Client
}

// NewClient makes a client of the server at an address as in the configuration: IP:port, localhost:port or unix:///path.
// The token is shown with each request, unless it is empty.
func NewClient(address, token string) *Client {
	c := &Client{address: address, token: token}
	dialer := net.Dialer{Timeout: dialTimeout}
	c.http = http.Client{
		Timeout: callTimeout,
		// The token is for this server and nobody it points to.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{ // of its own, as the default one may go through a proxy
			DisableKeepAlives:      true,
			MaxResponseHeaderBytes: 64 << 10,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				if path, unix := strings.CutPrefix(address, "unix://"); unix {
					return dialer.DialContext(ctx, "unix", path)
				}
				return dialer.DialContext(ctx, "tcp", reachable(address))
			},
		},
	}
	return c
}

// reachable is where a server listens that may listen on every address.
func reachable(address string) string {
	at, err := netip.ParseAddrPort(address)
	switch {
	case err != nil || !at.Addr().IsUnspecified():
		return address
	case at.Addr().Is4():
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Port()).String()
	}
	return netip.AddrPortFrom(netip.IPv6Loopback(), at.Port()).String()
}

// Status tells how the server is.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return get[Status](ctx, c, "status")
}

// Watches are those of the configuration and the leases.
func (c *Client) Watches(ctx context.Context) (Watches, error) {
	return get[Watches](ctx, c, "watches")
}

// AddWatch leases a name, anew if it is leased already. It returns the watch that this makes.
func (c *Client) AddWatch(ctx context.Context, lease Lease) (Watch, error) {
	var w Watch
	err := c.call(ctx, http.MethodPost, "watches", lease, &w)
	return w, err
}

// RemoveWatch ends a lease.
func (c *Client) RemoveWatch(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodDelete, "watches/"+url.PathEscape(name), nil, nil)
}

// Pending are the questions under watch that have no answer yet.
func (c *Client) Pending(ctx context.Context) (PendingNames, error) {
	return get[PendingNames](ctx, c, "pending")
}

// CacheEntries are those of a name, of every type.
func (c *Client) CacheEntries(ctx context.Context, name string) (CacheEntries, error) {
	return get[CacheEntries](ctx, c, "cache?"+url.Values{"name": {name}}.Encode())
}

// Flush makes the cache forget.
func (c *Client) Flush(ctx context.Context, what Flush) (Flushed, error) {
	query := url.Values{}
	if what.Name != "" {
		query.Set("name", what.Name)
	}
	if what.Zone != "" {
		query.Set("zone", what.Zone)
	}
	if what.Negative {
		query.Set("negative", "true")
	}
	var f Flushed
	err := c.call(ctx, http.MethodDelete, "cache?"+query.Encode(), nil, &f)
	return f, err
}

// Explain tells what the server knows about a question. qtype is spelled as in a zone file.
func (c *Client) Explain(ctx context.Context, name, qtype string) (Explanation, error) {
	return get[Explanation](ctx, c, "explain?"+url.Values{"name": {name}, "type": {qtype}}.Encode())
}
