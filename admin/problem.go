package admin

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// Refusal is an error that is the asker's to mend. Every other error of an API's functions is told as the server's own.
type Refusal struct {
	Status int    // of HTTP, 4xx or 5xx
	Detail string // what was wrong, and what to do
}

func (r Refusal) Error() string { return r.Detail }

// refuse answers with a problem (RFC 9457).
func refuse(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	write(w, status, Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail})
}

// reply answers with a body of the API.
func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	write(w, status, body)
}

// write writes a body, which is one of api.go and can be no fault, as text for people too.
func write(w http.ResponseWriter, status int, body any) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(body) // a client that has gone
}

// quoted keeps what a client sent on one line, and short.
func quoted(s string) string {
	const most = 64 // bytes
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strconv.Quote(s)
}
