package admin

import "time"

// The bodies of the API, as JSON. Names end in a dot and are lower case, moments are RFC 3339, types are spelled as in a
// zone file.

// Status is what GET /api/v1/status answers.
type Status struct {
	Version   string     `json:"version"`
	Started   time.Time  `json:"started"`
	Uptime    Duration   `json:"uptime"`
	Listen    []string   `json:"listen"`
	Upstreams []Upstream `json:"upstreams"`
	Watches   int        `json:"watches"` // leases included
	Leases    int        `json:"leases"`
	Pending   int        `json:"pending"`
	Rescued   uint64     `json:"rescued"` // answers given where a plain cache would still say no
	Cache     CacheStats `json:"cache"`
}

// Upstream is one server of one route.
type Upstream struct {
	Zone    string `json:"zone"` // of the route
	Address string `json:"address"`
	Up      bool   `json:"up"`
}

// CacheStats is how full the cache is.
type CacheStats struct {
	Positive CacheBudget `json:"positive"`
	Negative CacheBudget `json:"negative"` // failures included
	Hits     uint64      `json:"hits"`
	Misses   uint64      `json:"misses"`
}

// CacheBudget is what one kind of entries takes, in bytes.
type CacheBudget struct {
	Entries   int64  `json:"entries"`
	Bytes     int64  `json:"bytes"`
	Limit     int64  `json:"limit"`
	Evictions uint64 `json:"evictions"`
}

// Watches is what GET /api/v1/watches answers.
type Watches struct {
	Watches []Watch `json:"watches"`
}

// Watch is a name and all below it whose negatives are not believed for long.
type Watch struct {
	Name             string     `json:"name"`
	Lease            bool       `json:"lease"`           // it ends by itself
	Until            *time.Time `json:"until,omitempty"` // of a lease
	Pending          int        `json:"pending"`
	Degraded         string     `json:"degraded,omitempty"` // why; empty: it is not
	NegativeTTL      Duration   `json:"negative_ttl"`
	NODATATTL        Duration   `json:"nodata_ttl"`
	Verify           string     `json:"verify"`
	UpstreamAfter    Duration   `json:"upstream_after"`
	Hold             Duration   `json:"hold"`
	Poll             Duration   `json:"poll"`
	GiveUp           Duration   `json:"give_up"`
	QueriesPerSecond int        `json:"queries_per_second"`
	Authorities      []string   `json:"authorities"` // empty: they are found
}

// Lease is the body of POST /api/v1/watches, which answers with the Watch. What is nil, but For, is as in
// the watch that the name is under, and has its default where there is none.
type Lease struct {
	Name             string    `json:"name"`
	For              *Duration `json:"for,omitempty"` // 1 s to 24 h; nil: 15 m
	NegativeTTL      *Duration `json:"negative_ttl,omitempty"`
	NODATATTL        *Duration `json:"nodata_ttl,omitempty"`
	Verify           *string   `json:"verify,omitempty"`
	UpstreamAfter    *Duration `json:"upstream_after,omitempty"`
	Hold             *Duration `json:"hold,omitempty"`
	Poll             *Duration `json:"poll,omitempty"`
	GiveUp           *Duration `json:"give_up,omitempty"`
	QueriesPerSecond *int      `json:"queries_per_second,omitempty"`
	Authorities      []string  `json:"authorities,omitempty"`
}

// PendingNames is what GET /api/v1/pending answers, the longest pending first.
type PendingNames struct {
	Pending []Pending `json:"pending"`
}

// Pending is a question under watch whose answer its authorities do not have yet.
type Pending struct {
	Name   string     `json:"name"`
	Type   string     `json:"type"`
	Watch  string     `json:"watch"`
	Since  time.Time  `json:"since"`  // first asked for
	Asked  time.Time  `json:"asked"`  // by a client, last
	Have   []string   `json:"have"`   // servers that have it
	Lack   []string   `json:"lack"`   // servers that do not
	Silent []string   `json:"silent"` // servers that did not say
	Next   *time.Time `json:"next,omitempty"`
}

// CacheEntries is what GET /api/v1/cache?name=N answers.
type CacheEntries struct {
	Entries []CacheEntry `json:"entries"`
}

// CacheEntry is one answer that may be used, or stand in.
type CacheEntry struct {
	Name    string   `json:"name"`
	Type    string   `json:"type"`
	DO      bool     `json:"do"`
	CD      bool     `json:"cd"`
	Kind    string   `json:"kind"` // positive, nxdomain, nodata or failure
	Rcode   string   `json:"rcode"`
	Age     Duration `json:"age"`
	Left    Duration `json:"left"`  // 0: it only stands in
	Stale   bool     `json:"stale"` // it is past its TTL
	Watch   string   `json:"watch,omitempty"`
	Records []string `json:"records"` // answer and authority section, as in a zone file
}

// Flushed is what DELETE /api/v1/cache answers.
type Flushed struct {
	Dropped int `json:"dropped"` // entries
}

// Explanation is what GET /api/v1/explain?name=N&type=T answers: what this server knows about a question. It asks nobody.
type Explanation struct {
	Name      string       `json:"name"`
	Type      string       `json:"type"`
	Watch     *Watch       `json:"watch,omitempty"`
	Pending   *Pending     `json:"pending,omitempty"`
	Known     bool         `json:"known"` // to exist, from an earlier answer
	Cached    []CacheEntry `json:"cached"`
	Upstreams []Upstream   `json:"upstreams"` // of the route that the name takes
}

// Event is the data of one server-sent event, whose id is its ID and whose event its kind, in lower case with hyphens.
type Event struct {
	ID      uint64    `json:"id"`
	Time    time.Time `json:"time"`
	Kind    string    `json:"kind"`
	Watch   string    `json:"watch,omitempty"`
	Name    string    `json:"name,omitempty"`
	Type    string    `json:"type,omitempty"`
	How     string    `json:"how,omitempty"`
	Took    *Duration `json:"took,omitempty"`
	Avoided *Duration `json:"avoided,omitempty"` // for how much longer a plain cache would have said no
	Why     string    `json:"why,omitempty"`
	Lost    int       `json:"lost,omitempty"` // events, as the client was too slow for them
}

// Problem is what every error is answered with (RFC 9457), as application/problem+json.
type Problem struct {
	Type   string `json:"type"` // about:blank
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"` // what was wrong, and what to do
}
