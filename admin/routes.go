package admin

import (
	"fmt"
	"net/http"
	"net/http/pprof"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

func (s *Server) handler() http.Handler {
	pages := known(s.pages())
	guarded := s.guarded(pages)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/healthz", "/readyz":
			// A kubelet probes by the pod's address, or through another's, and has no token.
			pages.ServeHTTP(w, r)
		default:
			guarded.ServeHTTP(w, r)
		}
	})
}

func (s *Server) pages() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", s.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.config.Metrics, promhttp.HandlerOpts{}))
	mux.Handle("/debug/pprof/", loopbackOnly(pprof.Index))
	mux.Handle("/debug/pprof/cmdline", loopbackOnly(pprof.Cmdline))
	mux.Handle("/debug/pprof/profile", loopbackOnly(pprof.Profile))
	mux.Handle("/debug/pprof/symbol", loopbackOnly(pprof.Symbol))
	mux.Handle("/debug/pprof/trace", loopbackOnly(pprof.Trace))
	if s.config.API == nil {
		return mux
	}
	for pattern, handler := range map[string]http.HandlerFunc{
		"GET /api/v1/status":            s.status,
		"GET /api/v1/watches":           s.watches,
		"POST /api/v1/watches":          s.addWatch,
		"DELETE /api/v1/watches/{name}": s.removeWatch,
		"GET /api/v1/pending":           s.pending,
		"GET /api/v1/cache":             s.cache,
		"DELETE /api/v1/cache":          s.flush,
		"GET /api/v1/explain":           s.explain,
		"GET /api/v1/events":            s.stream,
	} {
		mux.HandleFunc(pattern, handler)
	}
	return mux
}

// known has a mux, and a problem for each request that it has no page for.
func known(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		no := verdict{header: make(http.Header)}
		h.ServeHTTP(&no, r)
		if allow := no.header.Get("Allow"); no.status == http.StatusMethodNotAllowed {
			w.Header().Set("Allow", allow)
			refuse(w, no.status, r.Method+" "+quoted(r.URL.Path)+": use "+allow)
			return
		}
		refuse(w, http.StatusNotFound, quoted(r.URL.Path)+": there is no such page: those of the API begin with /api/v1/")
	})
}

// verdict takes what a mux says of a request that it has no page for: 404, or 405 with the methods that there are.
type verdict struct {
	header http.Header
	status int
}

func (v *verdict) Header() http.Header         { return v.header }
func (v *verdict) Write(b []byte) (int, error) { return len(b), nil }
func (v *verdict) WriteHeader(status int)      { v.status = status }

// isReady is what /readyz says then.
const isReady = "ready"

func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	if err := s.config.Ready(); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, isReady)
}
