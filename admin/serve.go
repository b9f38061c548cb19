package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxBody bounds what a client may send, in bytes.
const maxBody = 64 << 10

// API is what the pages under /api/v1 show and do. Its methods are called from any goroutine and do not wait for the network. An
// error that is no Refusal is the server's own fault.
type API interface {
	Status() Status
	Watches() []Watch
	// AddWatch begins a lease, or renews the one for the same name. It gets a JSON object and returns what is in force.
	AddWatch(lease []byte) (Watch, error)
	// RemoveWatch ends the lease of a name.
	RemoveWatch(name string) error
	Pending() []Pending
	// Cache returns what is kept of a name.
	Cache(name string) ([]CacheEntry, error)
	// Flush takes entries out of the cache, and returns how many.
	Flush(Flush) (dropped int, err error)
	// Explain returns what is known of a question; an empty qtype is that of addresses.
	Explain(qname, qtype string) (Explanation, error)
}

// Flush says which entries of the cache go. One of Name and Zone is empty.
type Flush struct {
	Name     string // all entries of this name
	Zone     string // all entries of this name and of those below
	Negative bool   // only negatives and failures
}

func (s *Server) status(w http.ResponseWriter, r *http.Request) {
	if _, ok := parameters(w, r); ok {
		reply(w, http.StatusOK, s.config.API.Status())
	}
}

func (s *Server) watches(w http.ResponseWriter, r *http.Request) {
	if _, ok := parameters(w, r); ok {
		reply(w, http.StatusOK, Watches{list(s.config.API.Watches())})
	}
}

func (s *Server) addWatch(w http.ResponseWriter, r *http.Request) {
	if _, ok := parameters(w, r); !ok {
		return
	}
	body, ok := body(w, r)
	if !ok {
		return
	}
	if fault := object(body); fault != "" {
		refuse(w, http.StatusBadRequest, fault+`: send one JSON object, such as {"name": "preview.example.com", "for": "15m"}`)
		return
	}
	watch, err := s.config.API.AddWatch(body)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Location", "/api/v1/watches/"+url.PathEscape(watch.Name))
	reply(w, http.StatusCreated, watch)
}

func (s *Server) removeWatch(w http.ResponseWriter, r *http.Request) {
	if _, ok := parameters(w, r); !ok {
		return
	}
	if err := s.config.API.RemoveWatch(r.PathValue("name")); err != nil {
		s.fail(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) pending(w http.ResponseWriter, r *http.Request) {
	if _, ok := parameters(w, r); ok {
		reply(w, http.StatusOK, PendingNames{list(s.config.API.Pending())})
	}
}

func (s *Server) cache(w http.ResponseWriter, r *http.Request) {
	q, ok := parameters(w, r, "name")
	if !ok {
		return
	}
	if q["name"] == "" {
		refuse(w, http.StatusBadRequest, "name is missing: ask as in /api/v1/cache?name=www.example.com")
		return
	}
	entries, err := s.config.API.Cache(q["name"])
	if err != nil {
		s.fail(w, r, err)
		return
	}
	reply(w, http.StatusOK, CacheEntries{list(entries)})
}

func (s *Server) flush(w http.ResponseWriter, r *http.Request) {
	q, ok := parameters(w, r, "name", "zone", "negative")
	if !ok {
		return
	}
	what := Flush{Name: q["name"], Zone: q["zone"], Negative: q["negative"] == "true"}
	if negative, given := q["negative"]; given && negative != "true" && negative != "false" {
		refuse(w, http.StatusBadRequest, "negative "+quoted(negative)+": write true or false")
		return
	}
	if (what.Name == "") == (what.Zone == "") {
		refuse(w, http.StatusBadRequest, "name one of the two: name, for all types of a name, or zone, for all names below too")
		return
	}
	dropped, err := s.config.API.Flush(what)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	reply(w, http.StatusOK, Flushed{dropped})
}

func (s *Server) explain(w http.ResponseWriter, r *http.Request) {
	q, ok := parameters(w, r, "name", "type")
	if !ok {
		return
	}
	if q["name"] == "" {
		refuse(w, http.StatusBadRequest, "name is missing: ask as in /api/v1/explain?name=www.example.com&type=AAAA")
		return
	}
	explanation, err := s.config.API.Explain(q["name"], q["type"])
	if err != nil {
		s.fail(w, r, err)
		return
	}
	explanation.Cached, explanation.Upstreams = list(explanation.Cached), list(explanation.Upstreams)
	reply(w, http.StatusOK, explanation)
}

// fail answers with the error of an API's function.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	var refusal Refusal
	if errors.As(err, &refusal) {
		refuse(w, refusal.Status, err.Error())
		return
	}
	s.config.Log.Error("admin request failed", "method", r.Method, "path", r.URL.Path, "err", err)
	refuse(w, http.StatusInternalServerError, "the log says why")
}

// parameters are those of the query, each known and there once. If there are others it answers and returns false.
func parameters(w http.ResponseWriter, r *http.Request, known ...string) (values map[string]string, ok bool) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		refuse(w, http.StatusBadRequest, "the query can't be read: "+err.Error())
		return nil, false
	}
	values = make(map[string]string)
	for key, all := range query {
		switch {
		case !slices.Contains(known, key) && len(known) == 0:
			refuse(w, http.StatusBadRequest, "unknown parameter "+quoted(key)+": there are none here")
			return nil, false
		case !slices.Contains(known, key):
			refuse(w, http.StatusBadRequest, "unknown parameter "+quoted(key)+": there are "+strings.Join(known, ", "))
			return nil, false
		case len(all) > 1:
			refuse(w, http.StatusBadRequest, "parameter "+quoted(key)+": write it once")
			return nil, false
		}
		values[key] = all[0]
	}
	return values, true
}

// body is the JSON that a client sent. If it is none it answers and returns false.
func body(w http.ResponseWriter, r *http.Request) (text []byte, ok bool) {
	kind := r.Header.Get("Content-Type")
	if media, _, err := mime.ParseMediaType(kind); err != nil || media != "application/json" {
		refuse(w, http.StatusUnsupportedMediaType, "Content-Type "+quoted(kind)+": send JSON, as application/json")
		return nil, false
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		refuse(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("send at most %d bytes", maxBody))
	case errors.Is(err, os.ErrDeadlineExceeded):
		refuse(w, http.StatusRequestTimeout, fmt.Sprintf("send the whole request within %s", readTimeout))
	case err != nil:
		refuse(w, http.StatusBadRequest, "the body ended too early")
	default:
		return text, true
	}
	return nil, false
}

// object says why a text is not one JSON object; empty: it is. What the object says is another matter.
func object(text []byte) (fault string) {
	text = bytes.TrimLeft(text, " \t\r\n")
	var document json.RawMessage
	switch err := json.Unmarshal(text, &document); {
	case len(text) == 0:
		return "the body is empty"
	case !utf8.Valid(text): // which the decoder lets pass (RFC 8259, section 8.1)
		return "the body is not UTF-8"
	case err != nil:
		return "the body is no JSON: " + err.Error()
	case text[0] != '{':
		return "the body is no object"
	}
	return ""
}

// list is never null in JSON.
func list[T any](items []T) []T {
	if items == nil {
		return []T{}
	}
	return items
}
