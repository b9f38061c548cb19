package upstream

import (
	"errors"
	"log/slog"
	"time"

	"notyet/wire"
)

// maxDoubts is how many replies over UDP an exchange may doubt, with nobody to ask over TCP, before it fails: by then the upstream
// is known to answer so always.
const maxDoubts = maxMisspelled + maxCookieless

// habits is what has been found out about how an upstream answers, and so has to be asked.
type habits struct {
	spelling spelling
	cookies  jar
	edns     edns
}

// newHabits begins with the best of an upstream. What turns out otherwise is told in the log; nil: nowhere.
func newHabits(log *slog.Logger, upstream string) *habits {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	log = log.With("upstream", upstream)
	h := &habits{spelling: spelling{log: log}, cookies: jar{log: log}, edns: edns{log: log, epoch: time.Now()}}
	h.cookies.init()
	h.edns.form.Store(int32(cookied))
	return h
}

// course is how an exchange goes, from Ask to Done.
type course struct {
	form    form
	mixed   bool // the query's qname has been given capitals
	stream  bool // it is being asked over TCP
	lowered bool // the upstream can't do with a richer form than this one
	baked   bool // the query has been sent again with the cookie that came with BADCOOKIE
	doubted bool // a reply over UDP was not believed, so it is asked over TCP
	doubts  int  // that came to nothing, since it can't be asked over TCP
}

// setOut begins the course.
func (x *Exchange) setOut() {
	x.course = course{}
	if h := x.upstream.habits; h != nil {
		x.form = h.edns.choose(x.started, wire.HasDO(x.Query))
	}
}

// appendTo appends the query in its form, but for a cookie.
func (x *Exchange) appendTo(dst []byte) []byte {
	dst = append(dst, x.Query...)
	if x.form == basic {
		dst = wire.CutOPT(dst)
	}
	return dst
}

// doubt asks over TCP, where nobody can guess, what was answered over UDP in a way that a forger might.
func (u *Upstream) doubt(x *Exchange) {
	u.meter.ignore()
	x.doubted = true
	u.askTCP(x)
}

// again lets an exchange that seems to have ended go on in another way, if there is one.
func (u *Upstream) again(x *Exchange, reply []byte, err error) bool {
	switch h := u.habits; {
	case h == nil:
	case err != nil:
		return u.askedInVain(x, err)
	case refuses(reply):
		return u.askedTooMuch(x)
	case x.lowered:
		h.edns.lower(x.form)
	}
	return false
}

// askedInVain asks over UDP once more when it can't be asked over TCP what came over UDP was doubted for. A forger does not guess
// right every time; an upstream that always answers so is soon known to.
func (u *Upstream) askedInVain(x *Exchange, err error) bool {
	if !x.doubted || x.doubts == maxDoubts || errors.Is(err, ErrTimeout) || errors.Is(err, ErrStopped) {
		return false
	}
	x.doubted = false
	x.doubts++
	u.askUDP(x)
	return true
}

// askedTooMuch asks with less in the query, which the upstream refuses as it is.
func (u *Upstream) askedTooMuch(x *Exchange) bool {
	if x.stream {
		x.form = max(x.form, extended) // a cookie wasn't in it
	}
	if x.form == basic {
		return false // the question is to blame
	}
	x.form++
	x.lowered = true
	if x.stream {
		u.askTCP(x)
	} else {
		u.askUDP(x)
	}
	return true
}

// timedOut notes that an attempt has ended without a reply. Over TCP that says nothing of the form.
func (x *Exchange) timedOut() {
	if h := x.upstream.habits; h != nil && !x.stream && time.Since(x.started) >= minSilence {
		h.edns.timedOut(x.form)
	}
}
