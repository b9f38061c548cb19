package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// guarded lets in who may use the API: whoever names us by an address of ours, knows the token if there is one, and is no web
// page of somebody else's. Of a Unix socket the file's mode decides who reaches it, and no browser does.
func (s *Server) guarded(h http.Handler) http.Handler {
	sameSite := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !s.isOurs(r):
			refuse(w, http.StatusForbidden, "Host "+quoted(r.Host)+": ask by a loopback address or by the address in admin: under another name a web page could reach this API")
		case !s.knowsToken(r):
			w.Header().Set("WWW-Authenticate", "Bearer")
			refuse(w, http.StatusUnauthorized, "send the token that admin_token_file has, as in Authorization: Bearer TOKEN")
		case sameSite.Check(r) != nil:
			refuse(w, http.StatusForbidden, "this comes from a web page of another site: use notyet's commands, or curl")
		default:
			h.ServeHTTP(w, r)
		}
	})
}

// isOurs reports whether the Host of a request is a loopback name or address, the configured one, or the address that the
// request arrived at. A web page that had its own name resolved to us (DNS rebinding) has that name as Host.
func (s *Server) isOurs(r *http.Request) bool {
	if s.isUnix() || isLoopback(r.Host) || hostOf(r.Host) == hostOf(s.config.Address) {
		return true
	}
	asked, err := netip.ParseAddr(hostOf(r.Host))
	arrived, _ := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return err == nil && arrived != nil && arrived.AddrPort().Addr().Unmap().WithZone("") == asked.Unmap().WithZone("")
}

// knowsToken reports whether a request has the token, in a time that says nothing about how much of it is right.
func (s *Server) knowsToken(r *http.Request) bool {
	if s.config.Token == "" {
		return true
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	got, want := sha256.Sum256([]byte(strings.TrimSpace(token))), sha256.Sum256([]byte(s.config.Token))
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1 && strings.EqualFold(scheme, "Bearer")
}

func (s *Server) isUnix() bool { return strings.HasPrefix(s.config.Address, "unix://") }

// loopbackOnly serves clients of this machine, and among them no web page that had its own name resolved to it.
func loopbackOnly(h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLoopback(r.RemoteAddr) || !isLoopback(r.Host) {
			refuse(w, http.StatusForbidden, "ask from this machine, by a loopback address")
			return
		}
		h(w, r)
	})
}

// isLoopback reports whether address, with or without port, is one of this machine; the client of a Unix
// socket ("" or "@") is.
func isLoopback(address string) bool {
	host := hostOf(address)
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return strings.EqualFold(host, "localhost") || host == "" || host == "@"
	}
	return ip.Unmap().IsLoopback()
}

// hostOf is an address without its port and brackets.
func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	return strings.Trim(host, "[]")
}
